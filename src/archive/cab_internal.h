/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_CAB_INTERNAL_H
#define ARCHIVE_CAB_INTERNAL_H
#include "archive/cab.h"

/* What the cab_*.c files share; nobody else includes this. */
enum { CAB_BLOCK_HEADER = 8, CAB_PACKED_MAX = CAB_BLOCK + 6144 };

MUST_CHECK bool cab_bad(struct err *e, const char *fmt, ...) PRINTF(2, 3);
/* Check sum of a block's bytes (MS-CAB 3.1), continued from `sum`. */
uint32_t cab_checksum(struct reader bytes, uint32_t sum);

/* Hands the expanded bytes [from, to) of a folder to `each`, in order. */
MUST_CHECK bool cab_expand(const struct cab *c, const struct cab_folder *f, uint64_t from,
                           uint64_t to, source_each_fn each, void *ctx, struct err *e);
/* One file of an LZX folder, or several that follow each other in cab.order. */
MUST_CHECK bool cab_expand_foreign(const struct cab *c, size_t first, size_t count,
                                   source_each_fn each, void *ctx, struct err *e);
#endif
