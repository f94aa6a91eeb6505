/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/zip_internal.h"
#include <stdlib.h>
#include <string.h>

struct comparing {
    const struct source *other;
    uint8_t *buffer; /* SOURCE_BUFFER bytes */
    uint64_t at;
    bool same;
};

static void comparing_done(struct comparing *c)
{
    free(c->buffer);
}

static bool compare_piece(void *ctx, struct reader piece, struct err *e)
{
    struct comparing *c = ctx;
    struct reader part;
    while (c->same && piece.left > 0) {
        size_t n = piece.left < SOURCE_BUFFER ? piece.left : SOURCE_BUFFER;
        TRY(source_read(c->other, c->at, c->buffer, n, e));
        c->at += n;
        c->same = reader_take(&piece, n, &part) && reader_equal(part, reader_over(c->buffer, n));
    }
    return true;
}

/* Ranges of n bytes in both files. */
static bool same_bytes(struct comparing *c, const struct source *in, uint64_t at,
                       const struct source *other, uint64_t other_at, uint64_t n, bool *ret,
                       struct err *e)
{
    struct source range;
    c->other = other;
    c->at = other_at;
    c->same = true;
    TRY(source_slice(in, at, n, &range, e) && source_each(&range, compare_piece, c, e));
    *ret = c->same;
    return true;
}

static bool differs(const struct zip_entry *x, const char *what, struct err *e)
{
    char shown[ZIP_SHOWN];
    return err_user(e, ERR_ZIP_CHANGED, "The %s of the entry \"%s\" changed, but should not have.",
                    what, zip_shown(zip_raw_name(x), shown));
}

static bool same_extra(struct reader a, struct reader b)
{
    struct writer wa, wb;
    writer_init(&wa, 65536);
    writer_init(&wb, 65536);
    zip_extra_without(&wa, a, EXTRA_ZIP64);
    zip_extra_without(&wb, b, EXTRA_ZIP64);
    bool same = !wa.failed && !wb.failed && reader_equal(writer_view(&wa), writer_view(&wb));
    writer_done(&wa);
    writer_done(&wb);
    return same;
}

static bool compare_records(const struct zip_entry *x, const struct zip_entry *y, bool changed,
                            struct err *e)
{
    if (!reader_equal(zip_raw_name(x), zip_raw_name(y)))
        return differs(x, "name", e);
    if (x->time != y->time || x->date != y->date)
        return differs(x, "time", e);
    if (x->external != y->external || x->internal != y->internal || x->made_by != y->made_by)
        return differs(x, "set of attributes", e);
    if (x->flags != y->flags || x->method != y->method)
        return differs(x, "kind of storage", e);
    if (!same_extra(zip_extra(x), zip_extra(y)))
        return differs(x, "set of extra fields", e);
    if (!reader_equal(zip_comment(x), zip_comment(y)))
        return differs(x, "comment", e);
    if (!changed && (x->crc != y->crc || x->size != y->size || x->compressed != y->compressed ||
                     x->descriptor != y->descriptor || x->data - x->header != y->data - y->header))
        return differs(x, "content", e);
    return true;
}

static uint64_t length(const struct zip_entry *x)
{
    return x->data - x->header + x->compressed + x->descriptor;
}

/* Runs of untouched entries that lie behind each other in both files are compared as one range;
 * which entry differs is not worth a second look, so the text names the first of the run. */
static bool compare_contents(const struct zip *before, const struct zip *after, const bool *changed,
                             struct comparing *c, struct err *e)
{
    for (size_t i = 0; i < before->count;) {
        const struct zip_entry *x = &before->entries[before->order[i]];
        const struct zip_entry *y = &after->entries[before->order[i]];
        if (after->order[i] != before->order[i])
            return differs(x, "place", e);
        if (changed[before->order[i]]) {
            i++;
            continue;
        }
        uint64_t n = 0;
        for (; i < before->count && after->order[i] == before->order[i] &&
               !changed[before->order[i]] &&
               before->entries[before->order[i]].header == x->header + n &&
               after->entries[before->order[i]].header == y->header + n;
             i++)
            n += length(&before->entries[before->order[i]]);
        bool same;
        TRY(same_bytes(c, &before->in, x->header, &after->in, y->header, n, &same, e));
        if (!same)
            return differs(x, "content (or that of one behind it)", e);
    }
    return true;
}

static uint16_t version_in_record(const struct zip_entry *x)
{
    struct reader record = x->record;
    uint16_t version;
    return reader_skip(&record, 6) && reader_u16le(&record, &version) ? version : 0;
}

static bool version_fits(uint16_t now, uint16_t old, bool changed)
{
    uint16_t low = now & 0xff; /* the high half says which system, and stays */
    return now == old || ((now & 0xff00) == (old & 0xff00) &&
                          (low == VERSION_ZIP64 || (changed && low == VERSION_DEFLATE)));
}

/* What stands in front of the data: *ret_extra is in the arena. */
static bool local_extra(struct arena *a, const struct zip *z, const struct zip_entry *x,
                        struct reader *ret_extra, struct err *e)
{
    struct reader header, field;
    uint16_t name = 0;
    TRY(zip_local_header(a, z, x, &header, e));
    if (!reader_slice(header, SIZE_LOCAL - 4, 2, &field) || !reader_u16le(&field, &name) ||
        !reader_skip(&header, (size_t)SIZE_LOCAL + name))
        return err_set(e, ERR_INTERNAL, "local header");
    *ret_extra = header;
    return true;
}

/* x NULL: an added entry, which has none. Of entries that stay all bytes are compared. */
static bool compare_local_extra(const struct zip *before, const struct zip_entry *x,
                                const struct zip *after, const struct zip_entry *y, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new((size_t)1 << 20);
    struct reader old = {0}, now;
    if (a == NULL)
        return arena_err(e);
    TRY(x == NULL || local_extra(a, before, x, &old, e));
    TRY(local_extra(a, after, y, &now, e));
    return same_extra(old, now) || differs(y, "set of extra fields", e);
}

static bool local_hints(const struct zip *z, const struct zip_entry *x, uint16_t *ret_version,
                        uint16_t *ret_flags, struct err *e)
{
    uint8_t fields[4] = {0};
    TRY(source_read(&z->in, x->header + 4, fields, sizeof fields, e));
    struct reader r = reader_over(fields, sizeof fields);
    if (!reader_u16le(&r, ret_version) || !reader_u16le(&r, ret_flags))
        return differs(x, "header", e);
    return true;
}

/* What no reader compares between the two headers: the version needed, and two flags that only say
 * how hard the compressor tried. Untouched local headers are compared as bytes elsewhere. */
static bool compare_hints(const struct zip *before, const struct zip_entry *x,
                          const struct zip *after, const struct zip_entry *y, bool changed,
                          struct err *e)
{
    uint16_t old = VERSION_DEFLATE, old_flags, now, flags;
    uint16_t in_record = x == NULL ? VERSION_DEFLATE : version_in_record(x);
    if (!version_fits(version_in_record(y), in_record, changed))
        return differs(y, "version", e);
    if (!changed)
        return true;
    TRY(compare_local_extra(before, x, after, y, e));
    if (x != NULL)
        TRY(local_hints(before, x, &old, &old_flags, e));
    TRY(local_hints(after, y, &now, &flags, e));
    if (!version_fits(now, old, true))
        return differs(y, "version", e);
    return flags == y->flags || differs(y, "set of flags", e);
}

static unsigned utf8_flag(const struct zip_entry *x)
{
    struct reader name = zip_raw_name(x);
    for (uint8_t byte; reader_u8(&name, &byte);)
        if (byte >= 0x80)
            return ZIP_FLAG_UTF8;
    return 0;
}

/* An added entry looks as the repacker makes it: like one that was there, or like none. *like is
 * where the search goes on, because added entries follow the order of the old ones. */
static bool compare_added(const struct zip *before, const struct zip *after,
                          const struct zip_entry *y, size_t *like, struct err *e)
{
    if (y->internal != 0 || zip_comment(y).left > 0 || y->flags != utf8_flag(y) ||
        y->descriptor != 0 || !same_extra(zip_extra(y), (struct reader){0}))
        return differs(y, "set of attributes", e);
    TRY(compare_hints(NULL, NULL, after, y, true, e));
    for (size_t i = 0; i < before->count; i++, *like = (*like + 1) % before->count) {
        const struct zip_entry *x = &before->entries[*like];
        if (x->time == y->time && x->date == y->date && x->external == y->external &&
            x->made_by == y->made_by)
            return true;
    }
    bool fixed = y->time == 0 && y->date == ZIP_DATE_FIXED && y->external == 0 &&
                 y->made_by == VERSION_DEFLATE;
    return fixed || differs(y, "set of attributes", e);
}

static bool compare_headers(const struct zip *before, const struct zip *after, const bool *changed,
                            struct err *e)
{
    size_t like = 0;
    for (size_t i = 0; i < before->count; i++)
        TRY(compare_hints(before, &before->entries[i], after, &after->entries[i], changed[i], e));
    for (size_t i = before->count; i < after->count; i++)
        TRY(compare_added(before, after, &after->entries[i], &like, e));
    return true;
}

bool zip_compare(const struct zip *before, const struct zip *after, const bool *changed,
                 struct err *e)
{
    if (after->count < before->count)
        return err_user(e, ERR_ZIP_CHANGED, "Entries are missing in the new ZIP file.");
    if (!reader_equal(before->comment, after->comment))
        return err_user(e, ERR_ZIP_CHANGED, "The comment of the ZIP file changed.");
    for (size_t i = 0; i < before->count; i++)
        TRY(compare_records(&before->entries[i], &after->entries[i], changed[i], e));
    TRY(compare_headers(before, after, changed, e));
    CLEANUP(comparing_done) struct comparing c = {.buffer = malloc(SOURCE_BUFFER)};
    if (c.buffer == NULL)
        return err_set(e, ERR_NO_MEMORY, "buffer");
    return compare_contents(before, after, changed, &c, e);
}
