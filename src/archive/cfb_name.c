/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "archive/cfb_internal.h"
#include <stdlib.h>

/* Letters above ASCII with a capital one, of the scripts that people name things in. */
struct letters {
    uint16_t first, last, step;
    int32_t delta;
};
/* clang-format off */
static const struct letters letters[] = {
    {0xe0, 0xf6, 1, -32},       {0xf8, 0xfe, 1, -32},       {0xff, 0xff, 1, 121},
    {0x101, 0x12f, 2, -1},      {0x133, 0x137, 2, -1},      {0x13a, 0x148, 2, -1},
    {0x14b, 0x177, 2, -1},      {0x17a, 0x17e, 2, -1},      {0x192, 0x192, 1, -1},
    {0x1a1, 0x1a5, 2, -1},      {0x1b0, 0x1b0, 1, -1},      {0x1ce, 0x1dc, 2, -1},
    {0x1df, 0x1ef, 2, -1},      {0x1f5, 0x1f5, 1, -1},      {0x1f9, 0x21f, 2, -1},
    {0x223, 0x233, 2, -1},      {0x253, 0x253, 1, -210},    {0x254, 0x254, 1, -206},
    {0x256, 0x257, 1, -205},    {0x259, 0x259, 1, -202},    {0x25b, 0x25b, 1, -203},
    {0x3ac, 0x3ac, 1, -38},     {0x3ad, 0x3af, 1, -37},     {0x3b1, 0x3c1, 1, -32},
    {0x3c3, 0x3cb, 1, -32},     {0x3cc, 0x3cc, 1, -64},     {0x3cd, 0x3ce, 1, -63},
    {0x430, 0x44f, 1, -32},     {0x450, 0x45f, 1, -80},     {0x461, 0x481, 2, -1},
    {0x48b, 0x4bf, 2, -1},      {0x4c2, 0x4ce, 2, -1},      {0x4d1, 0x513, 2, -1},
    {0x561, 0x586, 1, -48},     {0x1e01, 0x1e95, 2, -1},    {0x1ea1, 0x1ef9, 2, -1},
    {0x2170, 0x217f, 1, -16},   {0x24d0, 0x24e9, 1, -26},   {0xff41, 0xff5a, 1, -32},
};
/* clang-format on */

static int by_letter(const void *key, const void *row)
{
    const uint16_t c = *(const uint16_t *)key;
    const struct letters *l = row;
    return c < l->first ? -1 : c > l->last;
}

static uint16_t upper(uint16_t c)
{
    if (c < 0x80)
        return c >= 'a' && c <= 'z' ? (uint16_t)(c - 32) : c;
    const struct letters *l = bsearch(&c, letters, COUNT_OF(letters), sizeof *l, by_letter);
    return l == NULL || (c - l->first) % l->step != 0 ? c : (uint16_t)(c + l->delta);
}

int cfb_name_order(struct reader a, struct reader b)
{
    uint16_t i, k;
    if (a.left != b.left)
        return a.left < b.left ? -1 : 1;
    while (reader_u16le(&a, &i) && reader_u16le(&b, &k))
        if (upper(i) != upper(k))
            return upper(i) < upper(k) ? -1 : 1;
    return 0;
}

static int by_name(const void *a, const void *b, void *ctx)
{
    const struct cfb *c = ctx;
    const struct cfb_entry *x = &c->entries[*(const uint32_t *)a];
    const struct cfb_entry *y = &c->entries[*(const uint32_t *)b];
    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    return cfb_name_order(x->name, y->name);
}

bool cfb_sort_names(struct arena *a, struct cfb *c, struct err *e)
{
    c->by_name = ARENA_ARRAY(a, c->count, uint32_t);
    if (c->by_name == NULL)
        return arena_err(e);
    for (uint32_t i = 1; i < c->count; i++)
        if (c->entries[i].type != 0)
            c->by_name[c->used++] = i;
    if (c->used > 1)
        qsort_r(c->by_name, c->used, sizeof *c->by_name, by_name, c);
    for (uint32_t i = 1; i < c->used; i++)
        if (by_name(&c->by_name[i - 1], &c->by_name[i], c) == 0)
            return cfb_bad(e, "two entries of its directory have the same name");
    return true;
}

/* The first entry that is not in front of this parent and name. */
static uint32_t place_of(const struct cfb *c, uint32_t parent, struct reader name)
{
    uint32_t low = 0, high = c->used;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct cfb_entry *x = &c->entries[c->by_name[middle]];
        if (x->parent < parent || (x->parent == parent && cfb_name_order(x->name, name) < 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct cfb_entry *cfb_find(const struct cfb *c, uint32_t parent, struct reader name)
{
    uint32_t at = place_of(c, parent, name);
    if (at == c->used)
        return NULL;
    const struct cfb_entry *x = &c->entries[c->by_name[at]];
    return x->parent == parent && cfb_name_order(x->name, name) == 0 ? x : NULL;
}

const struct cfb_entry *cfb_find_text(const struct cfb *c, uint32_t parent, const char *name)
{
    uint8_t wide[NAME_BYTES] = {0};
    size_t n = 0;
    for (; name[n] != '\0' && n < sizeof wide / 2; n++)
        wide[2 * n] = (uint8_t)name[n];
    return cfb_find(c, parent, reader_over(wide, 2 * n));
}

uint32_t cfb_child_count(const struct cfb *c, uint32_t parent)
{
    const struct reader least = {0};
    return place_of(c, parent + 1, least) - place_of(c, parent, least);
}
