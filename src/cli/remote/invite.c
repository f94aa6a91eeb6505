/* SPDX-License-Identifier: Apache-2.0 */
/* invite: the one-time link by which an invited person sets the first password. */
#include "cli/remote/commands.h"
#include "cli/remote/http.h"
#include <string.h>

static const char usage[] = "invite E-MAIL";

static bool print_link(struct client *c, const json_t *answer, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 32 * 1024);
    if (c->cli->json)
        return client_print_json(answer, e);
    cli_say(c->cli, "chancery: for %s, once, until %s. Links issued before do not work any more.",
            client_text(answer, "name"), client_text(answer, "expires"));
    writer_format(&w, "%s\n", client_text(answer, "setupUrl"));
    return writer_ok(&w, e) && cli_print_text(writer_view(&w), e);
}

static bool run(struct client *c, const char *who, struct err *e)
{
    struct http_call q = {.post = true, .to = -1};
    CLEANUP(writer_done) struct writer path = {0};
    json_t *answer;
    writer_init(&path, 16 * 1024);
    writer_text(&path, "/InteractiveUsers/");
    http_percent(&path, who);
    writer_text(&path, "/Reinvite");
    TRY(writer_ok(&path, e) && client_open(c, e));
    q.path = arena_text(c->cli->arena, writer_view(&path));
    if (q.path == NULL)
        return arena_err(e);
    TRY(http_json(c, &q, &answer, e));
    bool ok = print_link(c, answer, e);
    json_decref(answer);
    return ok;
}

int remote_invite(struct cli *c, int argc, char **argv)
{
    struct client client = {.cli = c};
    const char *rest[1];
    const struct option_row rows[] = {CLIENT_OPTIONS(&client), {0}};
    size_t count;
    struct err e = {0};
    if (cli_help(argc, argv, usage, rows))
        return CLI_OK;
    bool ok = cli_options(c, argc, argv, rows, rest, 1, &count, &e);
    if (ok && count != 1)
        ok = err_user(&e, ERR_USAGE, "usage: chancery %s", usage);
    int status = ok && run(&client, rest[0], &e) ? CLI_OK : client_fail(&client, NULL, &e);
    client_close(&client);
    return status;
}
