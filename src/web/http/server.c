/* SPDX-License-Identifier: Apache-2.0 */
#include "web/http/server.h"
#include "base/clock.h"
#include "base/file.h"
#include "web/http/private.h"
#include <stdlib.h>
#include <string.h>

enum {
    /* A head of HEAD_MAX, what libmicrohttpd notes per field, and its own reply head. */
    POOL_BYTES = HEAD_MAX + 16 * 1024,
    SWEEP_MS = 1000,
    STOP_TURNS = 16,
};

struct server_options server_defaults(void)
{
    return (struct server_options){.connections = 10 * 1024,
                                   .per_address = 256,
                                   .head_ms = 10 * 1000,
                                   .idle_ms = 60 * 1000,
                                   .least_rate = 1000};
}

static enum MHD_Result on_request(void *server, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **context)
{
    (void)server;
    (void)mhd;
    (void)url;
    return *context == NULL ? MHD_NO : exchange_step(*context, method, version, data, size);
}

/* The request line is there; its target comes here as it was sent. */
static void *on_target(void *server, const char *target, struct MHD_Connection *mhd)
{
    (void)server;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *c = info == NULL ? NULL : info->socket_context;
    if (c == NULL || target == NULL)
        return NULL;
    c->exchange = exchange_new(c, target);
    if (c->idle) { /* it came in one piece with the request before */
        c->idle = false;
        c->since = clock_boot_ms();
    }
    return c->exchange;
}

static void on_completed(void *server, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code)
{
    (void)server;
    (void)mhd;
    struct exchange *x = *context;
    if (x == NULL)
        return;
    struct connection *c = x->connection;
    bool complete = code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
    c->exchange = NULL;
    *context = NULL;
    exchange_free(x, complete);
    if (complete)
        connection_idle(c);
}

static size_t leave_encoded(void *server, struct MHD_Connection *mhd, char *text)
{
    (void)server;
    (void)mhd;
    return strlen(text);
}

/* Its messages say nothing that a status does not. */
static void no_messages(void *server, const char *format, va_list arguments)
{
    (void)server;
    (void)format;
    (void)arguments;
}

static void mhd_ready(void *of, uint32_t events)
{
    (void)of;
    (void)events; /* MHD_run follows every turn of the loop */
}

static void listener_ready(void *of, uint32_t events)
{
    (void)events;
    struct server *s = of;
    for (size_t i = 0; i < s->options.listener_count; i++)
        connection_accept(s, s->listeners[i].fd);
}

/* Without RSA as key exchange: whoever gets the key one day would read all that was recorded, and
 * its side channels keep coming back (CVE-2023-0361, CVE-2024-0553). */
static const char tls_priorities[] =
    "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:%SERVER_PRECEDENCE";

static bool start_mhd(struct server *s, struct err *e)
{
    unsigned flags =
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    const struct server_options *o = &s->options;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)o->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)o->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)tls_priorities},
        {MHD_OPTION_END, 0, NULL}};
    if (o->certificate == NULL)
        tls[0].option = MHD_OPTION_END;
    else
        flags |= MHD_USE_TLS;
    s->mhd =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, s,                    /* */
                         MHD_OPTION_EXTERNAL_LOGGER, no_messages, s,             /* first */
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES, /* */
                         MHD_OPTION_CONNECTION_LIMIT, o->connections, MHD_OPTION_CONNECTION_TIMEOUT,
                         0u, MHD_OPTION_NOTIFY_CONNECTION, connection_notify, s, /* */
                         MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_URI_LOG_CALLBACK,
                         on_target, s, MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, s, /* */
                         MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,                         /* */
#if MHD_VERSION >= 0x00097600
                         MHD_OPTION_CLIENT_DISCIPLINE_LVL, 2,
#endif
                         MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (s->mhd == NULL && o->certificate != NULL)
        return err_user(e, ERR_SETTING,
                        "The server certificate and its key cannot be used: check that "
                        "tls_certificate and tls_key are PEM and belong together.");
    const union MHD_DaemonInfo *info =
        s->mhd == NULL ? NULL : MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL)
        return err_set(e, ERR_INTERNAL, "libmicrohttpd does not start");
    s->mhd_watch = (struct watch){.fd = info->epoll_fd, .ready = mhd_ready, .of = s};
    return loop_watch(&s->loop, &s->mhd_watch, EPOLLIN, e);
}

static bool start(struct server *s, struct err *e)
{
    TRY(loop_init(&s->loop, e));
    link_init(&s->link, &s->loop);
    s->link.ctx = s;
    s->link.message = exchange_message;
    s->link.lost = exchange_core_lost;
    s->link.room = exchange_link_room;
    for (size_t i = 0; i < s->options.listener_count; i++)
        s->listeners[i] =
            (struct watch){.fd = s->options.listeners[i], .ready = listener_ready, .of = s};
    TRY(file_random(s->trace, sizeof s->trace, e));
    TRY(connections_init(s, e));
    return start_mhd(s, e);
}

bool server_new(const struct server_options *options, struct server **ret, struct err *e)
{
    struct server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return err_set(e, ERR_NO_MEMORY, "server");
    s->options = *options;
    s->loop.epoll = -1;
    if (!start(s, e)) {
        server_free(s);
        return false;
    }
    *ret = s;
    return true;
}

/* libmicrohttpd may not stop while connections sleep. */
static void wake_all(struct server *s)
{
    for (uint32_t i = 0; i < s->options.connections; i++) {
        struct connection *c = s->slots[i];
        if (c == NULL || c->exchange == NULL)
            continue;
        c->exchange->stage = DEAD;
        exchange_resume(c->exchange);
    }
}

void server_free(struct server *s)
{
    if (s == NULL)
        return;
    s->draining = true;
    if (s->mhd != NULL) {
        loop_forget(&s->loop, &s->mhd_watch);
        for (int i = 0; i < STOP_TURNS && s->in_use > 0; i++) {
            wake_all(s);
            (void)MHD_run(s->mhd);
        }
        MHD_stop_daemon(s->mhd);
    }
    linger_done(s);
    link_done(&s->link);
    loop_forget(&s->loop, &s->extra);
    connections_done(s);
    loop_done(&s->loop);
    free(s);
}

bool server_core(struct server *s, struct channel channel, struct err *e)
{
    return link_connect(&s->link, channel, e);
}

bool server_watch(struct server *s, int fd, void (*ready)(void *ctx, uint32_t events), void *ctx,
                  struct err *e)
{
    s->extra = (struct watch){.fd = fd, .ready = ready, .of = ctx};
    return loop_watch(&s->loop, &s->extra, EPOLLIN, e);
}

void server_drain(struct server *s, uint32_t seconds)
{
    s->draining = true;
    s->drain_until = clock_boot_ms() + (int64_t)seconds * 1000;
    for (size_t i = 0; i < s->options.listener_count; i++)
        loop_forget(&s->loop, &s->listeners[i]);
    s->listening = false;
    connections_sweep(s, clock_boot_ms());
}

bool server_run(struct server *s, struct err *e)
{
    while (!s->draining || (s->in_use > 0 && clock_boot_ms() < s->drain_until)) {
        MHD_UNSIGNED_LONG_LONG pending;
        int ms = MHD_get_timeout(s->mhd, &pending) == MHD_YES && pending < SWEEP_MS ? (int)pending
                                                                                    : SWEEP_MS;
        TRY(loop_turn(&s->loop, ms, e));
        (void)MHD_run(s->mhd);
        int64_t now = clock_boot_ms();
        if (now - s->swept < SWEEP_MS)
            continue;
        s->swept = now;
        connections_sweep(s, now);
        linger_sweep(s, now);
    }
    return true;
}
