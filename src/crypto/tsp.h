/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_TSP_H
#define CRYPTO_TSP_H
#include "crypto/cms.h"

/* RFC 3161 with RFC 5816. */
enum { TSP_NONCE = 16, TSP_ANSWER_MAX = 1024 * 1024 };

/* The same seed, slot and attempt give the same nonce, so that a repeated run asks the same. */
MUST_CHECK bool tsp_nonce(const uint8_t seed[32], uint32_t slot, uint32_t attempt,
                          uint8_t ret[TSP_NONCE], struct err *e);
/* TimeStampReq with certReq; imprint has the length of the hash. */
MUST_CHECK bool tsp_request(enum hash hash, struct reader imprint, const uint8_t nonce[TSP_NONCE],
                            struct writer *der, struct err *e);

/* What a token must say. */
struct tsp_want {
    enum hash hash;
    struct reader imprint;
    const uint8_t *nonce;       /* TSP_NONCE bytes; NULL: not checked (a token found in a file) */
    const struct reader *roots; /* DER; none: the chain is not judged and ret->trusted is false */
    size_t root_count;
    int64_t now;       /* seconds; genTime must be within `tolerance` of it */
    int64_t tolerance; /* negative: genTime is not compared */
    /* A token found in a file that others signed: some well-known servers' certificates are not
     * critical about their usage, and older tokens name no certificate. */
    bool foreign;
    int64_t valid_from, valid_until; /* of the signer's certificate; both 0: not compared */
};
struct tsp_token {
    struct reader token; /* DER ContentInfo, borrowed */
    int64_t time;
    bool trusted;                      /* chains to one of the roots, at genTime */
    const struct reader *certificates; /* the stamper's first, then the others of the token */
    size_t certificate_count;
    int64_t not_after; /* of the stamper's certificate: how long the stamp is worth something */
};
/* TimeStampResp or bare token, checked completely: status, content type, imprint, nonce, ESSCertID
 * (v2), critical sole EKU timeStamping, chain, genTime. False with ERR_STAMP_TOKEN. */
MUST_CHECK bool tsp_check_response(struct arena *a, struct reader response,
                                   const struct tsp_want *want, struct tsp_token *ret,
                                   struct err *e);
MUST_CHECK bool tsp_check_token(struct arena *a, struct reader token, const struct tsp_want *want,
                                struct tsp_token *ret, struct err *e);
/* The hash of the imprint, for tokens found in files. False when it is no token we can read. */
MUST_CHECK bool tsp_token_hash(struct arena *a, struct reader token, enum hash *ret);
#endif
