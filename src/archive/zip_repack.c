/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/zip_internal.h"
#include <string.h>

/* Entries are walked by offset. Bytes between changes go out in one piece: `from` is the offset
 * in the input where the piece that is still to be copied starts. The directory keeps its own
 * order, so the new places are remembered by index. */
struct repack {
    const struct zip *z;
    struct arena *arena; /* of this call */
    struct sink *out;
    uint64_t start;                   /* of the new file in the sink */
    const struct zip_change **change; /* by index of the entry; NULL: untouched */
    uint64_t *offset;                 /* new offset of the local header, by index */
    uint64_t from;
};

static uint64_t entry_end(const struct zip_entry *x)
{
    return x->data + x->compressed + x->descriptor;
}

static bool flush(struct repack *r, uint64_t to, struct err *e)
{
    struct source run;
    TRY(source_slice(&r->z->in, r->from, to - r->from, &run, e));
    return sink_source(r->out, &run, e);
}

/* --- a replaced entry ------------------------------------------------------------------------- */
struct local {
    struct reader version, flags_to_date, name, extra;
    uint16_t extra_len;
    uint32_t crc;
    uint32_t compressed, size;
};

static bool split_local(struct reader r, struct local *ret)
{
    uint16_t name_len;
    return reader_skip(&r, 4) && reader_take(&r, 2, &ret->version) &&
           reader_take(&r, 8, &ret->flags_to_date) && reader_u32le(&r, &ret->crc) &&
           reader_u32le(&r, &ret->compressed) && reader_u32le(&r, &ret->size) &&
           reader_u16le(&r, &name_len) && reader_u16le(&r, &ret->extra_len) &&
           reader_take(&r, name_len, &ret->name) && reader_take(&r, ret->extra_len, &ret->extra) &&
           reader_at_end(&r);
}

/* The version needed for what we write ourselves. */
static uint16_t least_version(uint16_t method, bool wide)
{
    return wide ? VERSION_ZIP64 : method == ZIP_DEFLATED ? VERSION_DEFLATE : 0;
}

/* Version, flags, method, time and date of an entry, with another method when that changed. */
static void fixed_fields(struct writer *w, const struct zip_entry *x, struct reader version,
                         uint16_t method, uint16_t least)
{
    uint16_t needed = 0;
    if (!reader_u16le(&version, &needed))
        needed = VERSION_DEFLATE;
    writer_u16le(w, (needed & 0xff) < least ? (uint16_t)((needed & 0xff00) | least) : needed);
    writer_u16le(w, x->flags);
    writer_u16le(w, method);
    writer_u16le(w, x->time);
    writer_u16le(w, x->date);
}

/* Keeps the shape of the old header: zip64 field or not, values or zeros before a descriptor. */
static void new_local(struct writer *w, const struct zip_entry *x, const struct local *l,
                      const struct zip_packed *p)
{
    struct reader old;
    bool too_big = p->size >= FULL32 || p->data.size >= FULL32;
    bool wide = zip_extra_find(l->extra, EXTRA_ZIP64, &old) || too_big;
    bool later = (x->flags & ZIP_FLAG_DESCRIPTOR) != 0 && l->crc == 0 && x->crc != 0;
    bool saturated = wide && (too_big || l->size == FULL32 || l->compressed == FULL32);
    writer_u32le(w, SIG_LOCAL);
    fixed_fields(w, x, l->version, p->method, least_version(p->method, too_big));
    writer_u32le(w, later ? 0 : p->crc);
    writer_u32le(w, saturated ? FULL32 : later ? 0 : (uint32_t)p->data.size);
    writer_u32le(w, saturated ? FULL32 : later ? 0 : (uint32_t)p->size);
    writer_u16le(w, (uint16_t)l->name.left);
    size_t len_at = w->len;
    writer_u16le(w, 0);
    writer_reader(w, l->name);
    size_t extra_at = w->len;
    if (wide) {
        writer_u16le(w, EXTRA_ZIP64);
        writer_u16le(w, 16);
        writer_u64le(w, later ? 0 : p->size);
        writer_u64le(w, later ? 0 : p->data.size);
    }
    zip_extra_without(w, l->extra, EXTRA_ZIP64);
    uint16_t len = (uint16_t)(w->len - extra_at);
    uint8_t bytes[2] = {(uint8_t)len, (uint8_t)(len >> 8)};
    w->failed = w->failed || w->len - extra_at > 65535;
    writer_patch(w, len_at, bytes, sizeof bytes);
}

static void new_descriptor(struct writer *w, const struct zip_entry *x, const struct zip_packed *p)
{
    bool wide = x->descriptor >= 20 || p->size >= FULL32 || p->data.size >= FULL32;
    if (x->descriptor == 16 || x->descriptor == 24)
        writer_u32le(w, SIG_DESCRIPTOR);
    writer_u32le(w, p->crc);
    if (wide) {
        writer_u64le(w, p->data.size);
        writer_u64le(w, p->size);
    } else {
        writer_u32le(w, (uint32_t)p->data.size);
        writer_u32le(w, (uint32_t)p->size);
    }
}

static bool replaced_header(struct arena *a, const struct zip *z, const struct zip_entry *x,
                            const struct zip_packed *p, struct writer *w, struct err *e)
{
    struct reader raw;
    struct local l;
    TRY(zip_local_header(a, z, x, &raw, e));
    if (!split_local(raw, &l))
        return err_set(e, ERR_INTERNAL, "local header");
    new_local(w, x, &l, p);
    return writer_ok(w, e);
}

enum { HEADER_MAX = 256 * 1024 };

static bool write_replaced(struct repack *r, const struct zip_entry *x, const struct zip_packed *p,
                           struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, HEADER_MAX);
    TRY(replaced_header(r->arena, r->z, x, p, &w, e));
    TRY(sink_reader(r->out, writer_view(&w), e) && sink_source(r->out, &p->data, e));
    writer_reset(&w);
    if (x->descriptor != 0)
        new_descriptor(&w, x, p);
    return writer_ok(&w, e) && sink_reader(r->out, writer_view(&w), e);
}

/* --- the directory ---------------------------------------------------------------------------- */
/* The record with new sizes and place; what was in the zip64 field stays there. */
static bool new_record(const struct repack *r, size_t index, struct writer *w, struct err *e)
{
    const struct zip_entry *x = &r->z->entries[index];
    const struct zip_change *c = r->change[index];
    uint64_t size = c == NULL ? x->size : c->packed.size;
    uint64_t compressed = c == NULL ? x->compressed : c->packed.data.size;
    uint64_t offset = r->offset[index];
    if (c == NULL && offset == x->header) {
        writer_reader(w, x->record);
        return true;
    }
    struct reader old = x->record, version, tail;
    uint32_t old_compressed, old_size, old_offset;
    uint16_t made_by, comment_len, disk;
    if (!reader_skip(&old, 4) || !reader_u16le(&old, &made_by) || !reader_take(&old, 2, &version) ||
        !reader_skip(&old, 12) || !reader_u32le(&old, &old_compressed) ||
        !reader_u32le(&old, &old_size) || !reader_skip(&old, 4) ||
        !reader_u16le(&old, &comment_len) || !reader_u16le(&old, &disk) ||
        !reader_take(&old, 6, &tail) || !reader_u32le(&old, &old_offset))
        return err_set(e, ERR_INTERNAL, "record");
    bool wide_size = old_size == FULL32 || size >= FULL32;
    bool wide_compressed = old_compressed == FULL32 || compressed >= FULL32;
    bool wide_offset = old_offset == FULL32 || offset >= FULL32, wide_disk = disk == 0xffff;
    size_t payload =
        8 * ((size_t)wide_size + wide_compressed + wide_offset) + 4 * (size_t)wide_disk;
    writer_u32le(w, SIG_CENTRAL);
    writer_u16le(w, made_by);
    uint16_t method = c == NULL ? x->method : c->packed.method;
    bool wide = size >= FULL32 || compressed >= FULL32 || offset >= FULL32;
    /* An untouched entry keeps what its maker wrote, unless its new place needs more. */
    fixed_fields(
        w, x, version, method,
        least_version(c == NULL ? ZIP_STORED : method, wide && (c != NULL || offset >= FULL32)));
    writer_u32le(w, c == NULL ? x->crc : c->packed.crc);
    writer_u32le(w, wide_compressed ? FULL32 : (uint32_t)compressed);
    writer_u32le(w, wide_size ? FULL32 : (uint32_t)size);
    writer_u16le(w, x->name_len);
    size_t len_at = w->len;
    writer_u16le(w, 0);
    writer_u16le(w, comment_len);
    writer_u16le(w, disk);
    writer_reader(w, tail);
    writer_u32le(w, wide_offset ? FULL32 : (uint32_t)offset);
    writer_reader(w, zip_raw_name(x));
    size_t extra_at = w->len;
    if (payload > 0) {
        writer_u16le(w, EXTRA_ZIP64);
        writer_u16le(w, (uint16_t)payload);
        if (wide_size)
            writer_u64le(w, size);
        if (wide_compressed)
            writer_u64le(w, compressed);
        if (wide_offset)
            writer_u64le(w, offset);
        if (wide_disk)
            writer_u32le(w, 0);
    }
    zip_extra_without(w, zip_extra(x), EXTRA_ZIP64);
    size_t len = w->len - extra_at;
    uint8_t bytes[2] = {(uint8_t)len, (uint8_t)(len >> 8)};
    w->failed = w->failed || len > 65535;
    writer_patch(w, len_at, bytes, sizeof bytes);
    writer_reader(w, zip_comment(x));
    return true;
}

/* --- changes ---------------------------------------------------------------------------------- */
/* An added entry takes time, system and attributes from the one it belongs to, so that a repeated
 * run gives the same bytes. */
static struct zip_meta meta_of(const struct zip *z, const struct zip_change *c)
{
    struct zip_meta meta = {.path = c->path, .date = ZIP_DATE_FIXED, .made_by = VERSION_DEFLATE};
    if (c->index < z->count) {
        const struct zip_entry *like = &z->entries[c->index];
        meta.time = like->time;
        meta.date = like->date;
        meta.made_by = like->made_by;
        meta.external = like->external;
    }
    return meta;
}

static bool add(struct repack *r, struct zip_writer *w, const struct zip_change *changes,
                size_t count, bool first, struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        const struct zip_change *c = &changes[i];
        if (c->action != ZIP_ADD || c->first != first)
            continue;
        struct zip_meta meta = meta_of(r->z, c);
        TRY(zip_writer_add(w, &meta, &c->packed, e));
    }
    return true;
}

static bool index_changes(struct repack *r, const struct zip_change *changes, size_t count,
                          struct err *e)
{
    r->change = ARENA_ARRAY(r->arena, r->z->count, const struct zip_change *);
    r->offset = ARENA_ARRAY(r->arena, r->z->count, uint64_t);
    if (r->change == NULL || r->offset == NULL)
        return arena_err(e);
    for (size_t i = 0; i < count; i++) {
        const struct zip_change *c = &changes[i];
        if (c->action == ZIP_ADD)
            continue;
        if (c->index >= r->z->count || r->change[c->index] != NULL)
            return err_set(e, ERR_INTERNAL, "entry %zu is changed twice", c->index);
        r->change[c->index] = c;
    }
    return true;
}

/* The names of the new file: those that stay, and checked ones that are added. */
static bool check_names(struct repack *r, const struct zip_change *changes, size_t count,
                        struct err *e)
{
    size_t n = 0, added = 0;
    for (size_t i = 0; i < count; i++)
        added += changes[i].action == ZIP_ADD;
    if (added == 0)
        return true;
    const struct zip_entry **list =
        ARENA_ARRAY(r->arena, r->z->count + added, const struct zip_entry *);
    struct zip_entry *fresh = ARENA_ARRAY(r->arena, added, struct zip_entry);
    if (list == NULL || fresh == NULL)
        return arena_err(e);
    for (size_t i = 0; i < r->z->count; i++)
        if (r->change[i] == NULL || r->change[i]->action != ZIP_REMOVE)
            list[n++] = &r->z->entries[i];
    for (size_t i = 0; i < count; i++) {
        if (changes[i].action != ZIP_ADD)
            continue;
        char *path = arena_text(r->arena, reader_text(changes[i].path));
        if (path == NULL)
            return arena_err(e);
        struct zip_entry *x = &fresh[--added];
        TRY(zip_name_check(&path, &x->folder, e));
        x->path = path;
        list[n++] = x;
    }
    return zip_names_unique(list, n, 0, e);
}

static bool write_entries(struct repack *r, struct err *e)
{
    uint64_t shift = r->out->used - r->start; /* new offset minus old one; wraps, and back */
    for (size_t i = 0; i < r->z->count; i++) {
        size_t index = r->z->order[i];
        const struct zip_entry *x = &r->z->entries[index];
        const struct zip_change *c = r->change[index];
        r->offset[index] = x->header + shift;
        if (c == NULL)
            continue;
        TRY(flush(r, x->header, e));
        if (c->action == ZIP_REPLACE)
            TRY(write_replaced(r, x, &c->packed, e));
        r->from = entry_end(x);
        shift = r->out->used - r->start - r->from;
    }
    return flush(r, r->z->block.offset - r->z->in.offset, e);
}

static bool write_all(struct repack *r, const struct zip_change *changes, size_t count,
                      const struct source *block, struct err *e)
{
    struct zip_writer front, back;
    zip_writer_init(&front, r->out);
    zip_writer_init(&back, r->out);
    back.start = front.start;
    bool ok = add(r, &front, changes, count, true, e) && write_entries(r, e) &&
              add(r, &back, changes, count, false, e) &&
              (block == NULL || sink_source(r->out, block, e));
    uint64_t total = front.count + back.count;
    for (size_t i = 0; ok && i < r->z->count; i++) {
        if (r->change[i] != NULL && r->change[i]->action == ZIP_REMOVE)
            continue;
        ok = new_record(r, i, &front.directory, e);
        total++;
    }
    writer_reader(&front.directory, writer_view(&back.directory));
    ok = ok && zip_write_end(r->out, r->start, total, &front.directory, r->z->comment, r->z, e);
    zip_writer_done(&front);
    zip_writer_done(&back);
    return ok;
}

bool zip_repack(const struct zip *z, const struct zip_change *changes, size_t count,
                const struct source *block, struct sink *out, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *arena = arena_new(SIZE_MAX);
    if (arena == NULL)
        return arena_err(e);
    struct repack r = {.z = z, .arena = arena, .out = out, .start = out->used};
    TRY(index_changes(&r, changes, count, e) && check_names(&r, changes, count, e));
    return write_all(&r, changes, count, block, e);
}

static bool place_replaced(struct repack *r, const struct zip_entry *x, const struct zip_packed *p,
                           struct zip_place *place, uint64_t *at, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, HEADER_MAX);
    TRY(replaced_header(r->arena, r->z, x, p, &w, e));
    *place = (struct zip_place){*at, *at + w.len};
    *at = place->data + p->data.size;
    writer_reset(&w);
    if (x->descriptor != 0)
        new_descriptor(&w, x, p);
    *at += w.len;
    return writer_ok(&w, e);
}

bool zip_layout(struct arena *a, const struct zip *z, const struct zip_change *changes,
                size_t count, struct zip_place **ret, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *arena = arena_new(SIZE_MAX);
    struct zip_place *places = ARENA_ARRAY(a, z->count, struct zip_place);
    uint64_t at = 0;
    if (arena == NULL || places == NULL)
        return arena_err(e);
    struct repack r = {.z = z, .arena = arena};
    TRY(index_changes(&r, changes, count, e));
    for (size_t i = 0; i < z->count; i++) {
        size_t index = z->order[i];
        const struct zip_entry *x = &z->entries[index];
        const struct zip_change *c = r.change[index];
        if (c != NULL && c->action == ZIP_REPLACE) {
            TRY(place_replaced(&r, x, &c->packed, &places[index], &at, e));
            continue;
        }
        uint64_t kept = c == NULL ? entry_end(x) - x->header : 0;
        places[index] = (struct zip_place){at, c == NULL ? at + (x->data - x->header) : at};
        at += kept;
    }
    *ret = places;
    return true;
}
