/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYSTORE_SERVE_H
#define KEYSTORE_SERVE_H
#include "ipc/channel.h"
#include "keystore/keystore.h"

/* Answers core: takes all messages that wait, judges them in order, makes their journal entries
 * durable with one sync, and only then answers; signatures are made by threads meanwhile. */
struct serve;

/* Tells the operator: a refused channel, an alarm. May be called from serve_core only. */
typedef void (*serve_note_fn)(const char *what, const struct err *e);

/* Starts the signing threads (so: after the walls). `k` is borrowed. */
MUST_CHECK bool serve_new(struct keystore *k, unsigned threads, serve_note_fn note,
                          struct serve **ret, struct err *e);
void serve_free(struct serve *s);

enum serve_end {
    SERVE_CONTROL, /* the other descriptor has something; call again with the same channel */
    SERVE_CLOSED   /* core has gone or broke the rules; nothing of it is under way any more */
};
/* fresh: a channel that has not been served before. False: the journal could not be written; the
 * waiting requests were refused and the process must end. */
MUST_CHECK bool serve_core(struct serve *s, struct channel *core, bool fresh, int control_fd,
                           enum serve_end *ret, struct err *e);
#endif
