/* SPDX-License-Identifier: Apache-2.0 */
/* Connections from accept to close: who may have how many, and for how long. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/file.h"
#include "web/http/private.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    ACCEPTS_A_TURN = 64,
    RATE_WINDOW_MS = 10 * 1000,
    IDLE_WHEN_FULL_MS = 5 * 1000,
};

static void add_listeners(struct server *s, bool on)
{
    struct err e = {0};
    for (size_t i = 0; i < s->options.listener_count && s->listening != on; i++) {
        if (!on)
            loop_forget(&s->loop, &s->listeners[i]);
        else if (!loop_watch(&s->loop, &s->listeners[i], EPOLLIN, &e))
            return; /* tried again when a connection ends */
    }
    s->listening = on;
}

bool connections_init(struct server *s, struct err *e)
{
    uint32_t n = s->options.connections;
    s->slots = calloc(n, sizeof *s->slots);
    s->free_slots = calloc(n, sizeof *s->free_slots);
    if (s->slots == NULL || s->free_slots == NULL)
        return err_set(e, ERR_NO_MEMORY, "connections");
    for (uint32_t i = 0; i < n; i++)
        s->free_slots[i] = n - 1 - i;
    s->free_count = n;
    add_listeners(s, true);
    return true;
}

void connections_done(struct server *s)
{
    if (s->slots != NULL)
        add_listeners(s, false);
    free(s->slots);
    free(s->free_slots);
}

static struct connection **bucket_of(struct server *s, const struct address *site)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < sizeof site->bytes; i++)
        hash = (hash ^ site->bytes[i]) * 16777619u;
    return &s->buckets[hash % ADDRESS_BUCKETS];
}

static bool may_have_another(struct server *s, const struct address *a)
{
    const struct server_options *o = &s->options;
    uint32_t most = address_is_loopback(a) ? o->per_loopback : o->per_address, have = 0;
    if (most == 0 || address_in(a, o->trusted, o->trusted_count))
        return true;
    struct address site = address_site(a);
    for (const struct connection *c = *bucket_of(s, &site); c != NULL; c = c->next)
        have += address_equal(&c->site, &site) ? 1 : 0;
    return have < most;
}

static void cut(struct connection *c)
{
    c->hung_up = true;
    (void)shutdown(c->watch.fd, SHUT_RDWR);
    if (c->exchange != NULL && c->exchange->suspended)
        exchange_hung_up(c->exchange, true);
}

static void socket_ready(void *of, uint32_t events)
{
    struct connection *c = of;
    if ((events & EPOLLIN) != 0 && c->idle) {
        c->idle = false;
        c->since = clock_boot_ms();
    }
    bool reset = (events & (EPOLLHUP | EPOLLERR)) != 0;
    if (!reset && (events & EPOLLRDHUP) == 0)
        return;
    c->hung_up = true;
    if (c->exchange != NULL)
        exchange_hung_up(c->exchange, reset);
}

static void release(struct connection *c)
{
    struct server *s = c->server;
    *c->back = c->next;
    if (c->next != NULL)
        c->next->back = c->back;
    s->slots[c->slot] = NULL;
    s->free_slots[s->free_count++] = c->slot;
    s->in_use--;
    free(c);
    if (!s->draining)
        add_listeners(s, true);
}

static struct connection *hold(struct server *s, int fd, const struct address *from)
{
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    struct address site = address_site(from);
    struct connection **bucket = bucket_of(s, &site);
    *c = (struct connection){.server = s,
                             .address = *from,
                             .site = site,
                             .watch = {.fd = fd, .ready = socket_ready, .of = c},
                             .slot = s->free_slots[--s->free_count],
                             .since = clock_boot_ms(),
                             .next = *bucket,
                             .back = bucket};
    if (c->next != NULL)
        c->next->back = &c->next;
    *bucket = c;
    s->slots[c->slot] = c;
    s->in_use++;
    return c;
}

static void start(struct server *s, int fd, const struct sockaddr_storage *from, socklen_t size)
{
    struct address a;
    struct connection *c = NULL;
    int one = 1;
    if (address_of_socket(from, &a) && may_have_another(s, &a))
        c = hold(s, fd, &a);
    if (c == NULL) {
        file_close(&fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    union {
        const struct sockaddr_storage *any;
        const struct sockaddr *plain;
    } at = {.any = from};
    uint32_t slot = c->slot;
    s->arriving = c;
    if (MHD_add_connection(s->mhd, fd, at.plain, size) != MHD_YES) {
        if (s->arriving != NULL)
            release(c); /* libmicrohttpd never took it up, but has closed it */
    } else if (s->slots[slot] == c &&
               !loop_watch(&s->loop, &c->watch, EPOLLIN | EPOLLRDHUP | EPOLLET, &(struct err){0})) {
        cut(c);
    }
    s->arriving = NULL;
}

void connection_accept(struct server *s, int listener)
{
    for (int i = 0; i < ACCEPTS_A_TURN && s->listening; i++) {
        struct sockaddr_storage from;
        socklen_t size = sizeof from;
        if (s->free_count == 0) {
            add_listeners(s, false); /* the rest waits in the kernel until one is free */
            return;
        }
        union {
            struct sockaddr_storage *any;
            struct sockaddr *plain;
        } at = {.any = &from};
        int fd = accept4(listener, at.plain, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd < 0)
            return;
        start(s, fd, &from, size);
    }
}

void connection_notify(void *server, struct MHD_Connection *mhd, void **context,
                       enum MHD_ConnectionNotificationCode code)
{
    struct server *s = server;
    struct connection *c = *context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        s->arriving->mhd = mhd;
        *context = s->arriving;
        s->arriving = NULL;
        return;
    }
    if (c == NULL)
        return;
    loop_forget(&s->loop, &c->watch);
    if (!c->hung_up) {
        int again = fcntl(c->watch.fd, F_DUPFD_CLOEXEC, 0);
        if (again >= 0)
            linger_add(s, again);
    }
    release(c);
}

void connection_idle(struct connection *c)
{
    c->idle = true;
    c->since = clock_boot_ms();
    if (c->server->draining)
        cut(c);
}

/* --- time-outs -------------------------------------------------------------------------- */

static uint64_t bytes_sent(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return 0;
    return info.tcpi_bytes_acked;
}

/* Whether the client keeps up with the least rate while it is its turn. */
static bool keeps_up(struct connection *c, int64_t now)
{
    struct exchange *x = c->exchange;
    bool taking = x->stage == BODY || x->stage == DRAIN;
    if (x->suspended || (!taking && x->stage != SENDING) || x->endless) {
        c->marked = 0;
        return true;
    }
    uint64_t bytes = taking ? x->received : bytes_sent(c->watch.fd);
    if (c->marked == 0) {
        c->marked = now;
        c->mark = bytes;
    }
    if (now - c->marked < RATE_WINDOW_MS)
        return true;
    uint64_t least = (uint64_t)c->server->options.least_rate * (RATE_WINDOW_MS / 1000);
    bool enough = bytes - c->mark >= least;
    c->marked = now;
    c->mark = bytes;
    return enough;
}

static void too_slow(struct connection *c)
{
    struct exchange *x = c->exchange;
    struct err e = {0};
    if ((x->stage == BODY || x->stage == DRAIN) && x->response == NULL) {
        (void)err_set(&e, ERR_HTTP_SLOW, "under %u bytes a second", c->server->options.least_rate);
        if (x->stage == BODY)
            exchange_body_failed(x, &e);
        exchange_gone(x);
        reply_problem(x, &e);
        if (reply_early(x)) {
            x->stage = DEAD;
            return;
        }
    }
    cut(c);
}

/* libmicrohttpd keeps a touched buffer of 48 KiB for each connection that has been used: when
 * half of the connections are taken, idle ones have to go soon. */
static int64_t idle_time(const struct server *s)
{
    bool full = s->in_use > s->options.connections / 2;
    return full && s->options.idle_ms > IDLE_WHEN_FULL_MS ? IDLE_WHEN_FULL_MS : s->options.idle_ms;
}

void connections_sweep(struct server *s, int64_t now)
{
    int64_t idle = idle_time(s);
    for (uint32_t i = 0; i < s->options.connections; i++) {
        struct connection *c = s->slots[i];
        if (c == NULL)
            continue;
        bool head = c->exchange == NULL || c->exchange->stage == HEAD;
        int64_t most = c->idle ? idle : s->options.head_ms;
        if (head && (now - c->since > most || (c->idle && s->draining)))
            cut(c);
        else if (!head && !keeps_up(c, now))
            too_slow(c);
    }
}
