/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SOURCE_H
#define BASE_SOURCE_H
#include "base/arena.h"
#include "base/writer.h"

/* A part of a scattered source: `size` bytes at `at` of the file are the bytes at `from` of it. */
struct source_piece {
    uint64_t from, at, size;
};
/* A byte range of an input: an open file (read with pread, so sources may share a descriptor and
 * threads may share a source), pieces of one, or memory. Slices only shrink. The descriptor and
 * the pieces are borrowed. */
struct source {
    int fd;             /* -1: memory */
    const uint8_t *mem; /* when fd is -1 */
    uint64_t offset;    /* of this range in the file, or in what the pieces make up */
    uint64_t size;
    const struct source_piece *pieces; /* NULL: not scattered; only with a file */
    size_t piece_count;
};

enum { SOURCE_BUFFER = 256 * 1024 };

/* The whole of an open regular file. */
MUST_CHECK bool source_file(int fd, struct source *ret, struct err *e);
struct source source_range(int fd, uint64_t offset, uint64_t size);
struct source source_memory(struct reader bytes);
/* What the pieces of a file make up: they follow each other without gaps, the first from 0. */
struct source source_scattered(int fd, const struct source_piece *pieces, size_t count);
/* False with ERR_FILE_TRUNCATED when the range is not inside. */
MUST_CHECK bool source_slice(const struct source *s, uint64_t offset, uint64_t size,
                             struct source *ret, struct err *e);
/* Exactly n bytes at offset into `to`; ERR_FILE_TRUNCATED when they are not there. */
MUST_CHECK bool source_read(const struct source *s, uint64_t offset, void *to, size_t n,
                            struct err *e);
/* The same into the arena. */
MUST_CHECK bool source_load(struct arena *a, const struct source *s, uint64_t offset, size_t n,
                            struct reader *ret, struct err *e);
/* Up to n bytes from the start: what is there. For probes. */
MUST_CHECK bool source_head(struct arena *a, const struct source *s, size_t n, struct reader *ret,
                            struct err *e);
/* Hands the range to `each` in pieces of at most SOURCE_BUFFER, in order; stops when it fails. */
typedef bool (*source_each_fn)(void *ctx, struct reader piece, struct err *e);
MUST_CHECK bool source_each(const struct source *s, source_each_fn each, void *ctx, struct err *e);

/* Where output goes: a range of a file that starts at `base` and may not grow past `limit`
 * bytes, or memory. `tee` sees every appended byte once (a running digest); not patches. */
struct sink {
    int fd;             /* -1: mem */
    struct writer *mem; /* when fd is -1; its own limit holds as well */
    uint64_t base;
    uint64_t used; /* bytes appended so far = offset of the next one */
    uint64_t limit;
    void (*tee)(void *ctx, struct reader piece);
    void *tee_ctx;
};

struct sink sink_file(int fd, uint64_t base, uint64_t limit);
struct sink sink_memory(struct writer *w);
/* Only counts, and feeds the tee; for digests. */
struct sink sink_discard(void);
MUST_CHECK bool sink_write(struct sink *k, const void *data, size_t n, struct err *e);
MUST_CHECK bool sink_reader(struct sink *k, struct reader bytes, struct err *e);
MUST_CHECK bool sink_zeros(struct sink *k, uint64_t n, struct err *e);
/* Appends all of s. */
MUST_CHECK bool sink_source(struct sink *k, const struct source *s, struct err *e);
/* Overwrites bytes appended before. */
MUST_CHECK bool sink_patch(struct sink *k, uint64_t offset, const void *data, size_t n,
                           struct err *e);
/* Takes back all but the first `used` bytes; not for sinks with a tee. */
MUST_CHECK bool sink_cut(struct sink *k, uint64_t used, struct err *e);
/* What was appended so far, to be read back; stays valid while the sink's memory does. */
struct source sink_view(const struct sink *k);
#endif
