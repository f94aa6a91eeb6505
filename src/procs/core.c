/* SPDX-License-Identifier: Apache-2.0 */
/* chancery-core. Serves: front's calls, by rules over the database and the blob store; runs jobs
 * with workers, the key process and fetch. May: its database, its blobs, its log heads.
 * Must never see: a private key, the inside of an artifact or of a time-stamp answer; it opens no
 * connection and executes nothing (workers are started by the supervisor). */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/settings.h"
#include "base/text.h"
#include "configuration/configuration.h"
#include "crypto/digest.h"
#include "crypto/x509.h"
#include "procs/child.h"
#include "service/authority.h"
#include "service/jobs.h"
#include "service/setup.h"
#include "web/incoming.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CALL_THREADS = 64, WORKERS_MOST = 256, TSA_MOST = 16 };

/* Workers that were spawned and have not been asked about yet. */
struct exits {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct {
        uint64_t job;         /* 0: free */
        bool ended, given_up; /* given_up: nobody waits for its end any more */
        uint32_t status;
    } rows[WORKERS_MOST];
};

struct core {
    struct child child;
    struct service service;
    struct exits exits;
    struct incoming *incoming;
    struct jobs *jobs;
    struct service_tsa tsa[TSA_MOST];
    bool task;
};

static struct core core = {.exits = {.lock = PTHREAD_MUTEX_INITIALIZER}};

/* --- what the service asks of its process ------------------------------------------------------
 */

static void wake(void *ctx)
{
    struct core *c = ctx;
    if (c->jobs != NULL)
        jobs_wake(c->jobs);
}

static void report(void *ctx, const char *subject, const struct err *e)
{
    (void)ctx;
    log_err(LOG_WARNING, subject, "failed", e);
}

static bool spawn(void *ctx, uint64_t job, int fd, struct err *e)
{
    struct core *c = ctx;
    struct exits *x = &c->exits;
    bool room = false;
    (void)pthread_mutex_lock(&x->lock);
    for (size_t i = 0; i < WORKERS_MOST && !room; i++) {
        if (x->rows[i].job != 0)
            continue;
        x->rows[i].job = job;
        x->rows[i].ended = x->rows[i].given_up = false;
        room = true;
    }
    (void)pthread_mutex_unlock(&x->lock);
    return (room || err_set(e, ERR_ATTEMPT, "too many workers")) &&
           child_spawn(&c->child, job, fd, e);
}

static bool await_exit(void *ctx, uint64_t job, int64_t ms, uint32_t *ret_status)
{
    struct core *c = ctx;
    struct exits *x = &c->exits;
    bool ended = false, known = false;
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    (void)pthread_mutex_lock(&x->lock);
    for (bool late = false; !ended && !late;) {
        known = false;
        for (size_t i = 0; i < WORKERS_MOST; i++) {
            if (x->rows[i].job != job)
                continue;
            known = true;
            ended = x->rows[i].ended;
            *ret_status = x->rows[i].status;
            if (ended)
                x->rows[i].job = 0;
        }
        if (!known)
            break;
        late = !ended && pthread_cond_timedwait(&x->changed, &x->lock, &until) != 0;
    }
    for (size_t i = 0; i < WORKERS_MOST && !ended; i++)
        if (x->rows[i].job == job)
            x->rows[i].given_up = true;
    (void)pthread_mutex_unlock(&x->lock);
    return ended;
}

static void worker_ended(struct core *c, uint64_t job, uint32_t status)
{
    struct exits *x = &c->exits;
    (void)pthread_mutex_lock(&x->lock);
    for (size_t i = 0; i < WORKERS_MOST; i++) {
        if (x->rows[i].job != job)
            continue;
        x->rows[i].ended = true;
        x->rows[i].status = status;
        if (x->rows[i].given_up)
            x->rows[i].job = 0;
    }
    (void)pthread_cond_broadcast(&x->changed);
    (void)pthread_mutex_unlock(&x->lock);
}

/* --- settings ----------------------------------------------------------------------------------
 */

/* The certificates of a file that a setting names, as CERTIFICATE records. */
static bool read_roots(struct core *c, const char *name, struct reader *ret, struct err *e)
{
    struct arena *a = c->child.arena;
    struct reader file, *certificates;
    size_t count;
    CLEANUP(file_close) int fd = child_take_secret(&c->child, name);
    CLEANUP(writer_done) struct writer w = {0};
    if (fd < 0)
        return true;
    writer_init(&w, 1 << 20);
    TRY(file_read_fd(fd, 1 << 20, a, &file, e));
    TRY(certificates_read(a, file, &certificates, &count, e));
    for (size_t i = 0; i < count; i++)
        record_CERTIFICATE_write(&w, &(struct record_CERTIFICATE){.der = certificates[i]});
    TRY(writer_ok(&w, e));
    *ret = arena_bytes(a, writer_view(&w));
    return ret->at != NULL || arena_err(e);
}

static bool read_servers(struct core *c, struct err *e)
{
    struct reader list = reader_text(child_setting(&c->child, "tsa")), item;
    struct service *s = &c->service;
    while (settings_item(&list, &item)) {
        struct setting_tsa tsa;
        TRY(settings_tsa(item, &tsa, e));
        if (s->tsa_count == TSA_MOST)
            return err_user(e, ERR_SETTING, "tsa: at most %d servers.", TSA_MOST);
        struct service_tsa *t = &c->tsa[s->tsa_count];
        t->url = arena_text(c->child.arena, tsa.url);
        t->hash = tsa.hash.left == 0 ? "sha256" : arena_text(c->child.arena, tsa.hash);
        if (t->url == NULL || t->hash == NULL)
            return arena_err(e);
        char name[32];
        (void)snprintf(name, sizeof name, "tsa_ca.%zu", s->tsa_count);
        TRY(read_roots(c, name, &t->roots, e));
        s->tsa_count++;
    }
    s->tsa = c->tsa;
    return true;
}

/* The worker's names (artifact/runner.h) for our settings. */
static bool write_limits(struct core *c, struct err *e)
{
    static const struct {
        const char *limit, *setting;
    } names[] = {{"entries", "max_entries"},
                 {"expanded_bytes", "max_expanded_bytes"},
                 {"nesting", "max_nesting"},
                 {"ratio", "max_ratio"},
                 {"memory", "job_memory"}};
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 4096);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        record_PAIR_write(&w, &(struct record_PAIR){.name = reader_text(names[i].limit),
                                                    .value = reader_text(child_setting(
                                                        &c->child, names[i].setting))});
    TRY(writer_ok(&w, e));
    c->service.job_limits = arena_bytes(c->child.arena, writer_view(&w));
    return c->service.job_limits.at != NULL || arena_err(e);
}

static bool configure(struct core *c, struct err *e)
{
    struct service *s = &c->service;
    const char *base = child_setting(&c->child, "base_url");
    size_t n = strlen(base);
    while (n > 0 && base[n - 1] == '/')
        n--;
    s->base_url = arena_text(c->child.arena, reader_over(base, n));
    s->max_upload = child_number(&c->child, "max_upload_bytes");
    s->job_timeout_ms = (int64_t)child_number(&c->child, "job_timeout") * 1000;
    s->tsa_budget_ms = (int64_t)child_number(&c->child, "tsa_budget") * 1000;
    s->session_idle_ms = (int64_t)child_number(&c->child, "session_idle") * 1000;
    s->session_max_ms = (int64_t)child_number(&c->child, "session_max") * 1000;
    s->scanner_set = child_setting(&c->child, "scanner")[0] != '\0';
    s->wake = wake;
    s->spawn = spawn;
    s->await_exit = await_exit;
    s->report = report;
    s->wake_ctx = s->spawn_ctx = s->report_ctx = c;
    return (s->base_url != NULL || arena_err(e)) && read_servers(c, e) &&
           read_roots(c, "trusted_roots", &s->roots, e) && write_limits(c, e);
}

/* --- start -------------------------------------------------------------------------------------
 */

static bool open_store(struct core *c, struct err *e)
{
    struct service *s = &c->service;
    struct arena *a = c->child.arena;
    const char *data = child_setting(&c->child, "data"),
               *url = child_setting(&c->child, "database");
    bool sqlite = strcmp(url, "sqlite") == 0;
    struct reader password = {0};
    CLEANUP(file_close) int fd = child_take_secret(&c->child, "database_password");
    if (fd >= 0)
        TRY(file_read_fd(fd, 4096, a, &password, e));
    struct db_settings settings = {
        .path = sqlite ? arena_format(a, "%s/db/chancery.db", data) : NULL,
        .url = sqlite ? NULL : url,
        .password = password.left > 0 ? arena_text(a, password) : NULL,
        .readers = 8,
    };
    const char *blobs = arena_format(a, "%s/blobs", data);
    if (blobs == NULL || (sqlite && settings.path == NULL))
        return arena_err(e);
    const char *audit = arena_format(a, "%s/audit", data);
    if (audit == NULL)
        return arena_err(e);
    s->audit_folder = open(audit, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->audit_folder < 0)
        return err_errno(e, audit);
    return db_open(&settings, &s->db, e) && blobs_open(blobs, &s->blobs, e);
}

static void *receive_key(void *ctx)
{
    struct core *c = ctx;
    while (calls_wait_connected(c->service.key)) {
        struct err e = {0};
        if (!calls_receive(c->service.key, &e))
            log_err(LOG_WARNING, "key", "channel", &e);
        authority_lost(&c->service);
    }
    return NULL;
}

static void *receive_fetch(void *ctx)
{
    struct core *c = ctx;
    while (calls_wait_connected(c->service.fetch)) {
        struct err e = {0};
        if (!calls_receive(c->service.fetch, &e))
            log_err(LOG_WARNING, "fetch", "channel", &e);
    }
    return NULL;
}

struct front_thread {
    struct core *core;
    struct channel channel;
};

static void *receive_front(void *ctx)
{
    struct front_thread *f = ctx;
    struct err e = {0};
    if (!incoming_receive(f->core->incoming, f->channel, &e))
        log_err(LOG_INFO, "front", "channel ended", &e);
    free(f);
    return NULL;
}

static bool start_thread(void *(*run)(void *), void *ctx, struct err *e)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, run, ctx) == 0 ? pthread_detach(thread) == 0
                                                        : err_set(e, ERR_NO_MEMORY, "thread");
}

static bool start_front(struct core *c, struct channel channel, struct err *e)
{
    struct front_thread *f = malloc(sizeof *f);
    if (f == NULL)
        return err_set(e, ERR_NO_MEMORY, "thread");
    *f = (struct front_thread){c, channel};
    return start_thread(receive_front, f, e);
}

/* A key process that was restarted: shown the log again, in a thread of its own. Trouble on our
 * side (a full disk, say) may pass, and nothing is signed before; a refusal is final, and a key
 * process that has gone again comes back with a thread of its own. */
static void *open_authority(void *ctx)
{
    enum { PAUSE_MS = 2000 };
    struct core *c = ctx;
    for (;;) {
        struct err e = {0};
        if (authority_open(&c->service, &e))
            return NULL;
        log_err(LOG_ERROR, "key", "the log was not accepted by the key process", &e);
        if (!err_is_ours(&e) && e.code != ERR_DB_AWAY)
            return NULL;
        clock_sleep(PAUSE_MS);
    }
}

static bool start_service(struct core *c, struct err *e)
{
    struct service *s = &c->service;
    pthread_condattr_t clock;
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&c->exits.changed, &clock);
    (void)pthread_condattr_destroy(&clock);
    s->key = calls_new(ROLE_CORE, ROLE_KEY);
    s->fetch = calls_new(ROLE_CORE, ROLE_FETCH);
    s->authority = authority_new();
    if (s->key == NULL || s->fetch == NULL || s->authority == NULL)
        return err_set(e, ERR_NO_MEMORY, "service");
    TRY(open_store(c, e));
    TRY(start_thread(receive_key, c, e) && start_thread(receive_fetch, c, e));
    if (c->child.peers[ROLE_KEY].fd >= 0)
        calls_connect(s->key, c->child.peers[ROLE_KEY].fd);
    if (c->child.peers[ROLE_FETCH].fd >= 0)
        calls_connect(s->fetch, c->child.peers[ROLE_FETCH].fd);
    return authority_open(s, e);
}

static bool begin(struct core *c, int argc, char **argv, struct err *e)
{
    TRY(child_begin(&c->child, ROLE_CORE, argc, argv, e));
    TRY(crypto_start(e));
    TRY(configure(c, e));
    TRY(child_walls(&c->child, e));
    TRY(start_service(c, e));
    if (child_flag(&c->child, "task"))
        return true;
    TRY(incoming_new(&c->service, CALL_THREADS, &c->incoming, e));
    TRY(jobs_new(&c->service, &c->jobs, e));
    if (c->child.peers[ROLE_FRONT].fd >= 0)
        TRY(start_front(c, c->child.peers[ROLE_FRONT], e));
    return true;
}

/* --- run ---------------------------------------------------------------------------------------
 */

static bool take_peer(struct core *c, struct channel peer, struct err *e)
{
    switch (peer.peer) {
    case ROLE_KEY:
        authority_lost(&c->service);
        calls_connect(c->service.key, peer.fd);
        return start_thread(open_authority, c, e);
    case ROLE_FETCH:
        calls_connect(c->service.fetch, peer.fd);
        return true;
    case ROLE_FRONT:
        return start_front(c, peer, e);
    default:
        return err_set(e, ERR_IPC_MESSAGE, "PEER %s", role_name(peer.peer));
    }
}

static bool run(struct core *c, struct err *e)
{
    for (;;) {
        struct child_event event;
        TRY(child_next(&c->child, -1, &event, e));
        if (event.kind == CHILD_PEER)
            TRY(take_peer(c, event.peer, e));
        if (event.kind == CHILD_EXITED)
            worker_ended(c, event.job, event.status);
        if (event.kind == CHILD_STOP)
            return true;
    }
}

struct drain {
    struct core *core;
    int64_t ms;
};

/* Workers still report their ends while jobs finish, so draining has a thread of its own. */
static void *drain_jobs(void *ctx)
{
    struct drain *d = ctx;
    /* A database that is in use is left to the next start, which takes it up as after a crash. */
    if (jobs_stop(d->core->jobs, d->ms) && incoming_is_idle(d->core->incoming))
        db_close(d->core->service.db);
    log_line(LOG_INFO, NULL, "drained");
    _exit(0);
}

static bool stop(struct core *c, struct err *e)
{
    enum { DRAIN_MS = 18000 };
    static struct drain drain;
    drain = (struct drain){c, DRAIN_MS};
    incoming_drain(c->incoming);
    TRY(start_thread(drain_jobs, &drain, e));
    return run(c, e) && run(c, e);
}

/* The operator's task: a descriptor to read it from, one for the answer. */
static int do_task(struct core *c)
{
    struct err e = {0};
    struct writer in, out;
    uint8_t piece[4096];
    size_t got = 1;
    CLEANUP(file_close) int from = child_take_fd(&c->child, 0);
    CLEANUP(file_close) int to = child_take_fd(&c->child, 1);
    writer_init(&in, 16 << 20);
    writer_init(&out, 16 << 20);
    bool ok = true;
    while (ok && got > 0) {
        ok = file_read_some(from, piece, sizeof piece, &got, &e);
        writer_bytes(&in, piece, ok ? got : 0);
    }
    ok = ok && writer_ok(&in, &e) && setup_task(&c->service, writer_view(&in), &out, &e) &&
         authority_seal(&c->service, &e);
    if (!ok) {
        writer_reset(&out);
        struct json j = json_into(&out);
        json_open_object(&j, NULL);
        json_text(&j, "code", err_machine_code(e.code));
        json_text(&j, "error", e.user);
        json_text(&j, "detail", e.detail);
        json_end_object(&j);
    }
    writer_u8(&out, '\n');
    struct err written = {0};
    ok = file_write_fd(to, writer_view(&out), &written) && ok;
    writer_done(&in);
    writer_done(&out);
    db_close(c->service.db);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    if (!begin(&core, argc, argv, &e))
        return child_fail(&core.child, &e);
    if (!child_ready(&core.child, &e))
        return child_fail(&core.child, &e);
    if (child_flag(&core.child, "task"))
        return do_task(&core);
    if (!jobs_start(core.jobs, (unsigned)child_number(&core.child, "workers"), &e) ||
        !run(&core, &e) || !stop(&core, &e)) {
        log_err(LOG_ERROR, NULL, "ended", &e);
        return 1;
    }
    return 0;
}
