/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPC_CHANNEL_H
#define IPC_CHANNEL_H
#include "ipc/messages.h"

/* One end of a SOCK_SEQPACKET pair made by the supervisor (or by core for a worker). The peer is
 * known by the descriptor. One packet is one message: u32 type, body; descriptors ride along.
 * Anything that the table does not allow closes the channel for good. */
struct channel {
    int fd;
    enum role self, peer;
};

struct message {
    enum message_type type;
    struct reader body; /* borrows buffer */
    int fds[MESSAGE_FDS];
    size_t fd_count;
    uint8_t *buffer; /* MESSAGE_MAX bytes, made at first use */
};

MUST_CHECK bool channel_pair(int ret[2], struct err *e);
void channel_close(struct channel *c);

/* Whole or not at all; safe from several threads. The descriptors stay the caller's. */
MUST_CHECK bool channel_send(struct channel *c, enum message_type type, struct reader body,
                             const int *fds, size_t fd_count, struct err *e);
/* The same without ever waiting: *ret_full when the peer has to read first (nothing was sent). */
MUST_CHECK bool channel_send_now(struct channel *c, enum message_type type, struct reader body,
                                 const int *fds, size_t fd_count, bool *ret_full, struct err *e);
/* Waits for the next message. ERR_IPC_CLOSED at the end of the peer. Descriptors of the last
 * message that were not taken (message_take_fd) are closed first. */
MUST_CHECK bool channel_receive(struct channel *c, struct message *m, struct err *e);
/* The same, but gives up after `ms` (boot time) with *ret_timed_out. ms < 0 waits for ever. */
MUST_CHECK bool channel_receive_within(struct channel *c, struct message *m, int64_t ms,
                                       bool *ret_timed_out, struct err *e);
int message_take_fd(struct message *m, size_t index); /* -1: there is none */
void message_done(struct message *m);

/* First message both ways: equal build ids or the end (ERR_IPC_MESSAGE). */
MUST_CHECK bool channel_hello(struct channel *c, struct message *m, struct err *e);
const char *channel_build_id(void);

#ifdef CHANCERY_FAULTS
/* "ASK_SIGN:before:2": this process kills itself with SIGKILL before it sends the second one;
 * "after": after it has sent or received it. False when the text names no message. */
bool channel_crash_arm(const char *text);
/* "KEY_SIGN:fail:2": the receiver shall refuse the second one. */
bool channel_refuses(enum message_type type);
#else
static inline bool channel_refuses(enum message_type type)
{
    (void)type;
    return false;
}
#endif

/* channel_send_X(c, &(struct msg_X){...}, fds, n, e) for every row; X_read with the error set. */
#define M(name, from, to, max_fds)                                                                 \
    MUST_CHECK bool channel_send_##name(struct channel *c, const struct msg_##name *m,             \
                                        const int *fds, size_t fd_count, struct err *e);           \
    MUST_CHECK bool message_as_##name(const struct message *m, struct msg_##name *ret,             \
                                      struct err *e);
MESSAGES(M)
#undef M
#endif
