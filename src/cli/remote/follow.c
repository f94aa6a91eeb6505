/* SPDX-License-Identifier: Apache-2.0 */
/* wait, get, status, cancel and resubmit: what can be done with a request by its id. */
#include "base/text.h"
#include "cli/remote/commands.h"
#include "cli/remote/request.h"
#include <stdio.h>
#include <string.h>

struct follow {
    struct client client;
    struct posting posting; /* resubmit; its delivery and time-out also wait and get */
    const char *policy, *description, *reason;
    struct option_list parameters;
    const char *id;
};

typedef bool (*follow_fn)(struct follow *f, int *ret_status, struct err *e);

static int follow(struct follow *f, int argc, char **argv, const char *usage,
                  const struct option_row *rows, follow_fn run)
{
    size_t count;
    struct err e = {0};
    int status = CLI_OK;
    if (cli_help(argc, argv, usage, rows))
        return CLI_OK;
    bool ok = cli_options(f->client.cli, argc, argv, rows, &f->id, 1, &count, &e);
    if (ok && f->id == NULL)
        ok = err_user(&e, ERR_USAGE, "usage: chancery %s", usage);
    ok = ok && request_check_id(f->id, &e) && client_open(&f->client, &e) && run(f, &status, &e);
    if (!ok)
        status = client_fail(&f->client, f->id, &e);
    client_close(&f->client);
    return status;
}

/* --- wait, get -------------------------------------------------------------------------------- */

static bool run_wait(struct follow *f, int *ret_status, struct err *e)
{
    uint64_t seconds;
    TRY(client_seconds("--timeout", f->posting.timeout, 600, &seconds, e));
    return request_finish(&f->client, f->id, seconds, &f->posting.delivery, ret_status, e);
}

int remote_wait(struct cli *c, int argc, char **argv)
{
    struct follow f = {.client = {.cli = c}};
    const struct option_row rows[] = {
        CLIENT_OPTIONS(&f.client),
        {"--timeout", OPTION_VALUE, (void *)&f.posting.timeout, "seconds to wait (600)"},
        DELIVERY_OPTIONS(&f.posting.delivery),
        {0},
    };
    return follow(&f, argc, argv, "wait ID [OPTION]...", rows, run_wait);
}

static bool run_get(struct follow *f, int *ret_status, struct err *e)
{
    struct delivery *d = &f->posting.delivery;
    json_t *document;
    if (d->original && d->receipt != NULL)
        return err_user(e, ERR_USAGE, "There is no receipt for the unsigned file.");
    TRY(request_document(&f->client, f->id, &document, e));
    *ret_status = request_exit(document);
    bool ok = true;
    if (d->original || *ret_status == CLI_OK)
        ok = request_deliver(&f->client, document, d, e);
    else
        request_say(&f->client, document);
    if (d->original)
        *ret_status = CLI_OK;
    json_decref(document);
    return ok;
}

int remote_get(struct cli *c, int argc, char **argv)
{
    struct follow f = {.client = {.cli = c}};
    const struct option_row rows[] = {
        CLIENT_OPTIONS(&f.client),
        {"--unsigned", OPTION_FLAG, &f.posting.delivery.original, "the file as it was submitted"},
        DELIVERY_OPTIONS(&f.posting.delivery),
        {0},
    };
    return follow(&f, argc, argv, "get ID [OPTION]...", rows, run_get);
}

/* --- status ----------------------------------------------------------------------------------- */

/* A line end in what somebody wrote would begin a line that looks like ours. */
static void put_line(struct writer *w, const char *label, const char *value)
{
    writer_format(w, "%-14s ", label);
    text_put_visible(w, reader_text(value), "");
    writer_text(w, "\n");
}

static bool print_status(const json_t *document, struct err *e)
{
    static const struct {
        const char *label, *member;
    } lines[] = {{"request", "signingRequestId"},
                 {"status", "status"},
                 {"step", "workflowStatus"},
                 {"project", "projectSlug"},
                 {"policy", "signingPolicySlug"},
                 {"configuration", "artifactConfigurationSlug"},
                 {"file", "fileName"},
                 {"sha256", "artifactSha256"},
                 {"signed sha256", "signedArtifactSha256"},
                 {"description", "description"},
                 {"submitter", "submitterName"},
                 {"created", "createdDate"},
                 {"finished", "finishedDate"},
                 {"reason", "cancellationReason"},
                 {"page", "webLink"}};
    CLEANUP(writer_done) struct writer w = {0};
    const json_t *error = json_object_get(document, "error");
    writer_init(&w, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        const char *value = client_text(document, lines[i].member);
        if (value[0] != '\0')
            put_line(&w, lines[i].label, value);
    }
    if (json_is_object(error))
        writer_format(&w, "%-14s %s%s%s [%s]\n", "error", client_text(error, "path"),
                      client_text(error, "path")[0] != '\0' ? ": " : "",
                      client_text(error, "message"), client_text(error, "code"));
    return writer_ok(&w, e) && cli_print_text(writer_view(&w), e);
}

static bool run_status(struct follow *f, int *ret_status, struct err *e)
{
    json_t *document;
    TRY(request_document(&f->client, f->id, &document, e));
    bool ok = f->client.cli->json ? client_print_json(document, e) : print_status(document, e);
    *ret_status = request_exit(document) == CLI_NO ? CLI_NO : CLI_OK;
    json_decref(document);
    return ok;
}

int remote_status(struct cli *c, int argc, char **argv)
{
    struct follow f = {.client = {.cli = c}};
    const struct option_row rows[] = {CLIENT_OPTIONS(&f.client), {0}};
    return follow(&f, argc, argv, "status ID [OPTION]...", rows, run_status);
}

/* --- cancel, resubmit ------------------------------------------------------------------------- */

static bool run_cancel(struct follow *f, int *ret_status, struct err *e)
{
    struct http_field reason = {"reason", f->reason};
    struct http_call q = {
        .post = true, .to = -1, .fields = &reason, .field_count = f->reason != NULL};
    CLEANUP(writer_done) struct writer answer = {0};
    json_t *document;
    writer_init(&answer, 1 << 20);
    TRY(request_path(&f->client, f->id, "Cancel", &q.path, e));
    TRY(http_call(&f->client, &q, &answer, e));
    TRY(request_document(&f->client, f->id, &document, e));
    bool ok = true;
    if (f->client.cli->json)
        ok = client_print_json(document, e);
    else
        request_say(&f->client, document);
    json_decref(document);
    *ret_status = CLI_OK;
    return ok;
}

int remote_cancel(struct cli *c, int argc, char **argv)
{
    struct follow f = {.client = {.cli = c}};
    const struct option_row rows[] = {
        CLIENT_OPTIONS(&f.client),
        {"--reason", OPTION_VALUE, (void *)&f.reason, "text shown with the request"},
        {0},
    };
    return follow(&f, argc, argv, "cancel ID [OPTION]...", rows, run_cancel);
}

static bool run_resubmit(struct follow *f, int *ret_status, struct err *e)
{
    struct client *c = &f->client;
    struct http_field *fields =
        ARENA_ARRAY(c->cli->arena, 3 + f->parameters.count, struct http_field);
    size_t n = 0;
    json_t *original;
    if (fields == NULL)
        return arena_err(e);
    if (f->policy == NULL)
        return err_user(e, ERR_USAGE, "resubmit needs a signing policy: --policy SLUG");
    TRY(request_document(c, f->id, &original, e));
    bool ok = f->posting.no_wait ||
              delivery_prepare(c, &f->posting.delivery, client_text(original, "fileName"), e);
    json_decref(original);
    TRY(ok);
    fields[n++] = (struct http_field){"originalSigningRequestId", f->id};
    fields[n++] = (struct http_field){"signingPolicySlug", f->policy};
    if (f->description != NULL)
        fields[n++] = (struct http_field){"description", f->description};
    TRY(posting_parameters(c, &f->parameters, fields, &n, e));
    struct http_call q = {.path = "/SigningRequests/Resubmit", .fields = fields, .field_count = n};
    return posting_send(c, &f->posting, &q, e) && posting_finish(c, &f->posting, ret_status, e);
}

int remote_resubmit(struct cli *c, int argc, char **argv)
{
    struct follow f = {.client = {.cli = c}};
    const struct option_row rows[] = {
        CLIENT_OPTIONS(&f.client),
        {"--policy", OPTION_VALUE, (void *)&f.policy, "slug of the signing policy"},
        {"--description", OPTION_VALUE, (void *)&f.description, "text shown with the request"},
        {"--parameter", OPTION_LIST, &f.parameters, "NAME=VALUE, instead of the original's"},
        {"--idempotency-key", OPTION_VALUE, (void *)&f.posting.idempotency_key,
         "the same key within a day joins the same request (made by itself)"},
        {"--timeout", OPTION_VALUE, (void *)&f.posting.timeout, "seconds to wait (600)"},
        {"--no-wait", OPTION_FLAG, &f.posting.no_wait, "print the id and end"},
        DELIVERY_OPTIONS(&f.posting.delivery),
        {0},
    };
    return follow(&f, argc, argv, "resubmit ID --policy S [OPTION]...", rows, run_resubmit);
}
