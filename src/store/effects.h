/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_EFFECTS_H
#define STORE_EFFECTS_H
#include "store/db.h"

/* Answers that a worker got, kept before it sees them, so that a repeated run gets the same ones
 * (ARCHITECTURE.md, "Replay"). */
struct effect {
    struct reader grant; /* id of the grant */
    uint32_t slot;
    uint32_t kind;         /* enum effect_kind of ipc/messages.h */
    uint32_t attempt;      /* of a time stamp, else 0 */
    struct reader request; /* digest with algorithm, or time-stamp request */
    struct reader answer;
};

/* Once: the same value again is fine, another one is ERR_EFFECT_CHANGED. In db_write. */
MUST_CHECK bool effect_put(struct db_tx *tx, const struct effect *effect, struct err *e);
/* Looks one up by grant, slot, kind and attempt and fills in request and answer (memory of the
 * transaction's results); *ret_found says whether it is there. */
MUST_CHECK bool effect_get(struct db_tx *tx, struct effect *effect, bool *ret_found, struct err *e);
/* Those of a grant, in order and in pages that fit into a transaction's memory (a large job has
 * gigabytes of time stamps): columns slot, kind, attempt, request, answer. `after`: the grant, and
 * zeros for the first page; it moves on. No rows: that was all. */
MUST_CHECK bool effects_next(struct db_tx *tx, struct effect *after, struct db_rows *ret,
                             struct err *e);
/* When the request is final. */
MUST_CHECK bool effects_drop(struct db_tx *tx, struct reader grant, struct err *e);
#endif
