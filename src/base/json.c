/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "base/text.h"
#include <assert.h>

struct json json_into(struct writer *w)
{
    return (struct json){.w = w};
}

static void quote_code_point(struct writer *w, uint32_t c)
{
    if (c == '"' || c == '\\')
        writer_format(w, "\\%c", (int)c);
    else if (c == '\n')
        writer_text(w, "\\n");
    else if (c == '\r')
        writer_text(w, "\\r");
    else if (c == '\t')
        writer_text(w, "\\t");
    else if (c < 0x20 || c == 0x7f || c == 0x2028 || c == 0x2029)
        writer_format(w, "\\u%04x", (unsigned)c);
    else
        text_put(w, c);
}

void json_quote(struct writer *w, struct reader utf8)
{
    writer_u8(w, '"');
    while (utf8.left > 0) {
        uint32_t c = 0xfffd;
        if (!text_next(&utf8, &c) && !reader_skip(&utf8, 1))
            break;
        quote_code_point(w, c);
    }
    writer_u8(w, '"');
}

static void start(struct json *j, const char *key)
{
    uint64_t bit = UINT64_C(1) << j->depth;
    if (j->comma & bit)
        writer_u8(j->w, ',');
    j->comma |= bit;
    if (key != NULL) {
        json_quote(j->w, reader_text(key));
        writer_u8(j->w, ':');
    }
}

static void open_level(struct json *j, const char *key, char bracket)
{
    start(j, key);
    writer_u8(j->w, (uint8_t)bracket);
    assert(j->depth < 63);
    j->depth++;
    j->comma &= ~(UINT64_C(1) << j->depth);
}

void json_open_object(struct json *j, const char *key)
{
    open_level(j, key, '{');
}

void json_open_array(struct json *j, const char *key)
{
    open_level(j, key, '[');
}

static void close_level(struct json *j, char bracket)
{
    assert(j->depth > 0);
    j->depth--;
    writer_u8(j->w, (uint8_t)bracket);
}

void json_end_object(struct json *j)
{
    close_level(j, '}');
}

void json_end_array(struct json *j)
{
    close_level(j, ']');
}

void json_bytes(struct json *j, const char *key, struct reader utf8)
{
    start(j, key);
    json_quote(j->w, utf8);
}

void json_text(struct json *j, const char *key, const char *value)
{
    if (value == NULL)
        json_put_null(j, key);
    else
        json_bytes(j, key, reader_text(value));
}

void json_hex(struct json *j, const char *key, const void *data, size_t n)
{
    struct reader bytes = reader_over(data, n);
    start(j, key);
    writer_u8(j->w, '"');
    for (uint8_t b; reader_u8(&bytes, &b);) {
        char two[3];
        text_hex(&b, 1, two);
        writer_text(j->w, two);
    }
    writer_u8(j->w, '"');
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
    start(j, key);
    writer_format(j->w, "%llu", (unsigned long long)value);
}

void json_i64(struct json *j, const char *key, int64_t value)
{
    start(j, key);
    writer_format(j->w, "%lld", (long long)value);
}

void json_bool(struct json *j, const char *key, bool value)
{
    start(j, key);
    writer_text(j->w, value ? "true" : "false");
}

void json_put_null(struct json *j, const char *key)
{
    start(j, key);
    writer_text(j->w, "null");
}

void json_raw(struct json *j, const char *key, struct reader json)
{
    start(j, key);
    writer_reader(j->w, json);
}
