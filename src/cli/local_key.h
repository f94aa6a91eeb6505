/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_LOCAL_KEY_H
#define CLI_LOCAL_KEY_H
#include "artifact/signing.h"
#include "cli/cli.h"
#include "configuration/configuration.h"
#include "crypto/key.h"

/* A key in a file, its certificates and time-stamp servers: what answers a format offline. */
struct local_key {
    struct key *key;
    struct reader *chain; /* the signer's first, without a root */
    size_t chain_count;
    enum configuration_key kind;
    const struct option_list *servers; /* URLs; none: no time stamps */
    bool quiet;
};

struct local_key_files {
    const char *key, *password, *certificate, *chain; /* password and chain may be NULL */
};
/* ERR_KEY, ERR_CERTIFICATE or ERR_USAGE with a sentence when the files do not fit together. */
MUST_CHECK bool local_key_open(struct cli *c, const struct local_key_files *files,
                               struct local_key *ret, struct err *e);
void local_key_done(struct local_key *k);
struct signing_source local_key_source(struct local_key *k);
#endif
