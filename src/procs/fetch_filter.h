/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCS_FETCH_FILTER_H
#define PROCS_FETCH_FILTER_H
#include "base/reader.h"
#include <sys/socket.h>

/* Where addresses that users write (webhooks, retrieval links) may lead. The name is resolved
 * once, every address of the answer must be public, and only those may be connected to: a second
 * answer of the DNS counts for nothing. */

struct filter_target {
    char host[256]; /* without brackets; lower case */
    uint16_t port;
    bool tls;
};
/* http or https, no user, no odd spelling of a number (0x7f.1), ASCII only. */
MUST_CHECK bool filter_url(struct reader url, struct filter_target *ret, struct err *e);

/* Public unicast: nothing that IANA's special-purpose registries keep for other ends, and no
 * IPv4 in IPv6's clothes. */
bool filter_is_public(const struct sockaddr *address);

enum { FILTER_ADDRESSES = 16 };
struct filter_pin {
    struct sockaddr_storage addresses[FILTER_ADDRESSES];
    size_t count;
};
/* getaddrinfo() in the program, an own function in tests. */
struct filter_resolver {
    bool (*resolve)(void *ctx, const char *host, uint16_t port, struct filter_pin *ret,
                    struct err *e);
    void *ctx;
};
MUST_CHECK bool filter_resolve_dns(void *ctx, const char *host, uint16_t port,
                                   struct filter_pin *ret, struct err *e);
/* allow: the setting fetch_allow, HOST:PORT items that may be private. */
MUST_CHECK bool filter_pin(const struct filter_target *target, const char *allow,
                           const struct filter_resolver *resolver, struct filter_pin *ret,
                           struct err *e);
/* Asked again for the very address that is about to be connected to. */
bool filter_may_connect(const struct filter_pin *pin, const struct sockaddr *address);
#endif
