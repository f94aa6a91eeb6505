/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_QUEUE_H
#define STORE_QUEUE_H
#include "store/db.h"

/* Work to be done, as rows: added in the transaction that makes it necessary, removed in the one
 * that makes it done. All calls inside db_write but where said. Who claims gets a fencing token
 * that every claim and reclaim raises: whoever was overtaken hears ERR_JOB_LOST. */
struct job {
    const char *id;
    const char *lane;    /* who serves it: "worker", "mail" ... */
    const char *kind;    /* "inspect", "sign" ... */
    const char *subject; /* mostly a signing request id */
    const char *project; /* whose turn it was; empty: the system */
    int64_t attempts;    /* this one included */
    int64_t token;
};

/* Who works: a thread of one run of the program on one node. */
struct job_owner {
    const char *node, *boot;
};

/* One job of a kind for a subject at a time: adding it again changes nothing. */
MUST_CHECK bool queue_add(struct db_tx *tx, const struct job *job, int64_t not_before,
                          struct err *e);
/* The oldest due job of the project that has waited longest for a turn; ret->id NULL: none is
 * due. Texts: memory of the transaction's results (tx_into). */
MUST_CHECK bool queue_claim(struct db_tx *tx, const char *lane, const struct job_owner *owner,
                            struct job *ret, struct err *e);
/* The due job of one subject, out of turn; ret->id NULL: none. */
MUST_CHECK bool queue_claim_of(struct db_tx *tx, const char *lane, const char *subject,
                               const struct job_owner *owner, struct job *ret, struct err *e);
/* A job that this owner holds; ret->id NULL: none. For a claim whose end nobody told
 * (ERR_DB_UNKNOWN): the owner works on nothing, so what it holds is what that claim gave. */
MUST_CHECK bool queue_held(struct db_tx *tx, const char *lane, const struct job_owner *owner,
                           struct job *ret, struct err *e);
/* Still ours? Also in db_read. */
MUST_CHECK bool queue_check(struct db_tx *tx, const struct job *job, struct err *e);
/* Done: the row goes. */
MUST_CHECK bool queue_complete(struct db_tx *tx, const struct job *job, struct err *e);
/* Not done: ready again from then on (ms since 1970). */
MUST_CHECK bool queue_retry(struct db_tx *tx, const struct job *job, int64_t not_before,
                            struct err *e);
/* At start: jobs of this node's earlier boots are ready again, at once. */
MUST_CHECK bool queue_reclaim(struct db_tx *tx, const struct job_owner *owner, int64_t *ret_count,
                              struct err *e);
/* When the next job of the lane is due; INT64_MAX: nothing waits. Also in db_read. */
MUST_CHECK bool queue_next_due(struct db_tx *tx, const char *lane, int64_t *ret, struct err *e);
struct queue_counts {
    int64_t ready, claimed, oldest_ms; /* oldest_ms: queued_at of the oldest, 0 without any */
};
MUST_CHECK bool queue_count(struct db_tx *tx, const char *lane, struct queue_counts *ret,
                            struct err *e);
#endif
