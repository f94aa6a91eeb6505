/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_AUTHORITY_H
#define SERVICE_AUTHORITY_H
#include "crypto/algorithm.h"
#include "service/service.h"

/* The way to the key process (ARCHITECTURE.md, chain of trust): every use of a key begins with an
 * INTENT leaf in the audit log, which the key process verifies by the proofs that are made here.
 * It accepts heads only in order, so one thread at a time shows it one. */
struct authority;

enum { GRANT_ID = 16, GRANT_ALGORITHMS = 8 };

struct authority *authority_new(void); /* NULL when memory is out */

/* After every (re)connection to the key process: shows it the log (start-up rules), stores the head
 * it signs. Until this has succeeded all others wait, and fail after a while. */
MUST_CHECK bool authority_open(struct service *s, struct err *e);
bool authority_is_open(const struct service *s);
/* The key process is away. */
void authority_lost(struct service *s);

/* After authority_open: the name of the key process. */
const char *authority_node(const struct service *s);

/* What a grant is asked for. The arrays are borrowed. */
struct grant_wish {
    enum grant_kind kind;
    const char *request; /* id of the request, or of the object that a certificate is for */
    uint32_t attempt;
    struct reader subject; /* 32 bytes */
    const char *key;
    const sign_algorithm *algorithms;
    size_t algorithm_count;
    uint32_t slots;
    struct reader known; /* SLOT records of digests that are known already */
    int64_t lifetime_ms;
};
struct grant_made {
    uint8_t id[GRANT_ID];
    uint64_t intent; /* index of the leaf */
    struct reader encoding;
};
/* Inside the caller's transaction: the INTENT leaf. The grant id is new. */
MUST_CHECK bool authority_intent(struct db_tx *tx, struct service *s, const struct actor *by,
                                 const struct grant_wish *wish, struct grant_made *ret,
                                 struct err *e);
/* After that transaction: the grant itself (D11). Again with the same leaf: the same answer. */
MUST_CHECK bool authority_grant(struct service *s, uint64_t intent, struct err *e);
/* Grant, one signature over the known digest, close, in one step (H2). */
MUST_CHECK bool authority_hash(struct service *s, uint64_t intent, struct writer *signature,
                               struct err *e);
/* One slot (D12). */
MUST_CHECK bool authority_sign(struct service *s, const uint8_t grant[GRANT_ID], uint32_t slot,
                               sign_algorithm algorithm, struct reader digest,
                               struct writer *signature, struct err *e);
/* Nothing more is signed under it (D16). uses gets USE records, in the order they were made. */
MUST_CHECK bool authority_close(struct service *s, const uint8_t grant[GRANT_ID],
                                struct writer *uses, struct err *e);
/* A signed head over everything that is in the log now, stored (D18, D19). */
MUST_CHECK bool authority_seal(struct service *s, struct err *e);
#endif
