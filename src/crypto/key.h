/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_KEY_H
#define CRYPTO_KEY_H
#include "base/secret.h"
#include "base/writer.h"
#include "crypto/algorithm.h"

enum { RSA_BITS_LEAST = 1024, RSA_BITS_MOST = 8192 };
enum key_kind { KEY_RSA = 1, KEY_EC = 2, KEY_ED25519 = 3 };

/* What a public key is. bits: of the RSA modulus; 256, 384 or 521 for EC; 256 for Ed25519. */
struct key_type {
    enum key_kind kind;
    uint32_t bits;
};
/* "rsa-2048" "rsa-3072" "rsa-4096" "ec-p256" "ec-p384" "ec-p521" "ed25519". */
MUST_CHECK bool key_type_from_name(const char *name, struct key_type *ret);
void key_type_name(struct key_type type, char to[16]);
/* Refuses keys we do not use: other algorithms and curves, explicit parameters, RSA under 1024. */
MUST_CHECK bool key_type_of_spki(struct reader spki, struct key_type *ret, struct err *e);
/* Whether a key of this type can make such a signature. */
MUST_CHECK bool key_type_allows(struct key_type type, sign_algorithm algorithm);
/* The usual choice: PKCS#1 for RSA (PSS when asked), ECDSA for EC. */
sign_algorithm key_type_algorithm(struct key_type type, enum hash hash, bool pss);

/* A private key in memory. */
struct key;
void key_free(struct key *k);     /* NULL is fine */
void key_cleanup(struct key **k); /* for CLEANUP */

MUST_CHECK bool key_generate(struct key_type type, struct key **ret, struct err *e);
/* One PEM private key (PKCS#8, encrypted or not, or the older forms). Password .at NULL: none.
 * ERR_KEY_PASSWORD when one is needed or wrong, ERR_KEY otherwise. */
MUST_CHECK bool key_from_pem(struct reader pem, struct reader password, struct key **ret,
                             struct err *e);
/* PrivateKeyInfo, DER: what is sealed. Import tries whether the parts belong together. */
MUST_CHECK bool key_from_pkcs8(struct reader der, struct key **ret, struct err *e);
MUST_CHECK bool key_to_pkcs8(const struct key *k, struct secret *ret, struct err *e);

struct key_type key_type_of(const struct key *k);
/* SubjectPublicKeyInfo, DER; borrowed. */
struct reader key_spki(const struct key *k);

/* Signs a finished digest; `digest` must have the length of the algorithm's hash. ECDSA: DER.
 * The signature is verified with the public half before it is given out. */
MUST_CHECK bool key_sign_digest(const struct key *k, sign_algorithm algorithm, struct reader digest,
                                struct writer *signature, struct err *e);
/* Ed25519 signs messages, not digests (log heads, journal checkpoints). 64 bytes. */
MUST_CHECK bool key_sign_message(const struct key *k, struct reader message,
                                 struct writer *signature, struct err *e);

/* False with ERR_SIGNATURE when the signature does not hold. PSS: salt exactly as
 * long as the digest. */
MUST_CHECK bool key_verify_digest(struct reader spki, sign_algorithm algorithm,
                                  struct reader digest, struct reader signature, struct err *e);
MUST_CHECK bool key_verify_message(struct reader spki, struct reader message,
                                   struct reader signature, struct err *e);
/* PSS with any salt length (negative: as found) and MGF1 hash, as foreign signers choose them. */
MUST_CHECK bool key_verify_pss(struct reader spki, enum hash hash, enum hash mgf_hash, int salt,
                               struct reader digest, struct reader signature, struct err *e);

MUST_CHECK bool key_random(void *to, size_t n, struct err *e);
#endif
