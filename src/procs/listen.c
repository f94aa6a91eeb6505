/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "procs/listen.h"
#include "base/file.h"
#include "base/settings.h"
#include "base/text.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t length_of(const union address *a)
{
    return a->any.sa_family == AF_INET ? sizeof a->v4 : sizeof a->v6;
}

/* "127.0.0.1:8080", "[::1]:8080"; names are refused, they may mean another address tomorrow. */
static bool parse(struct reader text, union address *ret, struct err *e)
{
    char host[64] = "";
    struct reader item = text, host_text, port_text;
    size_t colon = SIZE_MAX;
    uint64_t port;
    for (size_t i = 0; i < text.left; i++)
        if (text.at[i] == ':')
            colon = i;
    bool ok = colon != SIZE_MAX && reader_take(&item, colon, &host_text) && reader_skip(&item, 1);
    port_text = item;
    ok = ok && text_u64(port_text, &port) && port <= 65535;
    bool v6 = ok && host_text.left > 2 && host_text.at[0] == '[' &&
              host_text.at[host_text.left - 1] == ']';
    if (v6)
        ok = reader_slice(host_text, 1, host_text.left - 2, &host_text);
    ok = ok && host_text.left < sizeof host &&
         reader_copy(&(struct reader){host_text.at, host_text.left}, host, host_text.left);
    *ret = (union address){0};
    if (ok && v6) {
        ret->v6 =
            (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
        ok = inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1;
    } else if (ok) {
        ret->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        ok = inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1;
    }
    return ok || err_user(e, ERR_SETTING,
                          "listen: \"%.*s\" must be ADDRESS:PORT or [ADDRESS]:PORT, with an IP "
                          "address and a port from 0 to 65535.",
                          text.left > 80 ? 80 : (int)text.left, (const char *)text.at);
}

static bool is_loopback(const union address *a)
{
    return a->any.sa_family == AF_INET ? (ntohl(a->v4.sin_addr.s_addr) >> 24) == 127
                                       : IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

/* The wildcard address is where we listen; clients on this machine use loopback. */
static void describe(const union address *a, char to[64], unsigned *ret_port)
{
    char host[INET6_ADDRSTRLEN] = "";
    bool v4 = a->any.sa_family == AF_INET;
    *ret_port = ntohs(v4 ? a->v4.sin_port : a->v6.sin6_port);
    if (v4 && a->v4.sin_addr.s_addr == INADDR_ANY)
        (void)snprintf(host, sizeof host, "127.0.0.1");
    else if (!v4 && IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr))
        (void)snprintf(host, sizeof host, "::1");
    else
        (void)inet_ntop(a->any.sa_family,
                        v4 ? (const void *)&a->v4.sin_addr : (const void *)&a->v6.sin6_addr, host,
                        sizeof host);
    (void)snprintf(to, 64, v4 ? "%s:%u" : "[%s]:%u", host, *ret_port);
}

static bool cannot(const char *where, unsigned port, struct err *e)
{
    int number = errno;
    if (number == EADDRINUSE)
        return err_user(e, ERR_USAGE,
                        "%s is in use by another program. Stop it, or set listen to another port "
                        "(--listen 127.0.0.1:0 takes a free one).",
                        where);
    if (number == EACCES || number == EPERM)
        return err_user(e, ERR_USAGE, "This user may not listen on %s%s", where,
                        port < 1024 ? ": ports below 1024 need CAP_NET_BIND_SERVICE." : ".");
    return err_user(e, ERR_USAGE, "Cannot listen on %s: %s.", where, strerror(number));
}

static bool open_one(struct listeners *l, struct reader item, bool loopback_only, struct err *e)
{
    union address a;
    char where[64];
    unsigned port;
    TRY(parse(item, &a, e));
    describe(&a, where, &port);
    if (loopback_only && !is_loopback(&a))
        return err_user(
            e, ERR_SETTING,
            "listen: %s is reachable from outside, and without TLS passwords and tokens "
            "would cross the network readable. Set tls_certificate and tls_key, or "
            "insecure_http = yes behind a proxy.",
            where);
    int one = 1;
    CLEANUP(file_close)
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return cannot(where, port, e);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (a.any.sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    socklen_t n = length_of(&a);
    if (bind(fd, &a.any, n) != 0 || listen(fd, 1024) != 0 || getsockname(fd, &a.any, &n) != 0)
        return cannot(where, port, e);
    if (l->count == 0)
        describe(&a, l->first, &l->port);
    l->fds[l->count++] = fd;
    fd = -1;
    return true;
}

bool listen_open(struct listeners *l, const char *setting, bool plain, bool insecure, struct err *e)
{
    struct reader list = reader_text(setting), item;
    *l = (struct listeners){0};
    while (settings_item(&list, &item)) {
        if (l->count == LISTEN_MOST)
            return err_user(e, ERR_SETTING, "listen: at most %d addresses.", LISTEN_MOST);
        TRY(open_one(l, item, plain && !insecure, e));
    }
    return l->count > 0 || err_user(e, ERR_SETTING, "listen names no address.");
}

void listen_close(struct listeners *l)
{
    for (size_t i = 0; i < l->count; i++)
        file_close(&l->fds[i]);
    l->count = 0;
}
