/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/deflate.h"
#include "archive/splice.h"
#include "archive/splice_internal.h"
#include "base/bytes.h"
#include <libdeflate.h>
#include <stdlib.h>
#include <zlib.h>

/* Large contents: whole blocks of the old stream are kept, so that zlib, which tells where blocks
 * begin, is all the decoder that is needed, and no content is ever held as a whole. */
enum { PIECE = 64 * 1024 };

struct block {
    uint64_t bit, out; /* where its header begins, and what it gives */
};

/* A deflate stream and its blocks. */
struct part {
    struct source stream;
    uint64_t size; /* plain */
    struct block *blocks;
    size_t count, room;
    uint64_t end; /* bit behind the last block */
};

struct work {
    struct arena *arena;
    const struct source *content;
    struct part old, head, tail;
    uint64_t edits, same; /* old and new content are equal from the one to the other */
    uint64_t at;          /* plain bytes of the old stream seen so far */
    bool differs;
    uint32_t crc;
    uint8_t *in, *out, *other; /* PIECE bytes each */
};

/* --- reading ---------------------------------------------------------------------------------- */
/* As many as a compressor makes at worst; more is an attack on whoever looks at each. */
static bool add_block(struct arena *a, struct part *p, uint64_t bit, uint64_t out)
{
    if (p->count > 64 + p->size / 512)
        return false;
    if (p->count == p->room) {
        size_t room = p->room == 0 ? 32 : p->room * 2;
        struct block *grown = arena_grow(a, p->blocks, p->count, room, sizeof *grown);
        if (grown == NULL)
            return false;
        p->blocks = grown;
        p->room = room;
    }
    p->blocks[p->count++] = (struct block){bit, out};
    return true;
}

/* The next piece of the old content, held against the new one. */
static bool compare(struct work *w, struct reader plain, struct err *e)
{
    uint64_t begin = w->at, left = begin < w->content->size ? w->content->size - begin : 0;
    size_t n = plain.left < left ? plain.left : (size_t)left;
    w->crc = deflate_crc(w->crc, plain);
    w->at += plain.left;
    if (n == 0 || w->differs)
        return true;
    TRY(source_read(w->content, begin, w->other, n, e));
    struct reader rest = reader_over(w->other, n);
    plain.left = n;
    if (begin >= SPLICE_EDITS && reader_equal(plain, rest)) {
        w->same = begin + n;
        return true;
    }
    for (size_t i = 0; i < n && !w->differs; i++) {
        bool equal = plain.at[i] == w->other[i];
        if (!equal && begin + i < SPLICE_EDITS)
            w->edits = begin + i + 1;
        w->differs = !equal && begin + i >= SPLICE_EDITS;
        w->same = w->differs ? begin + i : begin + i + 1;
    }
    return true;
}

static bool more_input(struct work *w, const struct part *p, z_stream *z, uint64_t *done,
                       struct err *e)
{
    uint64_t left = p->stream.size - *done;
    size_t n = left < PIECE ? (size_t)left : PIECE;
    if (z->avail_in > 0 || n == 0)
        return true;
    TRY(source_read(&p->stream, *done, w->in, n, e));
    z->next_in = w->in;
    z->avail_in = (uInt)n;
    *done += n;
    return true;
}

/* zlib stops at each end of a block; data_type: 128 it did, 64 it was the last one, and the number
 * of bits not used yet of the byte taken last. */
static bool walk(struct work *w, struct part *p, z_stream *z, bool *ret_good, struct err *e)
{
    uint64_t read = 0, out = 0;
    bool ok = add_block(w->arena, p, 0, 0);
    int result = Z_OK;
    while (ok && result != Z_STREAM_END) {
        TRY(more_input(w, p, z, &read, e));
        z->next_out = w->out;
        z->avail_out = PIECE;
        result = inflate(z, Z_BLOCK);
        size_t n = PIECE - z->avail_out;
        bool starved = result == Z_BUF_ERROR && z->avail_in == 0 && read < p->stream.size;
        ok = (result == Z_OK || result == Z_STREAM_END || starved) && n <= p->size - out;
        if (ok && p == &w->old)
            TRY(compare(w, reader_over(w->out, n), e));
        out += n;
        if (!ok || result == Z_STREAM_END || (z->data_type & 128) == 0)
            continue;
        p->end = (uint64_t)z->total_in * 8 - (unsigned)(z->data_type & 7);
        ok = (z->data_type & 64) != 0 || add_block(w->arena, p, p->end, out);
    }
    *ret_good = ok && out == p->size && read == p->stream.size && z->avail_in == 0;
    return !arena_failed(w->arena) || arena_err(e);
}

static bool find_blocks(struct work *w, struct part *p, bool *ret_good, struct err *e)
{
    z_stream z = {0};
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return err_set(e, ERR_NO_MEMORY, "zlib");
    bool ok = walk(w, p, &z, ret_good, e);
    (void)inflateEnd(&z);
    return ok;
}

/* --- what stays ------------------------------------------------------------------------------- */
/* Blocks [*ret_first, *ret_last) stay: no code in them looks at an edited byte, and all give what
 * is in the new content too. The last block never stays: it says that it is the last. */
static bool find_kept(const struct work *w, size_t *ret_first, size_t *ret_last)
{
    const struct part *p = &w->old;
    size_t first = 0, last = p->count - 1;
    while (first < last && w->edits > 0 && p->blocks[first].out < w->edits + SPLICE_REACH)
        first++;
    while (last > first && p->blocks[last].out > w->same)
        last--;
    *ret_first = first;
    *ret_last = last;
    uint64_t head = p->blocks[first].out, tail = w->content->size - p->blocks[last].out;
    return first < last && head <= DEFLATE_WHOLE && tail <= DEFLATE_WHOLE &&
           head + tail <= w->content->size / 2;
}

/* Head or tail of the new content. */
static bool encode(struct work *w, uint64_t from, uint64_t to, struct part *ret, struct err *e)
{
    struct reader plain;
    bool good = false;
    TRY(source_load(w->arena, w->content, from, (size_t)(to - from), &plain, e));
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(SPLICE_LEVEL);
    if (c == NULL)
        return err_set(e, ERR_NO_MEMORY, "libdeflate");
    size_t room = libdeflate_deflate_compress_bound(c, plain.left);
    uint8_t *bytes = arena_alloc(w->arena, room);
    size_t n =
        bytes == NULL ? 0 : libdeflate_deflate_compress(c, plain.at, plain.left, bytes, room);
    libdeflate_free_compressor(c);
    if (bytes == NULL)
        return arena_err(e);
    ret->stream = source_memory(reader_over(bytes, n));
    ret->size = plain.left;
    TRY(find_blocks(w, ret, &good, e));
    return good || err_set(e, ERR_INTERNAL, "libdeflate's stream cannot be read");
}

/* --- writing ---------------------------------------------------------------------------------- */
struct bits {
    struct sink *to;
    uint8_t *buffer; /* PIECE bytes */
    size_t n;
    uint64_t held; /* fewer than 8 bits between calls */
    unsigned count;
};

static bool flush(struct bits *b, struct err *e)
{
    size_t n = b->n;
    b->n = 0;
    return sink_write(b->to, b->buffer, n, e);
}

static bool put(struct bits *b, unsigned value, unsigned n, struct err *e)
{
    b->held |= (uint64_t)value << b->count;
    for (b->count += n; b->count >= 8; b->count -= 8) {
        if (b->n == PIECE)
            TRY(flush(b, e));
        b->buffer[b->n++] = (uint8_t)b->held;
        b->held >>= 8;
    }
    return true;
}

static bool put_bytes(struct bits *b, struct reader bytes, struct err *e)
{
    size_t k = 0;
    if (bytes.left > PIECE - b->n)
        TRY(flush(b, e));
    for (; k + 8 <= bytes.left && b->n + 8 <= PIECE; k += 8, b->n += 8) {
        uint64_t v = bytes_load64le(&bytes.at[k]);
        bytes_store64le(&b->buffer[b->n], b->held | v << b->count);
        b->held = b->count == 0 ? 0 : v >> (64 - b->count);
    }
    for (; k < bytes.left; k++)
        TRY(put(b, bytes.at[k], 8, e));
    return true;
}

/* Copies the bits [from, to) of a stream. */
static bool copy_bits(struct work *w, struct bits *b, const struct source *in, uint64_t from,
                      uint64_t to, struct err *e)
{
    while (from < to) {
        uint64_t left = (to + 7) / 8 - from / 8;
        size_t n = left < PIECE ? (size_t)left : PIECE;
        TRY(source_read(in, from / 8, w->in, n, e));
        if (from % 8 == 0 && to - from >= 8) {
            n = to / 8 - from / 8 < n ? (size_t)(to / 8 - from / 8) : n;
            TRY(put_bytes(b, reader_over(w->in, n), e));
            from += (uint64_t)n * 8;
        } else {
            unsigned skip = (unsigned)(from % 8), some = 8 - skip;
            some = to - from < some ? (unsigned)(to - from) : some;
            TRY(put(b, (unsigned)w->in[0] >> skip & ((1u << some) - 1), some, e));
            from += some;
        }
    }
    return true;
}

/* RFC 1951, 3.2.3: one bit "last", two of kind; a stored block goes on at the next byte. */
static bool put_block(struct work *w, struct bits *b, const struct part *p, size_t i, bool last,
                      struct err *e)
{
    uint64_t from = p->blocks[i].bit, to = i + 1 < p->count ? p->blocks[i + 1].bit : p->end;
    uint8_t head[2] = {0};
    size_t n = from / 8 + 1 < p->stream.size ? 2 : 1;
    TRY(source_read(&p->stream, from / 8, head, n, e));
    unsigned kind = ((unsigned)head[0] | (unsigned)head[1] << 8) >> (from % 8 + 1) & 3;
    TRY(put(b, last | kind << 1, 3, e));
    from += 3;
    if (kind == 0) {
        TRY(put(b, 0, (8 - b->count) % 8, e));
        from = (from + 7) / 8 * 8;
    }
    return copy_bits(w, b, &p->stream, from, to, e);
}

static bool write_all(struct work *w, size_t first, size_t last, struct sink *out, struct err *e)
{
    struct bits b = {.to = out, .buffer = w->out};
    for (size_t i = 0; i < w->head.count; i++)
        TRY(put_block(w, &b, &w->head, i, false, e));
    for (size_t i = first; i < last; i++)
        TRY(put_block(w, &b, &w->old, i, false, e));
    for (size_t i = 0; i < w->tail.count; i++)
        TRY(put_block(w, &b, &w->tail, i, i + 1 == w->tail.count, e));
    return put(&b, 0, (8 - b.count) % 8, e) && flush(&b, e);
}

/* --- the proof -------------------------------------------------------------------------------- */
struct proof {
    const struct source *content;
    uint64_t at;
    uint8_t *buffer; /* PIECE bytes */
    bool equal;
    struct err err;
};

static void hold_against(void *ctx, struct reader piece)
{
    struct proof *p = ctx;
    while (p->equal && piece.left > 0) {
        struct reader part;
        size_t n = piece.left < PIECE ? piece.left : PIECE;
        p->equal = reader_take(&piece, n, &part) &&
                   source_read(p->content, p->at, p->buffer, n, &p->err) &&
                   reader_equal(part, reader_over(p->buffer, n));
        p->at += n;
    }
}

/* What was written, inflated from its beginning, is the content byte for byte. */
static bool prove(const struct work *w, const struct source *made, enum splice_result *ret,
                  uint32_t *ret_crc, struct err *e)
{
    struct proof p = {.content = w->content, .buffer = w->other, .equal = true};
    struct sink k = sink_discard();
    struct err why = {0};
    k.tee = hold_against;
    k.tee_ctx = &p;
    bool ok = deflate_expand(made, w->content->size, NULL, &k, ret_crc, &why);
    TRY(err_theirs(&why, e) && err_theirs(&p.err, e));
    *ret = ok && p.equal && p.at == w->content->size ? SPLICE_DONE : SPLICE_WRONG;
    return true;
}

static bool edit(struct work *w, size_t first, size_t last, struct sink *out,
                 enum splice_result *ret, uint32_t *ret_crc, struct err *e)
{
    uint64_t start = out->used;
    struct source all, made;
    TRY(encode(w, 0, w->old.blocks[first].out, &w->head, e));
    TRY(encode(w, w->old.blocks[last].out, w->content->size, &w->tail, e));
    if (first == 0) /* nothing is in front of what stays */
        w->head.count = 0;
    TRY(write_all(w, first, last, out, e));
    all = sink_view(out);
    TRY(source_slice(&all, start, out->used - start, &made, e) && prove(w, &made, ret, ret_crc, e));
    return *ret == SPLICE_DONE || sink_cut(out, start, e);
}

bool splice_blocks(const struct splice *s, struct sink *out, enum splice_result *ret,
                   uint32_t *ret_crc, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *arena = arena_new(16 * (size_t)DEFLATE_WHOLE);
    if (arena == NULL)
        return arena_err(e);
    struct work w = {.arena = arena,
                     .content = &s->content,
                     .old = {.stream = s->stream, .size = s->size},
                     .in = arena_alloc(arena, PIECE),
                     .out = arena_alloc(arena, PIECE),
                     .other = arena_alloc(arena, PIECE)};
    bool good = false;
    size_t first, last;
    *ret = SPLICE_DOES_NOT_PAY;
    if (w.in == NULL || w.out == NULL || w.other == NULL)
        return arena_err(e);
    TRY(find_blocks(&w, &w.old, &good, e));
    if (!good || w.crc != s->crc || !find_kept(&w, &first, &last))
        return true;
    return edit(&w, first, last, out, ret, ret_crc, e);
}
