/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "procs/fetch_filter.h"
#include "base/settings.h"
#include "base/text.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* IANA IPv4 Special-Purpose Address Registry (RFC 6890), multicast and reserved. */
static const struct {
    uint32_t network;
    unsigned bits;
} special4[] = {
    {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
    {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc01fc400, 24}, {0xc034c100, 24},
    {0xc0586300, 24}, {0xc0a80000, 16}, {0xc0af3000, 24}, {0xc6120000, 15}, {0xc6336400, 24},
    {0xcb007100, 24}, {0xe0000000, 4},  {0xf0000000, 4},
};

/* IPv6: global unicast is 2000::/3, without what is special inside of it: Teredo and the other
 * protocol assignments, documentation, 6to4, which carries an IPv4 address. */
static const struct {
    uint8_t prefix[4];
    unsigned bits;
} special6[] = {
    {{0x20, 0x01, 0x00, 0x00}, 23},
    {{0x20, 0x01, 0x0d, 0xb8}, 32},
    {{0x20, 0x02, 0x00, 0x00}, 16},
    {{0x3f, 0xff, 0x00, 0x00}, 20},
};

static uint32_t top(const uint8_t b[4], unsigned bits)
{
    uint32_t v = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    return v >> (32 - bits);
}

static bool is_public4(uint32_t host)
{
    for (size_t i = 0; i < COUNT_OF(special4); i++)
        if (host >> (32 - special4[i].bits) == special4[i].network >> (32 - special4[i].bits))
            return false;
    return true;
}

static bool is_public6(const uint8_t address[16])
{
    for (size_t i = 0; i < COUNT_OF(special6); i++)
        if (top(address, special6[i].bits) == top(special6[i].prefix, special6[i].bits))
            return false;
    return top(address, 3) == 1;
}

bool filter_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return is_public4(
            ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
    if (address->sa_family == AF_INET6)
        return is_public6(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
    return false;
}

static bool refuse(struct reader url, const char *why, struct err *e)
{
    return err_user(e, ERR_FETCH_REFUSED, "The address \"%.*s\" is not usable: %s.",
                    url.left > 120 ? 120 : (int)url.left, (const char *)url.at, why);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A last label of digits, or 0x..., is a number to inet_aton and curl: only a full dotted quad
 * may look so (WHATWG URL, "ends in a number"). */
static bool ends_in_number(const char *host)
{
    const char *label = strrchr(host, '.');
    label = label == NULL ? host : label + 1;
    bool digits = label[0] != '\0';
    for (const char *c = label; *c != '\0'; c++)
        digits = digits && is_digit(*c);
    return digits || strncmp(label, "0x", 2) == 0;
}

static bool host_is_sound(const char *host, bool bracketed)
{
    struct in6_addr v6;
    struct in_addr v4;
    if (bracketed)
        return inet_pton(AF_INET6, host, &v6) == 1;
    if (ends_in_number(host))
        return inet_pton(AF_INET, host, &v4) == 1;
    for (const char *c = host; *c != '\0'; c++)
        if (!(is_digit(*c) || (*c >= 'a' && *c <= 'z') || *c == '-' || *c == '.' || *c == '_'))
            return false;
    return host[0] != '\0' && host[0] != '.' && strstr(host, "..") == NULL;
}

static bool take_authority(struct reader url, struct reader authority, struct filter_target *t,
                           struct err *e)
{
    bool bracketed = authority.left > 0 && authority.at[0] == '[';
    size_t end = bracketed ? reader_find(authority, 0, "]", 1) : reader_find(authority, 0, ":", 1);
    struct reader host = authority, port = authority;
    uint64_t number = t->tls ? 443 : 80;
    if (bracketed && (end == SIZE_MAX || !reader_slice(authority, 1, end - 1, &host)))
        return refuse(url, "the bracket is not closed", e);
    if (!bracketed && end != SIZE_MAX)
        host.left = end;
    end = bracketed ? end + 1 : end;
    if (end != SIZE_MAX && end < authority.left &&
        (!reader_skip(&port, end) || port.at[0] != ':' || !reader_skip(&port, 1) ||
         !text_u64(port, &number) || number == 0 || number > 65535))
        return refuse(url, "the port is not a number from 1 to 65535", e);
    if (host.left > 1 && host.at[host.left - 1] == '.')
        host.left--; /* the root: the same name */
    if (host.left == 0 || host.left >= sizeof t->host)
        return refuse(url, "there is no host name", e);
    for (size_t i = 0; i < host.left; i++)
        t->host[i] = (char)text_fold(host.at[i] < 0x80 ? host.at[i] : '?');
    t->host[host.left] = '\0';
    t->port = (uint16_t)number;
    return host_is_sound(t->host, bracketed) || refuse(url, "the host name is not valid", e);
}

bool filter_url(struct reader url, struct filter_target *ret, struct err *e)
{
    struct filter_target t = {0};
    struct reader rest = url, authority;
    for (size_t i = 0; i < url.left; i++)
        if (url.at[i] <= ' ' || url.at[i] >= 0x7f || url.at[i] == '\\')
            return refuse(url, "it holds characters that must be escaped", e);
    if (url.left > 2048)
        return refuse(url, "it is longer than 2048 characters", e);
    t.tls = reader_starts_with(url, "https://", 8);
    if (!t.tls && !reader_starts_with(url, "http://", 7))
        return refuse(url, "it must begin with https:// or http://", e);
    TRY(reader_skip(&rest, t.tls ? 8 : 7));
    size_t end = 0;
    while (end < rest.left && rest.at[end] != '/' && rest.at[end] != '?' && rest.at[end] != '#')
        end++;
    TRY(reader_take(&rest, end, &authority));
    if (reader_find(authority, 0, "@", 1) != SIZE_MAX)
        return refuse(url, "it names a user; credentials do not belong into addresses", e);
    TRY(take_authority(url, authority, &t, e));
    *ret = t;
    return true;
}

bool filter_resolve_dns(void *ctx, const char *host, uint16_t port, struct filter_pin *ret,
                        struct err *e)
{
    (void)ctx;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *all;
    char service[8];
    (void)snprintf(service, sizeof service, "%u", port);
    int result = getaddrinfo(host, service, &hints, &all);
    if (result != 0)
        return err_set(e, ERR_FETCH, "%s: %s", host, gai_strerror(result));
    ret->count = 0;
    for (struct addrinfo *a = all; a != NULL && ret->count < FILTER_ADDRESSES; a = a->ai_next)
        if (a->ai_addrlen <= sizeof ret->addresses[0]) {
            struct reader from = reader_over(a->ai_addr, a->ai_addrlen);
            ret->addresses[ret->count] = (struct sockaddr_storage){0};
            if (reader_copy(&from, &ret->addresses[ret->count], a->ai_addrlen))
                ret->count++;
        }
    freeaddrinfo(all);
    return true;
}

static bool is_allowed(const struct filter_target *t, const char *allow)
{
    char plain[300], bracketed[300];
    (void)snprintf(plain, sizeof plain, "%s:%u", t->host, t->port);
    (void)snprintf(bracketed, sizeof bracketed, "[%s]:%u", t->host, t->port);
    struct reader list = reader_text(allow), item;
    while (settings_item(&list, &item))
        if (reader_equal_text(item, plain) || reader_equal_text(item, bracketed))
            return true;
    return false;
}

bool filter_pin(const struct filter_target *target, const char *allow,
                const struct filter_resolver *resolver, struct filter_pin *ret, struct err *e)
{
    struct filter_pin pin = {.count = 0};
    TRY(resolver->resolve(resolver->ctx, target->host, target->port, &pin, e));
    if (pin.count == 0)
        return err_set(e, ERR_FETCH, "%s has no address", target->host);
    bool allowed = is_allowed(target, allow);
    /* One private address among public ones is an attack, not a choice. */
    for (size_t i = 0; i < pin.count && !allowed; i++)
        if (!filter_is_public((const struct sockaddr *)&pin.addresses[i]))
            return err_user(e, ERR_FETCH_REFUSED,
                            "%s leads into a private network. The operator can allow it: "
                            "fetch_allow = %s:%u",
                            target->host, target->host, target->port);
    *ret = pin;
    return true;
}

static bool same(const struct sockaddr_storage *a, const struct sockaddr *b)
{
    if (a->ss_family != b->sa_family)
        return false;
    if (b->sa_family == AF_INET) {
        const struct sockaddr_in *x = (const void *)a, *y = (const void *)b;
        return x->sin_addr.s_addr == y->sin_addr.s_addr && x->sin_port == y->sin_port;
    }
    const struct sockaddr_in6 *x = (const void *)a, *y = (const void *)b;
    return b->sa_family == AF_INET6 && IN6_ARE_ADDR_EQUAL(&x->sin6_addr, &y->sin6_addr) &&
           x->sin6_port == y->sin6_port && x->sin6_scope_id == y->sin6_scope_id;
}

bool filter_may_connect(const struct filter_pin *pin, const struct sockaddr *address)
{
    for (size_t i = 0; i < pin->count; i++)
        if (same(&pin->addresses[i], address))
            return true;
    return false;
}
