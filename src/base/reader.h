/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_READER_H
#define BASE_READER_H
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

/* A cursor over bytes that someone else owns; also how a byte string is passed around.
 * It only moves forward and a child never sees past its parent. On false nothing has moved. */
struct reader {
    const uint8_t *at;
    size_t left;
};

struct reader reader_over(const void *data, size_t len);
struct reader reader_text(const char *text); /* without the NUL; NULL is empty */

MUST_CHECK bool reader_u8(struct reader *r, uint8_t *ret);
MUST_CHECK bool reader_u16le(struct reader *r, uint16_t *ret);
MUST_CHECK bool reader_u32le(struct reader *r, uint32_t *ret);
MUST_CHECK bool reader_u64le(struct reader *r, uint64_t *ret);
MUST_CHECK bool reader_u16be(struct reader *r, uint16_t *ret);
/* The next n words. */
MUST_CHECK bool reader_u32le_array(struct reader *r, uint32_t *to, size_t n);
MUST_CHECK bool reader_skip(struct reader *r, size_t n);
/* Cuts the next n bytes off r into *ret, which borrows the same memory. */
MUST_CHECK bool reader_take(struct reader *r, size_t n, struct reader *ret);
/* Copies the next n bytes to `to`, which the caller owns. */
MUST_CHECK bool reader_copy(struct reader *r, void *to, size_t n);
/* *ret is the n bytes at offset of r; r itself does not move. */
MUST_CHECK bool reader_slice(struct reader r, size_t offset, size_t n, struct reader *ret);
MUST_CHECK bool reader_at_end(const struct reader *r);

/* Byte comparison; equal lengths and bytes. Not for secrets: see reader_equal_secret. */
MUST_CHECK bool reader_equal(struct reader a, struct reader b);
MUST_CHECK bool reader_equal_text(struct reader a, const char *text);
/* Time depends on the lengths only. */
MUST_CHECK bool reader_equal_secret(struct reader a, struct reader b);
MUST_CHECK bool reader_starts_with(struct reader r, const void *prefix, size_t n);
/* Takes as many whole 8 bytes as there are and sums them as 32-bit little-endian words. */
uint64_t reader_sum32le(struct reader *r);
/* memcmp order, then length. */
int reader_order(struct reader a, struct reader b);
/* Offset of the first needle at or after `from`, or SIZE_MAX. */
size_t reader_find(struct reader r, size_t from, const void *needle, size_t n);
#endif
