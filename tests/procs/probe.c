/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for every program behind the supervisor: the role is the name it was started by.
 * front takes lines "GET /what" and asks core, which tries the channel in question:
 * /ping, /key, /fetch, /level, /worker/N (0 ends well, 1 crashes, 2 hangs), /crash,
 * /stamp/COUNT/SERVER/HEX (COUNT requests at once; each answer is a line of hexadecimal digits). */
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "procs/child.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct child c;
static bool stopped;

static enum role role_of(const char *path)
{
    const char *name = strrchr(path, '-');
    for (size_t i = 0; name != NULL && i < ROLE__COUNT; i++)
        if (strcmp(name + 1, role_name((enum role)i)) == 0)
            return (enum role)i;
    return ROLE_ANY;
}

/* Waits for one event; notes EXITED in *exited. */
static bool events(int64_t ms, struct child_event *exited, struct err *e)
{
    struct child_event event;
    TRY(child_next(&c, ms, &event, e));
    if (event.kind == CHILD_PEER) {
        channel_close(&c.peers[event.peer.peer]);
        c.peers[event.peer.peer] = event.peer;
    }
    if (event.kind == CHILD_STOP)
        stopped = true;
    if (event.kind == CHILD_EXITED)
        *exited = event;
    return true;
}

static bool ask_key(struct writer *body, struct err *e)
{
    CLEANUP(message_done) struct message m = {0};
    TRY(channel_send_KEY_DROP(&c.peers[ROLE_KEY], &(struct msg_KEY_DROP){.call = 7}, NULL, 0, e));
    TRY(channel_receive(&c.peers[ROLE_KEY], &m, e));
    writer_format(body, "key answered %s", message_name(m.type));
    return true;
}

static bool ask_fetch(struct writer *body, struct err *e)
{
    CLEANUP(message_done) struct message m = {0};
    struct msg_FETCHED answer;
    TRY(channel_send_FETCH_STAMP(&c.peers[ROLE_FETCH], &(struct msg_FETCH_STAMP){.call = 9}, NULL,
                                 0, e));
    TRY(channel_receive(&c.peers[ROLE_FETCH], &m, e) && message_as_FETCHED(&m, &answer, e));
    writer_format(body, "fetch answered %u", answer.status);
    return true;
}

static bool put_stamp(struct writer *body, const struct message *m, struct err *e)
{
    struct msg_FETCHED fetched;
    struct msg_FAILED failed;
    if (m->type == MSG_FAILED) {
        TRY(message_as_FAILED(m, &failed, e));
        writer_format(body, "%.*s %.*s\n", (int)failed.code.left, (const char *)failed.code.at,
                      (int)failed.detail.left, (const char *)failed.detail.at);
        return true;
    }
    TRY(message_as_FETCHED(m, &fetched, e));
    for (size_t i = 0; i < fetched.answer.left; i++)
        writer_format(body, "%02x", fetched.answer.at[i]);
    writer_u8(body, '\n');
    return true;
}

static bool stamp(struct reader how, struct writer *body, struct err *e)
{
    uint64_t number[2];
    uint8_t request[1024];
    CLEANUP(message_done) struct message m = {0};
    for (size_t i = 0; i < 2; i++) {
        struct reader digits = how;
        digits.left = reader_find(how, 0, "/", 1);
        TRY(digits.left != SIZE_MAX && text_u64(digits, &number[i]) &&
            reader_skip(&how, digits.left + 1));
    }
    TRY(how.left / 2 <= sizeof request && text_unhex(how, request, how.left / 2));
    for (uint64_t i = 0; i < number[0]; i++) {
        struct msg_FETCH_STAMP ask = {.call = i,
                                      .server = (uint32_t)number[1],
                                      .request = reader_over(request, how.left / 2)};
        TRY(channel_send_FETCH_STAMP(&c.peers[ROLE_FETCH], &ask, NULL, 0, e));
    }
    for (uint64_t i = 0; i < number[0]; i++)
        TRY(channel_receive(&c.peers[ROLE_FETCH], &m, e) && put_stamp(body, &m, e));
    return true;
}

static bool run_worker(uint64_t what, struct writer *body, struct err *e)
{
    int ends[2];
    struct err gone = {0};
    struct child_event exited = {0};
    CLEANUP(message_done) struct message m = {0};
    TRY(channel_pair(ends, e));
    struct channel worker = {ends[0], ROLE_CORE, ROLE_WORKER};
    bool ok = child_spawn(&c, what, ends[1], e);
    (void)close(ends[1]);
    if (ok && channel_hello(&worker, &m, &gone))
        (void)!channel_send_JOB_BEGIN(&worker, &(struct msg_JOB_BEGIN){.job = what}, NULL, 0,
                                      &gone);
    while (ok && exited.kind != CHILD_EXITED)
        ok = events(-1, &exited, e);
    channel_close(&worker);
    int status = (int)exited.status;
    writer_format(body, "worker %llu %s %d", (unsigned long long)exited.job,
                  WIFSIGNALED(status) ? "signal" : "status",
                  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return ok;
}

static bool read_secret(struct writer *body, struct err *e)
{
    char text[64];
    size_t got;
    int fd = child_take_secret(&c, "metrics_token");
    TRY(file_read_some(fd, text, sizeof text, &got, e));
    writer_format(body, "[%.*s]", (int)got, text);
    file_close(&fd);
    return true;
}

static bool answer(struct reader target, struct writer *body, struct err *e)
{
    uint64_t what;
    if (reader_equal_text(target, "/key"))
        return ask_key(body, e);
    if (reader_equal_text(target, "/fetch"))
        return ask_fetch(body, e);
    if (reader_starts_with(target, "/stamp/", 7))
        return reader_skip(&target, 7) && stamp(target, body, e);
    if (reader_starts_with(target, "/worker/", 8))
        return reader_skip(&target, 8) && text_u64(target, &what) && run_worker(what, body, e);
    if (reader_equal_text(target, "/level"))
        writer_format(body, "%s, %s", sandbox_level_name(c.level), c.report.note);
    else if (reader_equal_text(target, "/settings"))
        writer_format(body, "workers=%llu base_url=%s data=%s",
                      (unsigned long long)child_number(&c, "workers"),
                      child_setting(&c, "base_url"), child_setting(&c, "data"));
    else if (reader_equal_text(target, "/secret"))
        return read_secret(body, e);
    else if (reader_equal_text(target, "/crash"))
        abort();
    else
        writer_format(body, "core here");
    return true;
}

static bool serve_core(struct message *m, struct err *e)
{
    struct msg_CALL_OPEN open;
    CLEANUP(writer_done) struct writer body = {0};
    writer_init(&body, 100000);
    TRY(message_as_CALL_OPEN(m, &open, e) && answer(open.target, &body, e));
    struct msg_CALL_REPLY reply = {.call = open.call, .status = 200, .body = writer_view(&body)};
    return channel_send_CALL_REPLY(&c.peers[ROLE_FRONT], &reply, NULL, 0, e);
}

static bool serve_key(struct message *m, struct err *e)
{
    struct msg_KEY_DROP drop;
    TRY(message_as_KEY_DROP(m, &drop, e));
    struct msg_KEY_DROPPED dropped = {.call = drop.call};
    return channel_send_KEY_DROPPED(&c.peers[ROLE_CORE], &dropped, NULL, 0, e);
}

static bool serve_fetch(struct message *m, struct err *e)
{
    struct msg_FETCH_STAMP stamp;
    TRY(message_as_FETCH_STAMP(m, &stamp, e));
    struct msg_FETCHED fetched = {.call = stamp.call, .status = 299};
    return channel_send_FETCHED(&c.peers[ROLE_CORE], &fetched, NULL, 0, e);
}

static bool serve_front(int listener, struct err *e)
{
    char line[4096];
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        return true;
    ssize_t n = read(fd, line, sizeof line - 1);
    line[n < 0 ? 0 : n] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    if (strcmp(line, "GET /crash-front") == 0)
        abort();
    CLEANUP(message_done) struct message m = {0};
    struct msg_CALL_OPEN open = {.call = 1,
                                 .method = reader_text("GET"),
                                 .target =
                                     reader_text(strncmp(line, "GET ", 4) == 0 ? line + 4 : ""),
                                 .headers = reader_text(""),
                                 .peer = reader_text("test")};
    struct msg_CALL_REPLY reply;
    struct err lost = {0};
    bool ok = channel_send_CALL_OPEN(&c.peers[ROLE_CORE], &open, NULL, 0, &lost) &&
              channel_receive(&c.peers[ROLE_CORE], &m, &lost) &&
              message_as_CALL_REPLY(&m, &reply, &lost);
    struct reader text = ok ? reply.body : reader_text("core is away");
    ssize_t put = write(fd, text.at, text.left);
    (void)close(fd);
    return put >= 0 || err_errno(e, "write");
}

static bool serve(struct err *e)
{
    int listener = c.self == ROLE_FRONT ? child_take_fd(&c, 0) : -1;
    CLEANUP(message_done) struct message m = {0};
    while (!stopped) {
        struct channel *peer = &c.peers[c.self == ROLE_CORE ? ROLE_FRONT : ROLE_CORE];
        struct pollfd polled[] = {{.fd = c.supervisor.fd, .events = POLLIN},
                                  {.fd = listener, .events = POLLIN},
                                  {.fd = c.self == ROLE_FRONT ? -1 : peer->fd, .events = POLLIN}};
        struct child_event ignored;
        struct err lost = {0};
        if (poll(polled, COUNT_OF(polled), -1) < 0 && errno != EINTR)
            return err_errno(e, "poll");
        if (polled[0].revents != 0)
            TRY(events(0, &ignored, e));
        if (polled[1].revents != 0)
            TRY(serve_front(listener, e));
        if (polled[2].revents == 0)
            continue;
        if (!channel_receive(peer, &m, &lost))
            channel_close(peer);
        else if (c.self == ROLE_CORE)
            TRY(serve_core(&m, e));
        else
            TRY(c.self == ROLE_KEY ? serve_key(&m, e) : serve_fetch(&m, e));
    }
    return true;
}

/* A file "refuse" in the key folder: what a journal that was rolled back would be. */
static bool may_start(struct err *e)
{
    return c.self != ROLE_KEY || faccessat(c.fds[0], "refuse", F_OK, 0) != 0 ||
           err_user(e, ERR_IO, "The key folder says no.");
}

static int work(void)
{
    struct err e = {0};
    struct msg_JOB_BEGIN job = {0};
    CLEANUP(message_done) struct message m = {0};
    if (!child_walls(&c, &e) || !channel_receive(&c.peers[ROLE_CORE], &m, &e) ||
        !message_as_JOB_BEGIN(&m, &job, &e))
        return child_fail(&c, &e);
    if (job.job == 1)
        abort();
    while (job.job == 2)
        (void)poll(NULL, 0, 1000);
    child_done(&c);
    return 0;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    if (!child_begin(&c, role_of(argv[0]), argc, argv, &e))
        return child_fail(&c, &e);
    if (c.self == ROLE_WORKER)
        return work();
    if (!child_walls(&c, &e) || !may_start(&e) || !child_ready(&c, &e))
        return child_fail(&c, &e);
    bool ok = serve(&e);
    if (!ok)
        log_err(LOG_ERROR, NULL, "ended", &e);
    child_done(&c);
    return ok ? 0 : 1;
}
