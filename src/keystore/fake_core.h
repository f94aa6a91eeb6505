/* SPDX-License-Identifier: Apache-2.0 */
/* For tests only: a core with a log in memory and a key folder that vanishes. */
#ifndef KEYSTORE_FAKE_CORE_H
#define KEYSTORE_FAKE_CORE_H
#include "keystore/keystore.h"

struct fake_log {
    struct merkle_edge edge;
    struct merkle_hash *nodes[MERKLE_LEVELS];
    size_t room[MERKLE_LEVELS];
};
void fake_log_done(struct fake_log *l);
uint64_t fake_log_add(struct fake_log *l, struct reader leaf);
/* Its first leaves: for logs that are cut or go on otherwise. */
void fake_log_copy(const struct fake_log *from, uint64_t leaves, struct fake_log *to);
/* An empty proof part of `to` is left out: index UINT64_MAX. */
void fake_proof(const struct fake_log *l, uint64_t index, uint64_t old_size, struct writer *to);

/* Everything that goes into one KEY_GRANT or KEY_HASH; spoil it before fake_ask. */
struct fake_grant {
    uint8_t id[GRANT_ID], subject[32], approvals[32], digest[HASH_MAX];
    struct record_GRANT g;
    struct writer algorithms, known, leaf, proof;
    const char *leaf_kind;
    uint64_t index;
};
/* A good grant for `slots` late slots of the key `key` on node "node-1", ended 10 minutes after
 * `now`. number makes id and request different from others. */
void fake_grant_init(struct fake_grant *f, const char *key, uint32_t number, uint32_t slots,
                     struct instant now);
void fake_grant_done(struct fake_grant *f);
void fake_grant_algorithm(struct fake_grant *f, sign_algorithm a); /* one more */
void fake_grant_known(struct fake_grant *f, uint32_t slot, struct reader digest);
/* Encodes the leaf; append: puts it into the log. Then the proof from old_size on. */
void fake_grant_build(struct fake_grant *f, struct fake_log *l, bool append, uint64_t old_size);
struct msg_KEY_GRANT fake_grant_message(const struct fake_grant *f);

/* A private folder with a fresh key folder for "node-1"; *ret_fd is open on it. */
void fake_folder(char path[64], int *ret_fd, struct instant now);
void fake_folder_copy(int from, int to); /* both as they are now */
void fake_folder_remove(const char *path, int fd);
#endif
