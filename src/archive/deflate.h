/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_DEFLATE_H
#define ARCHIVE_DEFLATE_H
#include "base/budget.h"
#include "base/source.h"

/* Raw deflate streams (RFC 1951) and CRC-32 (ISO 3309). Up to DEFLATE_WHOLE bytes of plain text go
 * through libdeflate as a whole, more through zlib as a stream. The choice looks at the plain size
 * only, so the same content always gives the same bytes. */
enum { DEFLATE_WHOLE = 4 * 1024 * 1024 };

/* Inflates all of `in` into exactly `size` bytes of `out`. The whole size is paid from the budget
 * (NULL: nobody asks) before the first byte is decoded. ERR_DEFLATE: the stream is damaged, gives
 * fewer or more bytes, or does not end with the last byte of `in`. */
MUST_CHECK bool deflate_expand(const struct source *in, uint64_t size, struct budget *budget,
                               struct sink *out, uint32_t *ret_crc, struct err *e);
/* At most the first n bytes of it; fewer when the stream ends or is damaged. */
MUST_CHECK bool deflate_expand_head(const struct source *in, uint8_t *to, size_t n, size_t *ret,
                                    struct err *e);
/* A zlib stream (RFC 1950), all of it and its check sum right, into the arena. */
MUST_CHECK bool deflate_expand_zlib(struct arena *a, struct reader in, size_t size,
                                    struct reader *ret, struct err *e);
/* Compresses all of `in` at the product's one level. */
MUST_CHECK bool deflate_compress(const struct source *in, struct sink *out, uint32_t *ret_crc,
                                 struct err *e);
/* The same in pieces of `block` plain bytes, each of which can be expanded without the others; the
 * stream ends in an empty block of two bytes that belongs to none. `each` gets the plain bytes of a
 * piece and the length of its compressed ones. */
typedef bool (*deflate_block_fn)(void *ctx, struct reader plain, uint64_t packed, struct err *e);
MUST_CHECK bool deflate_compress_blocks(const struct source *in, size_t block, struct sink *out,
                                        deflate_block_fn each, void *ctx, uint32_t *ret_crc,
                                        struct err *e);
/* Copies all of `in`. */
MUST_CHECK bool deflate_copy(const struct source *in, struct sink *out, uint32_t *ret_crc,
                             struct err *e);
/* Continues a CRC-32; start with 0. */
uint32_t deflate_crc(uint32_t crc, struct reader bytes);
#endif
