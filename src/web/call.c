/* SPDX-License-Identifier: Apache-2.0 */
#include "web/call.h"
#include "base/file.h"
#include "base/text.h"
#include "service/requests.h"
#include <string.h>

static uint8_t fold(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

/* Without memory of its own: a field must not go missing because memory is short. */
static bool is_named(const struct record_PAIR *pair, const char *name)
{
    struct reader want = reader_text(name);
    bool same = pair->name.left == want.left;
    for (size_t i = 0; same && i < want.left; i++)
        same = fold(pair->name.at[i]) == fold(want.at[i]);
    return same;
}

static const char *find_pair(struct web_call *c, struct reader list, const char *name)
{
    struct record_PAIR pair;
    while (list.left > 0 && record_PAIR_next(&list, &pair)) {
        if (!is_named(&pair, name))
            continue;
        const char *value = arena_text(c->arena, pair.value);
        return value == NULL ? "" : value;
    }
    return "";
}

const char *web_header(struct web_call *c, const char *name)
{
    return find_pair(c, c->headers, name);
}

const char *web_field(struct web_call *c, const char *name)
{
    return find_pair(c, c->fields, name);
}

size_t web_field_count(struct web_call *c, const char *name)
{
    struct reader list = c->fields;
    struct record_PAIR pair;
    size_t n = 0;
    while (list.left > 0 && record_PAIR_next(&list, &pair))
        n += is_named(&pair, name) ? 1 : 0;
    return n;
}

/* Cuts r at the first `c`; the rest without it stays in r. */
static struct reader cut(struct reader *r, char c)
{
    struct reader head = *r, skipped;
    size_t at = reader_find(*r, 0, &c, 1);
    size_t n = at == SIZE_MAX ? r->left : at;
    if (!reader_take(r, n, &head) || (r->left > 0 && !reader_take(r, 1, &skipped)))
        r->left = 0;
    return head;
}

/* Of a form that someone has sent: what does not fit is theirs. */
static bool form_fits(const struct writer *w, struct err *e)
{
    if (writer_ok(w, e))
        return true;
    if (e->code != ERR_FILE_LIMIT)
        return false;
    *e = (struct err){0};
    return err_user(e, ERR_HTTP_TOO_LARGE,
                    "The form is too large: a field has at most 1 MiB, all of them 4 MiB.");
}

static bool decode_part(struct reader text, struct writer *w, struct err *e)
{
    bool good = text_unpercent(w, text, true) && text_is_utf8(writer_view(w)) &&
                reader_find(writer_view(w), 0, "", 1) == SIZE_MAX;
    if (!form_fits(w, e))
        return false;
    return good ||
           err_user(e, ERR_FIELD,
                    "\"%.*s\" is not well-formed: a %% is followed by two hexadecimal digits, "
                    "and what they stand for is UTF-8 text.",
                    text.left > 60 ? 60 : (int)text.left, (const char *)text.at);
}

bool web_decode_form(struct reader text, struct writer *pairs, struct err *e)
{
    while (text.left > 0) {
        struct reader value = cut(&text, '&');
        struct reader name = cut(&value, '=');
        CLEANUP(writer_done) struct writer decoded_name = {0};
        CLEANUP(writer_done) struct writer decoded_value = {0};
        writer_init(&decoded_name, 1 << 20);
        writer_init(&decoded_value, 1 << 20);
        TRY(decode_part(name, &decoded_name, e) && decode_part(value, &decoded_value, e));
        record_PAIR_write(pairs, &(struct record_PAIR){.name = writer_view(&decoded_name),
                                                       .value = writer_view(&decoded_value)});
    }
    return form_fits(pairs, e);
}

const char *web_query(struct web_call *c, const char *name)
{
    return find_pair(c, c->query_fields, name);
}

bool web_query_flag(struct web_call *c, const char *name, bool *ret, struct err *e)
{
    struct reader list = c->query_fields;
    struct record_PAIR pair;
    bool flag = false;
    while (list.left > 0 && record_PAIR_next(&list, &pair)) {
        if (!is_named(&pair, name))
            continue;
        flag = reader_equal_text(pair.value, "true");
        if (!flag && !reader_equal_text(pair.value, "false"))
            return service_field_err(e, name, "It is either true or false.");
    }
    *ret = flag;
    return true;
}

const char *web_cookie(struct web_call *c, const char *name)
{
    struct reader all = reader_text(web_header(c, "cookie"));
    while (all.left > 0) {
        struct reader value = cut(&all, ';');
        while (value.left > 0 && value.at[0] == ' ' && reader_skip(&value, 1))
            continue;
        struct reader key = cut(&value, '=');
        if (!reader_equal_text(key, name))
            continue;
        const char *text = arena_text(c->arena, value);
        return text == NULL ? "" : text;
    }
    return "";
}

const struct web_file *web_file(struct web_call *c, const char *name)
{
    for (size_t i = 0; i < c->file_count; i++)
        if (text_equal_ascii_fold(c->files[i].name, name))
            return &c->files[i];
    return NULL;
}

struct reader web_body(struct web_call *c)
{
    const struct web_file *f = web_file(c, "");
    return f == NULL ? reader_text("") : f->text;
}

void web_add_header(struct web_call *c, const char *name, const char *value)
{
    record_PAIR_write(&c->reply.headers, &(struct record_PAIR){.name = reader_text(name),
                                                               .value = reader_text(value)});
}

void web_reply_text(struct web_call *c, unsigned status, const char *type, struct reader text)
{
    c->reply.status = status;
    web_add_header(c, "Content-Type", type);
    writer_reset(&c->reply.body);
    writer_reader(&c->reply.body, text);
}

void web_reply_json(struct web_call *c, unsigned status, struct reader json)
{
    web_reply_text(c, status, "application/json; charset=utf-8", json);
    web_add_header(c, "Cache-Control", "no-store");
}

void web_reply_html(struct web_call *c, unsigned status, struct reader html)
{
    web_reply_text(c, status, "text/html; charset=utf-8", html);
    web_add_header(c, "Cache-Control", "no-store");
}

void web_redirect(struct web_call *c, const char *location)
{
    c->reply.status = 303;
    web_add_header(c, "Location", location);
}

bool web_list_place(struct web_call *c, struct list_place *ret, struct err *e)
{
    enum { USUAL = 50, MOST = 200 };
    const char *size = web_query(c, "pageSize"), *after = web_query(c, "after");
    uint64_t most = USUAL, below = 0;
    if (size[0] != '\0' && (!text_u64(reader_text(size), &most) || most < 1 || most > MOST))
        return service_field_err(e, "pageSize", "The page size is a number from 1 to 200.");
    if (after[0] != '\0' && (!text_u64(reader_text(after), &below) || below > INT64_MAX))
        return service_field_err(e, "after",
                                 "The cursor does not come from an earlier page of this list.");
    *ret = (struct list_place){.most = (size_t)most, .below = (int64_t)below};
    return true;
}

/* The 32 digits of a traceparent header that is as W3C Trace Context 3.2 says, else none. */
static struct reader given_trace(struct web_call *c)
{
    struct reader header = reader_text(web_header(c, "traceparent")), trace = {0};
    uint8_t bytes[16];
    if (header.left != 55 || !reader_slice(header, 3, 32, &trace) || header.at[2] != '-' ||
        header.at[35] != '-' || !text_unhex(trace, bytes, sizeof bytes))
        return (struct reader){0};
    return trace;
}

const char *web_trace(struct web_call *c)
{
    struct err ignored = {0};
    uint8_t random[24];
    char digits[49];
    if (c->trace != NULL)
        return c->trace;
    struct reader given = given_trace(c);
    c->trace = "";
    if (!file_random(random, sizeof random, &ignored))
        return c->trace;
    text_hex(random, sizeof random, digits);
    const char *trace = given.left == 0 ? digits : (const char *)given.at;
    const char *made = arena_format(c->arena, "00-%.32s-%.16s-00", trace, digits + 32);
    if (made != NULL)
        c->trace = made;
    return c->trace;
}

void web_report(struct web_call *c, const struct err *e)
{
    const char *path = c->path == NULL ? "" : c->path;
    const char *subject = arena_format(c->arena, "%s (trace %s)", path, web_trace(c));
    if (err_http_status(e->code) >= 500)
        c->service->report(c->service->report_ctx, subject == NULL ? path : subject, e);
}

/* Where the status is explained, as clients of the published API know it. */
static const char *type_of(int status)
{
    static const struct {
        int status;
        const char *type;
    } rows[] = {
        {400, "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.1"},
        {401, "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2"},
        {403, "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.4"},
        {404, "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.5"},
        {405, "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6"},
        {409, "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.10"},
        {413, "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.14"},
        {415, "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.16"},
        {429, "https://www.rfc-editor.org/rfc/rfc6585#section-4"},
        {500, "https://www.rfc-editor.org/rfc/rfc9110#section-15.6.1"},
        {503, "https://www.rfc-editor.org/rfc/rfc9110#section-15.6.4"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].status == status)
            return rows[i].type;
    return "about:blank";
}

static void write_problem(struct web_call *c, struct json *j, const struct err *e)
{
    int status = err_http_status(e->code);
    bool field = e->code == ERR_FIELD || e->code == ERR_PARAMETER;
    json_open_object(j, NULL);
    json_text(j, "type", type_of(status));
    json_text(j, "title", status == 400 ? "One or more validation errors occurred." : e->user);
    json_i64(j, "status", status);
    json_text(j, "detail", e->user);
    json_text(j, "code", err_machine_code(e->code));
    json_text(j, "traceId", web_trace(c));
    json_text(j, "error", e->user);
    json_open_object(j, "errors");
    json_open_array(j, field ? e->detail : "");
    json_text(j, NULL, e->user);
    json_end_array(j);
    json_end_object(j);
    json_end_object(j);
}

void web_reply_err(struct web_call *c, const struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 16 * 1024);
    struct json j = json_into(&w);
    write_problem(c, &j, e);
    int status = err_http_status(e->code);
    bool problem = strstr(web_header(c, "accept"), "application/problem+json") != NULL;
    web_reply_text(c, (unsigned)status,
                   problem ? "application/problem+json" : "application/json; charset=utf-8",
                   writer_view(&w));
    web_add_header(c, "Cache-Control", "no-store");
    if (status == 401)
        web_add_header(c, "WWW-Authenticate", "Bearer");
    if (status == 503 || status == 429)
        web_add_header(c, "Retry-After", "10");
}

/* RFC 6266 and 8187: an ASCII fallback and the exact name; neither can end the header. */
static void disposition(struct web_call *c, const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 4096);
    writer_text(&w, "attachment; filename=\"");
    for (const char *p = name; *p != '\0'; p++)
        writer_u8(&w, strchr(plain, *p) != NULL ? (uint8_t)*p : '_');
    writer_text(&w, "\"; filename*=UTF-8''");
    for (const char *p = name; *p != '\0'; p++) {
        if (strchr(plain, *p) != NULL)
            writer_u8(&w, (uint8_t)*p);
        else
            writer_format(&w, "%%%02X", (unsigned)(unsigned char)*p);
    }
    writer_u8(&w, 0);
    if (!w.failed)
        web_add_header(c, "Content-Disposition", (const char *)w.data);
}

/* RFC 9530: what the bytes have to be when they have arrived. */
static void repr_digest(struct web_call *c, struct reader sha256)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 100);
    writer_text(&w, "sha-256=:");
    text_base64(&w, sha256, 0, "");
    writer_text(&w, ":");
    writer_u8(&w, 0);
    if (!w.failed)
        web_add_header(c, "Repr-Digest", (const char *)w.data);
}

/* Takes the descriptor. */
static void reply_file(struct web_call *c, const struct request_download *d)
{
    file_close(&c->reply.fd);
    c->reply.status = 200;
    c->reply.fd = d->fd;
    c->reply.length = d->size;
    repr_digest(c, d->sha256);
    web_add_header(c, "Content-Type", "application/octet-stream");
    web_add_header(c, "Cache-Control", "private, no-store");
    web_add_header(c, "Content-Security-Policy", "sandbox"); /* beside the one of all answers */
    disposition(c, d->name);
}

bool web_reply_artifact(struct web_call *c, const char *request, enum request_file which,
                        struct err *e)
{
    struct request_download d;
    TRY(request_open_file(c->service, &c->actor, request, which, c->arena, &d, e));
    reply_file(c, &d);
    return true;
}
