/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/splice.h"
#include "archive/deflate.h"
#include "archive/splice_internal.h"
#include "archive/symbols.h"
#include "base/bytes.h"
#include <libdeflate.h>
#include <stdlib.h>

enum { SLACK = 64 * 1024 }; /* room of the result beyond old stream, head and tail */

/* A block of a stream. The bits of its codes are [data, end), the end-of-block code being the last
 * `close` of them; a stored block's are its bytes. */
struct block {
    uint64_t header, data, end;
    uint64_t out, out_end; /* plain bytes */
    unsigned close;
    enum symbol_kind kind;
};

/* A decoded stream. */
struct scan {
    struct reader stream;
    struct symbols *symbols;
    struct block *blocks;
    size_t count, room;
    uint8_t *plain;
    uint64_t size, at;
};

/* Everything that is allocated. */
struct work {
    struct arena *arena;
    struct reader stream, content;
    struct scan old, head, tail;
    uint64_t edits, same;    /* old and new content are equal from the one to the other */
    uint64_t cut, cut_out;   /* first kept bit and the plain bytes before it */
    uint64_t stop, stop_out; /* last kept bit and the plain bytes before it */
    uint8_t *out;
    uint64_t bit, most; /* of the result */
    bool failed;
};

/* --- reading ---------------------------------------------------------------------------------- */
static bool scan_stored(struct scan *c, struct block *b)
{
    uint64_t from = b->data / 8, n = c->symbols->stored;
    if (n > c->size - c->at)
        return false;
    for (uint64_t i = 0; i < n; i++)
        c->plain[c->at + i] = c->stream.at[from + i];
    c->at += n;
    symbols_seek(c->symbols, b->data + n * 8);
    return true;
}

static struct block *next_block(struct work *w, struct scan *c)
{
    if (c->count == c->room) {
        size_t room = c->room == 0 ? 32 : c->room * 2;
        struct block *grown = arena_grow(w->arena, c->blocks, c->count, room, sizeof *grown);
        if (grown == NULL)
            return NULL;
        c->blocks = grown;
        c->room = room;
    }
    return &c->blocks[c->count++];
}

/* All of a stream: `size` bytes, the end in its last byte. The number of blocks is bounded, since
 * tables are built for each. */
static bool scan_all(struct work *w, struct scan *c)
{
    symbols_start(c->symbols, c->stream);
    do {
        struct block *b = c->count > 64 + c->size / 512 ? NULL : next_block(w, c);
        if (b == NULL)
            return false;
        *b = (struct block){.header = symbols_at(c->symbols), .out = c->at};
        TRY(symbols_block(c->symbols));
        b->kind = c->symbols->kind;
        b->data = symbols_at(c->symbols);
        TRY(b->kind == SYMBOL_STORED
                ? scan_stored(c, b)
                : symbols_expand(c->symbols, c->plain, &c->at, c->size, &b->close));
        b->end = symbols_at(c->symbols);
        b->out_end = c->at;
    } while (!c->symbols->last);
    return c->at == c->size && (symbols_at(c->symbols) + 7) / 8 == c->stream.left;
}

/* --- what stays ------------------------------------------------------------------------------- */
/* A code may stay if it gives the new bytes out of the new bytes before it. */
static bool stays(const struct reader *content, uint64_t at, const struct symbol *y)
{
    if (y->literal)
        return at < content->left && content->at[at] == y->length;
    if (y->length > content->left || at > content->left - y->length)
        return false;
    for (uint64_t i = at; i < at + y->length; i++)
        if (content->at[i] != content->at[i - y->distance])
            return false;
    return true;
}

/* Walks one block; the cut becomes the boundary behind its last code that cannot stay. */
static bool cut_in_block(struct work *w, const struct block *b)
{
    uint64_t at = b->out;
    symbols_seek(w->old.symbols, b->header);
    TRY(symbols_block(w->old.symbols));
    while (at < b->out_end && at < w->edits + SPLICE_REACH) {
        struct symbol y = {.literal = true};
        if (b->kind == SYMBOL_STORED) {
            uint64_t here = b->data + (at - b->out) * 8;
            y.length = w->stream.at[here / 8];
            symbols_seek(w->old.symbols, here + 8);
        } else {
            TRY(symbols_next(w->old.symbols, &y));
        }
        uint64_t next = at + (y.literal ? 1 : y.length);
        if (next > w->same)
            return true; /* the stop comes before this code */
        if (!stays(&w->content, at, &y)) {
            w->cut = next == b->out_end ? b->end : symbols_at(w->old.symbols);
            w->cut_out = next;
        }
        at = next;
    }
    return true;
}

static void compare(struct work *w)
{
    uint64_t n = w->old.size < w->content.left ? w->old.size : w->content.left, at;
    at = n < SPLICE_EDITS ? n : SPLICE_EDITS;
    while (at > 0 && w->old.plain[at - 1] == w->content.at[at - 1])
        at--;
    w->edits = at;
    while (at < n && w->old.plain[at] == w->content.at[at])
        at++;
    w->same = at;
}

static bool find_cut(struct work *w)
{
    for (size_t i = 0; w->edits > 0 && i < w->old.count; i++)
        if (w->old.blocks[i].out < w->edits + SPLICE_REACH)
            TRY(cut_in_block(w, &w->old.blocks[i]));
    return w->cut_out >= w->edits;
}

/* The last boundary before the first difference behind the edits. */
static bool find_stop(struct work *w)
{
    const struct block *b = &w->old.blocks[0], *last = &w->old.blocks[w->old.count - 1];
    w->stop = last->end;
    w->stop_out = w->old.size;
    if (w->same == w->old.size)
        return true;
    for (size_t i = 0; i + 1 < w->old.count && w->old.blocks[i].out_end <= w->same; i++)
        b = &w->old.blocks[i + 1];
    w->stop = b->header;
    w->stop_out = b->out;
    if (b->kind == SYMBOL_STORED)
        return true;
    symbols_seek(w->old.symbols, b->header);
    TRY(symbols_block(w->old.symbols));
    for (uint64_t out = b->out;;) {
        struct symbol y;
        if (out > b->out) {
            w->stop = symbols_at(w->old.symbols);
            w->stop_out = out;
        }
        TRY(symbols_next(w->old.symbols, &y));
        out += y.literal ? 1 : y.length;
        if (out > w->same || (!y.literal && y.length == 0))
            return true;
    }
}

/* --- writing ---------------------------------------------------------------------------------- */
static void put(struct work *w, uint32_t value, unsigned n)
{
    if (w->bit + n > w->most) {
        w->failed = true;
        return;
    }
    for (; n > 0;) {
        unsigned used = (unsigned)(w->bit % 8), part = n < 8 - used ? n : 8 - used;
        w->out[w->bit / 8] |= (uint8_t)((value & ((1u << part) - 1)) << used);
        value >>= part;
        w->bit += part;
        n -= part;
    }
}

static uint32_t bits_at(const uint8_t *in, uint64_t bit, unsigned n)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < n; i++)
        v |= (uint32_t)(in[(bit + i) / 8] >> ((bit + i) % 8) & 1) << i;
    return v;
}

/* Copies the bits [from, to). Once the target stands at a byte, whole bytes go out. */
static void copy_bits(struct work *w, struct reader stream, uint64_t from, uint64_t to)
{
    if (from > to || to - from > w->most - w->bit || to > (uint64_t)stream.left * 8) {
        w->failed = true;
        return;
    }
    uint64_t lead = (8 - w->bit % 8) % 8;
    lead = lead < to - from ? lead : to - from;
    put(w, bits_at(stream.at, from, (unsigned)lead), (unsigned)lead);
    from += lead;
    const uint8_t *in = stream.at;
    uint8_t *out = &w->out[w->bit / 8];
    uint64_t n = (to - from) / 8, i = from / 8, k = 0;
    unsigned shift = (unsigned)(from % 8);
    for (; shift != 0 && k + 8 <= n; k += 8) /* the byte behind the eight holds some of the bits */
        bytes_store64le(&out[k], bytes_load64le(&in[i + k]) >> shift | (uint64_t)in[i + k + 8]
                                                                           << (64 - shift));
    for (; shift == 0 && k + 8 <= n; k += 8)
        bytes_store64le(&out[k], bytes_load64le(&in[i + k]));
    for (; k < n; k++)
        out[k] = (uint8_t)bits_at(in, from + k * 8, 8);
    from += n * 8;
    w->bit += n * 8;
    put(w, bits_at(in, from, (unsigned)(to - from)), (unsigned)(to - from));
}

/* What is left of a block between two boundaries, as a block of its own. */
static void put_block(struct work *w, const struct scan *c, const struct block *b, uint64_t from,
                      uint64_t to, bool last)
{
    put(w, last, 1);
    put(w, b->kind, 2);
    from = from < b->data ? b->data : from;
    if (b->kind == SYMBOL_STORED) {
        uint32_t n = (uint32_t)((to - from) / 8);
        put(w, 0, (unsigned)((8 - w->bit % 8) % 8));
        put(w, n | (n ^ 0xffff) << 16, 32);
        copy_bits(w, c->stream, from, to);
        return;
    }
    copy_bits(w, c->stream, b->header + 3, b->data);
    copy_bits(w, c->stream, from, to);
    if (to < b->end)
        copy_bits(w, c->stream, b->end - b->close, b->end);
}

/* The blocks between two boundaries; `last`: the stream ends with them. */
static void put_blocks(struct work *w, const struct scan *c, uint64_t from, uint64_t to, bool last)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct block *b = &c->blocks[i];
        if (b->end <= from || b->header >= to)
            continue;
        bool final = last && (i + 1 == c->count || b->end >= to);
        put_block(w, c, b, from, to < b->end ? to : b->end, final);
    }
}

/* Head or tail: compressed and scanned, so that it can be put like a part of the old stream. */
static bool encode(struct work *w, struct libdeflate_compressor *c, uint64_t from, uint64_t to,
                   struct scan *ret)
{
    struct reader part;
    ret->size = to - from;
    if (ret->size == 0)
        return true;
    size_t room = libdeflate_deflate_compress_bound(c, (size_t)ret->size);
    uint8_t *bytes = arena_alloc(w->arena, room);
    if (bytes == NULL || !reader_slice(w->content, (size_t)from, (size_t)ret->size, &part))
        return false;
    size_t n = libdeflate_deflate_compress(c, part.at, part.left, bytes, room);
    ret->stream = reader_over(bytes, n);
    ret->symbols = w->old.symbols;
    ret->plain = arena_alloc(w->arena, (size_t)ret->size);
    return n > 0 && ret->plain != NULL && scan_all(w, ret);
}

static bool write_all(struct work *w)
{
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(SPLICE_LEVEL);
    if (c == NULL)
        return false;
    bool ok = encode(w, c, 0, w->cut_out, &w->head) &&
              encode(w, c, w->stop_out, w->content.left, &w->tail);
    libdeflate_free_compressor(c);
    size_t room = w->stream.left + w->head.stream.left + w->tail.stream.left + SLACK;
    w->out = ok ? arena_alloc(w->arena, room) : NULL;
    if (w->out == NULL)
        return false;
    w->most = (uint64_t)room * 8;
    bool tail = w->tail.size > 0;
    put_blocks(w, &w->head, 0, UINT64_MAX, false);
    put_blocks(w, &w->old, w->cut, w->stop, !tail);
    put_blocks(w, &w->tail, 0, UINT64_MAX, true);
    return !w->failed;
}

/* The proof: another decoder, every byte, the end in the last byte. */
static bool proven(const struct work *w)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    uint8_t *plain = arena_alloc(w->arena, w->content.left);
    size_t n = (size_t)((w->bit + 7) / 8), used = 0, got = 0;
    bool ok = d != NULL && plain != NULL &&
              libdeflate_deflate_decompress_ex(d, w->out, n, plain, w->content.left, &used, &got) ==
                  LIBDEFLATE_SUCCESS &&
              used == n && got == w->content.left &&
              reader_equal(reader_over(plain, got), w->content);
    if (d != NULL)
        libdeflate_free_decompressor(d);
    return ok;
}

static enum splice_result make(struct work *w, uint32_t old_crc)
{
    if (!scan_all(w, &w->old) ||
        deflate_crc(0, reader_over(w->old.plain, (size_t)w->old.size)) != old_crc)
        return SPLICE_DOES_NOT_PAY;
    compare(w);
    if (!find_cut(w) || !find_stop(w) || w->cut >= w->stop)
        return SPLICE_DOES_NOT_PAY;
    if (w->cut_out + (w->content.left - w->stop_out) > w->content.left / 2 || !write_all(w))
        return SPLICE_DOES_NOT_PAY;
    return proven(w) ? SPLICE_DONE : SPLICE_WRONG;
}

/* Whether the contents may be alike up to the half, without which there is nothing to keep. Large
 * files that have become quite different are told from their beginning, before three buffers of
 * their size are filled. */
static bool looks_alike(const struct splice *s, bool *ret, struct err *e)
{
    enum { LARGE = 1 << 20, HEAD = 256 << 10 };
    struct reader content;
    size_t n = 0;
    *ret = true;
    if (s->size < LARGE || s->content.size < LARGE)
        return true;
    CLEANUP(arena_cleanup) struct arena *a = arena_new(4 * HEAD);
    uint8_t *plain = a == NULL ? NULL : arena_alloc(a, HEAD);
    if (plain == NULL)
        return arena_err(e);
    TRY(source_load(a, &s->content, 0, HEAD, &content, e) &&
        deflate_expand_head(&s->stream, plain, HEAD, &n, e));
    for (size_t i = SPLICE_EDITS; *ret && i < n; i++)
        *ret = plain[i] == content.at[i];
    return true;
}

bool splice_deflate(const struct splice *s, struct sink *out, enum splice_result *ret,
                    uint32_t *ret_crc, struct err *e)
{
    *ret = SPLICE_DOES_NOT_PAY;
    if (s->size == 0)
        return true;
    if (s->size > DEFLATE_WHOLE || s->content.size > DEFLATE_WHOLE ||
        s->stream.size > 2 * DEFLATE_WHOLE)
        return splice_blocks(s, out, ret, ret_crc, e);
    bool alike;
    TRY(looks_alike(s, &alike, e));
    if (!alike)
        return true;
    CLEANUP(arena_cleanup) struct arena *arena = arena_new(16 * (size_t)DEFLATE_WHOLE);
    if (arena == NULL)
        return arena_err(e);
    struct work w = {.arena = arena};
    TRY(source_load(arena, &s->stream, 0, (size_t)s->stream.size, &w.stream, e));
    TRY(source_load(arena, &s->content, 0, (size_t)s->content.size, &w.content, e));
    w.old = (struct scan){.stream = w.stream,
                          .symbols = ARENA_NEW(arena, struct symbols),
                          .plain = arena_alloc(arena, (size_t)s->size),
                          .size = s->size};
    if (w.old.symbols == NULL || w.old.plain == NULL)
        return arena_err(e);
    enum splice_result result = make(&w, s->crc);
    if (result == SPLICE_DONE)
        TRY(sink_write(out, w.out, (size_t)((w.bit + 7) / 8), e));
    *ret_crc = deflate_crc(0, w.content);
    *ret = result;
    return true;
}
