/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "archive/zip_internal.h"
#include <stdlib.h>

/* Local headers of small entries lie close together: one read serves several of them. */
enum { WINDOW = 16 * 1024, WINDOW_MAX = SIZE_LOCAL + 2 * 65535 };

struct window {
    const struct source *in;
    uint8_t *buffer;
    uint64_t at;
    size_t have;
};

static void window_done(struct window *w)
{
    free(w->buffer);
}

/* n bytes at offset, valid until the next call. */
static bool window_get(struct window *w, uint64_t offset, size_t n, struct reader *ret,
                       struct err *e)
{
    if (offset < w->at || offset - w->at > w->have || n > w->have - (size_t)(offset - w->at)) {
        uint64_t left = offset < w->in->size ? w->in->size - offset : 0;
        size_t want = n > WINDOW ? n : WINDOW;
        want = want > left ? (size_t)left : want;
        if (want < n || want > WINDOW_MAX)
            return err_set(e, ERR_ZIP_TRUNCATED, "%zu bytes at %llu", n,
                           (unsigned long long)offset);
        w->have = 0;
        TRY(source_read(w->in, offset, w->buffer, want, e));
        w->at = offset;
        w->have = want;
    }
    if (!reader_slice(reader_over(w->buffer, w->have), (size_t)(offset - w->at), n, ret))
        return err_set(e, ERR_INTERNAL, "window");
    return true;
}

static bool refuse(const struct zip_entry *x, enum err_code code, const char *why, struct err *e)
{
    char shown[ZIP_SHOWN];
    return err_user(e, code, "The entry \"%s\" %s. Build the ZIP file again.",
                    zip_shown(zip_raw_name(x), shown), why);
}

static bool mismatch(const struct zip_entry *x, const char *field, struct err *e)
{
    char shown[ZIP_SHOWN];
    return err_user(e, ERR_ZIP_MISMATCH,
                    "The entry \"%s\" states one %s in the directory and another in front of its "
                    "data. Programs would not agree which one counts; build the ZIP file again.",
                    zip_shown(zip_raw_name(x), shown), field);
}

struct local {
    uint16_t flags, method, time, date, name_len, extra_len;
    uint32_t crc;
    uint64_t compressed, size;
};

static bool read_local(struct reader r, struct local *ret)
{
    uint32_t signature, compressed, size;
    uint16_t version;
    if (!reader_u32le(&r, &signature) || signature != SIG_LOCAL || !reader_u16le(&r, &version) ||
        !reader_u16le(&r, &ret->flags) || !reader_u16le(&r, &ret->method) ||
        !reader_u16le(&r, &ret->time) || !reader_u16le(&r, &ret->date) ||
        !reader_u32le(&r, &ret->crc) || !reader_u32le(&r, &compressed) ||
        !reader_u32le(&r, &size) || !reader_u16le(&r, &ret->name_len) ||
        !reader_u16le(&r, &ret->extra_len))
        return false;
    ret->compressed = compressed;
    ret->size = size;
    return true;
}

/* In a local header the field holds both sizes (4.5.3); a lone one is taken as well. */
static bool resolve_zip64(const struct zip_entry *x, struct local *l, struct reader extra,
                          struct err *e)
{
    struct reader field;
    bool size_wide = l->size == FULL32, compressed_wide = l->compressed == FULL32;
    if (!zip_extra_find(extra, EXTRA_ZIP64, &field))
        return (!size_wide && !compressed_wide) ||
               refuse(x, ERR_ZIP_ZIP64, "lacks a 64-bit size that it announces", e);
    uint64_t size = l->size, compressed = l->compressed;
    bool lone = field.left == 8 && size_wide != compressed_wide;
    bool both = field.left >= 16;
    if ((size_wide || compressed_wide) && !lone && !both)
        return refuse(x, ERR_ZIP_ZIP64, "lacks a 64-bit size that it announces", e);
    if ((lone && !reader_u64le(&field, size_wide ? &size : &compressed)) ||
        (both && (!reader_u64le(&field, &size) || !reader_u64le(&field, &compressed))))
        return err_set(e, ERR_INTERNAL, "zip64 field");
    if (both && ((!size_wide && size != 0 && size != l->size) ||
                 (!compressed_wide && compressed != 0 && compressed != l->compressed)))
        return refuse(x, ERR_ZIP_ZIP64, "states two different sizes", e);
    l->size = size_wide ? size : l->size;
    l->compressed = compressed_wide ? compressed : l->compressed;
    return true;
}

static bool same_unicode_path(const struct zip_entry *x, struct reader extra)
{
    struct reader here = {0}, there = {0};
    bool a = zip_extra_find(extra, EXTRA_UNICODE_PATH, &here);
    bool b = zip_extra_find(zip_extra(x), EXTRA_UNICODE_PATH, &there);
    return a == b && reader_equal(here, there);
}

/* Bits 1 and 2 only say how hard the compressor tried; version is not compared, as writers put
 * 45 into one of the two only when the other half needs it. */
static bool compare(const struct zip_entry *x, const struct local *l, struct reader name,
                    struct err *e)
{
    enum { HINTS = 3 << 1 };
    /* What a descriptor will state may be zero in front of the data (4.4.4, bit 3). */
    bool later = (x->flags & ZIP_FLAG_DESCRIPTOR) != 0;
    if (!reader_equal(name, zip_raw_name(x)))
        return mismatch(x, "name", e);
    if (((l->flags ^ x->flags) & ~(unsigned)HINTS) != 0)
        return mismatch(x, "set of flags", e);
    if (l->method != x->method)
        return mismatch(x, "compression method", e);
    if (l->time != x->time || l->date != x->date)
        return mismatch(x, "time", e);
    if (l->crc != x->crc && !(later && l->crc == 0))
        return mismatch(x, "check sum", e);
    if (l->compressed != x->compressed && !(later && l->compressed == 0))
        return mismatch(x, "compressed size", e);
    if (l->size != x->size && !(later && l->size == 0))
        return mismatch(x, "size", e);
    return true;
}

/* One of the four forms of 4.3.9: with or without signature, 32 or 64 bits. */
static bool descriptor_is(const struct zip_entry *x, struct reader r, size_t len)
{
    uint32_t signature, crc, small_compressed = 0, small_size = 0;
    uint64_t compressed = 0, size = 0;
    bool is_signed = len == 16 || len == 24, wide = len >= 20;
    if (is_signed && (!reader_u32le(&r, &signature) || signature != SIG_DESCRIPTOR))
        return false;
    if (!reader_u32le(&r, &crc) || crc != x->crc)
        return false;
    if (wide ? !reader_u64le(&r, &compressed) || !reader_u64le(&r, &size)
             : !reader_u32le(&r, &small_compressed) || !reader_u32le(&r, &small_size))
        return false;
    return (wide ? compressed : small_compressed) == x->compressed &&
           (wide ? size : small_size) == x->size;
}

/* Finds the form from the room up to `next`; with `open_end` bytes of something else may follow. */
static bool check_descriptor(struct window *w, struct zip_entry *x, uint64_t next, bool open_end,
                             struct err *e)
{
    static const uint8_t forms[] = {24, 16, 20, 12};
    uint64_t end = x->data + x->compressed, room = next - end;
    struct reader bytes;
    TRY(window_get(w, end, room < 24 ? (size_t)room : 24, &bytes, e));
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        struct reader form;
        bool fits = open_end ? forms[i] <= room : forms[i] == room;
        if (fits && reader_slice(bytes, 0, forms[i], &form) && descriptor_is(x, form, forms[i])) {
            x->descriptor = forms[i];
            return true;
        }
    }
    return refuse(x, ERR_ZIP_DESCRIPTOR,
                  "has a data descriptor that is missing or does not match the directory", e);
}

/* The entry must fill exactly the bytes from its header to `next`. */
static bool check_entry(struct window *w, struct zip_entry *x, uint64_t next, bool open_end,
                        struct err *e)
{
    struct local l;
    struct reader head, whole, name, extra;
    if (next - x->header < SIZE_LOCAL)
        return refuse(x, ERR_ZIP_OVERLAP, "overlaps what stands behind it", e);
    TRY(window_get(w, x->header, SIZE_LOCAL, &head, e));
    if (!read_local(head, &l))
        return refuse(x, ERR_ZIP_DIRECTORY, "is not where the directory says", e);
    size_t len = (size_t)SIZE_LOCAL + l.name_len + l.extra_len;
    if (len > next - x->header || x->compressed > next - x->header - len)
        return refuse(x, ERR_ZIP_OVERLAP, "overlaps what stands behind it", e);
    TRY(window_get(w, x->header, len, &whole, e));
    if (!reader_slice(whole, SIZE_LOCAL, l.name_len, &name) ||
        !reader_slice(whole, (size_t)SIZE_LOCAL + l.name_len, l.extra_len, &extra))
        return err_set(e, ERR_INTERNAL, "local header");
    if (!zip_extra_ok(extra))
        return refuse(x, ERR_ZIP_EXTRA, "has damaged extra fields", e);
    TRY(resolve_zip64(x, &l, extra, e) && compare(x, &l, name, e));
    if (!same_unicode_path(x, extra))
        return mismatch(x, "Unicode name", e);
    x->data = x->header + len;
    if ((x->flags & ZIP_FLAG_DESCRIPTOR) != 0)
        return check_descriptor(w, x, next, open_end, e);
    if (x->data + x->compressed != next && !open_end)
        return refuse(x, ERR_ZIP_GAP, "is followed by bytes that belong to no entry", e);
    return true;
}

static int order_offsets(const void *a, const void *b, void *entries)
{
    const struct zip_entry *all = entries;
    uint64_t x = all[*(const uint32_t *)a].header, y = all[*(const uint32_t *)b].header;
    return x < y ? -1 : x > y;
}

static bool sort(struct arena *a, struct zip *z, uint32_t **ret, struct err *e)
{
    uint32_t *order = ARENA_ARRAY(a, z->count, uint32_t);
    if (order == NULL)
        return arena_err(e);
    bool sorted = true;
    for (uint32_t i = 0; i < z->count; i++) {
        order[i] = i;
        sorted = sorted && (i == 0 || z->entries[i - 1].header <= z->entries[i].header);
    }
    if (!sorted)
        qsort_r(order, z->count, sizeof *order, order_offsets, z->entries);
    *ret = order;
    return true;
}

static bool check_all(struct zip *z, unsigned profile, struct window *w, struct err *e)
{
    for (size_t i = 0; i < z->count; i++) {
        struct zip_entry *x = &z->entries[z->order[i]];
        bool last = i + 1 == z->count;
        uint64_t next = last ? z->directory : z->entries[z->order[i + 1]].header;
        if (next == x->header)
            return refuse(x, ERR_ZIP_OVERLAP, "overlaps another one", e);
        bool open_end = last && (profile & ZIP_BLOCK_BEFORE_DIRECTORY) != 0;
        TRY(check_entry(w, x, next, open_end, e));
    }
    return true;
}

bool zip_local_check(struct arena *a, struct zip *z, unsigned profile, struct err *e)
{
    uint32_t *order;
    TRY(sort(a, z, &order, e));
    z->order = order;
    const struct zip_entry *far = z->count == 0 ? NULL : &z->entries[order[z->count - 1]];
    if (far != NULL && (far->header > z->directory || z->directory - far->header < SIZE_LOCAL))
        return refuse(far, ERR_ZIP_DIRECTORY, "is not where the directory says", e);
    uint64_t first = z->count == 0 ? z->directory : z->entries[order[0]].header;
    if (first != 0)
        return err_user(e, ERR_ZIP_PREPENDED,
                        "The ZIP file has %llu bytes of foreign data in front of its first entry.",
                        (unsigned long long)first);
    CLEANUP(window_done) struct window w = {.in = &z->in, .buffer = malloc(WINDOW_MAX)};
    if (w.buffer == NULL)
        return err_set(e, ERR_NO_MEMORY, "window");
    TRY(check_all(z, profile, &w, e));
    uint64_t end = far == NULL ? 0 : far->data + far->compressed + far->descriptor;
    return source_slice(&z->in, end, z->directory - end, &z->block, e);
}

bool zip_local_header(struct arena *a, const struct zip *z, const struct zip_entry *x,
                      struct reader *ret, struct err *e)
{
    return source_load(a, &z->in, x->header, (size_t)(x->data - x->header), ret, e);
}

struct source zip_stored_bytes(const struct zip *z, const struct zip_entry *x)
{
    struct source s = z->in;
    s.offset += x->data;
    s.size = x->compressed;
    return s;
}
