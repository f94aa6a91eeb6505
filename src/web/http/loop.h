/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_HTTP_LOOP_H
#define WEB_HTTP_LOOP_H
#include "base/err.h"
#include <stdint.h>
#include <sys/epoll.h>

/* One thread, one epoll: whoever waits for a descriptor puts a watch on it. */
struct watch {
    int fd;
    void (*ready)(void *of, uint32_t events);
    void *of;
    bool on;
};

struct loop {
    int epoll;
    struct epoll_event batch[64];
    int count, at;
};

MUST_CHECK bool loop_init(struct loop *l, struct err *e);
void loop_done(struct loop *l);
/* Starts or changes a watch; it stays the caller's until loop_forget. */
MUST_CHECK bool loop_watch(struct loop *l, struct watch *w, uint32_t events, struct err *e);
/* Before its descriptor is closed. Nothing that is already under way reaches the watch. */
void loop_forget(struct loop *l, struct watch *w);
/* Waits up to ms and calls what is ready. */
MUST_CHECK bool loop_turn(struct loop *l, int ms, struct err *e);
#endif
