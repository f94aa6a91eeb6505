/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/arena.h"
#include "base/fault.h"
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 16 * 1024 };

struct block {
    struct block *next;
    size_t size, used;
    alignas(max_align_t) uint8_t data[];
};

struct arena {
    struct block *blocks;
    size_t used, limit;
    bool failed;
};

struct arena *arena_new(size_t limit)
{
    struct arena *a = calloc(1, sizeof *a);
    if (a != NULL)
        a->limit = limit;
    return a;
}

void arena_free(struct arena *a)
{
    if (a == NULL)
        return;
    while (a->blocks != NULL) {
        struct block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
    free(a);
}

void arena_cleanup(struct arena **a)
{
    arena_free(*a);
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}

static struct block *block_with(struct arena *a, size_t n)
{
    if (a->blocks != NULL && a->blocks->size - a->blocks->used >= n)
        return a->blocks;
    size_t size = n > BLOCK / 4 ? n : BLOCK;
    struct block *b = malloc(sizeof *b + size);
    if (b == NULL)
        return NULL;
    *b = (struct block){.size = size};
    if (size == n && a->blocks != NULL) { /* a large piece: keep filling the open block */
        b->next = a->blocks->next;
        a->blocks->next = b;
    } else {
        b->next = a->blocks;
        a->blocks = b;
    }
    return b;
}

bool arena_failed(const struct arena *a)
{
    return a->failed;
}

static void *refuse(struct arena *a)
{
    a->failed = true;
    return NULL;
}

void *arena_alloc(struct arena *a, size_t n)
{
    size_t align = alignof(max_align_t);
    if (fault_now() || n > SIZE_MAX - align)
        return refuse(a);
    n = n == 0 ? align : (n + align - 1) / align * align;
    if (n > a->limit - a->used)
        return refuse(a);
    struct block *b = block_with(a, n);
    if (b == NULL)
        return refuse(a);
    uint8_t *ret = b->data + b->used;
    b->used += n;
    a->used += n;
    return memset(ret, 0, n);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t n;
    return __builtin_mul_overflow(count, size, &n) ? refuse(a) : arena_alloc(a, n);
}

void *arena_grow(struct arena *a, const void *old, size_t count, size_t new_count, size_t size)
{
    void *ret = arena_array(a, new_count, size);
    if (ret != NULL && count > 0)
        memcpy(ret, old, count * size);
    return ret;
}

char *arena_text(struct arena *a, struct reader bytes)
{
    char *ret = bytes.left == SIZE_MAX ? refuse(a) : arena_alloc(a, bytes.left + 1);
    if (ret != NULL && bytes.left > 0)
        memcpy(ret, bytes.at, bytes.left);
    return ret;
}

struct reader arena_bytes(struct arena *a, struct reader bytes)
{
    const char *copy = arena_text(a, bytes);
    return reader_over(copy, copy == NULL ? 0 : bytes.left);
}

char *arena_format(struct arena *a, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0)
        return refuse(a);
    char *ret = arena_text(a, reader_over(text, (size_t)n));
    free(text);
    return ret;
}

bool arena_err(struct err *e)
{
    return err_set(e, ERR_NO_MEMORY, "arena");
}
