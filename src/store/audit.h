/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H
#include "base/logformat.h"
#include "crypto/merkle.h"
#include "store/db.h"

/* The append-only log of everything that happened: a Merkle tree (RFC 9162 2.1) whose leaves are
 * numbered by the one writer, in commit order. Its heads are signed by the key process. */
struct audit_event {
    const char *kind;     /* "INTENT", "SigningRequest.Submitted" ... */
    const char *actor;    /* "ci:<id>", "user:<id>"; NULL: the system */
    const char *object;   /* "SigningPolicy:<id>"; NULL: nothing in particular */
    const char *request;  /* signing request, NULL: none */
    struct reader detail; /* JSON object for readers, or empty. Never a secret */
    struct reader body;   /* what the key process compares: an INTENT's GRANT record; else empty */
};

/* Appends a leaf with the time of now, inside a db_write. ret_index may be NULL. */
MUST_CHECK bool audit_append(struct db_tx *tx, const struct audit_event *event, uint64_t *ret_index,
                             struct err *e);

MUST_CHECK bool audit_size(struct db_tx *tx, uint64_t *ret, struct err *e);
/* The leaf as it was hashed, in memory of the transaction (tx_into). */
MUST_CHECK bool audit_leaf(struct db_tx *tx, uint64_t index, struct reader *ret, struct err *e);
/* Of the first `size` leaves; at most the size of the tree. */
MUST_CHECK bool audit_root(struct db_tx *tx, uint64_t size, struct merkle_hash *ret, struct err *e);
MUST_CHECK bool audit_inclusion(struct db_tx *tx, uint64_t index, uint64_t size,
                                struct writer *proof, struct err *e);
MUST_CHECK bool audit_consistency(struct db_tx *tx, uint64_t old_size, uint64_t size,
                                  struct writer *proof, struct err *e);

/* The fields of a leaf, borrowed from it; false when it is not one. */
struct audit_fields {
    uint64_t time_ms;
    struct reader kind, actor, object, request, detail, body;
};
MUST_CHECK bool audit_decode(struct reader leaf, struct audit_fields *ret);

/* A head as the key process signed it: log_head_text(node, head) under log_key. */
struct audit_head {
    struct log_head head;
    const char *node;
    struct reader log_key;   /* SubjectPublicKeyInfo */
    struct reader signature; /* Ed25519 */
    int64_t stored_ms;       /* set by the database */
};
/* The same head again is fine; another one of the same size must have the same root. Its root
 * must be the tree's, else ERR_AUDIT. */
MUST_CHECK bool audit_head_store(struct db_tx *tx, const struct audit_head *head, struct err *e);
/* The one with the highest journal number; *ret_found false when there is none. */
MUST_CHECK bool audit_head_last(struct db_tx *tx, struct audit_head *ret, bool *ret_found,
                                struct err *e);
/* The line of audit/heads.jsonl and of an export, with its line end. */
void audit_head_line(struct writer *w, const struct audit_head *head);
/* Adds it to heads.jsonl in the folder `audit`: what a later verification holds against a database
 * that was rolled back. Not synced: the journal of the key process is what counts. */
MUST_CHECK bool audit_head_keep(int folder, const struct audit_head *head, struct err *e);
#endif
