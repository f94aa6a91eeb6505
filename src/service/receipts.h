/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_RECEIPTS_H
#define SERVICE_RECEIPTS_H
#include "service/requests.h"

/* The receipt of a completed request as released, with "logProof": the OUTCOME leaf, its place in
 * the log, the inclusion proof and the newest signed head that covers it; "pending" until the key
 * process has signed one (D19). */
MUST_CHECK bool receipt_read(struct service *s, const struct actor *actor, const char *id,
                             struct arena *a, struct writer *ret, struct err *e);

/* Where the outcome of a request stands in the log, for pages. */
struct receipt_place {
    bool recorded, sealed; /* there is an OUTCOME leaf; a signed head covers it */
    uint64_t leaf, head;   /* its index; size of the newest signed head */
};
MUST_CHECK bool receipt_place(struct service *s, const char *request, struct receipt_place *ret,
                              struct err *e);
#endif
