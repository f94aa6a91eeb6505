/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "service/jobs.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "service/authority.h"
#include "service/events.h"
#include "service/job_steps.h"
#include "service/refusals.h"
#include "store/audit.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_THREADS = 256, JOB_MEMORY = 512 << 20 };

/* One thread that works. */
struct hand {
    struct jobs *jobs;
    pthread_t thread;
    char boot[48]; /* that of the program and the number of the thread */
    bool unclear;  /* whether the last claim took place */
    bool cancels;  /* works on nothing but requests to be canceled: those in a queue need not wait
                      for a worker */
};

struct jobs {
    struct service *service;
    char boot[37];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned long work; /* counts wakes, so that none is lost */
    bool stopping;
    unsigned running;
    pthread_t clock, sealer;
    struct hand hands[MOST_THREADS + 1];
    unsigned started;
};

struct claim {
    struct hand *hand;
    struct job_context *context;
};

static bool claim_canceled(struct db_tx *tx, const struct job_owner *owner, struct job *ret,
                           struct err *e)
{
    struct db_rows row;
    TRY(tx_one(tx, QUERY_request_to_cancel, DB_ARGS(DB_INT(clock_wall_ms())), &row, e));
    return row.count == 0 || queue_claim_of(tx, "worker", row_text(&row, "id"), owner, ret, e);
}

/* D04. The row is read in the same transaction: what the step sees is what it has claimed. */
static bool claim(struct db_tx *tx, void *ctx, struct err *e)
{
    struct claim *k = ctx;
    struct job_context *c = k->context;
    struct job_owner owner = {.node = authority_node(c->service), .boot = k->hand->boot};
    tx_into(tx, c->arena);
    if (k->hand->unclear)
        TRY(queue_held(tx, "worker", &owner, &c->job, e));
    if (c->job.id == NULL)
        TRY(k->hand->cancels ? claim_canceled(tx, &owner, &c->job, e)
                             : queue_claim(tx, "worker", &owner, &c->job, e));
    if (c->job.id == NULL)
        return true;
    c->request = c->job.subject;
    TRY(tx_one(tx, QUERY_request_for_job, DB_ARGS(DB_TEXT(c->request)), &c->row, e));
    return c->row.count == 1 || err_set(e, ERR_DB_DAMAGED, "job without a request");
}

static bool drop_job(struct db_tx *tx, void *ctx, struct err *e)
{
    struct job_context *c = ctx;
    return queue_complete(tx, &c->job, e);
}

static bool work_on(struct job_context *c, struct err *e)
{
    if (!row_null(&c->row, "finished")) /* final already: the row of the queue is left over */
        return db_write(c->service->db, CRASH_S01, drop_job, c, e);
    if (row_int(&c->row, "cancel_wanted") != 0)
        return job_cancel(c, e);
    if (strcmp(c->job.kind, "inspect") == 0)
        return job_inspect(c, e);
    if (strcmp(c->job.kind, "sign") == 0)
        return job_sign(c, e);
    return err_set(e, ERR_DB_DAMAGED, "a job of kind %s", c->job.kind);
}

static void work(struct jobs *j, struct job_context *c)
{
    struct err e = {0}, again = {0};
    if (work_on(c, &e) || e.code == ERR_JOB_LOST)
        return;
    j->service->report(j->service->report_ctx, c->request, &e);
    /* When even that fails (disk full, database away) the claim stays, and this thread tries
     * again until it works or the process ends; the next start takes the job up again. */
    for (int64_t pause = 1; !job_retry(c, &e, &again); pause = pause < 30 ? pause * 2 : pause) {
        if (again.code == ERR_JOB_LOST)
            return;
        again = (struct err){0};
        (void)pthread_mutex_lock(&j->lock);
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += pause;
        while (!j->stopping && pthread_cond_timedwait(&j->changed, &j->lock, &until) == 0)
            continue;
        bool stopping = j->stopping;
        (void)pthread_mutex_unlock(&j->lock);
        if (stopping)
            return;
    }
}

/* Claims and does one job; false when none is due. */
static bool one_job(struct hand *h)
{
    struct err e = {0};
    struct jobs *j = h->jobs;
    CLEANUP(arena_cleanup) struct arena *a = arena_new(JOB_MEMORY);
    struct job_context c = {.service = j->service, .arena = a};
    struct claim k = {h, &c};
    if (a == NULL)
        return false;
    bool claimed = db_write(j->service->db, CRASH_D04, claim, &k, &e);
    h->unclear = claimed ? false : h->unclear || e.code == ERR_DB_UNKNOWN;
    if (!claimed) {
        j->service->report(j->service->report_ctx, "queue", &e);
        return false;
    }
    if (c.job.id == NULL)
        return false;
    work(j, &c);
    jobs_wake(j);
    return true;
}

static bool next_due(struct db_tx *tx, void *ctx, struct err *e)
{
    return queue_next_due(tx, "worker", ctx, e);
}

/* Waits for a wake, the next due job, or a while; false: stopping. */
static bool wait_for_work(struct hand *h, unsigned long seen)
{
    enum { LONGEST_MS = 10000 };
    struct err e = {0};
    struct jobs *j = h->jobs;
    int64_t due = INT64_MAX, now = clock_wall_ms();
    if (h->cancels || !db_read(j->service->db, next_due, &due, &e))
        due = now + 1000;
    int64_t ms = due - now < 10 ? 10 : due - now > LONGEST_MS ? LONGEST_MS : due - now;
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&j->lock);
    while (!j->stopping && j->work == seen)
        if (pthread_cond_timedwait(&j->changed, &j->lock, &until) != 0)
            break;
    bool go_on = !j->stopping;
    (void)pthread_mutex_unlock(&j->lock);
    return go_on;
}

static unsigned long look(struct jobs *j, bool *ret_stopping)
{
    (void)pthread_mutex_lock(&j->lock);
    unsigned long seen = j->work;
    *ret_stopping = j->stopping;
    (void)pthread_mutex_unlock(&j->lock);
    return seen;
}

static void thread_ends(struct jobs *j)
{
    (void)pthread_mutex_lock(&j->lock);
    j->running--;
    (void)pthread_cond_broadcast(&j->changed);
    (void)pthread_mutex_unlock(&j->lock);
}

static void *job_thread(void *ctx)
{
    struct hand *h = ctx;
    struct jobs *j = h->jobs;
    for (;;) {
        bool stopping;
        unsigned long seen = look(j, &stopping);
        if (stopping)
            break;
        if (!one_job(h) && !wait_for_work(h, seen))
            break;
    }
    thread_ends(j);
    return NULL;
}

static bool pause_ms(struct jobs *j, int64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    (void)pthread_mutex_lock(&j->lock);
    while (!j->stopping)
        if (pthread_cond_timedwait(&j->changed, &j->lock, &until) != 0)
            break;
    bool go_on = !j->stopping;
    (void)pthread_mutex_unlock(&j->lock);
    return go_on;
}

/* --- deadlines ------------------------------------------------------------------------------- */

static bool cancel_late(struct db_tx *tx, void *ctx, struct err *e)
{
    bool *any = ctx;
    struct db_rows rows;
    TRY(tx_query(tx, QUERY_requests_past_deadline, DB_ARGS(DB_INT(clock_wall_ms())), &rows, e));
    while (rows_next(&rows)) {
        const char *id = row_text(&rows, "id");
        TRY(tx_run(tx, QUERY_request_want_cancel,
                   DB_ARGS(DB_TEXT(id), DB_TEXT("canceled by its time-out")), e));
        struct event event = {.type = "SigningRequest.CancelWanted",
                              .kind = "SigningRequest",
                              .object = id,
                              .request = id};
        event_add(&event, "reason", "canceled by its time-out");
        TRY(event_append(tx, &event, NULL, e));
        *any = true;
    }
    return true;
}

static bool referenced(struct db_tx *tx, const uint8_t sha256[32], bool *ret, struct err *e)
{
    struct db_rows row;
    TRY(tx_one(tx, QUERY_requests_uses_blob, DB_ARGS(DB_BLOB(sha256, 32)), &row, e));
    *ret = row_int(&row, "n") > 0;
    return true;
}

struct question {
    const uint8_t *sha256;
    bool answer;
};

static bool ask_referenced(struct db_tx *tx, void *ctx, struct err *e)
{
    struct question *q = ctx;
    return referenced(tx, q->sha256, &q->answer, e);
}

static bool blob_is_referenced(void *ctx, const uint8_t sha256[32], bool *ret, struct err *e)
{
    struct service *s = ctx;
    struct question q = {sha256, false};
    TRY(db_read(s->db, ask_referenced, &q, e));
    *ret = q.answer;
    return true;
}

static bool delete_old(struct db_tx *tx, void *ctx, struct err *e)
{
    const struct service *s = ctx;
    int64_t now = clock_wall_ms();
    return tx_run(tx, QUERY_sessions_delete_old,
                  DB_ARGS(DB_INT(now - s->session_idle_ms), DB_INT(now - s->session_max_ms)), e) &&
           tx_run(tx, QUERY_setup_codes_delete_old, DB_ARGS(DB_INT(now)), e);
}

static void tidy(struct service *s)
{
    enum { DAY_MS = 24 * 3600 * 1000 };
    struct err old = {0}, blobs = {0};
    if (!db_write(s->db, CRASH_S01, delete_old, s, &old))
        s->report(s->report_ctx, "sessions that are over", &old);
    if (!blobs_collect(s->blobs, DAY_MS, blob_is_referenced, s, &blobs))
        s->report(s->report_ctx, "blob collector", &blobs);
}

static void *clock_thread(void *ctx)
{
    enum { TIDY_EVERY = 3600 };
    struct jobs *j = ctx;
    struct service *s = j->service;
    for (unsigned long second = 0; pause_ms(j, 1000); second++) {
        struct err e = {0};
        bool any = false;
        if (!db_write(s->db, CRASH_S01, cancel_late, &any, &e))
            s->report(s->report_ctx, "deadlines", &e);
        if (any)
            jobs_wake(j);
        refusals_write(s, clock_boot_ms());
        if (second % TIDY_EVERY == TIDY_EVERY - 1)
            tidy(s);
    }
    refusals_write(s, INT64_MAX); /* what was counted and is not a minute old */
    thread_ends(j);
    return NULL;
}

/* --- D18, D19: the log head follows the log ----------------------------------------------------
 */

static bool unsealed(struct db_tx *tx, void *ctx, struct err *e)
{
    struct audit_head head;
    bool found, *ret = ctx;
    uint64_t size;
    TRY(audit_size(tx, &size, e) && audit_head_last(tx, &head, &found, e));
    *ret = size > 0 && (!found || head.head.size < size);
    return true;
}

static void *seal_thread(void *ctx)
{
    struct jobs *j = ctx;
    while (pause_ms(j, 1000)) {
        struct err e = {0};
        bool wanted = false;
        if (db_read(j->service->db, unsealed, &wanted, &e) && wanted &&
            !authority_seal(j->service, &e))
            j->service->report(j->service->report_ctx, "log head", &e);
    }
    thread_ends(j);
    return NULL;
}

/* --- start and stop ----------------------------------------------------------------------------
 */

static bool reclaim(struct db_tx *tx, void *ctx, struct err *e)
{
    struct jobs *j = ctx;
    struct job_owner owner = {.node = authority_node(j->service), .boot = j->boot};
    int64_t count;
    return queue_reclaim(tx, &owner, &count, e);
}

bool jobs_start(struct jobs *j, unsigned threads, struct err *e)
{
    threads = threads < MOST_THREADS ? threads : MOST_THREADS;
    j->running = threads + 3;
    if (pthread_create(&j->clock, NULL, clock_thread, j) != 0 ||
        pthread_create(&j->sealer, NULL, seal_thread, j) != 0)
        return err_set(e, ERR_NO_MEMORY, "threads");
    for (; j->started <= threads; j->started++) {
        struct hand *h = &j->hands[j->started];
        h->jobs = j;
        h->cancels = j->started == threads;
        (void)snprintf(h->boot, sizeof h->boot, "%s/%u", j->boot, j->started);
        if (pthread_create(&h->thread, NULL, job_thread, h) != 0)
            return err_set(e, ERR_NO_MEMORY, "threads");
    }
    return true;
}

bool jobs_new(struct service *s, struct jobs **ret, struct err *e)
{
    uint8_t random[16];
    pthread_condattr_t clock;
    struct jobs *j = calloc(1, sizeof *j);
    if (j == NULL)
        return err_set(e, ERR_NO_MEMORY, "jobs");
    j->service = s;
    (void)pthread_mutex_init(&j->lock, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&j->changed, &clock);
    (void)pthread_condattr_destroy(&clock);
    *ret = j; /* the caller stops it whatever happens */
    TRY(file_random(random, sizeof random, e));
    text_uuid(random, j->boot);
    return db_write(s->db, CRASH_S01, reclaim, j, e);
}

void jobs_wake(struct jobs *j)
{
    (void)pthread_mutex_lock(&j->lock);
    j->work++;
    (void)pthread_cond_broadcast(&j->changed);
    (void)pthread_mutex_unlock(&j->lock);
}

bool jobs_stop(struct jobs *j, int64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    (void)pthread_mutex_lock(&j->lock);
    j->stopping = true;
    (void)pthread_cond_broadcast(&j->changed);
    while (j->running > 0)
        if (pthread_cond_timedwait(&j->changed, &j->lock, &until) != 0)
            break;
    bool all = j->running == 0;
    (void)pthread_mutex_unlock(&j->lock);
    return all;
}
