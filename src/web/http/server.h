/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_HTTP_SERVER_H
#define WEB_HTTP_SERVER_H
#include "ipc/channel.h"
#include "web/http/address.h"

/* The HTTP side of front: one thread, libmicrohttpd for framing and TLS, everything else here.
 * It decides nothing: on the head of each request core is asked (CALL_OPEN), and only when core
 * admits the body is it read and passed on through pipes (ipc/messages.h, "front and core"). */
struct server;

/* One finished request, for the access log. The path has no query: queries may hold secrets. */
struct server_done {
    const char *peer, *method, *path; /* method and path are "-" when they could not be read */
    unsigned status;                  /* 0: the connection ended before a reply */
    uint64_t received;                /* bytes of the body */
    int64_t ms;
};

struct server_options {
    int listeners[8]; /* listening sockets, borrowed */
    size_t listener_count;
    const char *certificate, *key;                /* PEM; NULL: plain HTTP */
    struct address_range trusted[ADDRESS_RANGES]; /* proxies */
    size_t trusted_count;
    uint32_t connections;     /* in all */
    uint32_t per_address;     /* for each remote address (IPv6: /64); 0: no limit */
    uint32_t per_loopback;    /* the same for addresses of this machine */
    int64_t head_ms, idle_ms; /* time for a whole head; for the next request to begin */
    uint32_t least_rate;      /* bytes a second of a body or reply under way */
    void *ctx;                /* of the callbacks */
    void (*done)(void *ctx, const struct server_done *done);
    void (*core_lost)(void *ctx, const struct err *why);
};
/* What holds unless settings say otherwise; no listeners, no callbacks. */
struct server_options server_defaults(void);

/* Everything that loads code or needs new kinds of descriptors happens here, before the walls. */
MUST_CHECK bool server_new(const struct server_options *options, struct server **ret,
                           struct err *e);
void server_free(struct server *s);
/* TAKES the channel to a new core. Calls in flight of an old one are answered with 503. */
MUST_CHECK bool server_core(struct server *s, struct channel channel, struct err *e);
/* Calls ready(ctx) whenever fd can be read: the supervisor's channel. Once only. */
MUST_CHECK bool server_watch(struct server *s, int fd, void (*ready)(void *ctx, uint32_t events),
                             void *ctx, struct err *e);
/* Accepts nothing more; server_run returns when all requests are done, at the latest then. */
void server_drain(struct server *s, uint32_t seconds);
/* Until drained. */
MUST_CHECK bool server_run(struct server *s, struct err *e);
#endif
