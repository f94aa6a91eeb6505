/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYSTORE_VAULT_H
#define KEYSTORE_VAULT_H
#include "base/file.h"
#include "crypto/key.h"
#include "ipc/messages.h"

/* The secrets of the key folder: `kek` (32 random bytes, 0400), `<id>.sealed` for each software
 * key and `log.sealed` for K_log. A sealed file is bound to its id and its public key. */
struct vault {
    int folder; /* borrowed */
    struct secret kek;
    struct key *log;
};

/* For a new folder: makes kek and K_log. ERR_KEY_FOLDER when a kek is there already. */
MUST_CHECK bool vault_create(int folder, struct vault *ret, struct err *e);
/* kek_fd: a memfd with the 32 bytes, or -1 for the file `kek`; stays the caller's. */
MUST_CHECK bool vault_open(int folder, int kek_fd, struct vault *ret, struct err *e);
void vault_done(struct vault *v);

/* Durable when it returns; an existing file of this id is replaced. */
MUST_CHECK bool vault_seal(const struct vault *v, struct reader id, const struct key *k,
                           struct err *e);
/* ERR_KEY_FOLDER, naming the file, when it is not there, does not open, or is another key. */
MUST_CHECK bool vault_unseal(const struct vault *v, struct reader id, struct reader spki,
                             struct key **ret, struct err *e);
/* The sealed file of this id is gone; none there is fine. */
MUST_CHECK bool vault_remove(const struct vault *v, struct reader id, struct err *e);
#endif
