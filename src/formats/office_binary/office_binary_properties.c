/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/office_binary/office_binary.h"
#include <stdlib.h>

enum {
    PROPERTIES_MAX = 4096,
    SIGNATURE_ID = 0x18,
    VT_BLOB = 0x41,
    SET_HEAD = 28,
    SET_ROW = 20,
    BLOB_HEAD = 8,
};

/* {D5CDD502-2E9C-101B-9397-08002B2CF9AE} */
static const uint8_t summary_format[16] = {0x02, 0xd5, 0xcd, 0xd5, 0x9c, 0x2e, 0x1b, 0x10,
                                           0x93, 0x97, 0x08, 0x00, 0x2b, 0x2c, 0xf9, 0xae};

struct property {
    uint32_t id, offset;
    struct reader value; /* to the next one, so with its filling */
};
struct set {
    struct reader head;    /* of the stream, up to the first section */
    struct reader other;   /* the second section, or empty */
    struct property *list; /* by offset */
    size_t count;
};

static bool damaged(struct err *e)
{
    return err_user(e, ERR_VBA, "The document properties of the Office file are damaged.");
}

static int by_offset(const void *a, const void *b)
{
    const struct property *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* The size that a section states; Excel states more than there is when it adds a signature. */
static bool cut_section(struct reader *section)
{
    uint32_t size;
    struct reader at = *section;
    if (!reader_u32le(&at, &size) || size < 8)
        return false;
    section->left = size < section->left ? size : section->left;
    return true;
}

static bool read_section(struct arena *a, struct reader section, struct set *s)
{
    uint32_t size, count;
    if (!cut_section(&section))
        return false;
    struct reader at = section;
    if (!reader_u32le(&at, &size) || !reader_u32le(&at, &count) || count > PROPERTIES_MAX ||
        (s->list = ARENA_ARRAY(a, count + 1, struct property)) == NULL)
        return false;
    for (s->count = 0; s->count < count; s->count++) {
        struct property *p = &s->list[s->count];
        if (!reader_u32le(&at, &p->id) || !reader_u32le(&at, &p->offset))
            return false;
    }
    qsort(s->list, s->count, sizeof *s->list, by_offset);
    for (size_t i = 0; i < s->count; i++) {
        struct property *p = &s->list[i];
        size_t end = i + 1 < s->count ? s->list[i + 1].offset : section.left;
        if (p->offset < 8 + 8 * (size_t)count || end <= p->offset ||
            !reader_slice(section, p->offset, end - p->offset, &p->value))
            return false;
    }
    return true;
}

static bool read_set(struct arena *a, struct reader stream, struct set *ret)
{
    struct set s = {0};
    struct reader at = stream, format, section;
    uint32_t count, offset, second;
    if (!reader_starts_with(stream, "\xfe\xff", 2) || !reader_skip(&at, SET_HEAD - 4) ||
        !reader_u32le(&at, &count) || count < 1 || count > 2 || !reader_take(&at, 16, &format) ||
        !reader_equal(format, reader_over(summary_format, 16)) || !reader_u32le(&at, &offset) ||
        offset < SET_HEAD + count * SET_ROW || offset > stream.left ||
        !reader_slice(stream, 0, SET_HEAD + count * SET_ROW, &s.head) ||
        !reader_slice(stream, offset, stream.left - offset, &section))
        return false;
    if (count == 2 &&
        (!reader_skip(&at, 16) || !reader_u32le(&at, &second) || second > stream.left ||
         !reader_slice(stream, second, stream.left - second, &s.other) || !cut_section(&s.other)))
        return false;
    *ret = s;
    return read_section(a, section, ret);
}

bool office_binary_property(struct arena *a, struct reader stream, struct reader *ret,
                            struct err *e)
{
    struct set s;
    *ret = (struct reader){0};
    if (!read_set(a, stream, &s))
        return arena_failed(a) ? arena_err(e) : damaged(e);
    for (size_t i = 0; i < s.count; i++) {
        struct reader at = s.list[i].value, blob;
        uint32_t type, size, length, offset;
        if (s.list[i].id != SIGNATURE_ID)
            continue;
        if (!reader_u32le(&at, &type) || type != VT_BLOB || !reader_u32le(&at, &size) ||
            !reader_take(&at, size, &blob) || !reader_u32le(&blob, &length) ||
            !reader_u32le(&blob, &offset) || offset != BLOB_HEAD ||
            !reader_take(&blob, length, ret))
            return damaged(e);
    }
    return true;
}

/* VT_BLOB with DigSigBlob ([MS-OSHARED] 2.3.2.2), filled up to four bytes. */
static void put_value(struct writer *w, struct reader info)
{
    size_t filling = (4 - info.left % 4) % 4;
    writer_u32le(w, VT_BLOB);
    writer_u32le(w, (uint32_t)(info.left + filling + BLOB_HEAD));
    writer_u32le(w, (uint32_t)(info.left + filling));
    writer_u32le(w, BLOB_HEAD);
    writer_reader(w, info);
    writer_zeros(w, filling);
}

/* A new stream: one set with the code page, which every set has. */
static const uint8_t empty_set[] = {
    0xfe, 0xff, 0,    0,    6,    0,    2,    0,    0,    0,    0,    0,    0,    0,    0,
    0,    0,    0,    0,    0,    0,    0,    0,    0,    1,    0,    0,    0,    0x02, 0xd5,
    0xcd, 0xd5, 0x9c, 0x2e, 0x1b, 0x10, 0x93, 0x97, 0x08, 0x00, 0x2b, 0x2c, 0xf9, 0xae, 48,
    0,    0,    0,    24,   0,    0,    0,    1,    0,    0,    0,    1,    0,    0,    0,
    16,   0,    0,    0,    2,    0,    0,    0,    0xe4, 4,    0,    0};

static void put_section(struct writer *w, const struct set *s, struct reader info)
{
    CLEANUP(writer_done) struct writer rows = {0};
    CLEANUP(writer_done) struct writer values = {0};
    size_t count = 0, kept = 0;
    writer_init(&rows, w->limit);
    writer_init(&values, w->limit);
    for (size_t i = 0; i < s->count; i++)
        kept += s->list[i].id != SIGNATURE_ID;
    count = kept + (info.at != NULL ? 1 : 0);
    size_t start = 8 + 8 * count;
    for (size_t i = 0; i < s->count; i++) {
        if (s->list[i].id == SIGNATURE_ID)
            continue;
        writer_zeros(&values, (4 - values.len % 4) % 4);
        writer_u32le(&rows, s->list[i].id);
        writer_u32le(&rows, (uint32_t)(start + values.len));
        writer_reader(&values, s->list[i].value);
    }
    writer_zeros(&values, (4 - values.len % 4) % 4);
    if (info.at != NULL) {
        writer_u32le(&rows, SIGNATURE_ID);
        writer_u32le(&rows, (uint32_t)(start + values.len));
        put_value(&values, info);
    }
    writer_u32le(w, (uint32_t)(start + values.len));
    writer_u32le(w, (uint32_t)count);
    writer_reader(w, writer_view(&rows));
    writer_reader(w, writer_view(&values));
    w->failed = w->failed || rows.failed || values.failed;
}

static void patch_u32(struct writer *w, size_t at, size_t v)
{
    const uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16),
                              (uint8_t)(v >> 24)};
    writer_patch(w, at, bytes, sizeof bytes);
}

bool office_binary_put_property(struct arena *a, struct reader stream, struct reader info,
                                struct writer *w, struct err *e)
{
    struct set s;
    if (stream.left == 0)
        stream = reader_over(empty_set, sizeof empty_set);
    if (!read_set(a, stream, &s))
        return arena_failed(a) ? arena_err(e) : damaged(e);
    writer_reader(w, s.head);
    patch_u32(w, SET_HEAD + 16, s.head.left);
    put_section(w, &s, info);
    if (s.other.left > 0) {
        patch_u32(w, SET_HEAD + SET_ROW + 16, w->len);
        writer_reader(w, s.other);
    }
    return writer_ok(w, e);
}
