/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_AUDIT_VERIFY_H
#define STORE_AUDIT_VERIFY_H
#include "base/source.h"
#include "store/audit.h"

/* Finds any edit, deletion, insertion, swap, truncation or rollback of the log, in the database
 * or in an exported file. What fell off the end together with every head over it is seen only
 * against a witness: a head that somebody else has kept (audit/heads.jsonl, a receipt). */

/* Header, heads, then one line per leaf: all that verification needs. A snapshot of now. */
MUST_CHECK bool audit_export(struct db *db, struct sink *to, struct err *e);

struct audit_check {
    struct reader log_key;   /* the key to trust (SPKI); empty: the first one of the log itself */
    struct reader witnesses; /* lines of audit_head_line; may be empty */
};
struct audit_report {
    uint64_t size, heads, witnesses; /* what was looked at */
    uint64_t superseded;             /* witnesses from before a restore, over what it took back */
    uint64_t unreadable;             /* lines of the witnesses: cut by a crash */
    struct merkle_hash root;
    uint64_t covered;             /* leaves under a signed head; later ones are not proven yet */
    bool bad;                     /* then: */
    uint64_t bad_first, bad_last; /* the first wrong (or missing) entry is in this range */
    char what[400];               /* one sentence */
};
/* True when it could be checked: the verdict is in *ret. False: it could not be read. */
MUST_CHECK bool audit_verify_db(struct db *db, const struct audit_check *check,
                                struct audit_report *ret, struct err *e);
MUST_CHECK bool audit_verify_file(const struct source *file, const struct audit_check *check,
                                  struct audit_report *ret, struct err *e);
#endif
