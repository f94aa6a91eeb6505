/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_ENGINE_H
#define ARTIFACT_ENGINE_H
#include "artifact/plan.h"

/* Told after each finished part; may be called by any thread. */
struct engine_progress {
    void *ctx;
    void (*done)(void *ctx, uint32_t done, uint32_t total, const char *path);
};

/* Signs what the numbered tree says, from the inside out, and writes the new artifact to `out`.
 * The signer may be called by several threads at once. The same tree, signer answers, time and
 * seed give the same bytes. False: nothing in `out` may be used. */
MUST_CHECK bool engine_sign(struct workspace *w, struct tree *t, const struct signer *signer,
                            const struct engine_progress *progress, struct sink *out,
                            struct refusal *r);
#endif
