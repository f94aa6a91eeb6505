/* SPDX-License-Identifier: Apache-2.0 */
#include "web/http/loop.h"
#include <errno.h>
#include <unistd.h>

bool loop_init(struct loop *l, struct err *e)
{
    *l = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC)};
    return l->epoll >= 0 || err_errno(e, "epoll_create1");
}

void loop_done(struct loop *l)
{
    if (l->epoll >= 0)
        (void)close(l->epoll);
    l->epoll = -1;
}

bool loop_watch(struct loop *l, struct watch *w, uint32_t events, struct err *e)
{
    struct epoll_event event = {.events = events, .data = {.ptr = w}};
    if (epoll_ctl(l->epoll, w->on ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, w->fd, &event) != 0)
        return err_errno(e, "epoll_ctl");
    w->on = true;
    return true;
}

void loop_forget(struct loop *l, struct watch *w)
{
    if (!w->on)
        return;
    w->on = false;
    (void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
    for (int i = l->at; i < l->count; i++)
        if (l->batch[i].data.ptr == w)
            l->batch[i].data.ptr = NULL;
}

bool loop_turn(struct loop *l, int ms, struct err *e)
{
    int n = epoll_wait(l->epoll, l->batch, COUNT_OF(l->batch), ms);
    if (n < 0)
        return errno == EINTR || err_errno(e, "epoll_wait");
    l->count = n;
    for (l->at = 0; l->at < l->count; l->at++) {
        struct watch *w = l->batch[l->at].data.ptr;
        if (w != NULL)
            w->ready(w->of, l->batch[l->at].events);
    }
    l->count = l->at = 0;
    return true;
}
