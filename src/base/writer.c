/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/writer.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void writer_init(struct writer *w, size_t limit)
{
    *w = (struct writer){.limit = limit};
}

void writer_done(struct writer *w)
{
    if (w->data != NULL)
        explicit_bzero(w->data, w->cap);
    free(w->data);
    *w = (struct writer){0};
}

void writer_reset(struct writer *w)
{
    w->len = 0;
    w->failed = w->no_memory = false;
}

/* realloc would leave a copy of the old bytes behind; writers may hold secrets. */
static bool grow(struct writer *w, size_t n)
{
    if (w->failed || n > w->limit - w->len)
        return false;
    if (n <= w->cap - w->len)
        return true;
    size_t cap = w->cap > w->limit / 2 ? w->limit : w->cap * 2;
    if (cap < w->len + n)
        cap = w->len + n;
    if (cap < 64 && w->limit >= 64)
        cap = 64;
    uint8_t *data = malloc(cap);
    if (data == NULL) {
        w->no_memory = true;
        return false;
    }
    if (w->len > 0)
        memcpy(data, w->data, w->len);
    if (w->data != NULL)
        explicit_bzero(w->data, w->cap);
    free(w->data);
    w->data = data;
    w->cap = cap;
    return true;
}

uint8_t *writer_room(struct writer *w, size_t n)
{
    if (!grow(w, n)) {
        w->failed = true;
        return NULL;
    }
    uint8_t *room = w->data + w->len;
    w->len += n;
    return room;
}

void writer_bytes(struct writer *w, const void *data, size_t n)
{
    uint8_t *room = n == 0 ? NULL : writer_room(w, n);
    if (room != NULL)
        memcpy(room, data, n);
}

void writer_reader(struct writer *w, struct reader bytes)
{
    writer_bytes(w, bytes.at, bytes.left);
}

void writer_text(struct writer *w, const char *text)
{
    writer_reader(w, reader_text(text));
}

void writer_zeros(struct writer *w, size_t n)
{
    uint8_t *room = n == 0 ? NULL : writer_room(w, n);
    if (room != NULL)
        memset(room, 0, n);
}

void writer_format(struct writer *w, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0) {
        w->failed = w->no_memory = true;
        return;
    }
    writer_bytes(w, text, (size_t)n);
    free(text);
}

static void little_endian(struct writer *w, size_t n, uint64_t v)
{
    uint8_t b[8];
    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(v >> (8 * i));
    writer_bytes(w, b, n);
}

static void big_endian(struct writer *w, size_t n, uint64_t v)
{
    uint8_t b[8];
    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    writer_bytes(w, b, n);
}

#define WRITE(name, type, n, order)                                                                \
    void writer_##name(struct writer *w, type v)                                                   \
    {                                                                                              \
        order(w, n, v);                                                                            \
    }
WRITE(u8, uint8_t, 1, little_endian)
WRITE(u16le, uint16_t, 2, little_endian)
WRITE(u32le, uint32_t, 4, little_endian)
WRITE(u64le, uint64_t, 8, little_endian)
WRITE(u16be, uint16_t, 2, big_endian)

void writer_patch(struct writer *w, size_t offset, const void *data, size_t n)
{
    if (offset > w->len || n > w->len - offset) {
        w->failed = true;
        return;
    }
    if (n > 0)
        memcpy(w->data + offset, data, n);
}

void writer_insert(struct writer *w, size_t offset, const void *data, size_t n)
{
    if (offset > w->len) {
        w->failed = true;
        return;
    }
    size_t tail = w->len - offset;
    if (n == 0 || writer_room(w, n) == NULL)
        return;
    memmove(w->data + offset + n, w->data + offset, tail);
    memcpy(w->data + offset, data, n);
}

struct reader writer_view(const struct writer *w)
{
    return reader_over(w->data, w->len);
}

bool writer_ok(const struct writer *w, struct err *e)
{
    if (w->no_memory)
        return err_set(e, ERR_NO_MEMORY, "writer");
    return !w->failed || err_set(e, ERR_FILE_LIMIT, "output limit %zu", w->limit);
}
