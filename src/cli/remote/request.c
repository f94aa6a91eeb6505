/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "cli/remote/request.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include <stdio.h>
#include <string.h>

enum { FIRST_PAUSE_MS = 100, LAST_PAUSE_MS = 5000 };

bool request_check_id(const char *id, struct err *e)
{
    return text_is_uuid(reader_text(id)) ||
           err_user(e, ERR_USAGE, "\"%.100s\" is not the id of a signing request (a UUID).", id);
}

bool request_path(struct client *c, const char *id, const char *what, const char **ret,
                  struct err *e)
{
    TRY(request_check_id(id, e));
    const char *path = arena_format(c->cli->arena, "/SigningRequests/%s%s%s", id,
                                    what[0] != '\0' ? "/" : "", what);
    if (path == NULL)
        return arena_err(e);
    *ret = path;
    return true;
}

bool request_document(struct client *c, const char *id, json_t **ret, struct err *e)
{
    struct http_call q = {.to = -1};
    return request_path(c, id, "", &q.path, e) && http_json(c, &q, ret, e);
}

int request_exit(const json_t *document)
{
    if (strcmp(client_text(document, "status"), "Completed") == 0)
        return CLI_OK;
    return json_is_true(json_object_get(document, "isFinalStatus")) ? CLI_NO : CLI_TIMEOUT;
}

void request_say(const struct client *c, const json_t *document)
{
    const json_t *error = json_object_get(document, "error");
    const char *id = client_text(document, "signingRequestId"), *path = client_text(error, "path");
    cli_say(c->cli, "chancery: request %s: %s  %s", id, client_text(document, "status"),
            client_text(document, "webLink"));
    if (json_is_object(error))
        cli_say(c->cli, "chancery: %s%s%s [%s]", path, path[0] != '\0' ? ": " : "",
                client_text(error, "message"), client_text(error, "code"));
    if (c->cli->verbose && client_text(error, "detail")[0] != '\0')
        cli_say(c->cli, "chancery: (%s)", client_text(error, "detail"));
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Asks until the request is final or `end` has come. */
static bool wait_final(struct client *c, const char *id, int64_t end, struct err *e)
{
    struct http_call q = {.to = -1};
    CLEANUP(writer_done) struct writer last = {0};
    writer_init(&last, 1000);
    TRY(request_path(c, id, "Status", &q.path, e));
    for (int64_t pause = FIRST_PAUSE_MS;; pause = pause * 3 / 2) {
        json_t *status;
        TRY(http_json(c, &q, &status, e));
        bool final = json_is_true(json_object_get(status, "isFinalStatus"));
        const char *step = client_text(status, "workflowStatus");
        if (!final && !reader_equal_text(writer_view(&last), step)) {
            if (c->cli->verbose || strcmp(step, "WaitingForApproval") == 0)
                cli_say(c->cli, "chancery: %s  %s", step, client_text(status, "webLink"));
            writer_reset(&last);
            writer_text(&last, step);
        }
        json_decref(status);
        int64_t left = end - clock_boot_ms();
        if (final || left <= 0)
            return true;
        pause = pause > LAST_PAUSE_MS ? LAST_PAUSE_MS : pause;
        clock_sleep(pause < left ? pause : left);
    }
}

bool request_finish(struct client *c, const char *id, uint64_t seconds, struct delivery *d,
                    int *ret_status, struct err *e)
{
    json_t *document;
    TRY(wait_final(c, id, clock_boot_ms() + (int64_t)seconds * 1000, e));
    TRY(request_document(c, id, &document, e));
    *ret_status = request_exit(document);
    bool ok = true;
    if (*ret_status == CLI_OK)
        ok = request_deliver(c, document, d, e);
    else
        request_say(c, document);
    if (ok && *ret_status == CLI_TIMEOUT)
        cli_say(c->cli, "chancery: the request goes on. Wait for it: chancery wait %s", id);
    if (ok && *ret_status != CLI_OK && c->cli->json)
        ok = client_print_json(document, e);
    json_decref(document);
    return ok;
}

/* --- new requests ----------------------------------------------------------------------------- */

bool posting_parameters(struct client *c, const struct option_list *list, struct http_field *fields,
                        size_t *count, struct err *e)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *text = list->values[i], *equals = strchr(text, '=');
        if (equals == NULL || equals == text)
            return err_user(e, ERR_USAGE, "--parameter wants NAME=VALUE, not \"%.100s\".", text);
        const char *name =
            arena_format(c->cli->arena, "parameters.%.*s", (int)(equals - text), text);
        if (name == NULL)
            return arena_err(e);
        fields[(*count)++] = (struct http_field){name, &equals[1]};
    }
    return true;
}

bool posting_send(struct client *c, struct posting *p, struct http_call *q, struct err *e)
{
    uint8_t random[16];
    char made[37];
    json_t *answer;
    TRY(file_random(random, sizeof random, e));
    text_uuid(random, made);
    q->key = p->idempotency_key != NULL ? p->idempotency_key : made;
    q->post = true;
    q->to = -1;
    TRY(http_json(c, q, &answer, e));
    const char *id = client_text(answer, "signingRequestId");
    p->id = arena_format(c->cli->arena, "%s", id);
    p->link = arena_format(c->cli->arena, "%s", client_text(answer, "webLink"));
    json_decref(answer);
    return (p->id != NULL && p->link != NULL) ? request_check_id(p->id, e) : arena_err(e);
}

static bool print_accepted(struct client *c, const struct posting *p, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 8192);
    if (c->cli->json) {
        struct json j = json_into(&w);
        json_open_object(&j, NULL);
        json_text(&j, "signingRequestId", p->id);
        json_text(&j, "webLink", p->link);
        json_end_object(&j);
        writer_text(&w, "\n");
    } else {
        writer_format(&w, "%s\n", p->id);
    }
    return writer_ok(&w, e) && cli_print(c->cli, writer_view(&w), e);
}

bool posting_finish(struct client *c, struct posting *p, int *ret_status, struct err *e)
{
    uint64_t seconds;
    TRY(client_seconds("--timeout", p->timeout, 600, &seconds, e));
    cli_say(c->cli, "chancery: request %s  %s", p->id, p->link);
    *ret_status = CLI_OK;
    if (p->no_wait)
        return print_accepted(c, p, e);
    return request_finish(c, p->id, seconds, &p->delivery, ret_status, e);
}
