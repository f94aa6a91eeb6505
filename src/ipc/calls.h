/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPC_CALLS_H
#define IPC_CALLS_H
#include "ipc/channel.h"

/* Many threads of core asking one peer (key, fetch) at once: a call number goes out, the answer
 * with the same number comes back to the thread that waits. One receiver thread per peer. When
 * the peer dies every waiting call gets ERR_IPC_CLOSED; a new channel may be set at any time. */
struct calls;

struct calls *calls_new(enum role self, enum role peer); /* NULL when memory is out */
void calls_free(struct calls *c);                        /* after calls_receive has ended */

/* TAKES fd: the new channel. Calls of the old one fail. */
void calls_connect(struct calls *c, int fd);
/* The receiver thread: while (calls_wait_connected(c)) calls_receive(c, &e). The first waits for
 * a channel (false: stopped), the second receives until it ends (always false, with the reason). */
MUST_CHECK bool calls_wait_connected(struct calls *c);
MUST_CHECK bool calls_receive(struct calls *c, struct err *e);
void calls_stop(struct calls *c);

/* A call in flight; lives on the caller's stack. */
struct call {
    struct calls *calls;
    uint64_t number;
    struct call *next;
    bool answered, lost;
    struct writer answer; /* the body of the answering message */
    enum message_type type;
};
/* Reserves a number, which the caller puts into the message's `call` field. */
void call_begin(struct calls *c, struct call *call);
/* Sends and waits. FAILED becomes an error; any type but `wanted` too. The answer's body stays
 * in call->answer until call_end. */
MUST_CHECK bool call_ask(struct call *call, enum message_type type, struct reader body,
                         enum message_type wanted, struct err *e);
void call_end(struct call *call);
#endif
