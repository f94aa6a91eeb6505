/* SPDX-License-Identifier: Apache-2.0 */
#include "procs/child.h"
#include "base/crashpoints.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "procs/launch.h"
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SETTINGS_MOST = 2 * MESSAGE_MAX };

static const char *program_names[ROLE__COUNT] = {
    [ROLE_SUPERVISOR] = "chanceryd", [ROLE_FRONT] = "chancery-front",
    [ROLE_CORE] = "chancery-core",   [ROLE_WORKER] = "chancery-worker",
    [ROLE_KEY] = "chancery-key",     [ROLE_P11] = "chancery-p11",
    [ROLE_FETCH] = "chancery-fetch",
};

/* Value of "--name=value", NULL when this argument is another one. */
static const char *argument(const char *text, const char *name)
{
    size_t n = strlen(name);
    return strncmp(text, name, n) == 0 && text[n] == '=' ? text + n + 1 : NULL;
}

static bool take_number(const char *text, uint32_t *ret)
{
    uint64_t v;
    TRY(text_u64(reader_text(text), &v) && v <= UINT32_MAX);
    *ret = (uint32_t)v;
    return true;
}

static bool take_argument(struct child *c, const char *text, struct err *e)
{
    const char *value;
    uint32_t number = 0;
    if ((value = argument(text, "--level")) != NULL && c->self == ROLE_WORKER &&
        take_number(value, &number) && number >= SANDBOX_WEAK && number <= SANDBOX_FULL) {
        c->level = (enum sandbox_level)number;
        return true;
    }
    if ((value = argument(text, "--uid")) != NULL && c->self == ROLE_WORKER)
        return take_number(value, &c->want.uid) || err_set(e, ERR_USAGE, "%s", text);
    if ((value = argument(text, "--gid")) != NULL && c->self == ROLE_WORKER)
        return take_number(value, &c->want.gid) || err_set(e, ERR_USAGE, "%s", text);
    if ((value = argument(text, "--memory")) != NULL && c->self == ROLE_WORKER)
        return text_u64(reader_text(value), &c->want.memory) || err_set(e, ERR_USAGE, "%s", text);
#ifdef CHANCERY_FAULTS
    if ((value = argument(text, "--crash")) != NULL &&
        (crashpoint_arm(value) || channel_crash_arm(value)))
        return true;
#endif
    return err_user(e, ERR_USAGE,
                    "%s is started by chanceryd, never by hand. Start chanceryd --data DIR.",
                    program_names[c->self]);
}

static bool copy_settings(struct child *c, struct reader pairs, struct err *e)
{
    size_t count = 0;
    struct record_PAIR pair;
    for (struct reader r = pairs; r.left > 0; count++)
        if (!record_PAIR_next(&r, &pair))
            return err_set(e, ERR_IPC_MESSAGE, "settings");
    c->settings = ARENA_ARRAY(c->arena, count, struct child_pair);
    if (c->settings == NULL)
        return arena_err(e);
    while (record_PAIR_next(&pairs, &pair)) {
        struct child_pair *to = &c->settings[c->setting_count++];
        to->name = arena_text(c->arena, pair.name);
        to->value = arena_text(c->arena, pair.value);
        if (to->name == NULL || to->value == NULL)
            return arena_err(e);
    }
    return true;
}

static void start_log(const struct child *c)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    const char *level = child_setting(c, "log_level"), *format = child_setting(c, "log_format");
    enum log_level least = LOG_INFO;
    for (size_t i = 0; i < COUNT_OF(levels); i++)
        if (strcmp(level, levels[i]) == 0)
            least = (enum log_level)i;
    log_start(program_names[c->self], least,
              strcmp(format, "json") == 0   ? LOG_JSON
              : strcmp(format, "text") == 0 ? LOG_TEXT
                                            : LOG_AUTO);
}

static bool take_start(struct child *c, struct err *e)
{
    struct msg_START m;
    TRY(message_as_START(&c->message, &m, e));
    if (m.level < SANDBOX_WEAK || m.level > SANDBOX_FULL)
        return err_set(e, ERR_IPC_MESSAGE, "sandbox level %u", m.level);
    c->level = (enum sandbox_level)m.level;
    TRY(copy_settings(c, m.settings, e));
    for (size_t i = 0; i < c->message.fd_count; i++)
        c->fds[c->fd_count++] = message_take_fd(&c->message, i);
    if (c->self == ROLE_KEY && c->fd_count > 0)
        c->want.folder = c->fds[0];
    c->want.uid = (uint32_t)child_number(c, "uid");
    c->want.gid = (uint32_t)child_number(c, "gid");
    return true;
}

static bool take_peer(struct child *c, struct channel *ret, struct err *e)
{
    struct msg_PEER m;
    TRY(message_as_PEER(&c->message, &m, e));
    int fd = message_take_fd(&c->message, 0);
    if (fd < 0 || m.role >= ROLE__COUNT)
        return err_set(e, ERR_IPC_MESSAGE, "PEER without a channel");
    *ret = (struct channel){fd, c->self, (enum role)m.role};
    return true;
}

static bool begin_supervised(struct child *c, struct err *e)
{
    TRY(channel_hello(&c->supervisor, &c->message, e));
    for (;;) {
        TRY(channel_receive(&c->supervisor, &c->message, e));
        if (c->message.type == MSG_START)
            return take_start(c, e);
        struct channel peer;
        TRY(take_peer(c, &peer, e));
        channel_close(&c->peers[peer.peer]);
        c->peers[peer.peer] = peer;
    }
}

bool child_begin(struct child *c, enum role self, int argc, char **argv, struct err *e)
{
    *c = (struct child){.self = self, .supervisor = {-1, self, ROLE_SUPERVISOR}};
    for (size_t i = 0; i < ROLE__COUNT; i++)
        c->peers[i] = (struct channel){-1, self, (enum role)i};
    c->want = (struct sandbox_want){.program = role_name(self), .folder = -1};
    log_start(program_names[self], LOG_INFO, LOG_AUTO);
    for (int i = 1; i < argc; i++)
        TRY(take_argument(c, argv[i], e));
    c->arena = arena_new(SETTINGS_MOST);
    if (c->arena == NULL)
        return err_set(e, ERR_NO_MEMORY, "child");
    if (self == ROLE_WORKER) {
        if (c->level == 0)
            return take_argument(c, "", e);
        c->peers[ROLE_CORE].fd = CHILD_CHANNEL;
        (void)mallopt(M_ARENA_MAX, 8); /* each reserves 64 MiB of address space */
        c->want.level = c->level;
        return sandbox_enter(&c->want, &c->report, e);
    }
    if (fcntl(CHILD_CHANNEL, F_SETFD, FD_CLOEXEC) != 0)
        return take_argument(c, "", e);
    c->supervisor.fd = CHILD_CHANNEL;
    TRY(begin_supervised(c, e));
    start_log(c);
    return true;
}

bool child_walls(struct child *c, struct err *e)
{
    c->want.level = c->level;
    if (c->self == ROLE_WORKER)
        return sandbox_close(&c->want, &c->report, e) &&
               channel_hello(&c->peers[ROLE_CORE], &c->message, e);
    if (c->self == ROLE_CORE) {
        c->want.data = child_setting(c, "data");
        if (strncmp(child_setting(c, "database"), "postgresql:", 11) == 0)
            c->want.program = "core-postgresql";
    }
    return sandbox_enter(&c->want, &c->report, e) && sandbox_close(&c->want, &c->report, e);
}

bool child_ready(struct child *c, struct err *e)
{
    struct msg_READY m = {.level = c->level, .note = reader_text(c->report.note)};
    return channel_send_READY(&c->supervisor, &m, NULL, 0, e);
}

int child_fail(struct child *c, const struct err *e)
{
    struct err ignored = {0};
    struct msg_FAILED m = {.code = reader_text(err_machine_code(e->code)),
                           .user = reader_text(e->user),
                           .detail = reader_text(e->detail)};
    /* The supervisor logs what it is told; without it we do. */
    if (c->supervisor.fd < 0 || !channel_send_FAILED(&c->supervisor, &m, NULL, 0, &ignored))
        log_err(LOG_ERROR, NULL, "cannot start", e);
    child_done(c);
    return e->code == ERR_USAGE ? 2 : 1;
}

void child_done(struct child *c)
{
    channel_close(&c->supervisor);
    for (size_t i = 0; i < ROLE__COUNT; i++)
        channel_close(&c->peers[i]);
    for (size_t i = 0; i < c->fd_count; i++)
        file_close(&c->fds[i]);
    message_done(&c->message);
    arena_free(c->arena);
    c->arena = NULL;
}

const char *child_setting(const struct child *c, const char *name)
{
    for (size_t i = 0; i < c->setting_count; i++)
        if (strcmp(c->settings[i].name, name) == 0)
            return c->settings[i].value;
    return "";
}

uint64_t child_number(const struct child *c, const char *name)
{
    uint64_t v;
    return text_u64(reader_text(child_setting(c, name)), &v) ? v : 0;
}

bool child_flag(const struct child *c, const char *name)
{
    return strcmp(child_setting(c, name), "yes") == 0;
}

int child_take_fd(struct child *c, size_t index)
{
    if (index >= c->fd_count)
        return -1;
    int fd = c->fds[index];
    c->fds[index] = -1;
    return fd;
}

int child_take_secret(struct child *c, const char *name)
{
    struct reader value = reader_text(child_setting(c, name));
    uint64_t index;
    if (!reader_starts_with(value, "fd:", 3) || !reader_skip(&value, 3) ||
        !text_u64(value, &index) || index >= MESSAGE_FDS)
        return -1;
    return child_take_fd(c, (size_t)index);
}

bool child_next(struct child *c, int64_t ms, struct child_event *ret, struct err *e)
{
    bool timed_out;
    struct err wait = {0};
    *ret = (struct child_event){.kind = CHILD_NOTHING};
    if (!channel_receive_within(&c->supervisor, &c->message, ms, &timed_out, &wait)) {
        if (timed_out)
            return true;
        *e = wait;
        return false;
    }
    struct msg_STOP stop;
    struct msg_EXITED exited;
    switch ((int)c->message.type) {
    case MSG_PEER:
        ret->kind = CHILD_PEER;
        return take_peer(c, &ret->peer, e);
    case MSG_STOP:
        ret->kind = CHILD_STOP;
        TRY(message_as_STOP(&c->message, &stop, e));
        ret->drain_seconds = stop.drain_seconds;
        return true;
    case MSG_EXITED:
        ret->kind = CHILD_EXITED;
        TRY(message_as_EXITED(&c->message, &exited, e));
        ret->job = exited.job;
        ret->status = exited.status;
        return true;
    default:
        return err_set(e, ERR_IPC_MESSAGE, "%s was not expected", message_name(c->message.type));
    }
}

bool child_spawn(struct child *c, uint64_t job, int fd, struct err *e)
{
    return channel_send_SPAWN(&c->supervisor, &(struct msg_SPAWN){.job = job}, &fd, 1, e);
}
