/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/deflate.h"
#include "base/fault.h"
#define ZLIB_CONST
#include <libdeflate.h>
#include <stdlib.h>
#include <zlib.h>

enum { LEVEL = 6, PIECE = 128 * 1024 };

static void *allocate(size_t n)
{
    return fault_now() ? NULL : malloc(n == 0 ? 1 : n);
}

static void release(uint8_t **p)
{
    free(*p);
}

/* All of a small source; *owned keeps the memory of a file's. */
static bool view(const struct source *s, uint8_t **owned, struct reader *ret, struct err *e)
{
    if (s->fd < 0)
        return source_load(NULL, s, 0, (size_t)s->size, ret, e);
    *owned = allocate((size_t)s->size);
    if (*owned == NULL)
        return err_set(e, ERR_NO_MEMORY, "entry of %llu bytes", (unsigned long long)s->size);
    TRY(source_read(s, 0, *owned, (size_t)s->size, e));
    *ret = reader_over(*owned, (size_t)s->size);
    return true;
}

uint32_t deflate_crc(uint32_t crc, struct reader bytes)
{
    return bytes.left == 0 ? crc : libdeflate_crc32(crc, bytes.at, bytes.left);
}

struct copying {
    struct sink *out;
    uint32_t crc;
};

static bool copy_piece(void *ctx, struct reader piece, struct err *e)
{
    struct copying *c = ctx;
    c->crc = deflate_crc(c->crc, piece);
    return sink_reader(c->out, piece, e);
}

bool deflate_copy(const struct source *in, struct sink *out, uint32_t *ret_crc, struct err *e)
{
    struct copying c = {.out = out};
    TRY(source_each(in, copy_piece, &c, e));
    *ret_crc = c.crc;
    return true;
}

/* --- whole ------------------------------------------------------------------------------------ */
static void free_decompressor(struct libdeflate_decompressor **d)
{
    if (*d != NULL)
        libdeflate_free_decompressor(*d);
}

static bool expand_whole(const struct source *in, size_t size, struct sink *out, uint32_t *ret_crc,
                         struct err *e)
{
    CLEANUP(release) uint8_t *owned = NULL;
    CLEANUP(release) uint8_t *plain = allocate(size);
    CLEANUP(free_decompressor)
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    if (plain == NULL || d == NULL)
        return err_set(e, ERR_NO_MEMORY, "entry of %zu bytes", size);
    struct reader bytes;
    TRY(view(in, &owned, &bytes, e));
    size_t used = 0, got = 0;
    enum libdeflate_result result =
        libdeflate_deflate_decompress_ex(d, bytes.at, bytes.left, plain, size, &used, &got);
    if (result != LIBDEFLATE_SUCCESS || used != bytes.left || got != size)
        return err_set(e, ERR_DEFLATE, "result %d, %zu of %zu bytes used, %zu of %zu made",
                       (int)result, used, bytes.left, got, size);
    uint32_t crc = deflate_crc(0, reader_over(plain, size));
    TRY(sink_write(out, plain, size, e));
    *ret_crc = crc;
    return true;
}

static void free_compressor(struct libdeflate_compressor **c)
{
    if (*c != NULL)
        libdeflate_free_compressor(*c);
}

static bool compress_whole(const struct source *in, struct sink *out, uint32_t *ret_crc,
                           struct err *e)
{
    CLEANUP(release) uint8_t *owned = NULL;
    CLEANUP(free_compressor)
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(LEVEL);
    if (c == NULL)
        return err_set(e, ERR_NO_MEMORY, "compressor");
    struct reader bytes;
    TRY(view(in, &owned, &bytes, e));
    size_t room = libdeflate_deflate_compress_bound(c, bytes.left);
    CLEANUP(release) uint8_t *packed = allocate(room);
    if (packed == NULL)
        return err_set(e, ERR_NO_MEMORY, "entry of %zu bytes", bytes.left);
    size_t n = libdeflate_deflate_compress(c, bytes.at, bytes.left, packed, room);
    if (n == 0)
        return err_set(e, ERR_INTERNAL, "libdeflate gave nothing");
    uint32_t crc = deflate_crc(0, bytes);
    TRY(sink_write(out, packed, n, e));
    *ret_crc = crc;
    return true;
}

/* --- as a stream ------------------------------------------------------------------------------ */
struct stream {
    z_stream z;
    struct sink *out;
    uint8_t *buffer;
    uint64_t left; /* plain bytes still to come */
    uint32_t crc;
    bool ended;
};

static bool bad_stream(const struct stream *s, int result, struct err *e)
{
    if (result == Z_MEM_ERROR)
        return err_set(e, ERR_NO_MEMORY, "zlib");
    return err_set(e, ERR_DEFLATE, "zlib %d: %s, %llu bytes missing", result,
                   s->z.msg == NULL ? "" : s->z.msg, (unsigned long long)s->left);
}

static bool expand_piece(void *ctx, struct reader piece, struct err *e)
{
    struct stream *s = ctx;
    s->z.next_in = piece.at;
    s->z.avail_in = (uInt)piece.left;
    do {
        if (s->ended)
            return err_set(e, ERR_DEFLATE, "bytes behind the end of the stream");
        s->z.next_out = s->buffer;
        s->z.avail_out = PIECE;
        int result = inflate(&s->z, Z_NO_FLUSH);
        struct reader plain = reader_over(s->buffer, PIECE - s->z.avail_out);
        s->ended = result == Z_STREAM_END;
        bool starved = result == Z_BUF_ERROR && s->z.avail_in == 0;
        if ((result != Z_OK && !s->ended && !starved) || plain.left > s->left)
            return bad_stream(s, result, e);
        s->left -= plain.left;
        s->crc = deflate_crc(s->crc, plain);
        TRY(sink_reader(s->out, plain, e));
    } while (s->z.avail_in > 0 || (s->z.avail_out == 0 && !s->ended));
    return true;
}

/* source_each gives a memory source as one piece; zlib counts in 32 bits. */
static bool each_bounded(const struct source *in, source_each_fn each, struct stream *s,
                         struct err *e)
{
    for (uint64_t done = 0; done < in->size;) {
        uint64_t n = in->size - done < SOURCE_BUFFER ? in->size - done : SOURCE_BUFFER;
        struct source part;
        n = in->fd >= 0 ? in->size : n;
        TRY(source_slice(in, done, n, &part, e) && source_each(&part, each, s, e));
        done += n;
    }
    return true;
}

static bool expand_stream(const struct source *in, uint64_t size, struct sink *out,
                          uint32_t *ret_crc, struct err *e)
{
    CLEANUP(release) uint8_t *buffer = allocate(PIECE);
    struct stream s = {.out = out, .buffer = buffer, .left = size};
    if (buffer == NULL || inflateInit2(&s.z, -MAX_WBITS) != Z_OK)
        return err_set(e, ERR_NO_MEMORY, "zlib");
    bool ok = each_bounded(in, expand_piece, &s, e);
    if (ok && (!s.ended || s.left > 0))
        ok = bad_stream(&s, Z_BUF_ERROR, e);
    (void)inflateEnd(&s.z);
    TRY(ok);
    *ret_crc = s.crc;
    return true;
}

bool deflate_expand_head(const struct source *in, uint8_t *to, size_t n, size_t *ret, struct err *e)
{
    CLEANUP(release) uint8_t *buffer = allocate(PIECE);
    z_stream z = {0};
    bool ok = buffer != NULL && inflateInit2(&z, -MAX_WBITS) == Z_OK;
    int result = Z_OK;
    if (!ok)
        return err_set(e, ERR_NO_MEMORY, "zlib");
    z.next_out = to;
    z.avail_out = (uInt)n;
    for (uint64_t at = 0; ok && at < in->size && z.avail_out > 0 && result == Z_OK;) {
        size_t part = in->size - at < PIECE ? (size_t)(in->size - at) : PIECE;
        ok = source_read(in, at, buffer, part, e);
        z.next_in = buffer;
        z.avail_in = (uInt)part;
        result = ok ? inflate(&z, Z_NO_FLUSH) : Z_OK;
        at += part;
    }
    *ret = n - z.avail_out;
    (void)inflateEnd(&z);
    return ok;
}

static bool squeeze(struct stream *s, int flush, struct err *e)
{
    do {
        s->z.next_out = s->buffer;
        s->z.avail_out = PIECE;
        int result = deflate(&s->z, flush);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            return err_set(e, ERR_INTERNAL, "deflate gave %d", result);
        TRY(sink_write(s->out, s->buffer, PIECE - s->z.avail_out, e));
    } while (s->z.avail_out == 0);
    return true;
}

static bool compress_piece(void *ctx, struct reader piece, struct err *e)
{
    struct stream *s = ctx;
    s->crc = deflate_crc(s->crc, piece);
    s->z.next_in = piece.at;
    s->z.avail_in = (uInt)piece.left;
    return squeeze(s, Z_NO_FLUSH, e);
}

static bool compress_stream(const struct source *in, struct sink *out, uint32_t *ret_crc,
                            struct err *e)
{
    CLEANUP(release) uint8_t *buffer = allocate(PIECE);
    struct stream s = {.out = out, .buffer = buffer};
    if (buffer == NULL ||
        deflateInit2(&s.z, LEVEL, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return err_set(e, ERR_NO_MEMORY, "zlib");
    bool ok = each_bounded(in, compress_piece, &s, e) && squeeze(&s, Z_FINISH, e);
    (void)deflateEnd(&s.z);
    TRY(ok);
    *ret_crc = s.crc;
    return true;
}

/* --- in blocks -------------------------------------------------------------------------------- */
struct blocks {
    struct stream s;
    deflate_block_fn each;
    void *ctx;
};

static bool compress_block(struct blocks *b, struct reader plain, struct err *e)
{
    uint64_t before = b->s.out->used;
    b->s.crc = deflate_crc(b->s.crc, plain);
    b->s.z.next_in = plain.at;
    b->s.z.avail_in = (uInt)plain.left;
    TRY(squeeze(&b->s, Z_FULL_FLUSH, e));
    return b->each(b->ctx, plain, b->s.out->used - before, e);
}

bool deflate_compress_blocks(const struct source *in, size_t block, struct sink *out,
                             deflate_block_fn each, void *ctx, uint32_t *ret_crc, struct err *e)
{
    CLEANUP(release) uint8_t *buffer = allocate(PIECE);
    CLEANUP(release) uint8_t *plain = allocate(block);
    struct blocks b = {.s = {.out = out, .buffer = buffer}, .each = each, .ctx = ctx};
    if (buffer == NULL || plain == NULL ||
        deflateInit2(&b.s.z, LEVEL, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return err_set(e, ERR_NO_MEMORY, "zlib");
    bool ok = true;
    for (uint64_t at = 0; ok && at < in->size;) {
        size_t n = in->size - at < block ? (size_t)(in->size - at) : block;
        ok = source_read(in, at, plain, n, e) && compress_block(&b, reader_over(plain, n), e);
        at += n;
    }
    ok = ok && squeeze(&b.s, Z_FINISH, e);
    (void)deflateEnd(&b.s.z);
    TRY(ok);
    *ret_crc = b.s.crc;
    return true;
}

/* --- either ----------------------------------------------------------------------------------- */
bool deflate_expand(const struct source *in, uint64_t size, struct budget *budget, struct sink *out,
                    uint32_t *ret_crc, struct err *e)
{
    if (budget != NULL)
        TRY(budget_bytes(budget, size, 0, in->size, e));
    /* A stream can be longer than its content without end, by empty blocks. */
    if (size <= DEFLATE_WHOLE && in->size <= 2 * DEFLATE_WHOLE)
        return expand_whole(in, (size_t)size, out, ret_crc, e);
    return expand_stream(in, size, out, ret_crc, e);
}

bool deflate_expand_zlib(struct arena *a, struct reader in, size_t size, struct reader *ret,
                         struct err *e)
{
    CLEANUP(free_decompressor)
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    uint8_t *plain = arena_alloc(a, size);
    size_t used = 0, got = 0;
    if (d == NULL || plain == NULL)
        return err_set(e, ERR_NO_MEMORY, "zlib stream of %zu bytes", size);
    if (libdeflate_zlib_decompress_ex(d, in.at, in.left, plain, size, &used, &got) !=
            LIBDEFLATE_SUCCESS ||
        used != in.left || got != size)
        return err_set(e, ERR_DEFLATE, "zlib stream: %zu of %zu bytes used, %zu of %zu made", used,
                       in.left, got, size);
    *ret = reader_over(plain, size);
    return true;
}

bool deflate_compress(const struct source *in, struct sink *out, uint32_t *ret_crc, struct err *e)
{
    if (in->size <= DEFLATE_WHOLE)
        return compress_whole(in, out, ret_crc, e);
    return compress_stream(in, out, ret_crc, e);
}
