/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_AUDIT_CHECK_H
#define STORE_AUDIT_CHECK_H
#include "store/audit_line.h"
#include "store/audit_verify.h"

/* The part of verification that database and file share: heads first, then leaves in order. All
 * functions are true when the work can go on; after the first finding report.bad is set. */
struct known_head {
    struct audit_head head;
    bool witness;
};
struct checker {
    struct arena *a; /* heads */
    const struct audit_check *with;
    struct audit_report report;
    struct known_head *heads;
    size_t count, room, next; /* next: first head not compared yet, in order of size */
    uint64_t epoch;           /* highest among the log's own heads */
    struct merkle_edge edge;
};

MUST_CHECK bool checker_head(struct checker *c, const struct audit_head *head, bool witness,
                             struct err *e);
/* After the last head: signatures, keys, order; the witnesses of c->with come in here. */
MUST_CHECK bool checker_heads_done(struct checker *c, struct err *e);
/* The leaf at index c->edge.size, the hash that is stored with it, and where subtrees go. */
MUST_CHECK bool checker_leaf(struct checker *c, struct reader leaf,
                             const struct merkle_hash *stored, struct err *e);
MUST_CHECK bool checker_end(struct checker *c, struct err *e);
/* Sets the finding, unless there is one: the first counts. Always true. */
bool checker_found(struct checker *c, uint64_t first, uint64_t last, const char *fmt, ...)
    PRINTF(4, 5);
#endif
