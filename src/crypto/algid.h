/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_ALGID_H
#define CRYPTO_ALGID_H
#include "crypto/der.h"
#include "crypto/digest.h"

/* AlgorithmIdentifier of hashes and signatures, read and written. */

/* SHA-2 without parameters as RFC 5754 says; with NULL as everybody does in PKCS#7. */
void algid_put_hash(struct writer *w, enum hash hash, bool with_null);
MUST_CHECK bool algid_read_hash(struct reader *r, enum hash *ret);

/* bare_rsa: rsaEncryption instead of sha256WithRSAEncryption, as SignerInfo has it. */
void algid_put_signature(struct writer *w, sign_algorithm algorithm, bool bare_rsa);

struct algid_signature {
    bool known; /* the rest counts only then */
    sign_algorithm algorithm;
    enum hash mgf; /* PSS only */
    int salt;
};
/* `hash` is what a SignerInfo says elsewhere, for identifiers that name none; HASH_NONE: they
 * must name it. A contradiction is "unknown"; false only when it is not well-formed. */
MUST_CHECK bool algid_read_signature(struct reader *r, enum hash hash, struct algid_signature *ret);
#endif
