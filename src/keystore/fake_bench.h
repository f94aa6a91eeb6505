/* SPDX-License-Identifier: Apache-2.0 */
/* For tests only: one key process and what a core would do with it. */
#ifndef KEYSTORE_FAKE_BENCH_H
#define KEYSTORE_FAKE_BENCH_H
#include "keystore/fake_core.h"

#define FAKE_NOW                                                                                   \
    {                                                                                              \
        1800000000000, 5000000                                                                     \
    }
#define FAKE_ALGORITHM SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA256)

/* A key process with the key "k" (ec-p256) and a log with one leaf, which it has accepted. */
struct fake_bench {
    char path[64];
    int folder;
    struct keystore *k;
    struct fake_log log;
    struct instant now;
    uint8_t spki[200];
    size_t spki_len;
};
void fake_begin(struct fake_bench *b);
void fake_end(struct fake_bench *b);
void fake_must(bool ok, const struct err *e);
void fake_expect(bool ok, struct err *e, enum err_code want); /* refused so; clears *e */
bool fake_show_log(struct fake_bench *b, struct reader head, struct err *e);
bool fake_restart(struct fake_bench *b, struct err *e); /* the process dies and starts again */
/* A grant for the key "k" and P-256 with SHA-256; fake_give asks for it. */
void fake_good(struct fake_grant *f, uint32_t number, uint32_t slots);
bool fake_give(struct fake_bench *b, struct fake_grant *f, struct err *e);
bool fake_sign(struct fake_bench *b, const struct fake_grant *f, uint32_t slot,
               const uint8_t *digest, struct err *e);
bool fake_close(struct fake_bench *b, const struct fake_grant *f, const struct grant **ret,
                struct err *e);
#endif
