/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYSTORE_KEYSTORE_H
#define KEYSTORE_KEYSTORE_H
#include "keystore/journal.h"
#include "keystore/state.h"
#include "keystore/vault.h"

/* The rules of the key process (ARCHITECTURE.md, "Chain of trust"): what it checks itself before a
 * key is used, whatever core says. Every operation judges, writes into the waiting journal group
 * and changes the state; its answer may leave only after keystore_commit. When a commit fails, the
 * process must end without another answer that says yes. One thread at a time. */
struct keystore {
    struct vault vault;
    struct journal journal;
    struct state state;
    bool log_checked;   /* on this channel; the caller sets it back for a new one */
    bool dropped;       /* a key was; its secret goes with keystore_tidy */
    bool alarm;         /* somebody showed a second digest; the caller says it and sets it back */
    struct writer head; /* signed HEAD of head_journal and head_size */
    uint64_t head_journal, head_size;
};

/* Makes the contents of an empty key folder: kek, K_log, the probe key, the journal. */
MUST_CHECK bool keystore_create(int folder, struct reader node, struct instant now, struct err *e);
/* Replays the journal and begins its next file. kek_fd as vault_open. */
MUST_CHECK bool keystore_open(int folder, int kek_fd, struct instant now, struct keystore **ret,
                              struct err *e);
void keystore_free(struct keystore *k);

/* KEY_LOG: start-up check and new heads. */
MUST_CHECK bool keystore_log(struct keystore *k, struct instant now, const struct msg_KEY_LOG *m,
                             struct err *e);
/* KEY_NEW: the key is made or, the second time, found; *ret is borrowed. */
MUST_CHECK bool keystore_new_key(struct keystore *k, struct instant now,
                                 const struct msg_KEY_NEW *m, struct held_key **ret, struct err *e);
/* Commits, and removes the sealed file. */
MUST_CHECK bool keystore_drop_key(struct keystore *k, struct instant now, struct reader id,
                                  struct err *e);
/* KEY_PIN: tightens, or refuses. *ret: what holds now. */
MUST_CHECK bool keystore_pin(struct keystore *k, struct instant now, const struct msg_KEY_PIN *m,
                             struct pin *ret, struct err *e);
MUST_CHECK bool keystore_freeze(struct keystore *k, struct instant now, struct reader key,
                                struct err *e);

MUST_CHECK bool keystore_grant(struct keystore *k, struct instant now,
                               const struct msg_KEY_GRANT *m, struct err *e);
/* What to sign, once the group is committed. The key stays until keystore_drop_key. */
struct sign_order {
    const struct key *key;
    sign_algorithm algorithm;
    uint8_t digest[HASH_MAX];
    size_t length;
};
MUST_CHECK bool keystore_sign(struct keystore *k, struct instant now, const struct msg_KEY_SIGN *m,
                              struct sign_order *ret, struct err *e);
MUST_CHECK bool keystore_hash(struct keystore *k, struct instant now, const struct msg_KEY_HASH *m,
                              struct sign_order *ret, struct err *e);
/* *ret: the grant, closed, with all its uses. */
MUST_CHECK bool keystore_close(struct keystore *k, struct instant now, struct reader id,
                               const struct grant **ret, struct err *e);

MUST_CHECK bool keystore_commit(struct keystore *k, struct err *e);
/* After the answers: wipes dropped keys (no thread may sign with one), begins a new journal file
 * when this one is long, which forgets old closed grants. */
MUST_CHECK bool keystore_tidy(struct keystore *k, struct instant now, struct err *e);
/* The accepted head, signed, with the number of the last committed record (checkpoints do not
 * count); borrowed until the next call. */
MUST_CHECK bool keystore_head(struct keystore *k, struct reader *ret, struct err *e);

/* Only with the service stopped, by the operator, who is named in the journal. Both commit. */
MUST_CHECK bool keystore_unpin(struct keystore *k, struct instant now, struct reader key,
                               struct reader operator_name, const struct pin *pin, struct err *e);
/* A new epoch over the restored log (size, root): open grants end, no old leaf authorises. */
MUST_CHECK bool keystore_restore(struct keystore *k, struct instant now,
                                 struct reader operator_name, uint64_t size, struct reader root,
                                 struct err *e);
#endif
