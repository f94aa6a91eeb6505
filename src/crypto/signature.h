/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_SIGNATURE_H
#define CRYPTO_SIGNATURE_H
#include "base/arena.h"
#include "base/writer.h"
#include "crypto/algorithm.h"

/* One attribute of a directive after ${} expansion, or one fact read from a file. */
struct attribute {
    const char *name;
    const char *value; /* UTF-8 */
};
struct attributes {
    const struct attribute *list;
    size_t count;
};
const char *attribute_value(const struct attributes *a, const char *name); /* NULL: absent */

/* Where signatures and time stamps come from: messages in the worker, a key in tests and in
 * offline `chancery sign`. Asked twice for the same slot and digest it gives the same answer. */
struct signer {
    void *ctx;
    const struct reader *chain; /* DER certificates, the signer's first; no root but self-signed */
    size_t chain_count;
    int64_t time;     /* seconds since 1970: signingTime and the like */
    uint8_t seed[32]; /* nonces and ids are derived from seed, slot and a label */
    bool stamps;      /* time stamps are wanted where the format has them */
    /* ECDSA or RSA by the key in chain[0]; PSS only when `algorithm` says so. */
    bool (*sign)(void *ctx, uint32_t slot, sign_algorithm algorithm, struct reader digest,
                 struct writer *signature, struct err *e);
    /* RFC 3161 token (DER ContentInfo) over imprint = hash of what is stamped; checked already:
     * imprint, nonce, EKU, chain. Not called when !stamps. */
    bool (*stamp)(void *ctx, uint32_t slot, enum hash hash, struct reader imprint,
                  struct writer *token, struct err *e);
};

/* One signature found in a file. Memory of the verify job's arena. */
struct signature {
    const char *kind;    /* "authenticode", "cms", "raw" ... */
    bool intact;         /* content digest, attributes and signature value all agree */
    const char *problem; /* a sentence when not intact */
    sign_algorithm algorithm;
    enum hash content_hash;
    struct reader content_digest;      /* over the file, as the format defines it */
    struct reader signed_digest;       /* what the key signed: compared with the slot's digest */
    const struct reader *certificates; /* DER, the signer's first when known */
    size_t certificate_count;
    bool stamped;       /* a time stamp is there and its own signature is intact */
    int64_t stamp_time; /* seconds since 1970 */
    const struct reader *stamp_certificates; /* DER, the stamper's first */
    size_t stamp_certificate_count;
    struct attributes details; /* for the report: "description", "url" ... */
};
#endif
