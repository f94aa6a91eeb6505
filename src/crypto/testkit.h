/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_TESTKIT_H
#define CRYPTO_TESTKIT_H
#include "crypto/digest.h"
#include "crypto/key.h"
#include "crypto/signature.h"

/* For tests only: a signer over a throw-away key, and a time-stamp server of the same make.
 * Failures inside end the test program: a test has no use for a half-made kit. */

enum { TESTKIT_TIME = 1790000000 }; /* 2026-09-21: the time of signer and stamps */

struct testkit {
    struct arena *arena;
    struct key *key, *tsa_key;
    struct reader certificate, tsa_certificate; /* DER; both self-signed, so their own roots */
    struct signer signer;
    unsigned signed_count, stamped_count; /* how often it was asked */
    bool refuse;                          /* answer every request with an error */
    struct remembered *memory;            /* the same question gets the same answer */
};

/* key_type: "rsa-2048" "ec-p256" ...; stamps: signer.stamps. */
void testkit_init(struct testkit *t, const char *key_type, bool stamps);
void testkit_done(struct testkit *t);

/* A code-signing certificate (RFC 5280) over the key, usage patched to timeStamping when asked. */
struct reader testkit_certificate(struct arena *a, const struct key *k, const char *common_name,
                                  bool for_stamps);
/* A TimeStampToken by the kit's server. nonce may be empty. */
struct reader testkit_token(struct testkit *t, enum hash hash, struct reader imprint,
                            struct reader nonce, int64_t time);

/* A temporary folder, removed with all files at exit; one per program. */
const char *testkit_folder(void);
/* Writes a file of the folder; the name has no separators. */
void testkit_write(const char *name, struct reader bytes);
void testkit_write_pem(const char *name, struct reader certificate);
struct reader testkit_read(struct arena *a, const char *name);
/* Runs a shell command inside the folder, output to "log"; true: exit status 0. */
MUST_CHECK bool testkit_run(const char *fmt, ...) PRINTF(1, 2);
/* Whether a program is installed. Tests that need one say so and skip. */
MUST_CHECK bool testkit_has(const char *program);
#endif
