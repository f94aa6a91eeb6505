/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_PLAN_H
#define ARTIFACT_PLAN_H
#include "artifact/tree.h"
#include "base/json.h"

/* The plan: what will be done to which file, as PLAN_ITEM records back to back in the order of
 * work (inside out; within a container by case folded path). These bytes are what is hashed,
 * approved and compared. The tree must have been built with digests. */

/* Numbers the slots of the tree and counts its items. Done once, by everyone who uses a tree. */
MUST_CHECK bool plan_number(struct tree *t, struct err *e);
/* Appends the records. ERR_NOTHING_TO_SIGN when no item takes a slot. */
MUST_CHECK bool plan_write(struct arena *a, const struct tree *t, struct writer *w,
                           struct refusal *r);
/* ERR_PLAN_DIFFERS unless the tree gives exactly these bytes. */
MUST_CHECK bool plan_check(struct arena *a, const struct tree *t, struct reader plan,
                           struct refusal *r);
#endif
