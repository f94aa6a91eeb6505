/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_POOL_H
#define ARTIFACT_POOL_H
#include "artifact/refusal.h"
#include <stddef.h>

/* A few threads that share one loop. They are started once, before a sandbox forbids clone(2),
 * and they keep the caller company: it works too, as lane 0. */
struct pool;

/* lanes counts the caller; 1 starts no thread. */
MUST_CHECK bool pool_new(unsigned lanes, struct pool **ret, struct err *e);
void pool_free(struct pool *p); /* NULL is fine */
void pool_cleanup(struct pool **p);
unsigned pool_lanes(const struct pool *p);

/* Calls each(ctx, 0..count-1, lane, r), in any order, at most one at a time in a lane. After a
 * refusal nothing new is started. *r is the refusal of the smallest index that was tried: the
 * same one every time, because indices are handed out in order. */
typedef bool (*pool_each_fn)(void *ctx, size_t index, unsigned lane, struct refusal *r);
MUST_CHECK bool pool_run(struct pool *p, size_t count, pool_each_fn each, void *ctx,
                         struct refusal *r);
#endif
