/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/appx/appx_map.h"
#include "archive/xml_edit.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 8, SLACK = 64 * 1024 };
static const struct xml_limits map_limits = {APPX_MAP_MAX, 4 * 1000 * 1000, 16, 64};
static const struct xml_limits manifest_limits = {APPX_TEXT_MAX, 100000, 64, 256};

bool appx_name(struct arena *a, const char *path, const char **ret, struct err *e)
{
    if (strchr(path, '%') == NULL) {
        *ret = path;
        return true;
    }
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 64 * 1024);
    struct reader text = reader_text(path);
    if (!text_unpercent(&w, text, false) || !text_is_utf8(writer_view(&w)) ||
        reader_find(writer_view(&w), 0, "", 1) != SIZE_MAX)
        return err_user(e, ERR_APPX, "\"%.200s\" is not a name that a package may use.", path);
    *ret = arena_text(a, writer_view(&w));
    return *ret != NULL || arena_err(e);
}

/* --- packing ---------------------------------------------------------------------------------- */
struct packing {
    struct appx_packed *to;
    enum hash hash;
    struct digest whole;
};

static bool add_block(void *ctx, struct reader plain, uint64_t packed, struct err *e)
{
    struct packing *p = ctx;
    struct appx_block *b = &p->to->blocks[p->to->count++];
    b->packed = packed;
    digest_add(&p->whole, plain);
    return digest_of(p->hash, plain, &b->digest, e);
}

static bool stored_blocks(struct arena *a, struct packing *p, const struct source *content,
                          struct err *e)
{
    uint8_t *buffer = arena_alloc(a, APPX_BLOCK);
    uint32_t crc = 0;
    if (buffer == NULL)
        return arena_err(e);
    for (uint64_t at = 0; at < content->size; at += APPX_BLOCK) {
        uint64_t left = content->size - at;
        size_t n = left < APPX_BLOCK ? (size_t)left : APPX_BLOCK;
        TRY(source_read(content, at, buffer, n, e));
        crc = deflate_crc(crc, reader_over(buffer, n));
        TRY(add_block(p, reader_over(buffer, n), 0, e));
    }
    p->to->zip.crc = crc;
    p->to->zip.data = *content;
    return true;
}

static bool deflated_blocks(struct packing *p, const struct source *content, struct sink *scratch,
                            struct err *e)
{
    uint64_t start = scratch->used;
    TRY(deflate_compress_blocks(content, APPX_BLOCK, scratch, add_block, p, &p->to->zip.crc, e));
    struct source all = sink_view(scratch);
    return source_slice(&all, start, scratch->used - start, &p->to->zip.data, e);
}

bool appx_pack(struct arena *a, const struct appx *p, size_t index, const struct source *content,
               struct sink *scratch, struct appx_packed *ret, struct err *e)
{
    struct appx_packed made = {
        .zip = {.size = content->size, .method = p->zip->entries[index].method}};
    struct packing packing = {.to = &made, .hash = p->hash};
    if (p->hash == HASH_NONE)
        return err_user(e, ERR_APPX, "AppxBlockMap.xml states no hash method that is known.");
    made.blocks = ARENA_ARRAY(a, content->size / APPX_BLOCK + 1, struct appx_block);
    if (made.blocks == NULL)
        return arena_err(e);
    TRY(digest_begin(&packing.whole, packing.hash, e));
    bool ok = made.zip.method == ZIP_STORED ? stored_blocks(a, &packing, content, e)
                                            : deflated_blocks(&packing, content, scratch, e);
    ok = ok && digest_end(&packing.whole, &made.whole, e);
    digest_done(&packing.whole);
    if (ok)
        *ret = made;
    return ok;
}

/* --- the block map ---------------------------------------------------------------------------- */

/* A changed entry under the name that the block map uses. */
struct listed {
    const char *name;
    const struct appx_packed *packed;
    size_t index;
    bool seen;
};

static int listed_order(const void *a, const void *b)
{
    return strcmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

/* The block map writes names with backslashes. */
static char *slashed(struct arena *a, const char *name)
{
    char *copy = arena_text(a, reader_text(name));
    for (char *at = copy; at != NULL && *at != '\0'; at++)
        if (*at == '\\')
            *at = '/';
    return copy;
}

static bool list_changes(struct arena *a, const struct appx *p, const struct appx_changes *c,
                         struct listed **ret, size_t *ret_count, struct err *e)
{
    struct listed *list = ARENA_ARRAY(a, c->count, struct listed);
    size_t n = 0;
    if (list == NULL)
        return arena_err(e);
    for (size_t i = 0; i < c->count; i++) {
        if (c->packed[i] == NULL)
            continue;
        size_t index = c->list[i].index;
        list[n].packed = c->packed[i];
        list[n].index = index;
        TRY(appx_name(a, p->zip->entries[index].path, &list[n++].name, e));
    }
    qsort(list, n, sizeof *list, listed_order);
    *ret = list;
    *ret_count = n;
    return true;
}

static struct listed *find_listed(struct arena *a, struct listed *list, size_t count,
                                  const struct xml_span *file)
{
    const char *name = xml_span_value(file, "Name");
    struct listed key = {.name = name == NULL || count == 0 ? NULL : slashed(a, name)};
    return key.name == NULL ? NULL : bsearch(&key, list, count, sizeof *list, listed_order);
}

static void put_hash(struct writer *w, const char *attribute, const struct digest_value *v)
{
    writer_format(w, " %s=\"", attribute);
    text_base64(w, digest_view(v), 0, "");
    writer_text(w, "\"");
}

/* The digest of the whole file, which newer packages have beside those of its blocks, under the
 * prefix that it has. */
static void put_file_hash(struct writer *w, struct reader inside, const struct digest_value *whole)
{
    static const char name[] = "FileHash";
    size_t at = reader_find(inside, 0, name, sizeof name - 1);
    if (at == SIZE_MAX)
        return;
    size_t from = at;
    while (from > 0 && inside.at[from] != '<')
        from--;
    writer_text(w, "<");
    writer_reader(w, xml_span_raw_name(inside, &(struct xml_span){.from = from}));
    put_hash(w, "Hash", whole);
    writer_text(w, "/>");
}

static void put_blocks(struct writer *w, struct reader text, const struct xml_span *file,
                       const struct appx_packed *packed)
{
    struct reader name = xml_span_raw_name(text, file), prefix, inside;
    size_t colon = reader_find(name, 0, ":", 1);
    if (colon == SIZE_MAX || !reader_slice(name, 0, colon + 1, &prefix))
        prefix = reader_text("");
    if (file->empty)
        writer_text(w, ">");
    for (size_t i = 0; i < packed->count; i++) {
        writer_text(w, "<");
        writer_reader(w, prefix);
        writer_text(w, "Block");
        put_hash(w, "Hash", &packed->blocks[i].digest);
        if (packed->zip.method != ZIP_STORED)
            writer_format(w, " Size=\"%llu\"", (unsigned long long)packed->blocks[i].packed);
        writer_text(w, "/>");
    }
    if (reader_slice(text, file->inside, file->outside - file->inside, &inside))
        put_file_hash(w, inside, &packed->whole);
    if (file->empty) {
        writer_text(w, "</");
        writer_reader(w, name);
        writer_text(w, ">");
    }
}

struct cuts {
    struct xml_cut *list;
    size_t count, room;
};

static bool add_cut(struct arena *a, struct cuts *c, size_t from, size_t to, struct reader with,
                    struct err *e)
{
    if (c->count == c->room) {
        size_t room = 2 * c->room + 64;
        struct xml_cut *more = arena_grow(a, c->list, c->count, room, sizeof *more);
        if (more == NULL)
            return arena_err(e);
        c->list = more;
        c->room = room;
    }
    struct reader copy = arena_bytes(a, with);
    if (copy.at == NULL)
        return arena_err(e);
    c->list[c->count++] = (struct xml_cut){from, to, copy};
    return true;
}

static bool cut_number(struct arena *a, struct cuts *c, const struct xml_span *s, const char *name,
                       uint64_t value, struct err *e)
{
    const struct xml_attribute *x = xml_span_attribute(s, name);
    const char *digits = arena_format(a, "%llu", (unsigned long long)value);
    if (x == NULL)
        return err_user(e, ERR_APPX, "An element \"%s\" lacks the attribute %s.", s->name, name);
    return digits == NULL ? arena_err(e)
                          : add_cut(a, c, x->value_from, x->value_to, reader_text(digits), e);
}

/* Two numbers in the order in which they stand in the text. */
static bool cut_numbers(struct arena *a, struct cuts *c, const struct xml_span *s,
                        const char *const names[2], const uint64_t values[2], struct err *e)
{
    const struct xml_attribute *x = xml_span_attribute(s, names[0]);
    const struct xml_attribute *y = xml_span_attribute(s, names[1]);
    size_t first = x != NULL && y != NULL && y->value_from < x->value_from ? 1 : 0;
    return cut_number(a, c, s, names[first], values[first], e) &&
           cut_number(a, c, s, names[1 - first], values[1 - first], e);
}

static bool cut_file(struct arena *a, struct cuts *c, struct reader text, const struct xml_span *s,
                     const struct listed *x, uint64_t header, struct err *e)
{
    static const char *const names[2] = {"Size", "LfhSize"};
    const uint64_t values[2] = {x->packed->zip.size, header};
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, APPX_MAP_MAX);
    put_blocks(&w, text, s, x->packed);
    TRY(writer_ok(&w, e));
    TRY(cut_numbers(a, c, s, names, values, e));
    size_t from = s->empty ? s->to - 2 : s->inside;
    return add_cut(a, c, from, s->empty ? s->to : s->outside, writer_view(&w), e);
}

static bool apply(struct arena *a, struct reader text, const struct cuts *c, size_t most,
                  struct reader *ret, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, most);
    if (!xml_cuts_apply(text, c->list, c->count, &w))
        return w.failed ? writer_ok(&w, e) : err_set(e, ERR_INTERNAL, "cuts are not in order");
    *ret = arena_bytes(a, writer_view(&w));
    return ret->at != NULL || arena_err(e);
}

static bool is_file(const struct xml_span *s)
{
    return s->depth == 2 && strcmp(s->name, "File") == 0;
}

/* Entries that no block map lists. */
static bool is_outside(const struct appx *p, size_t index)
{
    const char *path = p->zip->entries[index].path;
    return index == p->catalog || index == p->content_types ||
           (p->bundle && index != p->manifest && p->zip->entries[index].method == ZIP_STORED &&
            appx_is_package_name(path));
}

static bool map_text(struct arena *a, const struct appx *p, struct appx_changes *c,
                     const struct zip_place *places, struct reader *ret, struct err *e)
{
    struct reader map;
    struct xml_spans spans;
    struct listed *list;
    struct cuts cuts = {.count = 0};
    size_t count;
    TRY(list_changes(a, p, c, &list, &count, e));
    TRY(appx_entry(a, p->zip, p->block_map, APPX_MAP_MAX, &map, e));
    TRY(xml_spans_load(a, map, &map_limits, 2, &spans, e));
    if (spans.text.left < map.left - (map.left < 3 ? map.left : 3))
        return err_user(e, ERR_APPX, "AppxBlockMap.xml is not in UTF-8.");
    for (size_t i = 0; i < spans.count; i++) {
        struct listed *x =
            is_file(&spans.list[i]) ? find_listed(a, list, count, &spans.list[i]) : NULL;
        if (x == NULL)
            continue;
        if (x->seen)
            return err_user(e, ERR_APPX, "AppxBlockMap.xml lists \"%.200s\" twice.", x->name);
        x->seen = true;
        uint64_t header = places[x->index].data - places[x->index].header;
        TRY(cut_file(a, &cuts, spans.text, &spans.list[i], x, header, e));
    }
    for (size_t i = 0; i < count; i++)
        if (!list[i].seen && !is_outside(p, list[i].index))
            return err_user(e, ERR_APPX, "AppxBlockMap.xml does not list \"%.200s\".",
                            list[i].name);
    return apply(a, spans.text, &cuts, APPX_MAP_MAX + SLACK, ret, e);
}

/* --- the manifest of a bundle ----------------------------------------------------------------- */

static bool find_entry(struct arena *a, const struct appx *p, const char *name, size_t *ret,
                       struct err *e)
{
    const char *wanted = slashed(a, name), *is;
    *ret = SIZE_MAX;
    if (wanted == NULL)
        return arena_err(e);
    for (size_t i = 0; i < p->zip->count && *ret == SIZE_MAX; i++) {
        TRY(appx_name(a, p->zip->entries[i].path, &is, e));
        if (strcmp(is, wanted) == 0)
            *ret = i;
    }
    return true;
}

/* Where a bundle's packages are and how long they are; packages beside the bundle have no entry. */
static bool manifest_text(struct arena *a, const struct appx *p, const struct appx_changes *c,
                          const struct zip_place *places, struct reader *ret, struct err *e)
{
    static const char *const names[2] = {"Offset", "Size"};
    struct reader text;
    struct xml_spans spans;
    struct cuts cuts = {.count = 0};
    TRY(appx_entry(a, p->zip, p->manifest, APPX_TEXT_MAX, &text, e));
    TRY(xml_spans_load(a, text, &manifest_limits, 3, &spans, e));
    for (size_t i = 0; i < spans.count; i++) {
        const struct xml_span *s = &spans.list[i];
        const char *name = xml_span_value(s, "FileName");
        size_t index;
        if (s->depth != 3 || strcmp(s->name, "Package") != 0 || name == NULL)
            continue;
        TRY(find_entry(a, p, name, &index, e));
        if (index == SIZE_MAX)
            continue;
        uint64_t values[2] = {places[index].data, p->zip->entries[index].size};
        for (size_t k = 0; k < c->count; k++)
            if (c->list[k].action == ZIP_REPLACE && c->list[k].index == index)
                values[1] = c->list[k].packed.size;
        TRY(cut_numbers(a, &cuts, s, names, values, e));
    }
    if (cuts.count == 0) {
        *ret = text;
        return true;
    }
    if (spans.text.left + 3 < text.left)
        return err_user(e, ERR_APPX, "AppxBundleManifest.xml is not in UTF-8.");
    return apply(a, spans.text, &cuts, APPX_TEXT_MAX + SLACK, ret, e);
}

/* --- both ------------------------------------------------------------------------------------- */

static bool pack_text(struct arena *a, const struct appx *p, size_t index, struct reader text,
                      struct appx_packed **ret, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, APPX_MAP_MAX + 2 * SLACK);
    struct sink k = sink_memory(&w);
    struct source content = source_memory(text);
    struct appx_packed *made = ARENA_NEW(a, struct appx_packed);
    if (made == NULL)
        return arena_err(e);
    TRY(appx_pack(a, p, index, &content, &k, made, e));
    if (made->zip.method != ZIP_STORED) {
        struct reader kept = arena_bytes(a, writer_view(&w));
        if (kept.at == NULL)
            return arena_err(e);
        made->zip.data = source_memory(kept);
    }
    *ret = made;
    return true;
}

/* Puts the text in as a change behind the first `from` ones, or over that of the last round. */
static bool put_change(struct arena *a, const struct appx *p, struct appx_changes *c, size_t from,
                       size_t index, struct reader text, struct err *e)
{
    struct appx_packed *packed;
    size_t at = from;
    TRY(pack_text(a, p, index, text, &packed, e));
    while (at < c->count && c->list[at].index != index)
        at++;
    if (at == c->count)
        c->count++;
    c->list[at] = (struct zip_change){.action = ZIP_REPLACE, .index = index, .packed = packed->zip};
    c->packed[at] = index == p->block_map ? NULL : packed;
    return true;
}

/* Before anything changes the manifest has to be right. */
static bool check_places(struct arena *a, const struct appx *p, struct reader *ret, struct err *e)
{
    const struct appx_changes none = {.count = 0};
    struct zip_place *places;
    struct reader is;
    TRY(zip_layout(a, p->zip, NULL, 0, &places, e));
    TRY(appx_entry(a, p->zip, p->manifest, APPX_TEXT_MAX, &is, e));
    TRY(manifest_text(a, p, &none, places, ret, e));
    size_t mark = is.left - ret->left == 3 ? 3 : 0;
    if (!reader_skip(&is, mark) || !reader_equal(is, *ret))
        return err_user(e, ERR_APPX,
                        "AppxBundleManifest.xml states other places or sizes of its packages than "
                        "they have. Build the bundle again.");
    return true;
}

static bool refuse_own(const struct appx *p, const struct appx_changes *c, struct err *e)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->packed[i] != NULL &&
            (c->list[i].index == p->block_map || c->list[i].index == p->content_types ||
             c->list[i].index == p->manifest || c->list[i].index == p->signature))
            return err_user(e, ERR_DIRECTIVE,
                            "\"%.120s\" is part of how the app package is built; it cannot be "
                            "signed by itself.",
                            p->zip->entries[c->list[i].index].path);
    return true;
}

bool appx_follow(struct arena *a, const struct appx *p, struct appx_changes *changes, struct err *e)
{
    size_t given = changes->count;
    struct reader manifest = {0}, text;
    struct zip_place *places;
    bool content = false;
    TRY(refuse_own(p, changes, e));
    for (size_t i = 0; i < given; i++)
        content = content || changes->packed[i] != NULL;
    if (p->bundle)
        TRY(check_places(a, p, &manifest, e));
    for (int round = 0; round < ROUNDS; round++) {
        bool same = true;
        TRY(zip_layout(a, p->zip, changes->list, changes->count, &places, e));
        if (p->bundle) {
            TRY(manifest_text(a, p, changes, places, &text, e));
            same = reader_equal(text, manifest);
            manifest = text;
            if (!same)
                TRY(put_change(a, p, changes, given, p->manifest, text, e));
        }
        if (same && (round > 0 || !content))
            return true;
        TRY(zip_layout(a, p->zip, changes->list, changes->count, &places, e));
        TRY(map_text(a, p, changes, places, &text, e));
        TRY(put_change(a, p, changes, given, p->block_map, text, e));
        if (!p->bundle)
            return true;
    }
    return err_user(e, ERR_APPX, "The places of the packages in the bundle cannot be settled.");
}
