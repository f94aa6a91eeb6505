/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_BODY_H
#define WEB_BODY_H
#include "ipc/channel.h"
#include "web/routes.h"
#include <pthread.h>

/* Messages of one call's body on their way from the receiver to the thread that reads it. */
struct body_queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct body_item *first, **tail;
    size_t bytes;
    unsigned files;
    bool whole; /* its end has come */
    bool ended; /* nobody wants the answer any more */
};
void body_queue_init(struct body_queue *q);
void body_queue_done(struct body_queue *q);
/* Copies the message and takes its descriptors. */
MUST_CHECK bool body_queue_put(struct body_queue *q, struct message *m, struct err *e);
void body_queue_end(struct body_queue *q); /* nothing more will come */

/* Reading it waits for nobody any more. */
bool body_queue_is_whole(struct body_queue *q);

/* A body of at most this size fits into the smallest pipe that the kernel makes (two pages): front
 * can put it down as a whole, whether or not somebody reads. */
enum { BODY_SHORT = 8 * 1024 };
uint64_t body_limit(const struct route *r, const struct service *s);
/* Reads the admitted body into the call: small parts as fields, files as durable blobs (uploads) or
 * text (small bodies, forms). False: malformed, cut, too large; nothing is kept. */
MUST_CHECK bool body_read(struct body_queue *q, const struct route *r, struct web_call *c,
                          struct err *e);
/* %XX of a path; no control character, no backslash, no "..", no empty segment, UTF-8. */
MUST_CHECK bool web_decode_path(struct reader path, struct writer *w);
#endif
