/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_DIGEST_H
#define CRYPTO_DIGEST_H
#include "base/source.h"
#include "crypto/algorithm.h"

/* Names are "md5" "sha1" "sha256" "sha384" "sha512"; NULL and 0 for anything else. */
const char *hash_name(enum hash hash);
size_t hash_size(enum hash hash);
/* Accepts the names above in any case, also "SHA-256". */
MUST_CHECK bool hash_from_name(const char *name, enum hash *ret);
/* Content octets of the OBJECT IDENTIFIER, without tag and length. */
struct reader hash_oid(enum hash hash);
MUST_CHECK bool hash_from_oid(struct reader oid, enum hash *ret);

/* A finished digest. */
struct digest_value {
    uint8_t bytes[HASH_MAX];
    size_t len;
};
struct reader digest_view(const struct digest_value *v); /* borrows v */

/* A running digest. Failure sticks until digest_end, which also frees. */
struct digest {
    struct evp_md_ctx_st *ctx;
    enum hash hash;
    bool failed;
};
MUST_CHECK bool digest_begin(struct digest *d, enum hash hash, struct err *e);
void digest_add(struct digest *d, struct reader bytes);
MUST_CHECK bool digest_source(struct digest *d, const struct source *s, struct err *e);
MUST_CHECK bool digest_end(struct digest *d, struct digest_value *ret, struct err *e);
void digest_done(struct digest *d); /* for CLEANUP; after digest_end a no-op */
/* `tee` of a struct sink whose tee_ctx is a struct digest. */
void digest_tee(void *digest, struct reader piece);

MUST_CHECK bool digest_of(enum hash hash, struct reader bytes, struct digest_value *ret,
                          struct err *e);
MUST_CHECK bool digest_of_source(enum hash hash, const struct source *s, struct digest_value *ret,
                                 struct err *e);

/* Loads what the cryptographic library would load later from files or with system calls that a
 * sandbox forbids: providers, digests, ciphers, the random generator. Call once at start, before
 * the walls go up. The library's own configuration file is not read. */
MUST_CHECK bool crypto_start(struct err *e);
#endif
