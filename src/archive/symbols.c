/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/symbols.h"

enum { LITERALS = 288, DISTANCES = 30, END_OF_BLOCK = 256 };

static inline uint64_t load64(const uint8_t *p, uint64_t i)
{
    return (uint64_t)p[i] | (uint64_t)p[i + 1] << 8 | (uint64_t)p[i + 2] << 16 |
           (uint64_t)p[i + 3] << 24 | (uint64_t)p[i + 4] << 32 | (uint64_t)p[i + 5] << 40 |
           (uint64_t)p[i + 6] << 48 | (uint64_t)p[i + 7] << 56;
}

/* At least 56 bits: enough for the longest symbol, 15 + 5 + 15 + 13. */
static inline void refill(struct symbol_bits *b)
{
    if (b->next + 8 <= b->size) {
        b->bits |= load64(b->in, b->next) << b->have;
        b->next += (63 - b->have) >> 3;
        b->have |= 56;
        return;
    }
    for (; b->have <= 56; b->have += 8, b->next++)
        if (b->next < b->size)
            b->bits |= (uint64_t)b->in[b->next] << b->have;
}

static inline uint32_t take(struct symbol_bits *b, unsigned n)
{
    uint32_t v = (uint32_t)(b->bits & ((UINT64_C(1) << n) - 1));
    b->bits >>= n;
    b->have -= n;
    return v;
}

void symbols_start(struct symbols *s, struct reader stream)
{
    *s = (struct symbols){.b = {.in = stream.at, .size = stream.left}};
}

uint64_t symbols_at(const struct symbols *s)
{
    return s->b.next * 8 - s->b.have;
}

void symbols_seek(struct symbols *s, uint64_t bit)
{
    s->b.next = bit / 8;
    s->b.bits = 0;
    s->b.have = 0;
    refill(&s->b);
    (void)take(&s->b, (unsigned)(bit % 8));
}

static inline bool inside(const struct symbol_bits *b)
{
    return b->next <= b->size || b->next * 8 - b->have <= b->size * 8;
}

/* --- codes ------------------------------------------------------------------------------------ */
static uint32_t reversed(uint32_t code, unsigned n)
{
    uint32_t r = 0;
    for (unsigned i = 0; i < n; i++)
        r |= (code >> i & 1) << (n - 1 - i);
    return r;
}

static void fill_fast(struct symbol_code *c, const uint8_t *lengths, unsigned n)
{
    uint32_t next[16] = {0}, code = 0;
    for (unsigned len = 1; len < 16; len++) {
        code = (code + (len == 1 ? 0 : c->count[len - 1])) << 1;
        next[len] = code;
    }
    for (unsigned i = 0; i < 1u << c->fast_bits; i++)
        c->fast[i] = 0;
    for (unsigned symbol = 0; symbol < n; symbol++) {
        unsigned len = lengths[symbol];
        if (len == 0)
            continue;
        uint32_t first = reversed(next[len]++, len);
        if (len <= c->fast_bits)
            for (uint32_t i = first; i < 1u << c->fast_bits; i += 1u << len)
                c->fast[i] = (uint16_t)(symbol << 4 | len);
    }
}

/* Over-subscribed codes are refused, incomplete ones but for a single code of one bit too. */
static bool build(struct symbol_code *c, const uint8_t *lengths, unsigned n, unsigned fast_bits,
                  bool complete)
{
    uint16_t offset[16] = {0};
    unsigned longest = 0;
    int left = 1;
    for (unsigned i = 0; i < 16; i++)
        c->count[i] = 0;
    for (unsigned i = 0; i < n; i++) {
        c->count[lengths[i]]++;
        longest = lengths[i] > longest ? lengths[i] : longest;
    }
    c->count[0] = 0;
    for (unsigned i = 1; i < 16; i++) {
        left = left * 2 - c->count[i];
        if (left < 0)
            return false;
    }
    if (left > 0 && longest > 0 && (complete || longest != 1))
        return false;
    for (unsigned i = 1; i < 15; i++)
        offset[i + 1] = (uint16_t)(offset[i] + c->count[i]);
    for (unsigned i = 0; i < n; i++)
        if (lengths[i] != 0)
            c->symbol[offset[lengths[i]]++] = (uint16_t)i;
    c->fast_bits = fast_bits;
    fill_fast(c, lengths, n);
    return true;
}

/* Canonical, bit by bit; for codes longer than the table. */
static bool slow(struct symbol_bits *b, const struct symbol_code *c, unsigned *ret)
{
    uint32_t code = 0, first = 0, index = 0;
    for (unsigned len = 1; len < 16; len++) {
        code |= (uint32_t)(b->bits >> (len - 1) & 1);
        uint32_t count = c->count[len];
        if (code < first + count) {
            (void)take(b, len);
            *ret = c->symbol[index + code - first];
            return true;
        }
        index += count;
        first = (first + count) << 1;
        code <<= 1;
    }
    return false;
}

static inline bool decode(struct symbol_bits *b, const struct symbol_code *c, unsigned *ret)
{
    unsigned entry = c->fast[b->bits & ((1u << c->fast_bits) - 1)];
    if (entry == 0)
        return slow(b, c, ret);
    (void)take(b, entry & 15);
    *ret = entry >> 4;
    return true;
}

static bool fixed_codes(struct symbols *s)
{
    if (s->fixed_ready)
        return true;
    uint8_t lengths[LITERALS];
    for (unsigned i = 0; i < LITERALS; i++)
        lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    TRY(build(&s->lengths, lengths, LITERALS, SYMBOL_FAST_BITS, true));
    for (unsigned i = 0; i < 32; i++)
        lengths[i] = 5; /* 30 and 31 exist in the code, but never in a stream (3.2.6) */
    s->fixed_ready = build(&s->distances, lengths, 32, SYMBOL_DISTANCE_BITS, true);
    return s->fixed_ready;
}

/* Run-length coded lengths of both codes (3.2.7). */
static bool read_lengths(struct symbols *s, uint8_t *lengths, unsigned n)
{
    for (unsigned i = 0; i < n;) {
        unsigned symbol, repeat = 1;
        uint8_t value = 0;
        refill(&s->b);
        if (!decode(&s->b, &s->lengths, &symbol) || !inside(&s->b))
            return false;
        if (symbol == 16) {
            if (i == 0)
                return false;
            value = lengths[i - 1];
            repeat = 3 + take(&s->b, 2);
        } else if (symbol > 16) {
            repeat = symbol == 17 ? 3 + take(&s->b, 3) : 11 + take(&s->b, 7);
        } else {
            value = (uint8_t)symbol;
        }
        if (repeat > n - i)
            return false;
        for (; repeat > 0; repeat--)
            lengths[i++] = value;
    }
    return true;
}

static bool dynamic_codes(struct symbols *s)
{
    static const uint8_t order[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                      11, 4,  12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[286 + DISTANCES + 1] = {0};
    s->fixed_ready = false;
    unsigned literals = 257 + take(&s->b, 5), distances = 1 + take(&s->b, 5),
             codes = 4 + take(&s->b, 4);
    if (literals > 286 || distances > DISTANCES)
        return false;
    for (unsigned i = 0; i < codes; i++) {
        refill(&s->b);
        lengths[order[i]] = (uint8_t)take(&s->b, 3);
    }
    TRY(build(&s->lengths, lengths, 19, 7, true));
    for (unsigned i = 0; i < 19; i++)
        lengths[i] = 0;
    TRY(read_lengths(s, lengths, literals + distances));
    uint8_t *second = &lengths[literals];
    return lengths[END_OF_BLOCK] != 0 &&
           build(&s->lengths, lengths, literals, SYMBOL_FAST_BITS, false) &&
           build(&s->distances, second, distances, SYMBOL_DISTANCE_BITS, false);
}

static bool stored_header(struct symbols *s)
{
    (void)take(&s->b, s->b.have % 8);
    refill(&s->b);
    uint32_t len = take(&s->b, 16), check = take(&s->b, 16);
    s->stored = len;
    return (len ^ check) == 0xffff && symbols_at(s) + (uint64_t)len * 8 <= s->b.size * 8;
}

bool symbols_block(struct symbols *s)
{
    refill(&s->b);
    s->last = take(&s->b, 1) != 0;
    unsigned kind = take(&s->b, 2);
    if (kind == 3 || !inside(&s->b))
        return false;
    s->kind = (enum symbol_kind)kind;
    bool ok = kind == SYMBOL_STORED  ? stored_header(s)
              : kind == SYMBOL_FIXED ? fixed_codes(s)
                                     : dynamic_codes(s);
    return ok && inside(&s->b);
}

static inline bool next(struct symbol_bits *b, const struct symbols *s, struct symbol *ret)
{
    /* clang-format off */
    static const uint16_t length_base[29] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31,
        35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t length_bits[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2,
        3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const uint16_t distance_base[30] = {1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129,
        193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    /* clang-format on */
    unsigned symbol, far;
    refill(b);
    if (!decode(b, &s->lengths, &symbol))
        return false;
    if (symbol < END_OF_BLOCK) {
        *ret = (struct symbol){.length = (uint16_t)symbol, .literal = true};
        return inside(b);
    }
    if (symbol == END_OF_BLOCK) {
        *ret = (struct symbol){0};
        return inside(b);
    }
    symbol -= 257;
    if (symbol >= COUNT_OF(length_base))
        return false;
    unsigned length = length_base[symbol] + take(b, length_bits[symbol]);
    if (!decode(b, &s->distances, &far) || far >= COUNT_OF(distance_base))
        return false;
    unsigned distance = distance_base[far] + take(b, far < 2 ? 0 : far / 2 - 1);
    *ret = (struct symbol){.length = (uint16_t)length, .distance = (uint16_t)distance};
    return inside(b);
}

bool symbols_next(struct symbols *s, struct symbol *ret)
{
    return next(&s->b, s, ret);
}

bool symbols_expand(struct symbols *s, uint8_t *plain, uint64_t *at, uint64_t size,
                    unsigned *ret_close)
{
    struct symbol_bits b = s->b; /* in registers: stores to plain might otherwise change it */
    uint64_t to = *at;
    for (;;) {
        struct symbol y;
        uint64_t before = b.next * 8 - b.have;
        TRY(next(&b, s, &y));
        if (y.literal) {
            if (to == size)
                return false;
            plain[to++] = (uint8_t)y.length;
            continue;
        }
        if (y.length == 0) {
            *ret_close = (unsigned)(b.next * 8 - b.have - before);
            break;
        }
        if (y.distance > to || y.length > size - to)
            return false;
        for (uint64_t end = to + y.length; to < end; to++)
            plain[to] = plain[to - y.distance];
    }
    s->b = b;
    *at = to;
    return true;
}
