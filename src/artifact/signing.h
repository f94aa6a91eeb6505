/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_SIGNING_H
#define ARTIFACT_SIGNING_H
#include "base/arena.h"
#include "formats/format.h"

/* What stands between a format that wants a signature or a time stamp and whoever gives it: core
 * (worker), a key and a helper program (offline), a table (tests). It answers from the effects of
 * an earlier run where there are any, makes time-stamp requests and checks the tokens. */

struct stamp_answer {
    const char *server;         /* for messages */
    const struct reader *roots; /* DER; none: the chain is not judged */
    size_t root_count;
    struct writer bytes; /* TimeStampResp, DER; empty: no server is left */
};

/* Called by several threads at once. */
struct signing_source {
    void *ctx;
    bool (*sign)(void *ctx, uint32_t slot, sign_algorithm algorithm, struct reader digest,
                 struct writer *signature, struct err *e);
    bool (*stamp)(void *ctx, uint32_t slot, uint32_t attempt, enum hash hash, struct reader request,
                  struct stamp_answer *ret, struct err *e);
    void (*stamp_good)(void *ctx, uint32_t slot, uint32_t attempt); /* may be NULL */
};

/* One stored answer. request: of a signature u32 algorithm (little-endian) and the digest, of a
 * stamp the DER request. All borrowed. */
struct effect {
    uint32_t slot;
    uint8_t kind; /* enum effect_kind of ipc/messages.h */
    struct reader request, answer;
};

struct signing {
    struct signing_source source;
    const struct effect *effects;
    size_t effect_count;
    int64_t time;
    uint8_t seed[32];
};

/* The signer that formats see; borrows *s and the chain. */
struct signer signing_signer(struct signing *s, const struct reader *chain, size_t chain_count,
                             bool stamps);
/* The request of an effect of a signature. */
void signing_request(struct writer *w, sign_algorithm algorithm, struct reader digest);
#endif
