/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/receipt.h"
#include "cli/offline.h"

/* What would be signed: the same records that a request shows to its approvers, as JSON. */
static bool print_plan(struct offline *o, struct refusal *r)
{
    struct arena *a = o->cli->arena;
    struct tree *t = NULL;
    CLEANUP(writer_done) struct writer plan = {0};
    CLEANUP(writer_done) struct writer text = {0};
    writer_init(&plan, SIZE_MAX);
    writer_init(&text, SIZE_MAX);
    TRY(tree_build(&o->workspace, &o->artifact, true, &t, r));
    TRY(plan_number(t, &r->err));
    TRY(plan_write(a, t, &plan, r));
    struct json j = json_into(&text);
    json_open_object(&j, NULL);
    json_text(&j, "artifact", o->artifact.name);
    json_hex(&j, "sha256", t->root->sha256, sizeof t->root->sha256);
    json_u64(&j, "size", t->root->in.size);
    TRY(receipt_files(&j, writer_view(&plan), (struct reader){0}, &r->err));
    json_end_object(&j);
    writer_u8(&text, '\n');
    TRY(writer_ok(&text, &r->err));
    return cli_print_json(writer_view(&text), &r->err);
}

int cmd_plan(struct cli *c, int argc, char **argv)
{
    const char *config = NULL, *rest[1];
    struct option_list parameters = {0}, roots = {0};
    const struct option_row rows[] = {
        {"--config", OPTION_VALUE, (void *)&config, "FILE  artifact configuration (XML)"},
        {"--parameter", OPTION_LIST, &parameters, "NAME=VALUE  of the configuration; repeat"},
        {"--ca", OPTION_LIST, &roots, "FILE  roots that authenticode-verify trusts; repeat"},
        {0}};
    if (cli_help(argc, argv, "plan --config AC.xml [--parameter N=V]... IN", rows))
        return CLI_OK;
    struct refusal r = {0};
    size_t count = 0;
    if (!cli_options(c, argc, argv, rows, rest, 1, &count, &r.err))
        return cli_fail(c, NULL, &r.err);
    if (count != 1 && !err_user(&r.err, ERR_USAGE, "chancery plan wants one input file."))
        return cli_fail(c, NULL, &r.err);
    CLEANUP(offline_done) struct offline o = {.cli = c, .input = -1, .scratch = -1};
    if (!offline_open(&o, rest[0], config, &parameters, NULL, "/tmp", &r) ||
        !offline_trust(&o, &roots, &r.err) || !print_plan(&o, &r))
        return offline_fail(c, config, &r);
    return CLI_OK;
}
