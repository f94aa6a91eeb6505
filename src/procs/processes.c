/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "procs/supervisor.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    START_MS = 300 * 1000,
    BACK_OFF_MS = 200,
    BACK_OFF_MOST_MS = 30 * 1000,
    GIVE_UP = 6,
    CORE_DRAIN_MS = 20 * 1000
};

/* In the order of their first start. */
static const struct {
    enum role role;
    const char *program;
} order[PROCESSES] = {{ROLE_KEY, "chancery-key"},
                      {ROLE_FETCH, "chancery-fetch"},
                      {ROLE_CORE, "chancery-core"},
                      {ROLE_FRONT, "chancery-front"}};
/* Who talks to whom: core in the middle. */
static bool linked(enum role a, enum role b)
{
    return a != b && (a == ROLE_CORE || b == ROLE_CORE);
}

bool processes_init(struct supervisor *s, struct err *e)
{
    for (size_t i = 0; i < PROCESSES; i++) {
        s->processes[i] = (struct process){.role = order[i].role,
                                           .program = order[i].program,
                                           .channel = {-1, ROLE_SUPERVISOR, order[i].role}};
        TRY(launch_find(order[i].program, s->processes[i].path, e));
    }
    return launch_find("chancery-worker", s->worker_path, e);
}

/* A child that does not read must not stop us. */
static void limit_sends(int fd)
{
    struct timeval t = {.tv_sec = 5};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
}

static const char *crash_argument(struct supervisor *s, const char *who, char to[64])
{
    size_t n = strlen(who);
    for (size_t i = 0; i < CRASHES_MOST; i++) {
        const char *crash = s->crashes[i];
        if (crash == NULL || strncmp(crash, who, n) != 0 || crash[n] != ':')
            continue;
        (void)snprintf(to, 64, "--crash=%s", crash + n + 1);
        s->crashes[i] = NULL; /* the restarted process must get past it */
        return to;
    }
    return NULL;
}

/* A fresh pair for p and everybody it talks to who is there. */
static bool link_peers(struct supervisor *s, struct process *p, struct err *e)
{
    for (size_t i = 0; i < PROCESSES; i++) {
        struct process *q = &s->processes[i];
        if (!linked(p->role, q->role) || q->state == PROCESS_DOWN)
            continue;
        int ends[2];
        struct err gone = {0};
        TRY(channel_pair(ends, e));
        bool ok =
            channel_send_PEER(&p->channel, &(struct msg_PEER){.role = q->role}, &ends[0], 1, e);
        /* A peer that dies right now is reaped and linked anew. */
        if (ok && !channel_send_PEER(&q->channel, &(struct msg_PEER){.role = p->role}, &ends[1], 1,
                                     &gone))
            log_err(LOG_WARNING, q->program, "peer not linked", &gone);
        file_close(&ends[0]);
        file_close(&ends[1]);
        TRY(ok);
    }
    return true;
}

static bool send_start(struct supervisor *s, struct process *p, struct err *e)
{
    CLEANUP(handout_done) struct handout h = {0};
    handout_init(&h);
    if (p->role == ROLE_FRONT) {
        TRY(handout_borrow(&h, s->listeners.fds, s->listeners.count, e));
        handout_number(&h, "listeners", s->listeners.count);
    }
    if (p->role == ROLE_KEY)
        TRY(handout_borrow(&h, &s->key_folder, 1, e));
    if (p->role == ROLE_CORE && s->task) {
        const int streams[] = {STDIN_FILENO, STDOUT_FILENO};
        TRY(handout_borrow(&h, streams, 2, e));
        handout_pair(&h, "task", "yes");
    }
    if (p->role == ROLE_CORE) {
        handout_pair(&h, "data", s->data.path);
        handout_pair(&h, "url", s->url);
    }
    handout_number(&h, "uid", p->uid);
    handout_number(&h, "gid", p->gid);
    TRY(handout_settings(&h, p->role, &s->settings, &s->place, e));
    struct msg_START m = {.level = s->level, .settings = writer_view(&h.pairs)};
    return channel_send_START(&p->channel, &m, h.fds, h.fd_count, e);
}

static bool start(struct supervisor *s, struct process *p, struct err *e)
{
    int ends[2];
    char crash[64];
    struct msg_HELLO hello = {.build = reader_text(channel_build_id())};
    const char *arguments[] = {crash_argument(s, role_name(p->role), crash), NULL};
    TRY(channel_pair(ends, e));
    bool ok = launch(p->path, arguments, ends[1], &p->pid, e);
    file_close(&ends[1]);
    p->channel.fd = ends[0];
    if (!ok) {
        channel_close(&p->channel);
        return false;
    }
    limit_sends(ends[0]);
    p->state = PROCESS_STARTING;
    p->hello = false;
    p->failure = (struct err){0};
    p->due = clock_boot_ms() + START_MS;
    struct err lost = {0};
    ok = channel_send_HELLO(&p->channel, &hello, NULL, 0, &lost) && link_peers(s, p, &lost) &&
         send_start(s, p, &lost);
    if (!ok && lost.code != ERR_IPC_CLOSED) {
        *e = lost;
        return false;
    }
    return true; /* gone already: the reaper says why */
}

/* A task needs no connections: core and key do it. */
static bool is_wanted(const struct supervisor *s, const struct process *p)
{
    return !s->task || p->role == ROLE_KEY || p->role == ROLE_CORE;
}

/* First start: one after the other, each after the one before is up. Later: when due. */
static struct process *next_due(struct supervisor *s)
{
    for (size_t i = 0; i < PROCESSES; i++) {
        struct process *p = &s->processes[i];
        if (!is_wanted(s, p))
            continue;
        if (p->state == PROCESS_DOWN && clock_boot_ms() >= p->due)
            return p;
        if (!p->ever_up)
            return NULL;
    }
    return NULL;
}

static void end_overdue(struct supervisor *s)
{
    int64_t now = clock_boot_ms();
    for (size_t i = 0; i < PROCESSES; i++)
        if (s->processes[i].state == PROCESS_STARTING && now >= s->processes[i].due) {
            log_line(LOG_ERROR, s->processes[i].program, "not ready after %d s, killed",
                     START_MS / 1000);
            (void)kill(s->processes[i].pid, SIGKILL);
            s->processes[i].due = INT64_MAX;
        }
    for (size_t i = 0; i < WORKERS_MOST; i++)
        if (s->workers[i].pid > 0 && now >= s->workers[i].due) {
            log_line(LOG_WARNING, "chancery-worker", "job %llu ran out of time, killed",
                     (unsigned long long)s->workers[i].job);
            (void)kill(s->workers[i].pid, SIGKILL);
            s->workers[i].due = INT64_MAX;
        }
}

bool processes_step(struct supervisor *s, struct err *e)
{
    struct process *p;
    end_overdue(s);
    while (!s->stopping && (p = next_due(s)) != NULL)
        TRY(start(s, p, e));
    return true;
}

bool processes_up(const struct supervisor *s)
{
    for (size_t i = 0; i < PROCESSES; i++)
        if (s->processes[i].state != PROCESS_UP)
            return false;
    return true;
}

bool processes_gone(const struct supervisor *s)
{
    for (size_t i = 0; i < PROCESSES; i++)
        if (s->processes[i].pid > 0)
            return false;
    for (size_t i = 0; i < WORKERS_MOST; i++)
        if (s->workers[i].pid > 0)
            return false;
    return true;
}

int64_t processes_wait_ms(const struct supervisor *s)
{
    int64_t due = s->stopping ? s->stop_due : INT64_MAX, now = clock_boot_ms();
    for (size_t i = 0; i < PROCESSES; i++)
        if ((s->processes[i].pid > 0 ? s->processes[i].state == PROCESS_STARTING
                                     : s->processes[i].ever_up && !s->stopping) &&
            s->processes[i].due < due)
            due = s->processes[i].due;
    for (size_t i = 0; i < WORKERS_MOST; i++)
        if (s->workers[i].pid > 0 && s->workers[i].due < due)
            due = s->workers[i].due;
    int64_t left = due == INT64_MAX ? 60000 : due - now, most = s->stopping ? 500 : 60000;
    return left < 0 ? 0 : left > most ? most : left;
}

static bool report_end(struct supervisor *s, uint64_t job, int status, struct err *e)
{
    for (size_t i = 0; i < PROCESSES; i++) {
        struct process *core = &s->processes[i];
        if (core->role != ROLE_CORE || core->channel.fd < 0)
            continue;
        struct msg_EXITED m = {.job = job, .status = (uint32_t)status};
        struct err lost = {0};
        if (!channel_send_EXITED(&core->channel, &m, NULL, 0, &lost) && lost.code != ERR_IPC_CLOSED)
            return err_set(e, lost.code, "%s", lost.detail);
    }
    return true;
}

static bool spawn_worker(struct supervisor *s, uint64_t job, int fd, struct err *e)
{
    struct worker *w = NULL;
    for (size_t i = 0; i < WORKERS_MOST && w == NULL; i++)
        if (s->workers[i].pid == 0)
            w = &s->workers[i];
    char level[32], memory[40], uid[32], gid[32], name[32], crash[64];
    (void)snprintf(level, sizeof level, "--level=%d", s->level);
    (void)snprintf(memory, sizeof memory, "--memory=%llu",
                   (unsigned long long)settings_number(&s->settings, SET_job_memory));
    (void)snprintf(uid, sizeof uid, "--uid=%u", s->worker_uid);
    (void)snprintf(gid, sizeof gid, "--gid=%u", s->worker_gid);
    (void)snprintf(name, sizeof name, "worker.%u", ++s->workers_started);
    const char *arguments[] = {level, memory, uid, gid, crash_argument(s, name, crash), NULL};
    struct err why = {0};
    if (w == NULL || !launch(s->worker_path, arguments, fd, &w->pid, &why)) {
        log_err(LOG_ERROR, "chancery-worker", "not started", &why);
        return report_end(s, job, W_EXITCODE(127, 0), e);
    }
    w->job = job;
    w->due = clock_boot_ms() + 1000 * (int64_t)settings_number(&s->settings, SET_job_timeout);
    return true;
}

static bool take_failure(struct process *p, const struct message *m, struct err *e)
{
    struct msg_FAILED f;
    TRY(message_as_FAILED(m, &f, e));
    char code[64], user[320], detail[320];
    (void)snprintf(code, sizeof code, "%.*s", (int)f.code.left, (const char *)f.code.at);
    (void)snprintf(user, sizeof user, "%.*s", (int)f.user.left, (const char *)f.user.at);
    (void)snprintf(detail, sizeof detail, "%.*s", (int)f.detail.left, (const char *)f.detail.at);
    p->failure = (struct err){0};
    (void)err_from(&p->failure, code, user, detail);
    return true;
}

static bool take_ready(struct process *p, const struct message *m, struct err *e)
{
    struct msg_READY ready;
    TRY(message_as_READY(m, &ready, e));
    if (p->state != PROCESS_STARTING || !p->hello)
        return err_set(e, ERR_IPC_MESSAGE, "READY out of order");
    log_line(LOG_INFO, p->program, "ready, process %d, sandbox %s: %.*s", p->pid,
             sandbox_level_name((enum sandbox_level)ready.level), (int)ready.note.left,
             (const char *)ready.note.at);
    p->state = PROCESS_UP;
    p->ever_up = true;
    p->failures = 0;
    return true;
}

static bool take(struct supervisor *s, struct process *p, struct message *m, struct err *e)
{
    struct msg_HELLO hello;
    struct msg_SPAWN spawn;
    if (!p->hello) {
        TRY(message_as_HELLO(m, &hello, e));
        p->hello = reader_equal_text(hello.build, channel_build_id());
        return p->hello || err_set(e, ERR_IPC_MESSAGE, "%s is of another build", p->program);
    }
    switch ((int)m->type) {
    case MSG_READY:
        return take_ready(p, m, e);
    case MSG_FAILED:
        return take_failure(p, m, e);
    case MSG_SPAWN: {
        TRY(message_as_SPAWN(m, &spawn, e));
        CLEANUP(file_close) int fd = message_take_fd(m, 0);
        if (fd < 0)
            return err_set(e, ERR_IPC_MESSAGE, "SPAWN without a channel");
        return spawn_worker(s, spawn.job, fd, e);
    }
    default:
        return err_set(e, ERR_IPC_MESSAGE, "%s was not expected", message_name(m->type));
    }
}

bool processes_message(struct supervisor *s, struct process *p, struct err *e)
{
    struct err bad = {0};
    if (channel_receive(&p->channel, &s->message, &bad) && take(s, p, &s->message, &bad))
        return true;
    /* Whoever closes or abuses its channel is at its end; the reaper says how it ended. */
    channel_close(&p->channel);
    if (bad.code != ERR_IPC_CLOSED) {
        log_err(LOG_ERROR, p->program, "killed", &bad);
        if (p->failure.code == ERR_NONE)
            p->failure = bad;
        (void)kill(p->pid, SIGKILL);
    }
    (void)e;
    return true;
}

static void kill_workers(struct supervisor *s)
{
    for (size_t i = 0; i < WORKERS_MOST; i++)
        if (s->workers[i].pid > 0)
            (void)kill(s->workers[i].pid, SIGKILL);
}

static void describe_end(int status, char to[64])
{
    if (WIFSIGNALED(status))
        (void)snprintf(to, 64, "killed by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else
        (void)snprintf(to, 64, "exit status %d", WEXITSTATUS(status));
}

/* Its last words first: READY of a quick task, or FAILED, may still wait in the channel. */
static void drain(struct supervisor *s, struct process *p)
{
    struct err e = {0}, end = {0};
    bool timed_out;
    while (p->channel.fd >= 0 &&
           channel_receive_within(&p->channel, &s->message, 0, &timed_out, &e))
        if (s->message.type != MSG_SPAWN)
            (void)!take(s, p, &s->message, &end);
    channel_close(&p->channel);
}

/* Trouble of the machine that somebody may be mending right now: a full disk, no memory. */
static bool may_pass(const struct err *e)
{
    return e->code == ERR_STORAGE_FULL || e->code == ERR_NO_MEMORY || e->code == ERR_DB_AWAY;
}

/* A refusal with a reason is final for the two that hold the truth; a crash may pass. */
static bool is_final(const struct process *p)
{
    bool vital = p->role == ROLE_CORE || p->role == ROLE_KEY, said = p->failure.code != ERR_NONE;
    if (!p->ever_up)
        return true;
    return vital && (said ? !may_pass(&p->failure) : p->failures >= GIVE_UP);
}

static bool ended(struct supervisor *s, struct process *p, int status, struct err *e)
{
    char how[64];
    drain(s, p);
    describe_end(status, how);
    bool was_up = p->state == PROCESS_UP;
    p->pid = 0;
    p->state = PROCESS_DOWN;
    if (p->role == ROLE_CORE)
        kill_workers(s);
    if (s->task && was_up && p->role == ROLE_CORE && !s->stopping) {
        s->task_status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        s->stopping = true;
        s->stop_due = clock_boot_ms() + GRACE_MS;
    }
    if (s->stopping) {
        log_line(LOG_DEBUG, p->program, "ended: %s", how);
        return true;
    }
    p->failures++;
    if (p->failure.code != ERR_NONE)
        log_err(LOG_ERROR, p->program, was_up ? "cannot go on" : "cannot start", &p->failure);
    else
        log_line(LOG_ERROR, p->program, "%s: %s", was_up ? "crashed" : "ended before it was ready",
                 how);
    if (is_final(p)) {
        if (p->failure.code != ERR_NONE) {
            *e = p->failure;
            return false;
        }
        return err_user(e, ERR_INTERNAL, "%s cannot start: %s. The lines above say more.",
                        p->program, how);
    }
    unsigned shift = p->failures > 8 ? 8 : p->failures - 1;
    int64_t wait = BACK_OFF_MS << shift;
    wait = wait > BACK_OFF_MOST_MS ? BACK_OFF_MOST_MS : wait;
    p->due = clock_boot_ms() + wait;
    log_line(LOG_WARNING, p->program, "restart in %lld ms", (long long)wait);
    return true;
}

static void note_worker(const struct supervisor *s, const struct worker *w, int status)
{
    char how[64];
    describe_end(status, how);
    if (status != 0 && !s->stopping)
        log_line(LOG_WARNING, "chancery-worker", "job %llu: %s", (unsigned long long)w->job, how);
}

bool processes_reap(struct supervisor *s, struct err *e)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (size_t i = 0; i < WORKERS_MOST; i++)
            if (s->workers[i].pid == pid) {
                uint64_t job = s->workers[i].job;
                note_worker(s, &s->workers[i], status);
                s->workers[i] = (struct worker){0};
                TRY(report_end(s, job, status, e));
            }
        for (size_t i = 0; i < PROCESSES; i++)
            if (s->processes[i].pid == pid)
                TRY(ended(s, &s->processes[i], status, e));
    }
    return true;
}

/* Front first, so that what it has taken is answered; then core; key and fetch serve until core
 * is done. A front that takes long (a slow download) does not hold the others for ever. */
static bool its_turn(const struct supervisor *s, enum role role)
{
    bool front_lives = false, core_lives = false;
    for (size_t i = 0; i < PROCESSES; i++) {
        bool lives = s->processes[i].pid > 0;
        front_lives |= lives && s->processes[i].role == ROLE_FRONT;
        core_lives |= lives && s->processes[i].role == ROLE_CORE;
    }
    bool patient = s->stop_due - clock_boot_ms() > CORE_DRAIN_MS;
    return role == ROLE_FRONT || (role == ROLE_CORE && !(front_lives && patient)) ||
           (role != ROLE_CORE && !core_lives);
}

void processes_stop(struct supervisor *s)
{
    for (size_t i = 0; i < PROCESSES; i++) {
        struct process *p = &s->processes[i];
        struct err lost = {0};
        int64_t left = (s->stop_due - clock_boot_ms() - GRACE_MS) / 1000;
        struct msg_STOP m = {.drain_seconds = left < 0 ? 0 : (uint32_t)left};
        if (p->pid <= 0 || p->channel.fd < 0 || p->told_to_stop || !its_turn(s, p->role))
            continue;
        p->told_to_stop = true;
        if (!channel_send_STOP(&p->channel, &m, NULL, 0, &lost))
            (void)kill(p->pid, SIGKILL);
    }
}

void processes_kill(struct supervisor *s)
{
    for (size_t i = 0; i < PROCESSES; i++)
        if (s->processes[i].pid > 0)
            (void)kill(s->processes[i].pid, SIGKILL);
    kill_workers(s);
}
