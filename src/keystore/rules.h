/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYSTORE_RULES_H
#define KEYSTORE_RULES_H
#include "keystore/state.h"

/* Judgements without side effects; each false says which rule in the detail. */
enum { GRANT_LIFE_MAX_MS = 24 * 60 * 60 * 1000 };

/* The leaf as the log hashes it, its body as the grant, its place in the tree. */
MUST_CHECK bool rule_leaf(const struct record_PROOF *proof, struct reader leaf,
                          struct record_GRANT *ret_grant, struct reader *ret_bytes, struct err *e);
/* The tree of `proof` goes on from the head that was accepted last. */
MUST_CHECK bool rule_head(const struct state *s, const struct record_PROOF *proof, struct err *e);
/* Everything else about a grant that is not known yet. */
MUST_CHECK bool rule_grant(const struct state *s, struct instant now, const struct record_GRANT *g,
                           uint64_t index, struct reader approvals, struct err *e);
/* The pin `to` allows nothing that `from` does not. */
MUST_CHECK bool rule_tighter(const struct pin *from, const struct pin *to, struct err *e);
/* A slot may take this digest. *ret_other: it may not, because it is another digest than the one
 * that was authorised or signed before: the grant must be broken. */
MUST_CHECK bool rule_slot(const struct grant *g, struct instant now, const struct msg_KEY_SIGN *m,
                          bool *ret_other, struct err *e);
#define PROBE_KEY "probe"
#endif
