/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_REFUSAL_H
#define ARTIFACT_REFUSAL_H
#include "base/err.h"
#include <stdint.h>

/* An error with its place: where in the artifact ("a.zip » lib/b.exe") and which line of the
 * artifact configuration asked for it. The first place wins, as the first error does. */
struct refusal {
    struct err err;
    char path[1024];       /* "" = none */
    uint32_t line, column; /* 0 = none */
};

/* Adds the place to an error that is already set and returns false. path may be NULL. */
bool refusal_at(struct refusal *r, const char *path, uint32_t line, uint32_t column);
/* *to takes over the first refusal only. Returns false. */
bool refusal_pass(struct refusal *to, const struct refusal *from);
#endif
