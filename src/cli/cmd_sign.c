/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "artifact/check.h"
#include "artifact/receipt.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/local_key.h"
#include "cli/offline.h"
#include "cli/output.h"
#include "crypto/digest.h"
#include "ipc/messages.h"
#include <stdlib.h>
#include <sys/stat.h>

struct sign_options {
    struct local_key_files files;
    const char *config, *hash, *receipt, *output;
    struct option_list servers, parameters, roots;
    bool no_verify, force;
};

struct sign {
    struct cli *cli;
    struct sign_options options;
    const char *input, *output;
    struct offline offline;
    struct local_key key;
    struct signing signing;
    struct tree *tree;
    struct found *found; /* NULL: not verified */
    int64_t time_ms;
};

static bool take_arguments(struct sign *s, int argc, char **argv, const struct option_row *rows,
                           struct err *e)
{
    const char *rest[2];
    size_t count = 0;
    TRY(cli_options(s->cli, argc, argv, rows, rest, 2, &count, e));
    if (s->options.files.key == NULL || s->options.files.certificate == NULL)
        return err_user(e, ERR_USAGE, "chancery sign wants --key and --cert.");
    if (count != (s->options.output == NULL ? 2 : 1))
        return err_user(e, ERR_USAGE, "chancery sign wants IN OUT, or -o OUT IN.");
    if (s->options.hash != NULL && s->options.config != NULL)
        return err_user(e, ERR_USAGE,
                        "--hash is for signing without --config; write hash-algorithm into the "
                        "configuration.");
    s->input = rest[0];
    s->output = s->options.output == NULL ? rest[1] : s->options.output;
    return true;
}

/* SOURCE_DATE_EPOCH (reproducible-builds.org) makes a run repeatable: time and seed follow it. */
static bool set_time(struct sign *s, struct err *e)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    uint64_t seconds = 0;
    s->time_ms = clock_wall_ms();
    if (epoch == NULL) {
        s->signing.time = s->time_ms / 1000;
        return file_random(s->signing.seed, sizeof s->signing.seed, e);
    }
    if (!text_u64(reader_text(epoch), &seconds) || seconds > INT32_MAX * INT64_C(100))
        return err_user(e, ERR_USAGE, "SOURCE_DATE_EPOCH is not a number of seconds.");
    s->signing.time = (int64_t)seconds;
    s->time_ms = s->signing.time * 1000;
    struct digest_value v;
    TRY(digest_of(HASH_SHA256, reader_text(epoch), &v, e));
    struct reader r = digest_view(&v);
    return reader_copy(&r, s->signing.seed, sizeof s->signing.seed) ||
           err_set(e, ERR_INTERNAL, "seed");
}

static bool sign_to(struct sign *s, struct output *out, struct refusal *r)
{
    struct workspace *w = &s->offline.workspace;
    struct configuration_problems problems = {0};
    TRY(configuration_check_key(s->offline.artifact.configuration, s->key.kind, &problems,
                                &r->err));
    TRY(tree_build(w, &s->offline.artifact, s->options.receipt != NULL, &s->tree, r));
    TRY(plan_number(s->tree, &r->err));
    if (s->tree->slots == 0)
        return err_user(&r->err, ERR_NOTHING_TO_SIGN, "Nothing in \"%.200s\" is to be signed.",
                        s->input);
    struct signer signer =
        signing_signer(&s->signing, s->key.chain, s->key.chain_count, s->options.servers.count > 0);
    struct sink sink = sink_file(out->fd, 0, INT64_MAX);
    TRY(engine_sign(w, s->tree, &signer, NULL, &sink, r));
    if (s->options.no_verify)
        return true;
    struct source signed_file = sink_view(&sink);
    struct check_wants wants = {.certificate = s->key.chain[0],
                                .stamps = s->options.servers.count > 0};
    return check_output(w, s->tree, &signed_file, &wants, &s->found, r);
}

static bool found_records(const struct sign *s, struct writer *w, struct err *e)
{
    for (uint32_t i = 0; s->found != NULL && i < s->tree->slots; i++) {
        const struct found *f = &s->found[i];
        record_FOUND_write(w, &(struct record_FOUND){.slot = i,
                                                     .algorithm = f->algorithm,
                                                     .digest = f->digest,
                                                     .certificate = f->certificate,
                                                     .stamped = (uint64_t)f->stamp_time,
                                                     .path = reader_text(f->path),
                                                     .sha256 = reader_over(f->sha256, 32)});
    }
    return writer_ok(w, e);
}

static bool write_receipt(struct sign *s, const struct output *out, struct refusal *r)
{
    CLEANUP(writer_done) struct writer plan = {0};
    CLEANUP(writer_done) struct writer found = {0};
    CLEANUP(writer_done) struct writer text = {0};
    CLEANUP(output_done) struct output file = {.fd = -1};
    struct source signed_file;
    struct digest_value sha256;
    writer_init(&plan, SIZE_MAX);
    writer_init(&found, SIZE_MAX);
    writer_init(&text, SIZE_MAX);
    TRY(plan_write(s->cli->arena, s->tree, &plan, r));
    TRY(found_records(s, &found, &r->err));
    TRY(source_file(out->fd, &signed_file, &r->err));
    TRY(digest_of_source(HASH_SHA256, &signed_file, &sha256, &r->err));
    struct receipt receipt = {.name = s->offline.artifact.name,
                              .input_sha256 = reader_over(s->tree->root->sha256, 32),
                              .output_sha256 = digest_view(&sha256),
                              .input_size = s->tree->root->in.size,
                              .output_size = signed_file.size,
                              .time_ms = s->time_ms,
                              .chain = s->key.chain,
                              .chain_count = s->key.chain_count,
                              .plan = writer_view(&plan),
                              .found = writer_view(&found)};
    TRY(receipt_write(&text, &receipt, &r->err));
    TRY(output_open(s->cli->arena, s->options.receipt, s->options.force, 0666, &file, &r->err));
    TRY(file_write_fd(file.fd, writer_view(&text), &r->err));
    return output_keep(&file, &r->err);
}

static bool run(struct sign *s, struct refusal *r)
{
    struct stat st;
    CLEANUP(output_done) struct output out = {.fd = -1};
    const char *folder = offline_folder(s->cli->arena, s->output);
    if (folder == NULL)
        return arena_err(&r->err);
    TRY(local_key_open(s->cli, &s->options.files, &s->key, &r->err));
    s->key.servers = &s->options.servers;
    TRY(set_time(s, &r->err));
    TRY(offline_open(&s->offline, s->input, s->options.config, &s->options.parameters,
                     s->options.hash, folder, r));
    TRY(offline_trust(&s->offline, &s->options.roots, &r->err));
    if (fstat(s->offline.input, &st) != 0)
        return err_errno(&r->err, s->input);
    TRY(output_open(s->cli->arena, s->output, s->options.force, st.st_mode, &out, &r->err));
    s->signing.source = local_key_source(&s->key);
    TRY(sign_to(s, &out, r));
    if (s->options.receipt != NULL)
        TRY(write_receipt(s, &out, r));
    return output_keep(&out, &r->err);
}

static bool say_done(const struct sign *s, struct err *e)
{
    if (!s->cli->json) {
        cli_say(s->cli, "%s: %u signature%s%s", s->output, s->tree->slots,
                s->tree->slots == 1 ? "" : "s", s->found != NULL ? ", verified" : "");
        return true;
    }
    CLEANUP(writer_done) struct writer text = {0};
    writer_init(&text, SIZE_MAX);
    struct json j = json_into(&text);
    json_open_object(&j, NULL);
    json_text(&j, "output", s->output);
    json_u64(&j, "signatures", s->tree->slots);
    json_bool(&j, "verified", s->found != NULL);
    json_end_object(&j);
    writer_u8(&text, '\n');
    return writer_ok(&text, e) && cli_print_json(writer_view(&text), e);
}

int cmd_sign(struct cli *c, int argc, char **argv)
{
    struct sign s = {.cli = c, .offline = {.cli = c, .input = -1, .scratch = -1}};
    struct sign_options *o = &s.options;
    const struct option_row rows[] = {
        {"--key", OPTION_VALUE, (void *)&o->files.key, "FILE  private key (PEM)"},
        {"--cert", OPTION_VALUE, (void *)&o->files.certificate, "FILE  certificate (PEM or DER)"},
        {"--chain", OPTION_VALUE, (void *)&o->files.chain, "FILE  certificates of its issuers"},
        {"--key-password-file", OPTION_VALUE, (void *)&o->files.password, "FILE  of the key"},
        {"--config", OPTION_VALUE, (void *)&o->config, "FILE  artifact configuration (XML)"},
        {"--parameter", OPTION_LIST, &o->parameters, "NAME=VALUE  of the configuration; repeat"},
        {"--ca", OPTION_LIST, &o->roots, "FILE  roots that authenticode-verify trusts; repeat"},
        {"--tsa", OPTION_LIST, &o->servers, "URL  time-stamp server; repeat, asked in order"},
        {"--hash", OPTION_VALUE, (void *)&o->hash, "sha256 | sha384 | sha512  without --config"},
        {"--receipt", OPTION_VALUE, (void *)&o->receipt, "FILE  what was signed, as JSON"},
        {"--no-verify", OPTION_FLAG, &o->no_verify, "do not check the output"},
        {"--force", OPTION_FLAG, &o->force, "replace OUT when it exists"},
        {"-o", OPTION_VALUE, (void *)&o->output, "OUT"},
        {0}};
    if (cli_help(argc, argv, "sign --key K.pem --cert C.pem [OPTION]... (-o OUT IN | IN OUT)",
                 rows))
        return CLI_OK;
    struct refusal r = {0};
    if (!take_arguments(&s, argc, argv, rows, &r.err))
        return cli_fail(c, NULL, &r.err);
    bool ok = run(&s, &r) && say_done(&s, &r.err);
    int status = ok ? CLI_OK : offline_fail(c, o->config, &r);
    offline_done(&s.offline);
    local_key_done(&s.key);
    return status;
}
