/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_ALGORITHM_H
#define CRYPTO_ALGORITHM_H
#include "base/reader.h"

/* Numbers are on the wire, in journals and databases: never change one. */
enum hash {
    HASH_NONE = 0,
    HASH_MD5 = 1,
    HASH_SHA1 = 2,
    HASH_SHA256 = 3,
    HASH_SHA384 = 4,
    HASH_SHA512 = 5
};
enum scheme { SCHEME_RSA_PKCS1 = 1, SCHEME_RSA_PSS = 2, SCHEME_ECDSA = 3, SCHEME_ED25519 = 4 };
enum { HASH_MAX = 64 };

/* A signature algorithm is a scheme and a hash in one number: what a grant lists and a slot asks
 * for. PSS: MGF1 with the same hash, salt as long as the digest. ECDSA: DER, the key's curve. */
typedef uint32_t sign_algorithm;
#define SIGN_ALGORITHM(scheme, hash) ((sign_algorithm)((unsigned)(scheme) << 8 | (unsigned)(hash)))
static inline enum scheme sign_scheme(sign_algorithm a)
{
    return (enum scheme)(a >> 8);
}
static inline enum hash sign_hash(sign_algorithm a)
{
    return (enum hash)(a & 0xff);
}
#endif
