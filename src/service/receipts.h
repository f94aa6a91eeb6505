/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_RECEIPTS_H
#define SERVICE_RECEIPTS_H
#include "service/requests.h"

/* The receipt of a completed request as released, with "logProof": the OUTCOME leaf, its place in
 * the log, the inclusion proof and the newest signed head that covers it; "pending" until the key
 * process has signed one (D19). */
MUST_CHECK bool receipt_read(struct service *s, const struct actor *actor, const char *id,
                             struct arena *a, struct writer *ret, struct err *e);
#endif
