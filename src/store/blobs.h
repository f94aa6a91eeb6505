/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_BLOBS_H
#define STORE_BLOBS_H
#include "base/arena.h"
#include "base/crashpoints.h"
#include "base/reader.h"

/* Files named by their SHA-256, below one folder: ab/cd/<64 hex digits>. A blob is there whole and
 * durable or not at all, and never changes. Written to an unnamed file first (a named one below
 * tmp/ where the system has none); safe to use from several threads of the one process that
 * owns the folder. */
struct blobs;
struct blob_writer;

struct blob {
    uint8_t sha256[32];
    uint64_t size;
};

/* The rows of base/crashpoints.h of one write: D01 and D02, D05 twice, D15 twice. */
struct blob_steps {
    enum crashpoint synced, linked;
};

/* The folder must exist. Tries out how files can be linked: call it behind the walls. */
MUST_CHECK bool blobs_open(const char *folder, struct blobs **ret, struct err *e);
void blobs_close(struct blobs *b); /* NULL is fine; no writer may be left */

/* At most `limit` bytes: more is ERR_FILE_LIMIT. The caller finishes or abandons the writer. */
MUST_CHECK bool blob_begin(struct blobs *b, struct blob_steps steps, uint64_t limit,
                           struct blob_writer **ret, struct err *e);
MUST_CHECK bool blob_add(struct blob_writer *w, struct reader bytes, struct err *e);
/* Everything that comes out of a pipe or file, to its end. */
MUST_CHECK bool blob_add_from(struct blob_writer *w, int fd, struct err *e);
/* Borrowed, for a process that writes the content itself (no blob_add then); blob_finish hashes
 * what it finds, so that process must be gone by then. */
int blob_fd(struct blob_writer *w);
/* Makes it durable under its name. Takes w, also on failure; then nothing is left behind. */
MUST_CHECK bool blob_finish(struct blob_writer *w, struct blob *ret, struct err *e);
void blob_abandon(struct blob_writer *w); /* NULL is fine */

/* An unnamed file for the intermediate bytes of one job; the caller closes, then it is gone. */
MUST_CHECK bool blobs_scratch(struct blobs *b, int *ret_fd, struct err *e);

/* Read-only, the caller closes. ERR_BLOB_MISSING when it is not there. */
MUST_CHECK bool blob_open(struct blobs *b, const uint8_t sha256[32], int *ret_fd,
                          uint64_t *ret_size, struct err *e);
/* Reads it all, unless it has not been changed since it was read before: ERR_BLOB_DAMAGED when it
 * is not what its name says. */
MUST_CHECK bool blob_check(struct blobs *b, const uint8_t sha256[32], struct err *e);
/* The same, and into the arena; for small ones. More than `most` bytes is ERR_FILE_LIMIT. */
MUST_CHECK bool blob_load(struct blobs *b, const uint8_t sha256[32], size_t most, struct arena *a,
                          struct reader *ret, struct err *e);
/* Fine when it is not there. Retention calls it, after the row that named the blob is gone. */
MUST_CHECK bool blob_delete(struct blobs *b, const uint8_t sha256[32], struct err *e);

/* Deletes what is older than `age_ms` (a day) and not named by any row. The question is asked
 * while no blob can be linked; one written again meanwhile counts as new. */
typedef bool (*blob_referenced_fn)(void *ctx, const uint8_t sha256[32], bool *ret, struct err *e);
MUST_CHECK bool blobs_collect(struct blobs *b, int64_t age_ms, blob_referenced_fn referenced,
                              void *ctx, struct err *e);
#endif
