/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCS_LISTEN_H
#define PROCS_LISTEN_H
#include "base/reader.h"

enum { LISTEN_MOST = 4 };
struct listeners {
    int fds[LISTEN_MOST];
    size_t count;
    unsigned port;  /* of the first */
    char first[64]; /* "127.0.0.1:8080", how clients reach it */
};

/* Opens every address of the setting. plain: no TLS, so only loopback unless `insecure`. Errors
 * name the address and what is in the way. */
MUST_CHECK bool listen_open(struct listeners *l, const char *setting, bool plain, bool insecure,
                            struct err *e);
void listen_close(struct listeners *l);
#endif
