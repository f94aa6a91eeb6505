/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H
#include "base/err.h"
#include <stdatomic.h>
#include <stdint.h>

/* One for a whole job, shared over all nesting and all threads: every decoder pays from it. */
struct budget {
    uint64_t max_entries, max_bytes; /* settings max_entries, max_expanded_bytes */
    uint32_t max_depth;              /* max_nesting */
    uint32_t max_ratio;              /* expanded : compressed, judged after the first MiB */
    atomic_uint_fast64_t entries, bytes;
};

MUST_CHECK bool budget_entries(struct budget *b, uint64_t n, struct err *e);
/* n more expanded bytes of an entry that had `expanded` before, out of `compressed` bytes. */
MUST_CHECK bool budget_bytes(struct budget *b, uint64_t n, uint64_t expanded, uint64_t compressed,
                             struct err *e);
MUST_CHECK bool budget_depth(const struct budget *b, uint32_t depth, struct err *e);
#endif
