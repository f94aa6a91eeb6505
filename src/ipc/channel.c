/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "ipc/channel.h"
#include "base/clock.h"
#include "base/crashpoints.h"
#include "base/fault.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef CHANCERY_BUILD_ID
#define CHANCERY_BUILD_ID "unknown"
#endif

const char *channel_build_id(void)
{
    return CHANCERY_BUILD_ID;
}

bool channel_pair(int ret[2], struct err *e)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) != 0)
        return err_errno(e, "socketpair");
    for (int i = 0; i < 2; i++) {
        int size = 4 * MESSAGE_MAX;
        (void)setsockopt(ret[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
    return true;
}

void channel_close(struct channel *c)
{
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
}

/* Every message is a place to die at, for tests: a worker has no durable steps of its own. */
#ifdef CHANCERY_FAULTS
static int crash_type = -1;
static struct crash_when crash_when;
static atomic_long crash_seen;

bool channel_crash_arm(const char *text)
{
    for (int i = 0; i < MSG__COUNT; i++) {
        size_t n = strlen(message_name((enum message_type)i));
        if (strncmp(text, message_name((enum message_type)i), n) != 0 || text[n] != ':')
            continue;
        crash_type = i;
        return crash_when_read(text + n, &crash_when);
    }
    return false;
}

static bool is_time(enum message_type type, unsigned what)
{
    if ((int)type != crash_type || crash_when.what != what)
        return false;
    long now = atomic_fetch_add(&crash_seen, 1) + 1;
    return now >= crash_when.nth && now < crash_when.nth + crash_when.times;
}

bool channel_refuses(enum message_type type)
{
    return is_time(type, CRASH_FAILS);
}

static void message_crash(enum message_type type, unsigned what)
{
    if (is_time(type, what))
        (void)kill(getpid(), SIGKILL);
}
#else
enum { CRASH_BEFORE, CRASH_AFTER };

static void message_crash(enum message_type type, unsigned what)
{
    (void)type;
    (void)what;
}
#endif

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int) * MESSAGE_FDS)];
};

static void attach_fds(struct msghdr *h, union control *control, const int *fds, size_t n)
{
    memset(control, 0, sizeof *control);
    h->msg_control = control->space;
    h->msg_controllen = CMSG_SPACE(sizeof(int) * n);
    struct cmsghdr *c = CMSG_FIRSTHDR(h);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * n);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
}

static bool send_packet(struct channel *c, enum message_type type, struct reader body,
                        const int *fds, size_t fd_count, int flags, struct err *e)
{
    if (!message_allowed(type, c->self, c->peer, fd_count) || body.left > MESSAGE_MAX - 4)
        return err_set(e, ERR_IPC_MESSAGE, "%s may not send %s of %zu bytes to %s",
                       role_name(c->self), message_name(type), body.left, role_name(c->peer));
    uint8_t head[4] = {(uint8_t)type, (uint8_t)(type >> 8), (uint8_t)(type >> 16),
                       (uint8_t)(type >> 24)};
    struct iovec parts[2] = {{head, sizeof head}, {(void *)(uintptr_t)body.at, body.left}};
    struct msghdr h = {.msg_iov = parts, .msg_iovlen = body.left > 0 ? 2 : 1};
    union control control;
    if (fd_count > 0)
        attach_fds(&h, &control, fds, fd_count);
    ssize_t sent;
    message_crash(type, CRASH_BEFORE);
    do
        sent = fault_now() ? (errno = EPIPE, -1) : sendmsg(c->fd, &h, MSG_NOSIGNAL | flags);
    while (sent < 0 && errno == EINTR);
    message_crash(type, CRASH_AFTER);
    if (sent == (ssize_t)(sizeof head + body.left))
        return true;
    int number = errno;
    (void)err_set(e, ERR_IPC_CLOSED, "send %s to %s: %s", message_name(type), role_name(c->peer),
                  strerror(number));
    errno = number;
    return false;
}

bool channel_send(struct channel *c, enum message_type type, struct reader body, const int *fds,
                  size_t fd_count, struct err *e)
{
    return send_packet(c, type, body, fds, fd_count, 0, e);
}

bool channel_send_now(struct channel *c, enum message_type type, struct reader body, const int *fds,
                      size_t fd_count, bool *ret_full, struct err *e)
{
    struct err why = {0};
    *ret_full = false;
    if (send_packet(c, type, body, fds, fd_count, MSG_DONTWAIT, &why))
        return true;
    if (why.code == ERR_IPC_CLOSED && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        *ret_full = true;
        return true;
    }
    return err_set(e, why.code, "%s", why.detail);
}

static void drop_fds(struct message *m)
{
    for (size_t i = 0; i < m->fd_count; i++)
        if (m->fds[i] >= 0)
            (void)close(m->fds[i]);
    m->fd_count = 0;
}

static void collect_fds(struct message *m, struct msghdr *h)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            if (m->fd_count < MESSAGE_FDS)
                m->fds[m->fd_count++] = fd;
            else
                (void)close(fd);
        }
    }
}

static bool take_packet(struct channel *c, struct message *m, struct err *e)
{
    drop_fds(m);
    if (m->buffer == NULL && (m->buffer = malloc(MESSAGE_MAX)) == NULL)
        return err_set(e, ERR_NO_MEMORY, "message");
    struct iovec part = {m->buffer, MESSAGE_MAX};
    union control control;
    struct msghdr h = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.space,
                       .msg_controllen = sizeof control.space};
    ssize_t got;
    do
        got = recvmsg(c->fd, &h, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return err_set(e, ERR_IPC_CLOSED, "receive from %s: %s", role_name(c->peer),
                       got == 0 ? "closed" : strerror(errno));
    collect_fds(m, &h);
    struct reader all = reader_over(m->buffer, (size_t)got);
    uint32_t type;
    if ((h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || !reader_u32le(&all, &type) ||
        !message_allowed((enum message_type)type, c->peer, c->self, m->fd_count))
        return err_set(e, ERR_IPC_MESSAGE, "%s from %s", "not allowed", role_name(c->peer));
    m->type = (enum message_type)type;
    m->body = all;
    message_crash(m->type, CRASH_AFTER);
    return true;
}

bool channel_receive(struct channel *c, struct message *m, struct err *e)
{
    if (take_packet(c, m, e))
        return true;
    drop_fds(m);
    return false;
}

bool channel_receive_within(struct channel *c, struct message *m, int64_t ms, bool *ret_timed_out,
                            struct err *e)
{
    int64_t end = ms < 0 ? -1 : clock_boot_ms() + ms;
    *ret_timed_out = false;
    for (;;) {
        int64_t left = end < 0 ? -1 : end - clock_boot_ms();
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        int n = poll(&p, 1, left < 0 && end >= 0 ? 0 : left > 60000 ? 60000 : (int)left);
        if (n > 0)
            return channel_receive(c, m, e);
        if (n < 0 && errno != EINTR)
            return err_errno(e, "poll");
        if (end >= 0 && clock_boot_ms() >= end) {
            *ret_timed_out = true;
            return err_set(e, ERR_IPC_CLOSED, "no message from %s in time", role_name(c->peer));
        }
    }
}

int message_take_fd(struct message *m, size_t index)
{
    if (index >= m->fd_count)
        return -1;
    int fd = m->fds[index];
    m->fds[index] = -1;
    return fd;
}

void message_done(struct message *m)
{
    drop_fds(m);
    if (m->buffer != NULL)
        explicit_bzero(m->buffer, MESSAGE_MAX);
    free(m->buffer);
    *m = (struct message){0};
}

bool channel_hello(struct channel *c, struct message *m, struct err *e)
{
    struct msg_HELLO mine = {.build = reader_text(CHANCERY_BUILD_ID)}, theirs;
    TRY(channel_send_HELLO(c, &mine, NULL, 0, e));
    TRY(channel_receive(c, m, e));
    TRY(message_as_HELLO(m, &theirs, e));
    if (!reader_equal(mine.build, theirs.build))
        return err_set(e, ERR_IPC_MESSAGE,
                       "%s is of another build; all programs must come from one installation",
                       role_name(c->peer));
    return true;
}

#define M(name, from, to, max_fds)                                                                 \
    bool channel_send_##name(struct channel *c, const struct msg_##name *m, const int *fds,        \
                             size_t fd_count, struct err *e)                                       \
    {                                                                                              \
        CLEANUP(writer_done) struct writer w = {0};                                                \
        writer_init(&w, MESSAGE_MAX - 4);                                                          \
        msg_##name##_write(&w, m);                                                                 \
        return writer_ok(&w, e) && channel_send(c, MSG_##name, writer_view(&w), fds, fd_count, e); \
    }                                                                                              \
    bool message_as_##name(const struct message *m, struct msg_##name *ret, struct err *e)         \
    {                                                                                              \
        if (m->type == MSG_##name && msg_##name##_read(m->body, ret))                              \
            return true;                                                                           \
        return err_set(e, ERR_IPC_MESSAGE, "%s instead of a well-formed %s",                       \
                       message_name(m->type), #name);                                              \
    }
MESSAGES(M)
#undef M
