/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_MERKLE_H
#define CRYPTO_MERKLE_H
#include "base/writer.h"

/* The append-only tree of RFC 9162 section 2.1 (the same as RFC 6962) over SHA-256. */
enum { MERKLE_HASH = 32, MERKLE_LEVELS = 64, MERKLE_PROOF_MAX = 2 * MERKLE_LEVELS * MERKLE_HASH };

struct merkle_hash {
    uint8_t bytes[MERKLE_HASH];
};
struct reader merkle_view(const struct merkle_hash *h); /* borrows h */
/* Exactly MERKLE_HASH bytes, else false. */
MUST_CHECK bool merkle_hash_from(struct reader bytes, struct merkle_hash *ret);

MUST_CHECK bool merkle_leaf(struct reader record, struct merkle_hash *ret, struct err *e);
MUST_CHECK bool merkle_node(const struct merkle_hash *left, const struct merkle_hash *right,
                            struct merkle_hash *ret, struct err *e);

/* A complete subtree: the leaves from index << level, 1 << level of them. Level 0 is a leaf. */
typedef bool (*merkle_get_fn)(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret,
                              struct err *e);
typedef bool (*merkle_put_fn)(void *ctx, unsigned level, uint64_t index,
                              const struct merkle_hash *hash, struct err *e);

/* The right edge of a tree: one complete subtree per set bit of size. Plain data, may be copied. */
struct merkle_edge {
    uint64_t size;
    struct merkle_hash nodes[MERKLE_LEVELS]; /* by level; those of set bits count */
};
/* Appends a leaf. put (may be NULL) is told of each subtree that became complete, the leaf first:
 * storing all of them is what later makes proofs cost O(log n). On false *edge has not changed. */
MUST_CHECK bool merkle_append(struct merkle_edge *edge, const struct merkle_hash *leaf,
                              merkle_put_fn put, void *ctx, struct err *e);
/* The edge of a stored tree of `size` leaves. */
MUST_CHECK bool merkle_edge_load(uint64_t size, merkle_get_fn get, void *ctx,
                                 struct merkle_edge *ret, struct err *e);
MUST_CHECK bool merkle_root(const struct merkle_edge *edge, struct merkle_hash *ret, struct err *e);

/* Proofs are nodes of 32 bytes back to back. index < size; 0 <= old_size <= size. */
MUST_CHECK bool merkle_inclusion(uint64_t index, uint64_t size, merkle_get_fn get, void *ctx,
                                 struct writer *proof, struct err *e);
MUST_CHECK bool merkle_consistency(uint64_t old_size, uint64_t size, merkle_get_fn get, void *ctx,
                                   struct writer *proof, struct err *e);

/* False with ERR_PROOF when the proof does not hold. No state, no callbacks. */
MUST_CHECK bool merkle_check_inclusion(const struct merkle_hash *leaf, uint64_t index,
                                       uint64_t size, struct reader proof,
                                       const struct merkle_hash *root, struct err *e);
/* old_size 0 is consistent with everything, by the empty proof. */
MUST_CHECK bool merkle_check_consistency(uint64_t old_size, const struct merkle_hash *old_root,
                                         uint64_t size, const struct merkle_hash *root,
                                         struct reader proof, struct err *e);
#endif
