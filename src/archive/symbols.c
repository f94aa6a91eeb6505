/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/symbols.h"
#include "base/bytes.h"

enum { LITERALS = 288, DISTANCES = 30, END_OF_BLOCK = 256 };

/* At least 56 bits: enough for the longest symbol, 15 + 5 + 15 + 13. */
static ALWAYS_INLINE void refill(struct symbol_bits *b)
{
    if (b->next + 8 <= b->size) {
        b->bits |= bytes_load64le(&b->in[b->next]) << b->have;
        b->next += (63 - b->have) >> 3;
        b->have |= 56;
        return;
    }
    for (; b->have <= 56; b->have += 8, b->next++)
        if (b->next < b->size)
            b->bits |= (uint64_t)b->in[b->next] << b->have;
}

static ALWAYS_INLINE uint32_t take(struct symbol_bits *b, unsigned n)
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
enum alphabet { CODE_LENGTHS, LENGTHS, FAR }; /* FAR: distances */

/* 3.2.5; 0 for the symbols that must not occur. */
static uint32_t meaning(enum alphabet alphabet, unsigned symbol)
{
    /* clang-format off */
    static const uint16_t length_base[29] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31,
        35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t length_bits[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2,
        3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const uint16_t distance_base[DISTANCES] = {1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97,
        129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    /* clang-format on */
    if (alphabet == CODE_LENGTHS)
        return symbol << 8;
    if (alphabet == FAR)
        return symbol >= DISTANCES
                   ? 0
                   : (uint32_t)distance_base[symbol] << 8 | (symbol < 2 ? 0 : symbol / 2 - 1) << 4;
    if (symbol < END_OF_BLOCK)
        return SYMBOL_LITERAL | symbol << 8;
    if (symbol == END_OF_BLOCK)
        return SYMBOL_END;
    symbol -= END_OF_BLOCK + 1;
    return symbol >= COUNT_OF(length_base)
               ? 0
               : (uint32_t)length_base[symbol] << 8 | (uint32_t)length_bits[symbol] << 4;
}

static uint32_t reversed(uint32_t code, unsigned n)
{
    uint32_t r = 0;
    for (unsigned i = 0; i < n; i++)
        r |= (code >> i & 1) << (n - 1 - i);
    return r;
}

static void fill(struct symbol_code *c, enum alphabet alphabet, const uint8_t *lengths, unsigned n)
{
    uint32_t next[16] = {0}, code = 0;
    uint16_t offset[16] = {0};
    for (unsigned len = 1; len < 16; len++) {
        uint16_t before = len == 1 ? 0 : c->count[len - 1];
        code = (code + before) << 1;
        next[len] = code;
        offset[len] = (uint16_t)(offset[len - 1] + before);
    }
    for (unsigned i = 0; i < 1u << c->fast_bits; i++)
        c->fast[i] = 0;
    for (unsigned symbol = 0; symbol < n; symbol++) {
        unsigned len = lengths[symbol];
        if (len == 0)
            continue;
        uint32_t first = reversed(next[len]++, len), means = meaning(alphabet, symbol);
        c->meaning[offset[len]++] = means;
        if (len <= c->fast_bits && (means != 0 || alphabet == CODE_LENGTHS))
            for (uint32_t i = first; i < 1u << c->fast_bits; i += 1u << len)
                c->fast[i] = means | len;
    }
}

/* Over-subscribed codes are refused, incomplete ones but for a single code of one bit too. */
static bool build(struct symbol_code *c, enum alphabet alphabet, const uint8_t *lengths, unsigned n,
                  bool complete)
{
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
    c->fast_bits = alphabet == LENGTHS ? SYMBOL_FAST_BITS : SYMBOL_DISTANCE_BITS;
    fill(c, alphabet, lengths, n);
    return true;
}

/* Canonical, bit by bit; for codes longer than the table. 0: no such code, or one without meaning.
 */
static NEVER_INLINE uint32_t slow(uint64_t bits, const struct symbol_code *c)
{
    uint32_t code = 0, first = 0, index = 0;
    for (unsigned len = 1; len < 16; len++) {
        code |= (uint32_t)(bits >> (len - 1) & 1);
        uint32_t count = c->count[len];
        if (code < first + count) {
            uint32_t means = c->meaning[index + code - first];
            return means == 0 ? 0 : means | len;
        }
        index += count;
        first = (first + count) << 1;
        code <<= 1;
    }
    return 0;
}

static ALWAYS_INLINE uint32_t decode(struct symbol_bits *b, const struct symbol_code *c)
{
    uint32_t entry = c->fast[b->bits & ((1u << c->fast_bits) - 1)];
    if (entry == 0)
        entry = slow(b->bits, c);
    (void)take(b, entry & 15);
    return entry;
}

/* Value and extra bits. */
static ALWAYS_INLINE uint32_t value_of(struct symbol_bits *b, uint32_t entry)
{
    return (entry >> 8) + take(b, entry >> 4 & 15);
}

static bool fixed_codes(struct symbols *s)
{
    if (s->fixed_ready)
        return true;
    uint8_t lengths[LITERALS];
    for (unsigned i = 0; i < LITERALS; i++)
        lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    TRY(build(&s->lengths, LENGTHS, lengths, LITERALS, true));
    for (unsigned i = 0; i < 32; i++)
        lengths[i] = 5; /* 30 and 31 exist in the code, but never in a stream (3.2.6) */
    s->fixed_ready = build(&s->distances, FAR, lengths, 32, true);
    return s->fixed_ready;
}

/* Run-length coded lengths of both codes (3.2.7). */
static bool read_lengths(struct symbols *s, uint8_t *lengths, unsigned n)
{
    for (unsigned i = 0; i < n;) {
        unsigned repeat = 1;
        uint8_t value = 0;
        refill(&s->b);
        uint32_t entry = decode(&s->b, &s->lengths), symbol = entry >> 8;
        if (entry == 0 || !inside(&s->b))
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
    TRY(build(&s->lengths, CODE_LENGTHS, lengths, 19, true));
    for (unsigned i = 0; i < 19; i++)
        lengths[i] = 0;
    TRY(read_lengths(s, lengths, literals + distances));
    uint8_t *second = &lengths[literals];
    return lengths[END_OF_BLOCK] != 0 && build(&s->lengths, LENGTHS, lengths, literals, false) &&
           build(&s->distances, FAR, second, distances, false);
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

bool symbols_next(struct symbols *s, struct symbol *ret)
{
    refill(&s->b);
    uint32_t entry = decode(&s->b, &s->lengths);
    *ret = (struct symbol){0};
    if ((entry & SYMBOL_LITERAL) != 0) {
        *ret = (struct symbol){.length = (uint8_t)(entry >> 8), .literal = true};
    } else if ((entry & SYMBOL_END) == 0) {
        ret->length = (uint16_t)value_of(&s->b, entry);
        uint32_t far = decode(&s->b, &s->distances);
        ret->distance = (uint16_t)value_of(&s->b, far);
        if (entry == 0 || far == 0)
            return false;
    }
    return inside(&s->b);
}

bool symbols_expand(struct symbols *s, uint8_t *plain, uint64_t *at, uint64_t size,
                    unsigned *ret_close)
{
    enum { RUN = 3 };            /* literals of 15 bits that one refill serves */
    struct symbol_bits b = s->b; /* in registers: stores to plain might otherwise change it */
    uint64_t to = *at;
    for (;;) {
        uint32_t entry = SYMBOL_LITERAL;
        refill(&b);
        for (int i = 0; i < RUN && (entry & SYMBOL_LITERAL) != 0; i++) {
            entry = decode(&b, &s->lengths);
            if ((entry & SYMBOL_LITERAL) != 0) {
                if (to == size)
                    return false;
                plain[to++] = (uint8_t)(entry >> 8);
            }
        }
        if ((entry & SYMBOL_LITERAL) != 0)
            continue;
        if ((entry & SYMBOL_END) != 0) {
            *ret_close = entry & 15;
            break;
        }
        refill(&b);
        uint64_t length = value_of(&b, entry);
        uint32_t far = decode(&b, &s->distances);
        uint64_t distance = value_of(&b, far);
        /* Bits beyond the end are zeros, so that the output's size ends any loop over them. */
        if (entry == 0 || far == 0 || distance > to || length > size - to)
            return false;
        bytes_repeat(plain, to, distance, length);
        to += length;
    }
    s->b = b;
    *at = to;
    return inside(&b);
}
