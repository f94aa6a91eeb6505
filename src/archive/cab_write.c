/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/cab_internal.h"
#include <libdeflate.h>
#include <stdlib.h>

enum { LEVEL = 6, PACKED_ROOM = CAB_BLOCK + 1024 };

/* --- header ----------------------------------------------------------------------------------- */
/* What the header reserve becomes: kept in size when the two blocks fit, or grown. */
static size_t reserve_size(const struct cab *c)
{
    size_t needed = 4 + c->first.left + CAB_SIGNATURE;
    return c->reserve.left > needed ? c->reserve.left : needed;
}

static void put_header(struct writer *w, const struct cab *c, uint32_t end, uint32_t files_at,
                       bool reserve)
{
    struct reader r = c->header, part;
    uint16_t flags = 0;
    writer_text(w, "MSCF");
    writer_u32le(w, 0);
    writer_u32le(w, end);
    writer_u32le(w, 0);
    writer_u32le(w, files_at);
    writer_u32le(w, 0);
    if (reader_slice(r, 24, 6, &part)) /* version, numbers of folders and files */
        writer_reader(w, part);
    if (reader_slice(r, 30, 2, &part) && reader_u16le(&part, &flags))
        writer_u16le(w, reserve ? flags | CAB_FLAG_RESERVE : flags);
    if (reader_slice(r, 32, 4, &part)) /* set, number in the set */
        writer_reader(w, part);
}

static void put_folder(struct writer *w, const struct cab_folder *f, uint32_t at, uint16_t blocks,
                       uint16_t kind)
{
    writer_u32le(w, at);
    writer_u16le(w, blocks);
    writer_u16le(w, kind);
    writer_reader(w, f->reserve);
}

bool cab_signed_head(const struct cab *c, uint32_t signature, struct writer *ret,
                     uint32_t *ret_shift, struct err *e)
{
    size_t room = reserve_size(c), start = ret->len;
    uint64_t old = c->tables - CAB_HEADER, shift = 4 + room - old;
    if (!c->can_sign || c->header.left < CAB_HEADER || room > UINT16_MAX)
        return err_user(e, ERR_CAB,
                        "The header of the cabinet holds reserved bytes of an unknown kind where "
                        "the signature has to go. Build the cabinet without them.");
    if (c->end + shift > UINT32_MAX)
        return err_user(e, ERR_FILE_LIMIT, "A signed cabinet of this size passes 4 GiB.");
    put_header(ret, c, (uint32_t)(c->end + shift), (uint32_t)(c->names + shift), true);
    writer_u16le(ret, (uint16_t)room);
    writer_u8(ret, c->folder_reserve);
    writer_u8(ret, c->data_reserve);
    writer_u16le(ret, (uint16_t)c->first.left);
    writer_u16le(ret, CAB_SIGNATURE);
    writer_reader(ret, c->first);
    writer_u32le(ret, (uint32_t)(c->end + shift));
    writer_u32le(ret, signature);
    writer_zeros(ret, CAB_HEADER + 4 + room - (ret->len - start));
    for (size_t i = 0; i < c->folder_count; i++) {
        const struct cab_folder *f = &c->folders[i];
        put_folder(ret, f, (uint32_t)(f->data + shift), f->blocks, f->kind);
    }
    *ret_shift = (uint32_t)shift;
    return writer_ok(ret, e);
}

/* --- blocks ----------------------------------------------------------------------------------- */
/* Each block is compressed by itself. MSZIP lets a block refer to the one before, which would save
 * about 3 %, but libdeflate cannot, and it takes less than half of the time that zlib takes. */
struct encoder {
    struct libdeflate_compressor *compressor; /* NULL: stored */
    struct sink *out;
    uint8_t plain[CAB_BLOCK];
    uint8_t packed[CAB_BLOCK_HEADER + PACKED_ROOM];
    size_t used; /* bytes of the block at work */
    uint32_t blocks;
};

static void encoder_done(struct encoder **x)
{
    if (*x != NULL && (*x)->compressor != NULL)
        libdeflate_free_compressor((*x)->compressor);
    free(*x);
}

static bool deflate_block(struct encoder *x, size_t *ret, struct err *e)
{
    x->packed[CAB_BLOCK_HEADER] = 'C';
    x->packed[CAB_BLOCK_HEADER + 1] = 'K';
    size_t n = libdeflate_deflate_compress(x->compressor, x->plain, x->used,
                                           &x->packed[CAB_BLOCK_HEADER + 2], PACKED_ROOM - 2);
    *ret = n + 2;
    return n > 0 || err_set(e, ERR_INTERNAL, "deflate of a block did not end");
}

static bool put_block(struct encoder *x, struct err *e)
{
    struct writer head;
    size_t length = x->used;
    struct reader body = reader_over(x->plain, x->used), fields;
    if (x->used == 0)
        return true;
    if (x->compressor != NULL) {
        TRY(deflate_block(x, &length, e));
        body = reader_over(&x->packed[CAB_BLOCK_HEADER], length);
    }
    writer_init(&head, CAB_BLOCK_HEADER);
    writer_u32le(&head, 0);
    writer_u16le(&head, (uint16_t)length);
    writer_u16le(&head, (uint16_t)x->used);
    bool ok = reader_slice(writer_view(&head), 4, 4, &fields);
    uint32_t sum = ok ? cab_checksum(fields, cab_checksum(body, 0)) : 0;
    const uint8_t bytes[4] = {(uint8_t)sum, (uint8_t)(sum >> 8), (uint8_t)(sum >> 16),
                              (uint8_t)(sum >> 24)};
    writer_patch(&head, 0, bytes, sizeof bytes);
    ok = writer_ok(&head, e) && sink_reader(x->out, writer_view(&head), e) &&
         sink_reader(x->out, body, e);
    writer_done(&head);
    x->used = 0;
    x->blocks++;
    return ok;
}

static bool encode(void *ctx, struct reader piece, struct err *e)
{
    struct encoder *x = ctx;
    while (piece.left > 0) {
        size_t room = CAB_BLOCK - x->used, n = piece.left < room ? piece.left : room;
        TRY(reader_copy(&piece, &x->plain[x->used], n));
        x->used += n;
        if (x->used == CAB_BLOCK)
            TRY(put_block(x, e));
    }
    return true;
}

/* --- folders ---------------------------------------------------------------------------------- */
struct repack {
    const struct cab *c;
    const struct cab_change *changes;
    size_t change_count;
    struct sink *out;
    uint64_t start;            /* where in `out` the cabinet begins */
    uint32_t *sizes, *offsets; /* of the files, by index */
};

static const struct cab_change *change_of(const struct repack *r, size_t index)
{
    size_t low = 0, high = r->change_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (r->changes[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->change_count && r->changes[low].index == index ? &r->changes[low] : NULL;
}

static bool copy_folder(const struct repack *r, const struct cab_folder *f, struct err *e)
{
    struct source part;
    return source_slice(&r->c->in, f->data, f->end - f->data, &part, e) &&
           sink_source(r->out, &part, e);
}

/* Runs of files that stay are decoded in one go; where a changed file stands its new content goes.
 */
static bool encode_files(const struct repack *r, const struct cab_folder *f, struct encoder *x,
                         struct err *e)
{
    const struct cab *c = r->c;
    for (size_t i = 0; i < f->count;) {
        size_t index = c->order[f->first + i];
        const struct cab_change *change = change_of(r, index);
        if (change != NULL) {
            TRY(source_each(&change->content, encode, x, e));
            i++;
            continue;
        }
        uint64_t from = c->files[index].offset, to = from;
        for (; i < f->count && change_of(r, c->order[f->first + i]) == NULL; i++)
            to += c->files[c->order[f->first + i]].size;
        TRY(cab_expand(c, f, from, to, encode, x, e));
    }
    return put_block(x, e);
}

static bool encode_folder(const struct repack *r, const struct cab_folder *f, uint16_t *ret_blocks,
                          struct err *e)
{
    CLEANUP(encoder_done) struct encoder *x = calloc(1, sizeof *x);
    if (x == NULL)
        return err_set(e, ERR_NO_MEMORY, "encoder");
    if (r->c->data_reserve != 0)
        return err_user(e, ERR_CAB,
                        "The data blocks of the cabinet carry reserved bytes of an unknown kind, "
                        "so files in it cannot be replaced.");
    x->out = r->out;
    if ((f->kind & 15) != CAB_STORED) {
        x->compressor = libdeflate_alloc_compressor(LEVEL);
        if (x->compressor == NULL)
            return err_set(e, ERR_NO_MEMORY, "compressor");
    }
    TRY(encode_files(r, f, x, e));
    if (x->blocks > UINT16_MAX)
        return err_user(
            e, ERR_FILE_LIMIT,
            "With its signed files a folder of the cabinet passes 65535 blocks (2 GiB). "
            "Build the cabinet with more folders.");
    *ret_blocks = (uint16_t)x->blocks;
    return true;
}

static bool folder_changes(const struct repack *r, const struct cab_folder *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (change_of(r, r->c->order[f->first + i]) != NULL)
            return true;
    return false;
}

static bool put_folder_data(const struct repack *r, const struct cab_folder *f,
                            struct writer *table, struct err *e)
{
    uint64_t at = r->out->used - r->start;
    uint16_t blocks = f->blocks, kind = f->kind;
    if (folder_changes(r, f)) {
        kind = (kind & 15) == CAB_STORED ? kind : CAB_MSZIP;
        TRY(encode_folder(r, f, &blocks, e));
    } else {
        TRY(copy_folder(r, f, e));
    }
    put_folder(table, f, (uint32_t)at, blocks, kind);
    return true;
}

/* Sizes and places of all files; what does not fit 32 bits does not fit the blocks either. */
static bool lay_out(struct repack *r, struct err *e)
{
    const struct cab *c = r->c;
    for (size_t i = 0; i < c->folder_count; i++) {
        uint64_t at = 0;
        for (size_t k = 0; k < c->folders[i].count; k++) {
            size_t index = c->order[c->folders[i].first + k];
            const struct cab_change *change = change_of(r, index);
            uint64_t size = change == NULL ? c->files[index].size : change->content.size;
            if (size > INT32_MAX || at > INT32_MAX)
                return err_user(e, ERR_FILE_LIMIT,
                                "With its signed files a folder of the cabinet passes 2 GiB. "
                                "Build the cabinet with more folders.");
            r->sizes[index] = (uint32_t)size;
            r->offsets[index] = (uint32_t)at;
            at += size;
        }
    }
    return true;
}

static bool put_names(const struct repack *r, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 64 << 20);
    for (size_t i = 0; i < r->c->file_count; i++) {
        struct reader rest = r->c->files[i].record;
        writer_u32le(&w, r->sizes[i]);
        writer_u32le(&w, r->offsets[i]);
        TRY(reader_skip(&rest, 8));
        writer_reader(&w, rest);
    }
    return writer_ok(&w, e) && sink_reader(r->out, writer_view(&w), e);
}

/* Header, and the reserve as it stands but for the place of a signature that is left out. */
static bool put_front(const struct cab *c, struct writer *w, uint32_t end, struct err *e)
{
    size_t start = w->len;
    put_header(w, c, end, (uint32_t)c->names, c->has_reserve);
    if (c->has_reserve) {
        writer_u16le(w, (uint16_t)c->reserve.left);
        writer_u8(w, c->folder_reserve);
        writer_u8(w, c->data_reserve);
        if (c->signature.left > 0) {
            writer_u16le(w, (uint16_t)c->first.left);
            writer_u16le(w, CAB_SIGNATURE);
            writer_reader(w, c->first);
            writer_zeros(w, (size_t)c->tables - (w->len - start));
        } else {
            writer_reader(w, c->reserve);
        }
    }
    return writer_ok(w, e);
}

bool cab_repack(const struct cab *c, const struct cab_change *changes, size_t count,
                struct sink *out, struct err *e)
{
    CLEANUP(writer_done) struct writer front = {0};
    CLEANUP(arena_cleanup) struct arena *a = arena_new(c->file_count * 8 + 4096);
    struct repack r = {
        .c = c, .changes = changes, .change_count = count, .out = out, .start = out->used};
    writer_init(&front, 16 << 20);
    r.sizes = a == NULL ? NULL : ARENA_ARRAY(a, c->file_count, uint32_t);
    r.offsets = a == NULL ? NULL : ARENA_ARRAY(a, c->file_count, uint32_t);
    if (r.sizes == NULL || r.offsets == NULL)
        return arena_err(e);
    TRY(lay_out(&r, e) && sink_zeros(out, c->names, e) && put_names(&r, e));
    TRY(put_front(c, &front, 0, e));
    for (size_t i = 0; i < c->folder_count; i++)
        TRY(put_folder_data(&r, &c->folders[i], &front, e));
    const uint64_t end = out->used - r.start;
    if (end > UINT32_MAX)
        return err_user(e, ERR_FILE_LIMIT, "With its signed files the cabinet passes 4 GiB.");
    const uint8_t bytes[4] = {(uint8_t)end, (uint8_t)(end >> 8), (uint8_t)(end >> 16),
                              (uint8_t)(end >> 24)};
    writer_patch(&front, 8, bytes, sizeof bytes);
    TRY(writer_ok(&front, e));
    return sink_patch(out, r.start, front.data, front.len, e);
}
