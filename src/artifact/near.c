/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "artifact/tree.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>

struct near {
    size_t *files; /* entries, sorted by their names without case */
    size_t count;
};

/* 0 for the same names as text_equal_fold. */
static int fold_order(const char *a, const char *b)
{
    struct reader x = reader_text(a), y = reader_text(b);
    uint32_t c, d;
    while (x.left > 0 && y.left > 0 && text_next(&x, &c) && text_next(&y, &d)) {
        c = text_fold(c);
        d = text_fold(d);
        if (c != d)
            return c < d ? -1 : 1;
    }
    return reader_order(x, y);
}

static int near_order(const void *a, const void *b, void *ctx)
{
    const struct container *c = ctx;
    const size_t *x = a, *y = b;
    int order = fold_order(c->entries[*x].path, c->entries[*y].path);
    return order != 0 ? order : *x < *y ? -1 : *x > *y;
}

bool part_sort_near(struct arena *a, struct container *c, struct err *e)
{
    struct near *near = ARENA_NEW(a, struct near);
    size_t *files = ARENA_ARRAY(a, c->count + 1, size_t);
    if (near == NULL || files == NULL)
        return arena_err(e);
    near->files = files;
    for (size_t i = 0; i < c->count; i++)
        if (!c->entries[i].folder)
            files[near->count++] = i;
    qsort_r(files, near->count, sizeof *files, near_order, c);
    c->near = near;
    return true;
}

static size_t find_sorted(const struct container *c, const char *wanted)
{
    const struct near *near = c->near;
    size_t low = 0, high = near->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (fold_order(c->entries[near->files[middle]].path, wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < near->count && fold_order(c->entries[near->files[low]].path, wanted) == 0;
    return found ? near->files[low] : SIZE_MAX;
}

static size_t find_first(const struct container *c, const char *wanted)
{
    for (size_t i = 0; i < c->count; i++)
        if (!c->entries[i].folder && text_equal_fold(c->entries[i].path, wanted))
            return i;
    return SIZE_MAX;
}

bool part_near(const struct container *c, const char *entry, const char *path, size_t *ret,
               struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(65536);
    const char *slash = strrchr(entry, '/');
    int folder = slash == NULL ? 0 : (int)(slash - entry) + 1;
    const char *wanted = a == NULL ? NULL : arena_format(a, "%.*s%s", folder, entry, path);
    if (wanted == NULL)
        return arena_err(e);
    *ret = c->near != NULL ? find_sorted(c, wanted) : find_first(c, wanted);
    return true;
}
