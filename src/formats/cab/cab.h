/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_CAB_CAB_H
#define FORMATS_CAB_CAB_H
#include "archive/cab.h"
#include "crypto/authenticode.h"
#include "formats/format.h"

/* Authenticode digest of the cabinet as it is once signed. */
MUST_CHECK bool cab_digest(const struct cab *c, enum hash hash, struct digest_value *ret,
                           struct err *e);
MUST_CHECK bool cab_sign(const struct sign_job *job, struct err *e);
MUST_CHECK bool cab_verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                           struct err *e);
/* See `compare` of struct format. */
MUST_CHECK bool cab_compare(const struct cab *before, const struct cab *after, const bool *changed,
                            struct err *e);
#endif
