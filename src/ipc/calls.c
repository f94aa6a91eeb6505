/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/calls.h"
#include "base/file.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

struct calls {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct channel channel; /* fd -1: none; opened and closed by the receiver thread only */
    int pending;            /* the next channel's descriptor, or -1 */
    uint64_t last_number;
    struct call *waiting;
    bool stopped;
};

struct calls *calls_new(enum role self, enum role peer)
{
    struct calls *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    (void)pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_t clock;
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&c->changed, &clock);
    (void)pthread_condattr_destroy(&clock);
    c->channel = (struct channel){-1, self, peer};
    c->pending = -1;
    return c;
}

void calls_free(struct calls *c)
{
    if (c == NULL)
        return;
    channel_close(&c->channel);
    file_close(&c->pending);
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

static void lose_all(struct calls *c)
{
    for (struct call *call = c->waiting; call != NULL; call = call->next)
        call->lost = true;
    (void)pthread_cond_broadcast(&c->changed);
}

void calls_connect(struct calls *c, int fd)
{
    (void)pthread_mutex_lock(&c->lock);
    file_close(&c->pending);
    c->pending = fd;
    if (c->channel.fd >= 0) /* wakes the receiver, which closes it */
        (void)shutdown(c->channel.fd, SHUT_RDWR);
    (void)pthread_cond_broadcast(&c->changed);
    (void)pthread_mutex_unlock(&c->lock);
}

bool calls_wait_connected(struct calls *c)
{
    (void)pthread_mutex_lock(&c->lock);
    while (c->pending < 0 && !c->stopped)
        (void)pthread_cond_wait(&c->changed, &c->lock);
    c->channel.fd = c->pending;
    c->pending = -1;
    (void)pthread_cond_broadcast(&c->changed);
    bool connected = !c->stopped;
    (void)pthread_mutex_unlock(&c->lock);
    return connected;
}

void calls_stop(struct calls *c)
{
    (void)pthread_mutex_lock(&c->lock);
    c->stopped = true;
    if (c->channel.fd >= 0)
        (void)shutdown(c->channel.fd, SHUT_RDWR);
    lose_all(c);
    (void)pthread_mutex_unlock(&c->lock);
}

/* Every answer starts with its call number (checked here once for all rows). */
static void deliver(struct calls *c, const struct message *m)
{
    struct reader body = m->body;
    uint64_t number;
    if (!reader_u64le(&body, &number))
        return;
    (void)pthread_mutex_lock(&c->lock);
    for (struct call *call = c->waiting; call != NULL; call = call->next) {
        if (call->number != number || call->answered)
            continue;
        call->type = m->type;
        writer_reader(&call->answer, m->body);
        call->answered = true;
        (void)pthread_cond_broadcast(&c->changed);
    }
    (void)pthread_mutex_unlock(&c->lock);
}

bool calls_receive(struct calls *c, struct err *e)
{
    (void)pthread_mutex_lock(&c->lock);
    struct channel channel = c->channel;
    (void)pthread_mutex_unlock(&c->lock);
    struct message m = {0};
    while (channel_receive(&channel, &m, e))
        deliver(c, &m);
    message_done(&m);
    (void)pthread_mutex_lock(&c->lock);
    channel_close(&c->channel);
    lose_all(c);
    (void)pthread_mutex_unlock(&c->lock);
    return false;
}

void call_begin(struct calls *c, struct call *call)
{
    *call = (struct call){.calls = c};
    writer_init(&call->answer, MESSAGE_MAX);
    (void)pthread_mutex_lock(&c->lock);
    call->number = ++c->last_number;
    call->next = c->waiting;
    c->waiting = call;
    (void)pthread_mutex_unlock(&c->lock);
}

static bool failed_answer(struct call *call, struct err *e)
{
    struct msg_FAILED f;
    if (!msg_FAILED_read(writer_view(&call->answer), &f))
        return err_set(e, ERR_IPC_MESSAGE, "malformed FAILED");
    CLEANUP(arena_cleanup) struct arena *a = arena_new(64 * 1024);
    const char *code = a == NULL ? NULL : arena_text(a, f.code);
    const char *user = code == NULL ? NULL : arena_text(a, f.user);
    const char *detail = user == NULL ? NULL : arena_text(a, f.detail);
    return detail == NULL ? arena_err(e) : err_from(e, code, user, detail);
}

/* A peer that is being restarted is worth a short wait: nothing has been sent yet. */
static void await_channel(struct calls *c)
{
    enum { RESTART_SECONDS = 15 };
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += RESTART_SECONDS;
    while (c->channel.fd < 0 && !c->stopped)
        if (pthread_cond_timedwait(&c->changed, &c->lock, &end) != 0)
            return;
}

bool call_ask(struct call *call, enum message_type type, struct reader body,
              enum message_type wanted, struct err *e)
{
    struct calls *c = call->calls;
    (void)pthread_mutex_lock(&c->lock);
    await_channel(c);
    call->lost = false;
    bool ok = c->channel.fd >= 0
                  ? channel_send(&c->channel, type, body, NULL, 0, e)
                  : err_set(e, ERR_IPC_CLOSED, "%s is not connected", role_name(c->channel.peer));
    while (ok && !call->answered && !call->lost)
        (void)pthread_cond_wait(&c->changed, &c->lock);
    bool lost = ok && !call->answered;
    (void)pthread_mutex_unlock(&c->lock);
    if (lost)
        return err_set(e, ERR_IPC_CLOSED, "%s ended during a call", role_name(c->channel.peer));
    if (!ok)
        return false;
    if (call->answer.failed)
        return err_set(e, ERR_NO_MEMORY, "answer");
    if (call->type == MSG_FAILED)
        return failed_answer(call, e);
    if (call->type != wanted)
        return err_set(e, ERR_IPC_MESSAGE, "%s instead of %s", message_name(call->type),
                       message_name(wanted));
    return true;
}

void call_end(struct call *call)
{
    struct calls *c = call->calls;
    (void)pthread_mutex_lock(&c->lock);
    for (struct call **p = &c->waiting; *p != NULL; p = &(*p)->next) {
        if (*p == call) {
            *p = call->next;
            break;
        }
    }
    (void)pthread_mutex_unlock(&c->lock);
    writer_done(&call->answer);
}
