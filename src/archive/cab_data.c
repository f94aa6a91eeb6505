/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/cab_internal.h"
#define ZLIB_CONST
#include <libdeflate.h>
#include <stdlib.h>
#include <zlib.h>

uint32_t cab_checksum(struct reader bytes, uint32_t sum)
{
    uint64_t pair = 0, two;
    uint32_t word, rest = 0;
    while (reader_u64le(&bytes, &two))
        pair ^= two;
    sum ^= (uint32_t)pair ^ (uint32_t)(pair >> 32);
    while (reader_u32le(&bytes, &word))
        sum ^= word;
    for (uint8_t byte; reader_u8(&bytes, &byte);)
        rest = rest << 8 | byte; /* the last one to three bytes count the other way round */
    return sum ^ rest;
}

struct decoder {
    z_stream z;
    bool zlib;
    struct libdeflate_decompressor *alone; /* NULL: blocks refer to the ones before */
    uint8_t packed[CAB_BLOCK_HEADER + 255 + CAB_PACKED_MAX];
    uint8_t plain[2][CAB_BLOCK]; /* by turns: a block may refer to the one before */
    unsigned turn;
    size_t before; /* bytes of the block before */
};

static void decoder_done(struct decoder **d)
{
    if (*d != NULL && (*d)->zlib)
        (void)inflateEnd(&(*d)->z);
    if (*d != NULL && (*d)->alone != NULL)
        libdeflate_free_decompressor((*d)->alone);
    free(*d);
}

/* Many writers compress each block by itself. libdeflate reads those in half of the time; it
 * refuses the first one that refers to a block before, and from then on zlib is asked. */
static bool inflate_alone(struct decoder *d, struct reader packed, size_t size)
{
    size_t used = 0, got = 0;
    if (d->alone == NULL)
        return false;
    if (libdeflate_deflate_decompress_ex(d->alone, packed.at, packed.left, d->plain[d->turn], size,
                                         &used, &got) == LIBDEFLATE_SUCCESS &&
        used == packed.left && got == size)
        return true;
    libdeflate_free_decompressor(d->alone);
    d->alone = NULL;
    return false;
}

static bool inflate_after(struct decoder *d, struct reader packed, size_t size, struct err *e)
{
    if (inflateReset(&d->z) != Z_OK ||
        (d->before > 0 &&
         inflateSetDictionary(&d->z, d->plain[d->turn ^ 1], (uInt)d->before) != Z_OK))
        return err_set(e, ERR_INTERNAL, "zlib");
    d->z.next_in = packed.at;
    d->z.avail_in = (uInt)packed.left;
    d->z.next_out = d->plain[d->turn];
    d->z.avail_out = (uInt)size;
    int result = inflate(&d->z, Z_FINISH);
    if (result == Z_MEM_ERROR)
        return err_set(e, ERR_NO_MEMORY, "zlib");
    if (result != Z_STREAM_END || d->z.avail_in != 0 || d->z.avail_out != 0)
        return cab_bad(e, "compressed data is damaged");
    return true;
}

/* [MS-MCI] 2.1: "CK" and one deflate stream; its window is what the block before gave. */
static bool inflate_block(struct decoder *d, struct reader packed, size_t size, struct reader *ret,
                          struct err *e)
{
    uint8_t *to = d->plain[d->turn];
    if (!reader_starts_with(packed, "CK", 2) || !reader_skip(&packed, 2))
        return cab_bad(e, "a compressed block does not begin with its mark");
    if (!inflate_alone(d, packed, size))
        TRY(inflate_after(d, packed, size, e));
    *ret = reader_over(to, size);
    d->before = size;
    d->turn ^= 1;
    return true;
}

/* One block; *ret is borrowed until the block after the next. */
static bool next_block(const struct cab *c, unsigned kind, struct decoder *d, uint64_t *at,
                       struct reader *ret, struct err *e)
{
    const size_t skip = CAB_BLOCK_HEADER + (size_t)c->data_reserve;
    struct reader r = reader_over(d->packed, CAB_BLOCK_HEADER), packed, whole;
    uint32_t sum;
    uint16_t length, size;
    TRY(source_read(&c->in, *at, d->packed, CAB_BLOCK_HEADER, e));
    TRY(reader_u32le(&r, &sum) && reader_u16le(&r, &length) && reader_u16le(&r, &size));
    TRY(source_read(&c->in, *at, d->packed, skip + length, e));
    *at += skip + length;
    whole = reader_over(d->packed, skip + length);
    TRY(reader_slice(whole, skip, length, &packed) && reader_skip(&whole, 4));
    struct reader fields = {whole.at, 4}, with_reserve = {whole.at, skip - 4};
    uint32_t data = cab_checksum(packed, 0);
    /* Readers differ on whether the reserve of a block counts. */
    if (sum != 0 && sum != cab_checksum(fields, data) && sum != cab_checksum(with_reserve, data))
        return cab_bad(e, "a block does not match its check sum");
    if (kind == CAB_STORED) {
        *ret = packed;
        return true;
    }
    return inflate_block(d, packed, size, ret, e);
}

/* A range of such a folder is always one of whole files. */
static bool expand_files(const struct cab *c, const struct cab_folder *f, uint64_t from,
                         uint64_t to, source_each_fn each, void *ctx, struct err *e)
{
    size_t first = f->first, count = 0;
    while (first < f->first + f->count &&
           (c->files[c->order[first]].offset < from || c->files[c->order[first]].size == 0))
        first++;
    for (uint64_t at = from; at < to; count++)
        at += c->files[c->order[first + count]].size;
    return cab_expand_foreign(c, first, count, each, ctx, e);
}

bool cab_expand(const struct cab *c, const struct cab_folder *f, uint64_t from, uint64_t to,
                source_each_fn each, void *ctx, struct err *e)
{
    unsigned kind = f->kind & 15, window = f->kind >> 8 & 31;
    if (from == to)
        return true;
    if (kind == CAB_LZX || kind == CAB_QUANTUM) {
        if (window < (kind == CAB_LZX ? 15 : 10) || window > 21)
            return cab_bad(e, "a folder states a window of 2^%u bytes", window);
        return expand_files(c, f, from, to, each, ctx, e);
    }
    CLEANUP(decoder_done) struct decoder *d = calloc(1, sizeof *d);
    if (d == NULL)
        return err_set(e, ERR_NO_MEMORY, "decoder");
    d->zlib = kind == CAB_MSZIP && inflateInit2(&d->z, -MAX_WBITS) == Z_OK;
    if (kind == CAB_MSZIP && !d->zlib)
        return err_set(e, ERR_NO_MEMORY, "zlib");
    d->alone = libdeflate_alloc_decompressor(); /* none: zlib does all of it */
    uint64_t at = f->data;
    for (uint64_t done = 0; done < to;) {
        struct reader plain;
        TRY(next_block(c, kind, d, &at, &plain, e));
        uint64_t begin = done, end = done + plain.left;
        done = end;
        if (end <= from)
            continue;
        if (begin < from)
            TRY(reader_skip(&plain, (size_t)(from - begin)));
        if (end > to)
            plain.left -= (size_t)(end - to);
        TRY(each(ctx, plain, e));
    }
    return true;
}

bool cab_expand_folder(const struct cab *c, const struct cab_folder *f, source_each_fn each,
                       void *ctx, struct err *e)
{
    return cab_expand(c, f, 0, f->size, each, ctx, e);
}

static bool to_sink(void *ctx, struct reader piece, struct err *e)
{
    return sink_reader(ctx, piece, e);
}

bool cab_extract(const struct cab *c, size_t index, struct sink *out, struct err *e)
{
    const struct cab_file *x = &c->files[index];
    const struct cab_folder *f = &c->folders[x->folder];
    if (c->budget != NULL)
        TRY(budget_bytes(c->budget, x->size, 0, f->end - f->data, e));
    return cab_expand(c, f, x->offset, (uint64_t)x->offset + x->size, to_sink, out, e);
}

/* --- several files ---------------------------------------------------------------------------- */
/* A wanted file: where it is in its folder, and where it goes. */
struct wanted {
    uint16_t folder;
    uint64_t from, to;
    struct sink *out;
};
struct delivery {
    const struct wanted *list; /* ascending by place */
    size_t left;
    uint64_t at; /* of the next piece */
};

static bool deliver(void *ctx, struct reader piece, struct err *e)
{
    struct delivery *d = ctx;
    while (piece.left > 0 && d->left > 0) {
        const struct wanted *w = d->list;
        uint64_t skip = w->from > d->at ? w->from - d->at : 0;
        struct reader part;
        if (skip >= piece.left) {
            d->at += piece.left;
            return true;
        }
        TRY(reader_skip(&piece, (size_t)skip));
        d->at += skip;
        size_t n = w->to - d->at < piece.left ? (size_t)(w->to - d->at) : piece.left;
        TRY(reader_take(&piece, n, &part) && sink_reader(w->out, part, e));
        d->at += n;
        if (d->at == w->to) {
            d->list++;
            d->left--;
        }
    }
    d->at += piece.left;
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;
    if (x->folder != y->folder)
        return x->folder < y->folder ? -1 : 1;
    return x->from < y->from ? -1 : x->from > y->from;
}

static bool extract_folder(const struct cab *c, const struct cab_folder *f,
                           const struct wanted *list, size_t count, struct err *e)
{
    struct delivery d = {.list = list, .left = count, .at = list[0].from};
    TRY(cab_expand(c, f, list[0].from, list[count - 1].to, deliver, &d, e));
    return d.left == 0 || err_set(e, ERR_INTERNAL, "%zu files were not delivered", d.left);
}

/* What is wanted and not empty, paid for, by folder and place. */
static bool list_wanted(const struct cab *c, const size_t *indexes, size_t count, struct sink *outs,
                        struct wanted *list, size_t *ret, struct err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct cab_file *x = &c->files[indexes[i]];
        const struct cab_folder *f = &c->folders[x->folder];
        if (x->size == 0)
            continue;
        if (c->budget != NULL)
            TRY(budget_bytes(c->budget, x->size, 0, f->end - f->data, e));
        list[n++] = (struct wanted){x->folder, x->offset, (uint64_t)x->offset + x->size, &outs[i]};
    }
    if (n > 1)
        qsort(list, n, sizeof *list, by_place);
    *ret = n;
    return true;
}

bool cab_extract_many(const struct cab *c, const size_t *indexes, size_t count, struct sink *outs,
                      struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(count * sizeof(struct wanted) + 4096);
    struct wanted *list = a == NULL ? NULL : ARENA_ARRAY(a, count + 1, struct wanted);
    size_t all = 0;
    if (list == NULL)
        return arena_err(e);
    TRY(list_wanted(c, indexes, count, outs, list, &all, e));
    for (size_t i = 0, n; i < all; i += n) {
        n = 1;
        while (i + n < all && list[i + n].folder == list[i].folder)
            n++;
        TRY(extract_folder(c, &c->folders[list[i].folder], &list[i], n, e));
    }
    return true;
}
