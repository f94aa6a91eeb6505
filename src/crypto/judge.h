/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_JUDGE_H
#define CRYPTO_JUDGE_H
#include "crypto/signature.h"
#include "crypto/x509.h"

/* Whether a signature that somebody else made is to be trusted, after the rules of Windows
 * (product-spec 6.11): keys and hashes of today's strength, a code-signing chain to a root, valid
 * at the time that a trusted time stamp proves, or else now. Revocation is not looked at: nothing
 * here has a network. */
struct judging {
    const struct root_store *roots; /* of signers and of time stamps; NULL: nobody is trusted */
    int64_t time;                   /* now */
};

/* False with ERR_SIGNATURE or ERR_CERTIFICATE: not trusted, the user text says why. */
MUST_CHECK bool signature_judge(struct arena *a, const struct signature *s,
                                const struct judging *by, struct err *e);
#endif
