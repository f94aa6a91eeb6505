/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_WRITER_H
#define BASE_WRITER_H
#include "base/reader.h"

/* A growing byte string with a hard limit. Failure sticks: writes return
 * nothing, and writer_ok says once, at the end, whether all of them fitted. */
struct writer {
    uint8_t *data;
    size_t len, cap, limit;
    bool failed, no_memory; /* no_memory: failed for that, not for the limit */
};

void writer_init(struct writer *w, size_t limit);
void writer_done(struct writer *w);  /* wipes and frees */
void writer_reset(struct writer *w); /* empty again, memory kept */

void writer_u8(struct writer *w, uint8_t v);
void writer_u16le(struct writer *w, uint16_t v);
void writer_u32le(struct writer *w, uint32_t v);
void writer_u64le(struct writer *w, uint64_t v);
void writer_u16be(struct writer *w, uint16_t v);
void writer_bytes(struct writer *w, const void *data, size_t n);
void writer_reader(struct writer *w, struct reader bytes);
void writer_text(struct writer *w, const char *text); /* without the NUL */
void writer_format(struct writer *w, const char *fmt, ...) PRINTF(2, 3);
void writer_zeros(struct writer *w, size_t n);
/* Overwrites bytes that were written before; outside of them is a failure. */
void writer_patch(struct writer *w, size_t offset, const void *data, size_t n);
/* Puts bytes in front of what was written at or after `offset`. */
void writer_insert(struct writer *w, size_t offset, const void *data, size_t n);
/* Room for n bytes at the end that the caller fills at once; NULL after a failure. */
uint8_t *writer_room(struct writer *w, size_t n);

struct reader writer_view(const struct writer *w); /* borrowed until the next write */
/* False with ERR_NO_MEMORY, or with ERR_FILE_LIMIT, which is the fault of whoever sent so much. */
MUST_CHECK bool writer_ok(const struct writer *w, struct err *e);
#endif
