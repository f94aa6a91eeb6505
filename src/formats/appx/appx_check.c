/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/xml_edit.h"
#include "base/text.h"
#include "formats/appx/appx_map.h"
#include <stdlib.h>
#include <string.h>

/* Compares what two packages say of themselves. Texts must be equal but for marked places; what
 * stands in those of the new package is looked up in its content. */
static const struct xml_limits map_limits = {APPX_MAP_MAX, 4 * 1000 * 1000, 16, 64};
static const struct xml_limits manifest_limits = {APPX_TEXT_MAX, 100000, 64, 256};

static bool differs(const char *what, struct err *e)
{
    return err_user(e, ERR_VERIFY_CHANGED, "%s changed in more than what follows the signatures.",
                    what);
}

static bool wrong(const char *name, struct err *e)
{
    return err_user(e, ERR_VERIFY_CHANGED,
                    "AppxBlockMap.xml does not say what \"%.200s\" holds after signing.", name);
}

/* --- the text but for marked places ----------------------------------------------------------- */
struct rest {
    struct arena *arena;
    struct xml_cut *list;
    size_t count, room;
};

static bool leave_out(struct rest *r, size_t from, size_t to, struct err *e)
{
    if (r->count == r->room) {
        size_t room = 2 * r->room + 64;
        struct xml_cut *more = arena_grow(r->arena, r->list, r->count, room, sizeof *more);
        if (more == NULL)
            return arena_err(e);
        r->list = more;
        r->room = room;
    }
    r->list[r->count++] = (struct xml_cut){from, to, reader_text("")};
    return true;
}

/* In document order. */
static bool leave_out_values(struct rest *r, const struct xml_span *s, const char *one,
                             const char *other, struct err *e)
{
    for (size_t i = 0; i < s->attribute_count; i++) {
        const struct xml_attribute *x = &s->attributes[i];
        if (x->space[0] == '\0' && (strcmp(x->name, one) == 0 || strcmp(x->name, other) == 0))
            TRY(leave_out(r, x->value_from, x->value_to, e));
    }
    return true;
}

static bool rest_of(struct rest *r, struct reader text, struct reader *ret, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, APPX_MAP_MAX + APPX_TEXT_MAX);
    if (!xml_cuts_apply(text, r->list, r->count, &w))
        return w.failed ? writer_ok(&w, e) : err_set(e, ERR_INTERNAL, "cuts are not in order");
    *ret = arena_bytes(r->arena, writer_view(&w));
    return ret->at != NULL || arena_err(e);
}

/* --- the block map ---------------------------------------------------------------------------- */

/* One block of a deflated entry stands on its own: with an empty last block behind it is a whole
 * stream. */
static bool expand_block(struct arena *a, const struct source *stream, uint64_t at, uint64_t packed,
                         size_t plain, struct reader *ret, bool *ret_good, struct err *e)
{
    CLEANUP(writer_done) struct writer with_end = {0};
    CLEANUP(writer_done) struct writer out = {0};
    struct reader bytes;
    struct err bad = {0};
    uint32_t crc;
    *ret_good = false;
    if (packed > 2 * APPX_BLOCK || at > stream->size || packed > stream->size - at)
        return true;
    writer_init(&with_end, 4 * APPX_BLOCK);
    writer_init(&out, APPX_BLOCK);
    TRY(source_load(a, stream, at, (size_t)packed, &bytes, e));
    writer_reader(&with_end, bytes);
    writer_bytes(&with_end, "\x03", 2);
    struct source in = source_memory(writer_view(&with_end));
    struct sink k = sink_memory(&out);
    if (!writer_ok(&with_end, e))
        return false;
    if (!deflate_expand(&in, plain, NULL, &k, &crc, &bad))
        return err_theirs(&bad, e);
    *ret = arena_bytes(a, writer_view(&out));
    *ret_good = ret->at != NULL;
    return *ret_good || arena_err(e);
}

static bool number_of(const struct xml_span *s, const char *name, uint64_t *ret)
{
    const char *value = xml_span_value(s, name);
    return value != NULL && text_u64(reader_text(value), ret);
}

static bool digest_is(struct arena *a, const struct xml_span *s, enum hash hash,
                      struct reader bytes, bool *ret, struct err *e)
{
    const char *stated = xml_span_value(s, "Hash");
    struct digest_value v;
    struct reader decoded;
    TRY(digest_of(hash, bytes, &v, e));
    *ret = stated != NULL && text_unbase64(a, reader_text(stated), &decoded) &&
           reader_equal(decoded, digest_view(&v));
    return true;
}

/* What the rows of one file say, against the entry. */
struct reading {
    struct source stream;
    uint64_t at, packed_at, left;
};

static bool check_block(struct reading *r, const struct appx *p, const struct zip_entry *x,
                        const struct xml_span *row, bool *good, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(8 * APPX_BLOCK);
    struct reader plain;
    uint64_t packed = 0;
    size_t n = r->left < APPX_BLOCK ? (size_t)r->left : APPX_BLOCK;
    if (a == NULL)
        return arena_err(e);
    *good = n > 0 && (x->method == ZIP_STORED || number_of(row, "Size", &packed));
    if (!*good)
        return true;
    if (x->method == ZIP_STORED)
        TRY(source_load(a, &r->stream, r->at, n, &plain, e));
    else
        TRY(expand_block(a, &r->stream, r->packed_at, packed, n, &plain, good, e));
    if (!*good)
        return true;
    r->at += n;
    r->left -= n;
    r->packed_at += packed;
    return digest_is(a, row, p->hash, plain, good, e);
}

static bool check_whole(const struct appx *p, size_t index, const struct xml_span *row, bool *good,
                        struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(APPX_BLOCK);
    CLEANUP(digest_done) struct digest d = {0};
    struct digest_value v;
    struct reader decoded;
    const char *stated = xml_span_value(row, "Hash");
    struct sink k = sink_discard();
    if (a == NULL)
        return arena_err(e);
    k.tee = digest_tee;
    k.tee_ctx = &d;
    TRY(digest_begin(&d, p->hash, e));
    TRY(zip_extract(p->zip, index, &k, e) && digest_end(&d, &v, e));
    *good = stated != NULL && text_unbase64(a, reader_text(stated), &decoded) &&
            reader_equal(decoded, digest_view(&v));
    return true;
}

/* `at` is the File; its rows follow it in the list. */
static bool check_file(const struct appx *p, const struct xml_spans *s, size_t at, size_t index,
                       struct err *e)
{
    const struct zip_entry *x = &p->zip->entries[index];
    const struct xml_span *file = &s->list[at];
    struct reading r = {.stream = zip_stored_bytes(p->zip, x), .left = x->size};
    uint64_t size, header;
    bool good = number_of(file, "Size", &size) && size == x->size &&
                number_of(file, "LfhSize", &header) && header == x->data - x->header;
    for (size_t i = at + 1; good && i < s->count && s->list[i].depth > 2; i++) {
        if (strcmp(s->list[i].name, "Block") == 0)
            TRY(check_block(&r, p, x, &s->list[i], &good, e));
        else if (strcmp(s->list[i].name, "FileHash") == 0)
            TRY(check_whole(p, index, &s->list[i], &good, e));
    }
    bool all = good && r.left == 0 && (x->method == ZIP_STORED || r.packed_at + 2 == x->compressed);
    return all || wrong(x->path, e);
}

/* Marked entries by name, to be found by the names of the texts. */
struct named {
    const char *name;
    size_t index;
};

static int name_order(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static bool sort_names(struct arena *a, const struct appx *p, const bool *marked, size_t most,
                       struct named **ret, size_t *ret_count, struct err *e)
{
    struct named *list = ARENA_ARRAY(a, p->zip->count, struct named);
    size_t n = 0;
    if (list == NULL)
        return arena_err(e);
    for (size_t i = 0; i < p->zip->count; i++)
        if (marked == NULL || (i < most && marked[i])) {
            list[n].index = i;
            TRY(appx_name(a, p->zip->entries[i].path, &list[n++].name, e));
        }
    qsort(list, n, sizeof *list, name_order);
    *ret = list;
    *ret_count = n;
    return true;
}

static size_t entry_of(struct arena *a, const struct named *list, size_t count,
                       const struct xml_span *s, const char *attribute)
{
    const char *name = xml_span_value(s, attribute);
    char *wanted = name == NULL ? NULL : arena_text(a, reader_text(name));
    for (char *c = wanted; c != NULL && *c != '\0'; c++)
        if (*c == '\\')
            *c = '/';
    const struct named key = {.name = wanted};
    const struct named *found =
        wanted == NULL || count == 0 ? NULL : bsearch(&key, list, count, sizeof *list, name_order);
    return found == NULL ? SIZE_MAX : found->index;
}

/* Entries keep their index: signing adds behind. */
static bool map_rest(struct arena *a, const struct appx *p, const bool *changed, size_t most,
                     bool check, struct reader *ret, struct err *e)
{
    struct named *names;
    size_t count;
    struct reader map;
    struct xml_spans s;
    struct rest rest = {.arena = a};
    TRY(appx_entry(a, p->zip, p->block_map, APPX_MAP_MAX, &map, e));
    TRY(xml_spans_load(a, map, &map_limits, 3, &s, e));
    TRY(sort_names(a, p, changed, most, &names, &count, e));
    for (size_t i = 0; i < s.count; i++) {
        size_t index;
        if (s.list[i].depth != 2 || strcmp(s.list[i].name, "File") != 0)
            continue;
        index = entry_of(a, names, count, &s.list[i], "Name");
        if (index == SIZE_MAX)
            continue;
        TRY(leave_out_values(&rest, &s.list[i], "Size", "LfhSize", e));
        /* From the end of the start tag on: an empty element may have got rows. */
        TRY(leave_out(&rest, s.list[i].empty ? s.list[i].to - 2 : s.list[i].inside - 1,
                      s.list[i].to, e));
        if (check)
            TRY(check_file(p, &s, i, index, e));
    }
    return rest_of(&rest, s.text, ret, e);
}

/* --- the manifest ----------------------------------------------------------------------------- */

static bool manifest_rest(struct arena *a, const struct appx *p, bool check, struct reader *ret,
                          struct err *e)
{
    struct reader text;
    struct xml_spans s;
    struct rest rest = {.arena = a};
    TRY(appx_entry(a, p->zip, p->manifest, APPX_TEXT_MAX, &text, e));
    if (!p->bundle) {
        *ret = text;
        return true;
    }
    struct named *names;
    size_t count;
    TRY(xml_spans_load(a, text, &manifest_limits, 3, &s, e));
    TRY(sort_names(a, p, NULL, 0, &names, &count, e));
    for (size_t i = 0; i < s.count; i++) {
        size_t index;
        uint64_t offset, size;
        if (s.list[i].depth != 3 || strcmp(s.list[i].name, "Package") != 0)
            continue;
        index = entry_of(a, names, count, &s.list[i], "FileName");
        if (index == SIZE_MAX)
            continue;
        TRY(leave_out_values(&rest, &s.list[i], "Offset", "Size", e));
        const struct zip_entry *x = &p->zip->entries[index];
        if (check && (!number_of(&s.list[i], "Offset", &offset) || offset != x->data ||
                      !number_of(&s.list[i], "Size", &size) || size != x->size))
            return err_user(e, ERR_VERIFY_CHANGED,
                            "AppxBundleManifest.xml does not say where \"%.200s\" is after "
                            "signing.",
                            x->path);
    }
    return rest_of(&rest, s.text, ret, e);
}

/* --- both ------------------------------------------------------------------------------------- */

static bool same_entry(const struct appx *before, const struct appx *after, size_t index)
{
    const struct zip_entry *x = &before->zip->entries[index], *y = &after->zip->entries[index];
    return x->crc == y->crc && x->size == y->size;
}

bool appx_map_compare(struct arena *a, const struct appx *before, const struct appx *after,
                      const bool *changed, bool *ret_map, bool *ret_manifest, struct err *e)
{
    struct reader old, new;
    if (after->zip->count < before->zip->count - (before->signature != SIZE_MAX) ||
        before->block_map != after->block_map || before->manifest != after->manifest)
        return differs("The order of entries", e);
    bool *flags = ARENA_ARRAY(a, before->zip->count, bool);
    if (flags == NULL)
        return arena_err(e);
    for (size_t i = 0; i < before->zip->count; i++)
        flags[i] = changed[i];
    *ret_manifest = !same_entry(before, after, before->manifest);
    *ret_map = !same_entry(before, after, before->block_map);
    if (*ret_manifest || before->bundle) {
        TRY(manifest_rest(a, before, false, &old, e) && manifest_rest(a, after, true, &new, e));
        if (!reader_equal(old, new))
            return differs(before->bundle ? "AppxBundleManifest.xml" : "AppxManifest.xml", e);
        flags[before->manifest] = *ret_manifest;
    }
    size_t most = before->zip->count;
    TRY(map_rest(a, before, flags, most, false, &old, e) &&
        map_rest(a, after, flags, most, true, &new, e));
    return reader_equal(old, new) || differs(APPX_BLOCK_MAP, e);
}
