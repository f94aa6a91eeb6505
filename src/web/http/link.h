/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_HTTP_LINK_H
#define WEB_HTTP_LINK_H
#include "ipc/channel.h"
#include "web/http/loop.h"

/* The channel to core, without ever waiting for it: what core does not take yet is queued. */
struct link_packet;

struct link {
    struct loop *loop;
    void *ctx;
    /* False: it may not come now; the channel is dropped. */
    bool (*message)(void *ctx, struct message *m, struct err *e);
    void (*lost)(void *ctx, const struct err *why); /* core is away until link_connect */
    void (*room)(void *ctx);                        /* the queue is empty again */
    /* private */
    struct channel channel;
    struct watch watch;
    struct message in;
    struct link_packet *first, *last;
    size_t queued;
};

void link_init(struct link *l, struct loop *loop); /* then set the callbacks */
void link_done(struct link *l);
/* TAKES the channel; an old one is dropped (lost is called for it). */
MUST_CHECK bool link_connect(struct link *l, struct channel channel, struct err *e);
bool link_up(const struct link *l);
/* More than half a MiB waits for core: send nothing big until `room`. */
bool link_full(const struct link *l);
/* TAKES fd (-1: none). False: core is away or has just gone, which `lost` tells later. */
bool link_send(struct link *l, enum message_type type, struct reader body, int fd);
#endif
