/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "cli/remote/http.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include <curl/curl.h>
#include <string.h>
#include <unistd.h>

enum {
    ANSWER_MOST = 256 << 20,
    CONNECT_SECONDS = 10,
    STALLED_SECONDS = 300,
    PAUSE_MOST_MS = 15000
};

/* One try. */
struct attempt {
    struct client *client;
    const struct http_call *call;
    CURL *curl;
    struct curl_slist *headers;
    curl_mime *mime;
    struct writer *answer;
    struct digest digest; /* of the body that is written to a file */
    struct digest sending;
    uint64_t offset;   /* of the artifact */
    struct err failed; /* inside a callback */
    long status;
    CURLcode code;
    char text[CURL_ERROR_SIZE];
};

/* --- bytes ------------------------------------------------------------------------------------ */

static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
    struct attempt *t = ctx;
    struct reader piece = reader_over(data, size * count);
    (void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->status);
    if (t->call->to < 0 || t->status != 200) {
        writer_reader(t->answer, piece);
        return writer_ok(t->answer, &t->failed) ? piece.left : 0;
    }
    digest_add(&t->digest, piece);
    return file_write_fd(t->call->to, piece, &t->failed) ? piece.left : 0;
}

static size_t give_artifact(char *to, size_t size, size_t count, void *ctx)
{
    struct attempt *t = ctx;
    const struct source *s = t->call->artifact;
    size_t n = size * count;
    if (n > s->size - t->offset)
        n = (size_t)(s->size - t->offset);
    if (!source_read(s, t->offset, to, n, &t->failed))
        return CURL_READFUNC_ABORT;
    digest_add(&t->sending, reader_over(to, n));
    t->offset += n;
    return n;
}

/* libcurl goes back to the start when it has to send again on a new connection. */
static int seek_artifact(void *ctx, curl_off_t offset, int origin)
{
    struct attempt *t = ctx;
    if (origin != SEEK_SET || offset != 0)
        return CURL_SEEKFUNC_CANTSEEK;
    t->offset = 0;
    digest_done(&t->sending);
    return digest_begin(&t->sending, HASH_SHA256, &t->failed) ? CURL_SEEKFUNC_OK
                                                              : CURL_SEEKFUNC_FAIL;
}

/* --- setting up ------------------------------------------------------------------------------- */

static bool no_memory(struct err *e)
{
    return err_set(e, ERR_NO_MEMORY, "libcurl");
}

static bool add_header(struct attempt *t, const char *text, struct err *e)
{
    struct curl_slist *more = curl_slist_append(t->headers, text);
    if (more == NULL)
        return no_memory(e);
    t->headers = more;
    return true;
}

static bool add_headers(struct attempt *t, struct err *e)
{
    const struct http_call *q = t->call;
    TRY(add_header(t, (const char *)t->client->header.data, e));
    TRY(add_header(t, "Accept: application/json, */*", e));
    /* The server refuses before it takes a body that it would only throw away. */
    TRY(add_header(t, q->artifact != NULL ? "Expect: 100-continue" : "Expect:", e));
    if (q->json.at != NULL)
        TRY(add_header(t, "Content-Type: application/json; charset=utf-8", e));
    if (q->key == NULL)
        return true;
    const char *key = arena_format(t->client->cli->arena, "Idempotency-Key: %s", q->key);
    return key != NULL ? add_header(t, key, e) : arena_err(e);
}

static bool add_form(struct attempt *t, struct err *e)
{
    const struct http_call *q = t->call;
    t->mime = curl_mime_init(t->curl);
    if (t->mime == NULL)
        return no_memory(e);
    for (size_t i = 0; i < q->field_count; i++) {
        curl_mimepart *part = curl_mime_addpart(t->mime);
        if (part == NULL || curl_mime_name(part, q->fields[i].name) != CURLE_OK ||
            curl_mime_data(part, q->fields[i].value, CURL_ZERO_TERMINATED) != CURLE_OK)
            return no_memory(e);
    }
    if (q->artifact != NULL) {
        curl_mimepart *part = curl_mime_addpart(t->mime);
        if (part == NULL || curl_mime_name(part, "artifact") != CURLE_OK ||
            curl_mime_filename(part, q->artifact_name) != CURLE_OK ||
            curl_mime_type(part, "application/octet-stream") != CURLE_OK ||
            curl_mime_data_cb(part, (curl_off_t)q->artifact->size, give_artifact, seek_artifact,
                              NULL, t) != CURLE_OK)
            return no_memory(e);
    }
    return curl_easy_setopt(t->curl, CURLOPT_MIMEPOST, t->mime) == CURLE_OK || no_memory(e);
}

static bool add_body(struct attempt *t, struct err *e)
{
    const struct http_call *q = t->call;
    if (!q->post)
        return true;
    if (q->field_count > 0 || q->artifact != NULL)
        return add_form(t, e);
    /* An empty body is a body: curl would wait for one on stdin otherwise. */
    return (curl_easy_setopt(t->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->json.left) ==
                CURLE_OK &&
            curl_easy_setopt(t->curl, CURLOPT_POSTFIELDS,
                             q->json.left > 0 ? (const char *)q->json.at : "") == CURLE_OK) ||
           no_memory(e);
}

static bool add_options(struct attempt *t, const char *url)
{
    CURL *h = t->curl;
    /* Redirections are not followed: the token is for this server alone. */
    return curl_easy_setopt(h, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, (long)STALLED_SECONDS) == CURLE_OK &&
           (!t->client->loopback || curl_easy_setopt(h, CURLOPT_NOPROXY, "*") == CURLE_OK) &&
           curl_easy_setopt(h, CURLOPT_USERAGENT, "chancery") == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_BUFFERSIZE, 256L * 1024) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_ERRORBUFFER, t->text) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_WRITEDATA, t) == CURLE_OK;
}

static void attempt_done(struct attempt *t)
{
    for (struct curl_slist *h = t->headers; h != NULL; h = h->next)
        secret_wipe(h->data, strlen(h->data));
    curl_slist_free_all(t->headers);
    curl_mime_free(t->mime);
    digest_done(&t->digest);
    digest_done(&t->sending);
}

/* --- one try ---------------------------------------------------------------------------------- */

static bool start_file(struct attempt *t, struct err *e)
{
    if (t->call->to < 0)
        return true;
    if (ftruncate(t->call->to, 0) != 0 || lseek(t->call->to, 0, SEEK_SET) != 0)
        return err_errno(e, "output");
    return digest_begin(&t->digest, HASH_SHA256, e);
}

static bool prepare(struct attempt *t, struct err *e)
{
    const char *url = arena_format(t->client->cli->arena, "%s%s", t->client->base, t->call->path);
    if (url == NULL)
        return arena_err(e);
    TRY(start_file(t, e));
    if (t->call->artifact != NULL)
        TRY(digest_begin(&t->sending, HASH_SHA256, e));
    return add_headers(t, e) && add_body(t, e) && (add_options(t, url) || no_memory(e));
}

/* False only for what is wrong on our side; else t->code and t->status say how it went. */
static bool perform(struct attempt *t, struct err *e)
{
    writer_reset(t->answer);
    TRY(prepare(t, e));
    t->code = curl_easy_perform(t->curl);
    (void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->status);
    if (t->failed.code != ERR_NONE) {
        *e = t->failed;
        return false;
    }
    if (t->code != CURLE_OK || t->status / 100 != 2)
        return true;
    if (t->call->artifact != NULL && t->call->sent != NULL)
        TRY(digest_end(&t->sending, t->call->sent, e));
    return t->call->to < 0 || t->call->got == NULL || digest_end(&t->digest, t->call->got, e);
}

static bool never_sent(CURLcode code)
{
    return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
           code == CURLE_COULDNT_RESOLVE_PROXY;
}

static bool may_pass(const struct attempt *t)
{
    switch (t->code) {
    case CURLE_OK:
        return t->status == 429 || t->status == 503 ||
               (!t->call->once && (t->status == 502 || t->status == 504));
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_OUT_OF_MEMORY:
        return false;
    default:
        return !t->call->once || never_sent(t->code);
    }
}

static int64_t pause_ms(const struct attempt *t, unsigned tries)
{
    curl_off_t wanted = 0;
    int64_t ms = 250ll << (tries < 6 ? tries : 6);
    if (curl_easy_getinfo(t->curl, CURLINFO_RETRY_AFTER, &wanted) == CURLE_OK && wanted > 0)
        ms = wanted < 3600 ? wanted * 1000 : 3600000;
    else if (ms > PAUSE_MOST_MS)
        ms = PAUSE_MOST_MS;
    return ms;
}

/* --- what the server said --------------------------------------------------------------------- */

static int exit_of(long status)
{
    if (status == 401 || status == 403)
        return CLI_FORBIDDEN;
    if (status == 409)
        return CLI_NO;
    if (status == 500 || status == 501)
        return CLI_INTERNAL;
    return status == 429 || status >= 500 ? CLI_UNREACHABLE : CLI_UNUSABLE;
}

static enum err_code code_of(long status)
{
    switch (status) {
    case 401:
        return ERR_UNAUTHENTICATED;
    case 403:
        return ERR_FORBIDDEN;
    case 404:
        return ERR_NOT_FOUND;
    case 409:
        return ERR_CONFLICT;
    case 413:
        return ERR_HTTP_TOO_LARGE;
    case 429:
        return ERR_LIMIT;
    default:
        return status >= 500 ? ERR_FETCH : ERR_FIELD;
    }
}

static bool refused(struct client *c, const struct attempt *t, struct err *e)
{
    json_error_t ignored;
    c->failure = exit_of(t->status);
    if (t->status / 100 == 3)
        return err_user(e, ERR_USAGE,
                        "%.200s redirects (status %ld). Use the address it redirects to as --url.",
                        c->host, t->status);
    json_t *body = json_loadb((const char *)t->answer->data, t->answer->len, 0, &ignored);
    const char *said = client_text(body, "detail"), *field = "";
    const char *key = json_object_iter_key(json_object_iter(json_object_get(body, "errors")));
    if (said[0] == '\0')
        said = client_text(body, "title");
    if (key != NULL && strncmp(said, key, strlen(key)) != 0)
        field = key;
    if (said[0] == '\0')
        (void)err_user(e, code_of(t->status), "%.200s answered with status %ld.", c->host,
                       t->status);
    else
        (void)err_user(e, code_of(t->status), "%s%s%s", field, field[0] != '\0' ? ": " : "", said);
    json_decref(body);
    return false;
}

static bool unreachable(struct client *c, const struct attempt *t, struct err *e)
{
    const char *why = t->text[0] != '\0' ? t->text : curl_easy_strerror(t->code);
    c->failure = t->code == CURLE_OUT_OF_MEMORY ? CLI_INTERNAL : CLI_UNREACHABLE;
    return err_user(e, ERR_FETCH, "%.150s cannot be reached: %.150s.", c->host, why);
}

/* --- tries ------------------------------------------------------------------------------------ */

/* True with *ret_again: this try failed, and there shall be another one. */
static bool one_try(struct attempt *t, int64_t end, unsigned tries, bool *ret_again, struct err *e)
{
    struct client *c = t->client;
    *ret_again = false;
    TRY(perform(t, e));
    if (t->code == CURLE_OK && t->status / 100 == 2)
        return true;
    int64_t pause = pause_ms(t, tries);
    if (!may_pass(t) || clock_boot_ms() + pause > end)
        return t->code == CURLE_OK ? refused(c, t, e) : unreachable(c, t, e);
    if (tries == 0 && t->code == CURLE_OK)
        cli_say(c->cli, "chancery: %s answered with status %ld; trying again.", c->host, t->status);
    else if (tries == 0)
        cli_say(c->cli, "chancery: %s cannot be reached; trying again.", c->host);
    clock_sleep(pause);
    *ret_again = true;
    return true;
}

bool http_call(struct client *c, const struct http_call *q, struct writer *answer, struct err *e)
{
    int64_t end = clock_boot_ms() + c->patience_ms;
    if (c->connection == NULL && (c->connection = curl_easy_init()) == NULL)
        return no_memory(e);
    bool ok = true, again = true;
    for (unsigned tries = 0; ok && again; tries++) {
        struct attempt t = {.client = c, .call = q, .curl = c->connection, .answer = answer};
        ok = one_try(&t, end, tries, &again, e);
        curl_easy_reset(c->connection); /* lets go of form and headers; stays connected */
        attempt_done(&t);
    }
    return ok;
}

void http_percent(struct writer *w, const char *text)
{
    for (; *text != '\0'; text++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", *text))
            writer_u8(w, (uint8_t)*text);
        else
            writer_format(w, "%%%02X", (unsigned)(uint8_t)*text);
}

void http_close(struct client *c)
{
    curl_easy_cleanup(c->connection);
    c->connection = NULL;
}

bool http_json(struct client *c, const struct http_call *q, json_t **ret, struct err *e)
{
    json_error_t problem;
    CLEANUP(writer_done) struct writer answer = {0};
    writer_init(&answer, ANSWER_MOST);
    TRY(http_call(c, q, &answer, e));
    json_t *value = json_loadb((const char *)answer.data, answer.len, 0, &problem);
    if (json_is_object(value)) {
        *ret = value;
        return true;
    }
    json_decref(value);
    c->failure = CLI_UNUSABLE;
    return err_user(e, ERR_USAGE,
                    "%.200s does not answer as a signing service does. Is --url right?", c->host);
}
