/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/cab/cab.h"

static bool probe(struct reader head, const struct source *in)
{
    (void)in;
    return cab_starts(head);
}

static bool inspect(struct arena *a, const struct source *in, struct file_facts *ret, struct err *e)
{
    struct cab *c;
    TRY(cab_open(a, in, NULL, &c, e));
    *ret = (struct file_facts){.signatures = c->signature.left > 0};
    return true;
}

static bool open(struct arena *a, const struct source *in, struct budget *budget,
                 struct container **ret, struct err *e)
{
    struct cab *c;
    TRY(cab_open(a, in, budget, &c, e));
    struct container *x = ARENA_NEW(a, struct container);
    struct entry *entries = ARENA_ARRAY(a, c->file_count, struct entry);
    if (x == NULL || entries == NULL)
        return arena_err(e);
    for (size_t i = 0; i < c->file_count; i++)
        entries[i] = (struct entry){.path = c->files[i].path, .size = c->files[i].size};
    *x = (struct container){.format = &cab_format,
                            .in = *in,
                            .entries = entries,
                            .count = c->file_count,
                            .budget = budget,
                            .own = c};
    *ret = x;
    return true;
}

static bool extract(const struct container *c, size_t index, struct sink *out, struct err *e)
{
    return cab_extract(c->own, index, out, e);
}

static bool extract_many(const struct container *c, const size_t *indexes, size_t count,
                         struct sink *outs, struct err *e)
{
    return cab_extract_many(c->own, indexes, count, outs, e);
}

static bool repack(const struct container *c, const struct change *changes, size_t count,
                   struct sink *out, struct err *e)
{
    CLEANUP(arena_cleanup)
    struct arena *a = arena_new((count + 1) * sizeof(struct cab_change) + 1024);
    struct cab_change *list = a == NULL ? NULL : ARENA_ARRAY(a, count + 1, struct cab_change);
    if (list == NULL)
        return arena_err(e);
    for (size_t i = 0; i < count; i++) {
        if (changes[i].index == SIZE_MAX)
            return err_user(e, ERR_DIRECTIVE, "Files cannot be added to a cabinet.");
        list[i] = (struct cab_change){changes[i].index, changes[i].content};
    }
    return cab_repack(c->own, list, count, out, e);
}

static bool compare(struct arena *a, const struct container *before, const struct container *after,
                    const bool *changed, struct err *e)
{
    (void)a;
    return cab_compare(before->own, after->own, changed, e);
}

const struct format cab_format = {
    .facts = &cab_facts,
    .probe = probe,
    .inspect = inspect,
    .sign = cab_sign,
    .verify = cab_verify,
    .open = open,
    .extract = extract,
    .extract_many = extract_many,
    .repack = repack,
    .compare = compare,
};
