/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/zip/zip_format.h"

/* Changes that nobody prepared are compressed in memory; more than this must be prepared. */
enum { UNPREPARED_MAX = 64 * 1024 * 1024 };

size_t zip_format_room(size_t count)
{
    return UNPREPARED_MAX + (count + 16) * 2 * sizeof(struct zip_change) + 1024;
}

static bool probe(struct reader head, const struct source *in)
{
    (void)in;
    return zip_starts(head);
}

static bool inspect(struct arena *a, const struct source *in, struct file_facts *ret, struct err *e)
{
    (void)a;
    (void)in;
    (void)e;
    *ret = (struct file_facts){0};
    return true;
}

bool zip_format_open(struct arena *a, const struct source *in, const struct format *format,
                     unsigned profile, struct budget *budget, struct container **ret, struct err *e)
{
    struct zip *z;
    TRY(zip_open(a, in, profile, budget, &z, e));
    struct container *c = ARENA_NEW(a, struct container);
    struct entry *entries = ARENA_ARRAY(a, z->count, struct entry);
    if (c == NULL || entries == NULL)
        return arena_err(e);
    for (size_t i = 0; i < z->count; i++) {
        const struct zip_entry *x = &z->entries[i];
        entries[i] = (struct entry){.path = x->path, .size = x->size, .folder = x->folder};
    }
    *c = (struct container){.format = format,
                            .in = *in,
                            .entries = entries,
                            .count = z->count,
                            .budget = budget,
                            .own = z};
    *ret = c;
    return true;
}

static bool open(struct arena *a, const struct source *in, struct budget *budget,
                 struct container **ret, struct err *e)
{
    return zip_format_open(a, in, &zip_format, 0, budget, ret, e);
}

bool zip_format_extract(const struct container *c, size_t index, struct sink *out, struct err *e)
{
    return zip_extract(c->own, index, out, e);
}

/* What was stored stays stored: somebody may rely on its being readable in place. */
static bool pack(const struct zip *z, const struct change *change, struct sink *scratch,
                 struct zip_packed *ret, struct err *e)
{
    if (change->index < z->count)
        return zip_pack_again(z, change->index, &change->content, scratch, ret, e);
    return zip_pack(&change->content, ZIP_DEFLATED, scratch, ret, e);
}

bool zip_format_prepare(const struct container *c, struct arena *a, struct change *change,
                        struct sink *scratch, struct err *e)
{
    struct zip_packed *packed = ARENA_NEW(a, struct zip_packed);
    if (packed == NULL)
        return arena_err(e);
    TRY(pack(c->own, change, scratch, packed, e));
    change->prepared = packed;
    return true;
}

static bool pack_in_memory(const struct zip *z, struct arena *a, const struct change *change,
                           struct zip_packed *ret, struct err *e)
{
    struct writer w;
    writer_init(&w, UNPREPARED_MAX);
    struct sink scratch = sink_memory(&w);
    bool ok = pack(z, change, &scratch, ret, e);
    if (ok && ret->method != ZIP_STORED) {
        struct reader copy = arena_bytes(a, writer_view(&w));
        ok = copy.at != NULL || arena_err(e);
        ret->data = source_memory(copy);
    }
    writer_done(&w);
    return ok;
}

bool zip_format_changes(const struct container *c, struct arena *a, const struct change *changes,
                        size_t count, size_t room, struct zip_change **ret, struct err *e)
{
    struct zip_change *list = ARENA_ARRAY(a, count + room, struct zip_change);
    if (list == NULL)
        return arena_err(e);
    for (size_t i = 0; i < count; i++) {
        const struct change *change = &changes[i];
        bool added = change->index == SIZE_MAX;
        list[i] = (struct zip_change){.action = added ? ZIP_ADD : ZIP_REPLACE,
                                      .index = added ? change->like : change->index,
                                      .path = change->path};
        if (change->prepared != NULL)
            list[i].packed = *(const struct zip_packed *)change->prepared;
        else
            TRY(pack_in_memory(c->own, a, change, &list[i].packed, e));
    }
    *ret = list;
    return true;
}

static bool repack(const struct container *c, const struct change *changes, size_t count,
                   struct sink *out, struct err *e)
{
    struct zip_change *list;
    CLEANUP(arena_cleanup) struct arena *a = arena_new(zip_format_room(count));
    if (a == NULL)
        return arena_err(e);
    TRY(zip_format_changes(c, a, changes, count, 0, &list, e));
    return zip_repack(c->own, list, count, NULL, out, e);
}

bool zip_format_keep(struct arena *a, const struct zip *z, const bool *drop, struct zip *ret,
                     struct err *e)
{
    struct zip_entry *entries = ARENA_ARRAY(a, z->count, struct zip_entry);
    uint32_t *order = ARENA_ARRAY(a, z->count, uint32_t);
    uint32_t *place = ARENA_ARRAY(a, z->count, uint32_t);
    uint32_t n = 0, k = 0;
    if (entries == NULL || order == NULL || place == NULL)
        return arena_err(e);
    for (size_t i = 0; i < z->count; i++) {
        place[i] = n;
        if (!drop[i])
            entries[n++] = z->entries[i];
    }
    for (size_t i = 0; i < z->count; i++)
        if (!drop[z->order[i]])
            order[k++] = place[z->order[i]];
    *ret = *z;
    ret->entries = entries;
    ret->order = order;
    ret->count = n;
    return true;
}

bool zip_format_without(struct arena *a, const struct zip *z, size_t index, struct zip *ret,
                        struct err *e)
{
    bool *drop = ARENA_ARRAY(a, z->count, bool);
    if (drop == NULL)
        return arena_err(e);
    if (index < z->count)
        drop[index] = true;
    return zip_format_keep(a, z, drop, ret, e);
}

static bool compare(struct arena *a, const struct container *before, const struct container *after,
                    const bool *changed, struct err *e)
{
    (void)a;
    return zip_compare(before->own, after->own, changed, e);
}

const struct format zip_format = {
    .facts = &zip_facts,
    .probe = probe,
    .inspect = inspect,
    .open = open,
    .extract = zip_format_extract,
    .prepare = zip_format_prepare,
    .repack = repack,
    .compare = compare,
};
