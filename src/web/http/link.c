/* SPDX-License-Identifier: Apache-2.0 */
#include "web/http/link.h"
#include "base/file.h"
#include <stdlib.h>
#include <sys/socket.h>

enum { FULL = 512 * 1024, MESSAGES_A_TURN = 64 };

struct link_packet {
    struct link_packet *next;
    enum message_type type;
    int fd;
    struct writer body;
};

void link_init(struct link *l, struct loop *loop)
{
    *l = (struct link){.loop = loop, .channel = {.fd = -1}, .watch = {.fd = -1}};
}

static void drop_first(struct link *l)
{
    struct link_packet *p = l->first;
    l->first = p->next;
    if (l->first == NULL)
        l->last = NULL;
    l->queued -= p->body.len;
    file_close(&p->fd);
    writer_done(&p->body);
    free(p);
}

static void disconnect(struct link *l)
{
    loop_forget(l->loop, &l->watch);
    channel_close(&l->channel);
    while (l->first != NULL)
        drop_first(l);
}

static void lose(struct link *l, const struct err *why)
{
    disconnect(l);
    l->lost(l->ctx, why);
}

void link_done(struct link *l)
{
    if (l->loop != NULL)
        disconnect(l);
    message_done(&l->in);
}

bool link_up(const struct link *l)
{
    return l->channel.fd >= 0;
}

bool link_full(const struct link *l)
{
    return l->queued > FULL;
}

static bool flush(struct link *l, struct err *e)
{
    bool full = false;
    while (l->first != NULL && !full) {
        struct link_packet *p = l->first;
        TRY(channel_send_now(&l->channel, p->type, writer_view(&p->body), &p->fd, p->fd >= 0, &full,
                             e));
        if (!full)
            drop_first(l);
    }
    if (!full) {
        TRY(loop_watch(l->loop, &l->watch, EPOLLIN, e));
        l->room(l->ctx);
    }
    return true;
}

static bool receive(struct link *l, struct err *e)
{
    for (int i = 0; i < MESSAGES_A_TURN; i++) {
        bool none = false;
        if (!channel_receive_within(&l->channel, &l->in, 0, &none, e)) {
            if (none)
                *e = (struct err){0};
            return none;
        }
        TRY(l->message(l->ctx, &l->in, e));
        if (!link_up(l))
            return true;
    }
    return true;
}

static void ready(void *of, uint32_t events)
{
    struct link *l = of;
    struct err e = {0};
    bool ok = true;
    if ((events & EPOLLOUT) != 0)
        ok = flush(l, &e);
    if (ok && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        ok = receive(l, &e);
    if (!ok)
        lose(l, &e);
}

bool link_connect(struct link *l, struct channel channel, struct err *e)
{
    if (link_up(l)) {
        struct err why = {0};
        (void)err_set(&why, ERR_IPC_CLOSED, "core was started again");
        lose(l, &why);
    }
    l->channel = channel;
    l->watch = (struct watch){.fd = channel.fd, .ready = ready, .of = l};
    if (loop_watch(l->loop, &l->watch, EPOLLIN, e))
        return true;
    channel_close(&l->channel);
    return false;
}

static bool queue(struct link *l, enum message_type type, struct reader body, int *fd)
{
    struct link_packet *p = calloc(1, sizeof *p);
    if (p == NULL)
        return false;
    p->type = type;
    p->fd = *fd;
    *fd = -1;
    writer_init(&p->body, MESSAGE_MAX);
    writer_reader(&p->body, body);
    if (l->last == NULL)
        l->first = p;
    else
        l->last->next = p;
    l->last = p;
    l->queued += p->body.len;
    return !p->body.failed && loop_watch(l->loop, &l->watch, EPOLLIN | EPOLLOUT, &(struct err){0});
}

bool link_send(struct link *l, enum message_type type, struct reader body, int fd)
{
    CLEANUP(file_close) int mine = fd;
    bool full = l->first != NULL;
    if (!link_up(l))
        return false;
    if ((full ||
         channel_send_now(&l->channel, type, body, &mine, mine >= 0, &full, &(struct err){0})) &&
        (!full || queue(l, type, body, &mine)))
        return true;
    /* The loss is told from the loop, never from inside a caller. */
    (void)shutdown(l->channel.fd, SHUT_RDWR);
    return false;
}
