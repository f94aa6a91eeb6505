/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_SCRATCH_H
#define ARTIFACT_SCRATCH_H
#include "base/source.h"
#include <stdatomic.h>

/* One unnamed file per job; ranges of it hold extracted entries and what became of them. Ranges
 * are handed out to any thread; the file is sparse, so room that is not used costs nothing. */
struct scratch {
    int fd; /* borrowed */
    uint64_t limit;
    atomic_uint_fast64_t used;
};

/* A sink that takes at most `room` bytes. ERR_FILE_LIMIT past the limit of the job. */
MUST_CHECK bool scratch_take(struct scratch *s, uint64_t room, struct sink *ret, struct err *e);
/* What was written, to be read back. Room that was not used is given back if nobody has taken
 * more since. */
struct source scratch_close(struct scratch *s, const struct sink *k);
#endif
