/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_SPLICE_H
#define ARCHIVE_SPLICE_H
#include "base/source.h"

/* Edits a deflate stream instead of compressing again. Signing changes a few bytes near the start
 * of a file and appends to it: the head and the tail are encoded anew, the codes between are copied
 * bit by bit. The result is inflated by libdeflate and compared with the content, byte for byte. */
struct splice {
    struct source stream;  /* deflate stream of the old content */
    uint64_t size;         /* of the old content */
    uint32_t crc;          /* of the old content */
    struct source content; /* new */
};
enum splice_result {
    SPLICE_DONE,
    SPLICE_DOES_NOT_PAY, /* too much differs, or the old stream is not what it should be */
    SPLICE_WRONG,        /* the result did not inflate to the content: an error in here */
};
/* Appends the new stream to `out` only when *ret is SPLICE_DONE. Same input, same result. Contents
 * larger than DEFLATE_WHOLE go through splice_blocks. */
MUST_CHECK bool splice_deflate(const struct splice *s, struct sink *out, enum splice_result *ret,
                               uint32_t *ret_crc, struct err *e);
/* The same in bounded memory: whole blocks stay, so that a little more is encoded anew. `out` can
 * be read back (no sink_discard) and has no tee. */
MUST_CHECK bool splice_blocks(const struct splice *s, struct sink *out, enum splice_result *ret,
                              uint32_t *ret_crc, struct err *e);
#endif
