/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_CHECK_H
#define ARTIFACT_CHECK_H
#include "artifact/plan.h"

/* What was found for one slot of the plan. Memory of the workspace. */
struct found {
    bool there;
    sign_algorithm algorithm;
    struct reader digest;      /* what the key signed */
    struct reader certificate; /* SHA-256 of the signer's */
    int64_t stamp_time;        /* 0: no time stamp */
    const char *path;          /* of the signed file; of a new file, the new file */
    uint8_t sha256[32];        /* of that file as it is now */
};

struct check_wants {
    struct reader certificate; /* DER, the one every signature has to be made with */
    bool stamps;               /* time stamps wherever the directive takes one */
};

/* The verify run: opens the output again and compares it with the unsigned artifact that the
 * numbered tree was built from. Every slot has an intact signature by the wanted certificate, and
 * nothing else differs. *ret has one row for each slot. Uses the verify code of formats only. */
MUST_CHECK bool check_output(struct workspace *w, struct tree *t, const struct source *output,
                             const struct check_wants *wants, struct found **ret,
                             struct refusal *r);
#endif
