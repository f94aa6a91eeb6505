/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/file.h"
#include "base/text.h"
#include "cli/remote/commands.h"
#include "cli/remote/request.h"
#include <string.h>
#include <unistd.h>

static const char usage[] = "submit --project P --policy S [OPTION]... IN";

struct submit {
    struct client client;
    struct posting posting;
    const char *project, *policy, *configuration, *description;
    struct option_list parameters;
    const char *input;
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : &slash[1];
}

static bool open_input(const char *path, int *ret_fd, struct source *ret, struct err *e)
{
    return cli_open_input(path, ret_fd, ret, e) &&
           (ret->size > 0 || err_user(e, ERR_USAGE, "\"%.250s\" is empty.", path));
}

static bool put_field(struct http_field *fields, size_t *count, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0')
        fields[(*count)++] = (struct http_field){name, value};
    return true;
}

/* What arrived is what lay here: the server names the SHA-256 it stored. */
static bool check_arrived(struct submit *s, const struct digest_value *sent, struct err *e)
{
    char hex[65];
    json_t *document;
    TRY(request_document(&s->client, s->posting.id, &document, e));
    text_hex(sent->bytes, sent->len, hex);
    const char *stored = client_text(document, "artifactSha256");
    bool same = strcmp(stored, hex) == 0 ||
                err_user(e, ERR_VERIFY_CHANGED,
                         "The server stored another file (SHA-256 %.64s) than was sent (%.64s).",
                         stored, hex);
    json_decref(document);
    return same;
}

static bool send_form(struct submit *s, const struct source *artifact, struct err *e)
{
    struct http_field *fields =
        ARENA_ARRAY(s->client.cli->arena, 4 + s->parameters.count, struct http_field);
    struct digest_value sent;
    size_t n = 0;
    if (fields == NULL)
        return arena_err(e);
    (void)put_field(fields, &n, "projectSlug", s->project);
    (void)put_field(fields, &n, "signingPolicySlug", s->policy);
    (void)put_field(fields, &n, "artifactConfigurationSlug", s->configuration);
    (void)put_field(fields, &n, "description", s->description);
    TRY(posting_parameters(&s->client, &s->parameters, fields, &n, e));
    struct http_call q = {.path = "/SigningRequests/SubmitWithArtifact",
                          .fields = fields,
                          .field_count = n,
                          .artifact = artifact,
                          .artifact_name = base_name(s->input),
                          .sent = &sent};
    return posting_send(&s->client, &s->posting, &q, e) && check_arrived(s, &sent, e);
}

static bool run(struct submit *s, int *ret_status, struct err *e)
{
    CLEANUP(file_close) int fd = -1;
    struct source artifact;
    uint64_t seconds;
    if (s->project == NULL || s->policy == NULL || s->input == NULL)
        return err_user(e, ERR_USAGE, "usage: chancery %s", usage);
    TRY(client_seconds("--timeout", s->posting.timeout, 600, &seconds, e));
    TRY(client_open(&s->client, e));
    TRY(open_input(s->input, &fd, &artifact, e));
    if (!s->posting.no_wait)
        TRY(delivery_prepare(&s->client, &s->posting.delivery, s->input, e));
    return send_form(s, &artifact, e) && posting_finish(&s->client, &s->posting, ret_status, e);
}

int remote_submit(struct cli *c, int argc, char **argv)
{
    struct submit s = {.client = {.cli = c}};
    const struct option_row rows[] = {
        CLIENT_OPTIONS(&s.client),
        {"--project", OPTION_VALUE, (void *)&s.project, "slug of the project"},
        {"--policy", OPTION_VALUE, (void *)&s.policy, "slug of the signing policy"},
        {"--configuration", OPTION_VALUE, (void *)&s.configuration,
         "slug of the artifact configuration (the project's default)"},
        {"--description", OPTION_VALUE, (void *)&s.description, "text shown with the request"},
        {"--parameter", OPTION_LIST, &s.parameters, "NAME=VALUE, as often as needed"},
        {"--idempotency-key", OPTION_VALUE, (void *)&s.posting.idempotency_key,
         "the same key within a day joins the same request (made by itself)"},
        {"--timeout", OPTION_VALUE, (void *)&s.posting.timeout, "seconds to wait (600)"},
        {"--no-wait", OPTION_FLAG, &s.posting.no_wait, "print the id and end"},
        DELIVERY_OPTIONS(&s.posting.delivery),
        {0},
    };
    size_t count;
    struct err e = {0};
    int status = CLI_OK;
    if (cli_help(argc, argv, usage, rows))
        return CLI_OK;
    if (!cli_options(c, argc, argv, rows, &s.input, 1, &count, &e) || !run(&s, &status, &e))
        status = client_fail(&s.client, s.input, &e);
    client_close(&s.client);
    return status;
}
