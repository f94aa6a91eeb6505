/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "crypto/digest.h"
#include "formats/msi/msi.h"
#include <stdlib.h>

enum { DEPTH_MAX = 32 };

static int by_bytes(const void *a, const void *b, void *ctx)
{
    const struct cfb *c = ctx;
    const struct cfb_entry *x = &c->entries[*(const uint32_t *)a];
    const struct cfb_entry *y = &c->entries[*(const uint32_t *)b];
    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    return reader_order(x->name, y->name); /* memcmp of the UTF-16LE bytes */
}

/* One walk over the entries in the order of hashing. */
struct walk {
    const struct cfb *c;
    uint32_t *list; /* entries by parent and name */
    uint32_t count;
    struct digest *d;
    bool metadata;
};

static bool is_signature(const struct cfb_entry *x)
{
    static const char digital[] = "\5\0D\0i\0g\0i\0t\0a\0l\0S\0i\0g\0n\0a\0t\0u\0r\0e";
    static const char ex[] = "\5\0M\0s\0i\0D\0i\0g\0i\0t\0a\0l\0S\0i\0g\0n\0a\0t\0u\0r\0e\0E\0x";
    return x->parent == 0 && (reader_equal(x->name, reader_over(digital, sizeof digital)) ||
                              reader_equal(x->name, reader_over(ex, sizeof ex)));
}

static void metadata(struct digest *d, const struct cfb_entry *x)
{
    if (x->type != CFB_ROOT)
        digest_add(d, x->name);
    if (x->type != CFB_STREAM) {
        digest_add(d, x->clsid);
    } else {
        const uint8_t size[4] = {(uint8_t)x->size, (uint8_t)(x->size >> 8),
                                 (uint8_t)(x->size >> 16), (uint8_t)(x->size >> 24)};
        digest_add(d, reader_over(size, sizeof size));
    }
    digest_add(d, x->state);
    if (x->type != CFB_ROOT)
        digest_add(d, x->times);
}

static bool add_piece(void *ctx, struct reader piece, struct err *e)
{
    (void)e;
    digest_add(ctx, piece);
    return true;
}

static uint32_t first_child(const struct walk *w, uint32_t parent)
{
    uint32_t low = 0, high = w->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (w->c->entries[w->list[middle]].parent < parent)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A storage: its metadata in front of its entries, or its class behind their contents. */
static bool walk(const struct walk *w, uint32_t index, unsigned depth, struct err *e)
{
    const struct cfb_entry *self = &w->c->entries[index];
    if (depth > DEPTH_MAX)
        return err_user(e, ERR_CFB, "The compound file nests storages deeper than %d.", DEPTH_MAX);
    if (w->metadata)
        metadata(w->d, self);
    for (uint32_t i = first_child(w, index); i < w->count; i++) {
        const struct cfb_entry *x = &w->c->entries[w->list[i]];
        if (x->parent != index)
            break;
        if (is_signature(x))
            continue;
        if (x->type == CFB_STORAGE)
            TRY(walk(w, w->list[i], depth + 1, e));
        else if (w->metadata)
            metadata(w->d, x);
        else
            TRY(cfb_each(w->c, x, add_piece, w->d, e));
    }
    if (!w->metadata)
        digest_add(w->d, self->clsid);
    return true;
}

static bool run(struct arena *a, const struct cfb *c, struct digest *d, bool over_metadata,
                struct err *e)
{
    struct walk w = {.c = c, .d = d, .metadata = over_metadata};
    w.list = ARENA_ARRAY(a, c->count, uint32_t);
    if (w.list == NULL)
        return arena_err(e);
    for (uint32_t i = 1; i < c->count; i++)
        if (c->entries[i].type != 0)
            w.list[w.count++] = i;
    if (w.count > 1)
        qsort_r(w.list, w.count, sizeof *w.list, by_bytes, (void *)(uintptr_t)c);
    return walk(&w, 0, 0, e);
}

bool msi_metadata_digest(struct arena *a, const struct cfb *c, enum hash hash,
                         struct digest_value *ret, struct err *e)
{
    CLEANUP(digest_done) struct digest d = {0};
    return digest_begin(&d, hash, e) && run(a, c, &d, true, e) && digest_end(&d, ret, e);
}

bool msi_digest(struct arena *a, const struct cfb *c, enum hash hash, struct reader metadata_digest,
                struct digest_value *ret, struct err *e)
{
    CLEANUP(digest_done) struct digest d = {0};
    TRY(digest_begin(&d, hash, e));
    digest_add(&d, metadata_digest);
    return run(a, c, &d, false, e) && digest_end(&d, ret, e);
}
