/* SPDX-License-Identifier: Apache-2.0 */
/* chancery-front: the only program that strangers can reach. It terminates TLS and HTTP, cuts
 * form bodies into parts and passes all of it to core, which decides.
 * May: use the listening sockets it was handed. Never sees: database, blobs, keys; opens no file.
 * What it holds: the TLS key, and whatever passes through while it passes. */
#define _GNU_SOURCE
#include "base/file.h"
#include "base/log.h"
#include "procs/child.h"
#include "web/http/server.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PEM_MOST = 1 << 20, DESCRIPTORS_KEPT = 64 };

struct front {
    struct child child;
    struct server *server;
    struct err why; /* set: the supervisor is gone */
};

static void request_done(void *ctx, const struct server_done *d)
{
    (void)ctx;
    log_line(LOG_INFO, d->peer, "%s %s %u, %llu bytes in, %lld ms", d->method, d->path, d->status,
             (unsigned long long)d->received, (long long)d->ms);
}

static void core_lost(void *ctx, const struct err *why)
{
    (void)ctx;
    log_err(LOG_WARNING, NULL, "core is away", why);
}

static void supervisor_ready(void *ctx, uint32_t events)
{
    (void)events;
    struct front *f = ctx;
    struct child_event event;
    if (!child_next(&f->child, 0, &event, &f->why)) {
        server_drain(f->server, 0);
        return;
    }
    switch (event.kind) {
    case CHILD_PEER:
        if (event.peer.peer != ROLE_CORE)
            channel_close(&event.peer);
        else if (!server_core(f->server, event.peer, &f->why))
            server_drain(f->server, 0);
        break;
    case CHILD_STOP:
        server_drain(f->server, event.drain_seconds);
        break;
    case CHILD_NOTHING:
    case CHILD_EXITED:
        break;
    }
}

/* A PEM of the settings as text; NULL in *ret when it is not set. The caller wipes it. */
static bool take_pem(struct front *f, const char *name, struct writer *to, const char **ret,
                     struct err *e)
{
    CLEANUP(file_close) int fd = child_take_secret(&f->child, name);
    *ret = NULL;
    uint8_t piece[4096];
    size_t got = fd >= 0 ? sizeof piece : 0;
    while (got > 0) {
        TRY(file_read_some(fd, piece, sizeof piece, &got, e));
        writer_bytes(to, piece, got);
    }
    explicit_bzero(piece, sizeof piece);
    if (to->len > 0) {
        writer_u8(to, 0);
        TRY(writer_ok(to, e));
        *ret = (const char *)to->data;
    }
    return true;
}

static bool take_proxies(struct front *f, struct server_options *o, struct err *e)
{
    struct reader all = reader_text(child_setting(&f->child, "trusted_proxies")), item;
    while (all.left > 0) {
        size_t end = reader_find(all, 0, ",", 1);
        TRY(reader_take(&all, end == SIZE_MAX ? all.left : end, &item));
        if (all.left > 0 && !reader_skip(&all, 1))
            return false;
        if (o->trusted_count == ADDRESS_RANGES ||
            !address_range_read(item, &o->trusted[o->trusted_count]))
            return err_user(e, ERR_SETTING,
                            "trusted_proxies: %.*s is no address and no ADDRESS/BITS "
                            "(at most %d of them).",
                            (int)item.left, (const char *)item.at, ADDRESS_RANGES);
        o->trusted_count++;
    }
    return true;
}

/* A connection takes its socket, for a while the pipe of an upload and the file of a reply. */
static uint32_t most_connections(uint32_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 256;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    uint64_t fits = limit.rlim_max <= DESCRIPTORS_KEPT * 2
                        ? DESCRIPTORS_KEPT
                        : (limit.rlim_max - DESCRIPTORS_KEPT) / 2;
    return fits < wanted ? (uint32_t)fits : wanted;
}

static bool prepare(struct front *f, struct err *e)
{
    struct server_options o = server_defaults();
    CLEANUP(writer_done) struct writer certificate = {0};
    CLEANUP(writer_done) struct writer key = {0};
    writer_init(&certificate, PEM_MOST);
    writer_init(&key, PEM_MOST);
    size_t listeners = (size_t)child_number(&f->child, "listeners");
    if (listeners == 0 || listeners > COUNT_OF(o.listeners))
        return err_set(e, ERR_IPC_MESSAGE, "%zu listeners", listeners);
    for (size_t i = 0; i < listeners; i++) {
        o.listeners[i] = child_take_fd(&f->child, i);
        if (fcntl(o.listeners[i], F_SETFL, O_NONBLOCK) != 0)
            return err_errno(e, "listener");
    }
    o.listener_count = listeners;
    o.connections = most_connections(o.connections);
    o.ctx = f;
    o.done = request_done;
    o.core_lost = core_lost;
    TRY(take_pem(f, "tls_certificate", &certificate, &o.certificate, e));
    TRY(take_pem(f, "tls_key", &key, &o.key, e));
    TRY(take_proxies(f, &o, e));
    TRY(server_new(&o, &f->server, e));
    TRY(server_watch(f->server, f->child.supervisor.fd, supervisor_ready, f, e));
    if (f->child.peers[ROLE_CORE].fd < 0)
        return true;
    struct channel core = f->child.peers[ROLE_CORE];
    f->child.peers[ROLE_CORE].fd = -1;
    return server_core(f->server, core, e);
}

int main(int argc, char **argv)
{
    struct front f = {0};
    struct err e = {0};
    (void)signal(SIGPIPE, SIG_IGN);
    if (!child_begin(&f.child, ROLE_FRONT, argc, argv, &e) || !prepare(&f, &e) ||
        !child_walls(&f.child, &e) || !child_ready(&f.child, &e))
        return child_fail(&f.child, &e);
    bool ok = server_run(f.server, &e) && f.why.code == ERR_NONE;
    if (!ok)
        log_err(LOG_ERROR, NULL, "front ends", e.code != ERR_NONE ? &e : &f.why);
    server_free(f.server);
    child_done(&f.child);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
