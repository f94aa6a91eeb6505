/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "formats/appx/appx_map.h"
#include "formats/zip/zip_format.h"

enum { PROBE_MEMORY = 1 << 30 };

bool appx_probe(struct reader head, const struct source *in)
{
    struct appx p;
    struct err e = {0};
    if (!zip_starts(head))
        return false;
    CLEANUP(arena_cleanup) struct arena *a = arena_new(PROBE_MEMORY);
    return a != NULL && appx_open(a, in, &p, &e);
}

/* A manifest that cannot be read gives no facts: then no restriction holds. */
bool appx_inspect(struct arena *a, const struct source *in, struct file_facts *ret, struct err *e)
{
    struct appx p;
    struct appx_identity identity;
    struct err bad = {0};
    struct attribute *list = ARENA_ARRAY(a, 3, struct attribute);
    size_t n = 0;
    if (list == NULL)
        return arena_err(e);
    TRY(appx_open(a, in, &p, e));
    ret->signatures = p.signature == SIZE_MAX ? 0 : 1;
    ret->facts = (struct attributes){list, 0};
    if (!appx_identity_of(a, &p, &identity, &bad))
        return err_theirs(&bad, e);
    const struct attribute all[] = {{"package-name", identity.name},
                                    {"package-version", identity.version},
                                    {"publisher", identity.publisher}};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (all[i].value != NULL)
            list[n++] = all[i];
    ret->facts.count = n;
    return true;
}

/* --- container -------------------------------------------------------------------------------- */
/* Changes that nobody prepared are compressed in memory; more than this must be prepared. */
enum { UNPREPARED_MAX = 64 * 1024 * 1024, REPACK_MEMORY = 1 << 30 };

bool appx_container(struct arena *a, const struct source *in, const struct format *format,
                    struct budget *budget, struct container **ret, struct err *e)
{
    struct container *c;
    struct err unknown = {0};
    struct appx *p = ARENA_NEW(a, struct appx);
    if (p == NULL)
        return arena_err(e);
    TRY(zip_format_open(a, in, format, ZIP_UNIQUE_FOLDED, budget, &c, e));
    TRY(appx_of(c->own, p, e));
    if (!appx_load_hash(p, &unknown)) /* unknown is told when it is needed */
        TRY(err_theirs(&unknown, e));
    c->own = p;
    for (size_t i = 0; i < c->count; i++)
        TRY(appx_name(a, c->entries[i].path, &c->entries[i].path, e));
    *ret = c;
    return true;
}

static bool open_appx(struct arena *a, const struct source *in, struct budget *budget,
                      struct container **ret, struct err *e)
{
    return appx_container(a, in, &appx_format, budget, ret, e);
}

bool appx_own_entry(const struct container *c, size_t index)
{
    return text_equal_ascii_fold(c->entries[index].path, APPX_SIGNATURE);
}

bool appx_extract(const struct container *c, size_t index, struct sink *out, struct err *e)
{
    const struct appx *p = c->own;
    return zip_extract(p->zip, index, out, e);
}

static bool pack(const struct container *c, struct arena *a, const struct change *change,
                 struct sink *scratch, struct appx_packed **ret, struct err *e)
{
    const struct appx *p = c->own;
    if (change->index >= c->count)
        return err_user(e, ERR_DIRECTIVE,
                        "\"%.120s\" cannot be added to an app package: its block map lists all "
                        "files.",
                        change->path);
    struct appx_packed *made = ARENA_NEW(a, struct appx_packed);
    if (made == NULL)
        return arena_err(e);
    TRY(appx_catalog_holds(p, change->index, &change->content, e));
    TRY(appx_pack(a, p, change->index, &change->content, scratch, made, e));
    *ret = made;
    return true;
}

bool appx_prepare(const struct container *c, struct arena *a, struct change *change,
                  struct sink *scratch, struct err *e)
{
    struct appx_packed *made;
    TRY(pack(c, a, change, scratch, &made, e));
    change->prepared = made;
    return true;
}

static bool pack_in_memory(const struct container *c, struct arena *a, const struct change *change,
                           struct appx_packed **ret, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, UNPREPARED_MAX);
    struct sink scratch = sink_memory(&w);
    TRY(pack(c, a, change, &scratch, ret, e));
    if ((*ret)->zip.method == ZIP_STORED)
        return true;
    struct reader copy = arena_bytes(a, writer_view(&w));
    (*ret)->zip.data = source_memory(copy);
    return copy.at != NULL || arena_err(e);
}

bool appx_repack(const struct container *c, const struct change *changes, size_t count,
                 struct sink *out, struct err *e)
{
    const struct appx *p = c->own;
    CLEANUP(arena_cleanup) struct arena *a = arena_new(REPACK_MEMORY);
    struct appx_changes all = {.count = count};
    if (a == NULL)
        return arena_err(e);
    all.list = ARENA_ARRAY(a, count + 3, struct zip_change);
    all.packed = ARENA_ARRAY(a, count + 3, struct appx_packed *);
    if (all.list == NULL || all.packed == NULL)
        return arena_err(e);
    for (size_t i = 0; i < count; i++) {
        all.packed[i] = changes[i].prepared;
        if (all.packed[i] == NULL)
            TRY(pack_in_memory(c, a, &changes[i], &all.packed[i], e));
        all.list[i] = (struct zip_change){
            .action = ZIP_REPLACE, .index = changes[i].index, .packed = all.packed[i]->zip};
    }
    if (count > 0 && p->signature != SIZE_MAX) /* it does not hold for the new content */
        all.list[all.count++] = (struct zip_change){.action = ZIP_REMOVE, .index = p->signature};
    TRY(appx_follow(a, p, &all, e));
    return zip_repack(p->zip, all.list, all.count, NULL, out, e);
}

/* Content types may have got the row that the signature needs, block map and manifest follow the
 * changed entries, and nothing else differs. */
bool appx_compare(struct arena *a, const struct container *before, const struct container *after,
                  const bool *changed, struct err *e)
{
    struct appx old, new;
    struct zip left, right;
    struct reader want, is;
    bool added;
    size_t n = 0;
    bool map, bundle;
    old = *(const struct appx *)before->own;
    new = *(const struct appx *)after->own;
    bool *flags = ARENA_ARRAY(a, before->count, bool);
    if (flags == NULL)
        return arena_err(e);
    TRY(appx_content_types(a, &old, &want, &added, e));
    if (new.signature == SIZE_MAX) { /* only its content was signed */
        TRY(appx_entry(a, old.zip, old.content_types, APPX_TEXT_MAX, &want, e));
        added = false;
    }
    TRY(appx_entry(a, new.zip, new.content_types, 2 * APPX_TEXT_MAX, &is, e));
    if (!reader_equal(want, is))
        return err_user(e, ERR_VERIFY_CHANGED, "[Content_Types].xml changed in more than a row.");
    TRY(appx_map_compare(a, &old, &new, changed, &map, &bundle, e));
    for (size_t i = 0; i < before->count; i++)
        if (i != old.signature)
            flags[n++] = changed[i] || (added && i == old.content_types) ||
                         (map && i == old.block_map) || (bundle && i == old.manifest);
    TRY(zip_format_without(a, old.zip, old.signature, &left, e));
    TRY(zip_format_without(a, new.zip, new.signature, &right, e));
    return zip_compare(&left, &right, flags, e);
}

const struct format appx_format = {
    .facts = &appx_facts,
    .probe = appx_probe,
    .inspect = appx_inspect,
    .sign = appx_sign,
    .verify = appx_verify,
    .open = open_appx,
    .extract = appx_extract,
    .prepare = appx_prepare,
    .repack = appx_repack,
    .compare = appx_compare,
    .own_entry = appx_own_entry,
};
