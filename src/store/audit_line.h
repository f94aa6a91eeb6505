/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_AUDIT_LINE_H
#define STORE_AUDIT_LINE_H
#include "store/audit.h"

/* The lines of an export. A line is read by taking the few values that matter out of it, writing
 * it again and comparing: whatever else was changed in it is found as well. */
struct audit_header {
    uint64_t size, heads;
    struct merkle_hash root;
};
void audit_header_line(struct writer *w, const struct audit_header *h);
MUST_CHECK bool audit_header_read(struct reader line, struct audit_header *ret);

/* A leaf and what people want to see of it. False when the leaf is not one. */
MUST_CHECK bool audit_leaf_line(struct writer *w, uint64_t index, struct reader leaf,
                                const struct merkle_hash *hash);
struct audit_line {
    uint64_t index;
    struct reader leaf; /* in the arena */
    struct merkle_hash hash;
};
/* False: not such a line at all. *ret_whole: exactly as audit_leaf_line writes it. */
MUST_CHECK bool audit_leaf_read(struct arena *a, struct reader line, struct audit_line *ret,
                                bool *ret_whole);
/* audit_head_line, back. */
MUST_CHECK bool audit_head_read(struct arena *a, struct reader line, struct audit_head *ret);

/* A row of audit_heads; false when its root has a wrong length. */
MUST_CHECK bool audit_head_of_row(const struct db_rows *row, struct audit_head *ret);
/* The next line of text without its end; false when none is left. A last one without an end counts.
 */
MUST_CHECK bool audit_next_line(struct reader *text, struct reader *ret);
#endif
