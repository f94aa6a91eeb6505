/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_SYMBOLS_H
#define ARCHIVE_SYMBOLS_H
#include "base/reader.h"

/* Reads a deflate stream (RFC 1951) symbol by symbol and says at which bit each one stands; for
 * cutting streams, not for trusting them. Accepts what zlib accepts. False: the stream is damaged
 * or ends early; nothing else is known then. */
enum { SYMBOL_FAST_BITS = 10, SYMBOL_DISTANCE_BITS = 8 };

/* What a code stands for: value << 8 | extra bits << 4 | length of the code, and two marks. */
#define SYMBOL_LITERAL (UINT32_C(1) << 31)
#define SYMBOL_END     (UINT32_C(1) << 30)
struct symbol_code {
    uint32_t fast[1 << SYMBOL_FAST_BITS]; /* by the next bits; 0: longer than the table, or none */
    uint32_t meaning[288];                /* of the symbols in the order of their codes */
    uint16_t count[16];
    unsigned fast_bits;
};
enum symbol_kind { SYMBOL_STORED = 0, SYMBOL_FIXED = 1, SYMBOL_DYNAMIC = 2 };

struct symbol_bits {
    const uint8_t *in;
    uint64_t size; /* bytes */
    uint64_t next; /* byte that goes into `bits` next; past the end there are zeros */
    uint64_t bits;
    unsigned have;
};
struct symbols {
    struct symbol_bits b;
    enum symbol_kind kind; /* of the block */
    bool last, fixed_ready;
    uint32_t stored; /* bytes of a stored block */
    struct symbol_code lengths, distances;
};

void symbols_start(struct symbols *s, struct reader stream);
uint64_t symbols_at(const struct symbols *s); /* bit position */
/* Goes to a bit position, for instance of a block's header. */
void symbols_seek(struct symbols *s, uint64_t bit);
/* The header of a block; a stored block stands at its first byte afterwards. */
MUST_CHECK bool symbols_block(struct symbols *s);
/* One symbol of a Huffman block: distance 0 is the literal *ret_length; length 0 ends the block. */
struct symbol {
    uint16_t length, distance;
    bool literal; /* then length is the byte */
};
MUST_CHECK bool symbols_next(struct symbols *s, struct symbol *ret);
/* The whole rest of a Huffman block into plain[*at...size); *at moves on. *ret_close is the length
 * of the end-of-block code. */
MUST_CHECK bool symbols_expand(struct symbols *s, uint8_t *plain, uint64_t *at, uint64_t size,
                               unsigned *ret_close);
#endif
