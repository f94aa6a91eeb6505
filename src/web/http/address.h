/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_HTTP_ADDRESS_H
#define WEB_HTTP_ADDRESS_H
#include "base/reader.h"

struct sockaddr_storage;

/* An IP address; IPv4 as ::ffff:a.b.c.d. */
struct address {
    uint8_t bytes[16];
};
struct address_range {
    struct address first;
    unsigned bits;
};
enum { ADDRESS_TEXT = 46, ADDRESS_RANGES = 64 };

bool address_of_socket(const struct sockaddr_storage *from, struct address *ret);
/* "1.2.3.4", "::1", with [..] and :PORT allowed as proxies write them. */
MUST_CHECK bool address_read(struct reader text, struct address *ret);
void address_write(const struct address *a, char to[ADDRESS_TEXT]);
bool address_equal(const struct address *a, const struct address *b);
bool address_is_loopback(const struct address *a);
/* What one client can choose freely is zero: of IPv6 the last 64 bits (RFC 7421). */
struct address address_site(const struct address *a);

/* "ADDRESS" or "ADDRESS/BITS"; bits beyond the prefix must be zero. */
MUST_CHECK bool address_range_read(struct reader text, struct address_range *ret);
bool address_in(const struct address *a, const struct address_range *ranges, size_t count);

/* The client behind trusted proxies: X-Forwarded-For is read from its end, where each trusted hop
 * has added the address it saw, up to the first address that is not trusted. A value that is no
 * address ends the walk, for nobody vouches for what stands left of it. */
void address_of_client(struct address *peer, struct reader forwarded,
                       const struct address_range *trusted, size_t count);
#endif
