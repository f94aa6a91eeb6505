/* SPDX-License-Identifier: Apache-2.0 */
#include "web/http/head.h"
#include "base/text.h"

static bool is_token_char(uint8_t c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    for (size_t i = 0; others[i] != '\0'; i++)
        if (c == (uint8_t)others[i])
            return true;
    return false;
}

bool head_is_token(struct reader text)
{
    uint8_t c;
    if (text.left == 0)
        return false;
    while (reader_u8(&text, &c))
        if (!is_token_char(c))
            return false;
    return true;
}

struct reader head_trim(struct reader text)
{
    size_t from = 0, to = text.left;
    while (from < to && (text.at[from] == ' ' || text.at[from] == '\t'))
        from++;
    while (to > from && (text.at[to - 1] == ' ' || text.at[to - 1] == '\t'))
        to--;
    struct reader trimmed = {0};
    return reader_slice(text, from, to - from, &trimmed) ? trimmed : text;
}

bool head_name_is(struct reader name, const char *lower)
{
    for (size_t i = 0; i < name.left; i++) {
        uint8_t c = name.at[i];
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c + 'a' - 'A');
        if (lower[i] == '\0' || c != (uint8_t)lower[i])
            return false;
    }
    return lower[name.left] == '\0';
}

/* Visible characters, blanks, tabs and well-formed UTF-8 (RFC 9110 5.5 without obs-text). */
static bool is_value(struct reader value)
{
    if (!text_is_utf8(value))
        return false;
    uint8_t c;
    while (reader_u8(&value, &c))
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    return true;
}

bool head_add(struct head *h, struct reader name, struct reader value, struct err *e)
{
    if (h->count == HEAD_FIELDS)
        return err_set(e, ERR_HTTP_HEAD, "more than %d fields", HEAD_FIELDS);
    if (!head_is_token(name))
        return err_set(e, ERR_HTTP_REQUEST, "field %zu: the name is not a token", h->count + 1);
    if (!is_value(value))
        return err_set(e, ERR_HTTP_REQUEST, "field %zu: control characters or not UTF-8",
                       h->count + 1);
    h->fields[h->count++] = (struct head_field){name, head_trim(value)};
    return true;
}

static bool take_to_nul(struct reader *r, struct reader *ret)
{
    size_t end = reader_find(*r, 0, "", 1);
    return end != SIZE_MAX && reader_take(r, end, ret) && reader_skip(r, 1);
}

bool head_fields_in_place(struct reader lines, struct head *h, struct err *e)
{
    for (;;) {
        struct reader name, value;
        uint8_t second;
        if (!take_to_nul(&lines, &name))
            return err_set(e, ERR_HTTP_REQUEST, "no empty line at the end");
        if (name.left == 0)
            break;
        if (!take_to_nul(&lines, &value) || !reader_u8(&lines, &second) || second != 0)
            return err_set(e, ERR_HTTP_REQUEST, "field %zu is not one line ended by CR LF",
                           h->count + 1);
        TRY(head_add(h, name, value, e));
    }
    uint8_t last;
    if (!reader_u8(&lines, &last) || last != 0 || !reader_at_end(&lines))
        return err_set(e, ERR_HTTP_REQUEST, "bytes after the empty line");
    return true;
}

bool head_find(const struct head *h, const char *name, struct reader *ret)
{
    for (size_t i = 0; i < h->count; i++) {
        if (!head_name_is(h->fields[i].name, name))
            continue;
        *ret = h->fields[i].value;
        return true;
    }
    return false;
}

static bool check_method(const struct head *h, struct err *e)
{
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (reader_equal_text(h->method, known[i]))
            return true;
    return err_set(e, head_is_token(h->method) ? ERR_HTTP_METHOD : ERR_HTTP_REQUEST, "method");
}

/* Only the origin form (RFC 9112 3.2.1): the other forms belong to proxies. */
static bool check_target(const struct head *h, struct err *e)
{
    struct reader r = h->target;
    uint8_t c;
    if (r.left > HEAD_TARGET)
        return err_set(e, ERR_HTTP_TARGET, "target of %zu bytes", r.left);
    if (r.left == 0 || r.at[0] != '/')
        return err_set(e, ERR_HTTP_REQUEST, "the target does not start with a slash");
    while (reader_u8(&r, &c))
        if (c <= 0x20 || c >= 0x7f || c == '#' || c == '"' || c == '<' || c == '>' || c == '\\' ||
            c == '^' || c == '`' || c == '{' || c == '|' || c == '}')
            return err_set(e, ERR_HTTP_REQUEST, "the target has a byte 0x%02x that must be encoded",
                           c);
    return true;
}

/* Fields that steer framing or routing count once; repeated ones are read differently by
 * different servers. */
static bool check_single(const struct head *h, struct err *e)
{
    static const char *const single[] = {"host",         "content-length", "transfer-encoding",
                                         "content-type", "authorization",  "expect"};
    for (size_t k = 0; k < COUNT_OF(single); k++) {
        size_t seen = 0;
        for (size_t i = 0; i < h->count; i++)
            seen += head_name_is(h->fields[i].name, single[k]) ? 1 : 0;
        if (seen > 1)
            return err_set(e, ERR_HTTP_REQUEST, "%zu fields %s", seen, single[k]);
    }
    return true;
}

static bool check_framing(struct head *h, struct err *e)
{
    struct reader length, coding;
    bool sized = head_find(h, "content-length", &length);
    bool coded = head_find(h, "transfer-encoding", &coding);
    if (sized && coded)
        return err_set(e, ERR_HTTP_REQUEST, "Content-Length beside Transfer-Encoding");
    if (coded && (h->minor_0 || !head_name_is(coding, "chunked")))
        return err_set(e, ERR_HTTP_REQUEST, "a Transfer-Encoding other than chunked");
    if (sized && !text_u64(length, &h->length))
        return err_set(e, ERR_HTTP_REQUEST, "Content-Length is not a decimal number");
    if (sized && h->length >= (1ull << 62))
        return err_set(e, ERR_HTTP_TOO_LARGE, "Content-Length %llu", (unsigned long long)h->length);
    h->chunked = coded;
    if (coded)
        h->length = UINT64_MAX;
    return true;
}

static bool check_host(const struct head *h, struct err *e)
{
    struct reader host;
    uint8_t c;
    if (!head_find(h, "host", &host))
        return h->minor_0 || err_set(e, ERR_HTTP_REQUEST, "no Host");
    if (host.left > 255)
        return err_set(e, ERR_HTTP_REQUEST, "Host of %zu bytes", host.left);
    while (reader_u8(&host, &c))
        if (!is_token_char(c) && c != ':' && c != '[' && c != ']')
            return err_set(e, ERR_HTTP_REQUEST, "Host has a byte 0x%02x", c);
    return true;
}

bool head_check(struct head *h, struct err *e)
{
    TRY(check_method(h, e));
    TRY(check_target(h, e));
    TRY(check_single(h, e));
    TRY(check_framing(h, e));
    TRY(check_host(h, e));
    struct reader expect;
    if (head_find(h, "expect", &expect)) {
        if (!head_name_is(expect, "100-continue"))
            return err_set(e, ERR_HTTP_EXPECT, "another expectation");
        h->expects_continue = !h->minor_0;
    }
    return true;
}

bool head_is_hop(struct reader name)
{
    static const char *const hop[] = {
        "connection",        "keep-alive",          "te",
        "trailer",           "transfer-encoding",   "upgrade",
        "proxy-connection",  "proxy-authorization", "expect",
        "forwarded",         "x-real-ip",           "x-forwarded-for",
        "x-forwarded-proto", "x-forwarded-host",    "x-forwarded-port"};
    for (size_t i = 0; i < COUNT_OF(hop); i++)
        if (head_name_is(name, hop[i]))
            return true;
    return false;
}

bool head_may_send(struct reader name, struct reader value)
{
    return head_is_token(name) && is_value(value);
}
