/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/splice.h"
#include "archive/zip_internal.h"
#include <string.h>

enum { HOST_UNIX = 3, DIRECTORY_LIMIT = 256 * 1024 * 1024 };

bool zip_pack(const struct source *content, uint16_t method, struct sink *scratch,
              struct zip_packed *ret, struct err *e)
{
    struct zip_packed packed = {.data = *content, .size = content->size, .method = method};
    uint64_t start = scratch->used;
    if (method == ZIP_STORED) {
        struct sink nowhere = sink_discard();
        TRY(deflate_copy(content, &nowhere, &packed.crc, e));
    } else {
        TRY(deflate_compress(content, scratch, &packed.crc, e));
        struct source all = sink_view(scratch);
        TRY(source_slice(&all, start, scratch->used - start, &packed.data, e));
    }
    *ret = packed;
    return true;
}

bool zip_pack_again(const struct zip *z, size_t index, const struct source *content,
                    struct sink *scratch, struct zip_packed *ret, struct err *e)
{
    const struct zip_entry *x = &z->entries[index];
    struct zip_packed packed = {.size = content->size, .method = x->method};
    struct splice splice = {
        .stream = zip_stored_bytes(z, x), .size = x->size, .crc = x->crc, .content = *content};
    enum splice_result result = SPLICE_DOES_NOT_PAY;
    uint64_t start = scratch->used;
    if (x->method == ZIP_DEFLATED)
        TRY(splice_deflate(&splice, scratch, &result, &packed.crc, e));
    if (result != SPLICE_DONE)
        return zip_pack(content, x->method, scratch, ret, e);
    struct source all = sink_view(scratch);
    TRY(source_slice(&all, start, scratch->used - start, &packed.data, e));
    *ret = packed;
    return true;
}

static uint32_t cut32(uint64_t v)
{
    return v >= FULL32 ? FULL32 : (uint32_t)v;
}

/* Fields of the old end record that were left to the 64-bit one stay there. */
struct shape {
    bool wide, count, size, offset;
    uint16_t made_by, version;
};

static struct shape shape_of(const struct zip *old)
{
    struct shape shape = {.made_by = HOST_UNIX << 8 | VERSION_ZIP64, .version = VERSION_ZIP64};
    if (old == NULL || old->end64.left == 0)
        return shape;
    struct reader end = old->end, end64 = old->end64;
    uint16_t count = 0;
    uint32_t size = 0, offset = 0;
    shape.wide = reader_skip(&end, 10) && reader_u16le(&end, &count) && reader_u32le(&end, &size) &&
                 reader_u32le(&end, &offset) && reader_skip(&end64, 12) &&
                 reader_u16le(&end64, &shape.made_by) && reader_u16le(&end64, &shape.version);
    shape.count = count == 0xffff;
    shape.size = size == FULL32;
    shape.offset = offset == FULL32;
    return shape;
}

static void end_records(struct writer *w, struct shape s, uint64_t count, uint64_t size,
                        uint64_t offset)
{
    if (s.wide || count >= 0xffff || size >= FULL32 || offset >= FULL32) {
        writer_u32le(w, SIG_END64);
        writer_u64le(w, SIZE_END64 - 12);
        writer_u16le(w, s.made_by);
        writer_u16le(w, s.version);
        writer_u64le(w, 0); /* both disk numbers */
        writer_u64le(w, count);
        writer_u64le(w, count);
        writer_u64le(w, size);
        writer_u64le(w, offset);
        writer_u32le(w, SIG_LOCATOR);
        writer_u32le(w, 0);
        writer_u64le(w, offset + size);
        writer_u32le(w, 1);
    }
    uint16_t shown = s.count || count >= 0xffff ? 0xffff : (uint16_t)count;
    writer_u32le(w, SIG_END);
    writer_u32le(w, 0);
    writer_u16le(w, shown);
    writer_u16le(w, shown);
    writer_u32le(w, s.size ? FULL32 : cut32(size));
    writer_u32le(w, s.offset ? FULL32 : cut32(offset));
}

bool zip_write_end(struct sink *out, uint64_t start, uint64_t count, const struct writer *directory,
                   struct reader comment, const struct zip *old, struct err *e)
{
    TRY(writer_ok(directory, e));
    uint64_t offset = out->used - start, size = directory->len;
    TRY(sink_reader(out, writer_view(directory), e));
    struct writer w;
    writer_init(&w, SIZE_END64 + SIZE_LOCATOR + SIZE_END + 65535);
    end_records(&w, shape_of(old), count, size, offset);
    writer_u16le(&w, (uint16_t)comment.left);
    writer_reader(&w, comment);
    bool ok = writer_ok(&w, e) && sink_reader(out, writer_view(&w), e);
    writer_done(&w);
    return ok;
}

void zip_writer_init(struct zip_writer *w, struct sink *out)
{
    *w = (struct zip_writer){.out = out, .start = out->used};
    writer_init(&w->directory, DIRECTORY_LIMIT);
}

void zip_writer_done(struct zip_writer *w)
{
    writer_done(&w->directory);
}

static bool is_ascii(struct reader r)
{
    for (uint8_t byte; reader_u8(&r, &byte);)
        if (byte >= 0x80)
            return false;
    return true;
}

/* Flags to sizes: what both headers have in common. */
static void common_fields(struct writer *w, const struct zip_meta *meta,
                          const struct zip_packed *packed, bool wide)
{
    writer_u16le(w, wide ? VERSION_ZIP64 : VERSION_DEFLATE);
    writer_u16le(w, is_ascii(reader_text(meta->path)) ? 0 : ZIP_FLAG_UTF8);
    writer_u16le(w, packed->method);
    writer_u16le(w, meta->time);
    writer_u16le(w, meta->date);
    writer_u32le(w, packed->crc);
}

static void local_header(struct writer *w, const struct zip_meta *meta,
                         const struct zip_packed *packed)
{
    bool wide = packed->size >= FULL32 || packed->data.size >= FULL32;
    writer_u32le(w, SIG_LOCAL);
    common_fields(w, meta, packed, wide);
    writer_u32le(w, wide ? FULL32 : (uint32_t)packed->data.size);
    writer_u32le(w, wide ? FULL32 : (uint32_t)packed->size);
    writer_u16le(w, (uint16_t)strlen(meta->path));
    writer_u16le(w, wide ? 20 : 0);
    writer_text(w, meta->path);
    if (wide) {
        writer_u16le(w, EXTRA_ZIP64);
        writer_u16le(w, 16);
        writer_u64le(w, packed->size);
        writer_u64le(w, packed->data.size);
    }
}

static void central_record(struct writer *w, const struct zip_meta *meta,
                           const struct zip_packed *packed, uint64_t offset)
{
    bool wide = packed->size >= FULL32 || packed->data.size >= FULL32, far = offset >= FULL32;
    uint16_t extra = (uint16_t)((wide ? 16 : 0) + (far ? 8 : 0));
    writer_u32le(w, SIG_CENTRAL);
    writer_u16le(w, meta->made_by);
    common_fields(w, meta, packed, wide || far);
    writer_u32le(w, wide ? FULL32 : (uint32_t)packed->data.size);
    writer_u32le(w, wide ? FULL32 : (uint32_t)packed->size);
    writer_u16le(w, (uint16_t)strlen(meta->path));
    writer_u16le(w, extra == 0 ? 0 : (uint16_t)(extra + 4));
    writer_zeros(w, 2 + 2 + 2); /* comment length, disk, internal attributes */
    writer_u32le(w, meta->external);
    writer_u32le(w, cut32(offset));
    writer_text(w, meta->path);
    if (extra == 0)
        return;
    writer_u16le(w, EXTRA_ZIP64);
    writer_u16le(w, extra);
    if (wide) {
        writer_u64le(w, packed->size);
        writer_u64le(w, packed->data.size);
    }
    if (far)
        writer_u64le(w, offset);
}

bool zip_writer_add(struct zip_writer *w, const struct zip_meta *meta,
                    const struct zip_packed *packed, struct err *e)
{
    size_t len = strlen(meta->path);
    if (len == 0 || len > 65535)
        return err_user(e, ERR_ZIP_NAME, "A name for the ZIP file is empty or too long.");
    struct writer header;
    writer_init(&header, 66 * 1024);
    local_header(&header, meta, packed);
    uint64_t offset = w->out->used - w->start;
    bool ok = writer_ok(&header, e) && sink_reader(w->out, writer_view(&header), e) &&
              sink_source(w->out, &packed->data, e);
    writer_done(&header);
    TRY(ok);
    central_record(&w->directory, meta, packed, offset);
    w->count++;
    return writer_ok(&w->directory, e);
}

bool zip_writer_finish(struct zip_writer *w, struct reader comment, struct err *e)
{
    if (comment.left > 65535 || reader_find(comment, 0, "PK\5\6", 4) != SIZE_MAX)
        return err_set(e, ERR_ZIP_COMMENT, "%zu bytes", comment.left);
    return zip_write_end(w->out, w->start, w->count, &w->directory, comment, NULL, e);
}
