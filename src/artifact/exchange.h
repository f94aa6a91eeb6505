/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_EXCHANGE_H
#define ARTIFACT_EXCHANGE_H
#include "artifact/engine.h"
#include "artifact/signing.h"
#include "ipc/channel.h"

/* The worker's side of ASK_SIGN and ASK_STAMP: many threads ask at once, each waits for the
 * answer to its slot, whichever of them waits first reads the channel for all. */
struct exchange;

MUST_CHECK bool exchange_new(struct channel *core, struct exchange **ret, struct err *e);
void exchange_free(struct exchange *x); /* when no thread asks any more */
struct signing_source exchange_source(struct exchange *x);
/* Sends PROGRESS, a few times a second at most. */
struct engine_progress exchange_progress(struct exchange *x);
#endif
