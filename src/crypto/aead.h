/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_AEAD_H
#define CRYPTO_AEAD_H
#include "base/secret.h"
#include "base/writer.h"
#include "crypto/digest.h"

/* AES-256-GCM with a fresh random nonce. Sealed form: nonce (12) || ciphertext || tag (16).
 * At most 2^32 seals under one key. `bound` is authenticated, not stored. */
enum { AEAD_KEY = 32, AEAD_OVERHEAD = 28 };
MUST_CHECK bool aead_seal(struct reader key, struct reader bound, struct reader plain,
                          struct writer *sealed, struct err *e);
/* ERR_SEAL when key, bound or sealed differ from what was sealed; nothing is given out then. */
MUST_CHECK bool aead_open(struct reader key, struct reader bound, struct reader sealed,
                          struct secret *ret, struct err *e);

MUST_CHECK bool hmac_of(enum hash hash, struct reader key, struct reader bytes,
                        struct digest_value *ret, struct err *e);
/* RFC 5869, extract and expand, into `to`. */
MUST_CHECK bool hkdf(enum hash hash, struct reader secret, struct reader salt, struct reader info,
                     void *to, size_t n, struct err *e);
#endif
