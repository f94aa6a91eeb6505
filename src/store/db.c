/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db.h"
#include "store/backend.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    GROUP_MAX = 256,       /* closures to a commit */
    GROUP_MS = 20,         /* and no new ones after this */
    LINGER_MOST_US = 2000, /* see linger */
    READERS = 4,
    RESULT_LIMIT = 64 << 20, /* memory of one transaction's results */
};

struct waiter {
    db_fn fn;
    void *ctx;
    enum crashpoint at;
    struct err *e;
    bool ok;
    struct waiter *next;
    sem_t answered; /* without the lock: 64 woken threads would only queue up for it */
};

struct list {
    struct waiter *first, **end;
};

struct db {
    const struct backend *with;
    struct conn *writer_conn;
    pthread_t writer;
    bool started;
    /* Of the writer thread: how many were in the last group, and how long its commit took. */
    int last_size;
    int64_t last_commit_us;

    pthread_mutex_t lock; /* everything below */
    pthread_cond_t work, reader_free;
    struct list queue;
    bool stopping;
    struct conn **idle;
    size_t idle_count, readers;
};

struct db_tx {
    struct conn *c;
    struct arena *own, *into;
    int64_t changed;
    bool failed;
};

/* Transactions, seen from the closure. */

struct conn *tx_conn(struct db_tx *tx)
{
    return tx->c;
}

struct arena *tx_arena(struct db_tx *tx)
{
    if (tx->own == NULL)
        tx->own = arena_new(RESULT_LIMIT);
    return tx->own;
}

void tx_into(struct db_tx *tx, struct arena *a)
{
    tx->into = a;
}

int64_t tx_changed(const struct db_tx *tx)
{
    return tx->changed;
}

static bool run(struct db_tx *tx, enum query q, struct db_args args, struct run_result *r,
                struct err *e)
{
    assert(q < QUERY__COUNT && args.count == query_rows[q].parameters);
    if (tx->failed)
        return err_set(e, ERR_DB, "%s: after a failed statement", query_rows[q].name);
    tx->failed = !tx->c->with->run(tx->c, q, args, r, e);
    tx->changed = r->changed;
    return !tx->failed;
}

bool tx_run(struct db_tx *tx, enum query q, struct db_args args, struct err *e)
{
    struct run_result r = {0};
    return run(tx, q, args, &r, e);
}

bool tx_query(struct db_tx *tx, enum query q, struct db_args args, struct db_rows *ret,
              struct err *e)
{
    struct db_rows rows = {0};
    struct run_result r = {.a = tx->into != NULL ? tx->into : tx_arena(tx), .rows = &rows};
    if (r.a == NULL)
        return arena_err(e);
    TRY(run(tx, q, args, &r, e));
    *ret = rows;
    return true;
}

bool tx_one(struct db_tx *tx, enum query q, struct db_args args, struct db_rows *ret, struct err *e)
{
    struct db_rows rows;
    TRY(tx_query(tx, q, args, &rows, e));
    if (rows.count > 1)
        return err_set(e, ERR_DB, "%s: %zu rows", query_rows[q].name, rows.count);
    (void)rows_next(&rows);
    *ret = rows;
    return true;
}

static bool call(struct conn *c, db_fn fn, void *ctx, struct err *e)
{
    struct db_tx tx = {.c = c};
    bool ok = fn(&tx, ctx, e);
    if (ok && tx.failed)
        ok = err_set(e, ERR_DB, "a failed statement was ignored");
    assert(ok == (e->code == ERR_NONE));
    arena_free(tx.own);
    return ok;
}

/* The writer thread. */

static bool step(struct conn *c, enum query q, struct err *e)
{
    struct run_result r = {0};
    return c->with->run(c, q, DB_NO_ARGS, &r, e);
}

static void undo_all(struct conn *c)
{
    struct err ignored = {0};
    c->edge_known = false;
    if (c->with->in_transaction(c))
        (void)c->with->script(c, "ROLLBACK", &ignored);
}

/* False when the whole group is lost, with *group set; w's own failure is in w. */
static bool run_one(struct conn *c, struct waiter *w, struct err *group)
{
    TRY(step(c, QUERY_store_savepoint, group));
    w->ok = call(c, w->fn, w->ctx, w->e);
    if (!c->with->in_transaction(c)) {
        *group = *w->e;
        return w->ok ? err_set(group, ERR_DB, "transaction ended inside a closure") : false;
    }
    if (!w->ok) {
        c->edge_known = false;
        TRY(step(c, QUERY_store_rollback_to, group));
    }
    return step(c, QUERY_store_release, group);
}

static int64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The next in the queue; NULL when there is none until then, or when the writer shall end. */
static struct waiter *take(struct db *db, int64_t until_us)
{
    const struct timespec until = {.tv_sec = until_us / 1000000,
                                   .tv_nsec = until_us % 1000000 * 1000};
    (void)pthread_mutex_lock(&db->lock);
    int code = until_us == 0 ? ETIMEDOUT : 0;
    while (code == 0 && db->queue.first == NULL && !db->stopping)
        code = until_us == INT64_MAX ? pthread_cond_wait(&db->work, &db->lock)
                                     : pthread_cond_timedwait(&db->work, &db->lock, &until);
    struct waiter *w = db->queue.first;
    if (w != NULL && (db->queue.first = w->next) == NULL)
        db->queue.end = &db->queue.first;
    (void)pthread_mutex_unlock(&db->lock);
    if (w != NULL)
        w->next = NULL;
    return w;
}

/* Until when a group of `size` waits for more: those who were just answered mostly come again, and
 * a commit for a few of them makes all others wait for the next one. A lone caller never waits. */
static int64_t linger(const struct db *db, int size)
{
    int64_t us = db->last_commit_us / 2;
    if (size >= db->last_size || us == 0)
        return 0;
    return now_us() + (us > LINGER_MOST_US ? LINGER_MOST_US : us);
}

static bool commit(struct conn *c, const struct waiter *group, struct err *e)
{
    bool seen[CRASH__COUNT] = {0};
    for (const struct waiter *w = group; w != NULL; w = w->next)
        seen[w->at] = seen[w->at] || w->ok;
    for (int i = 0; i < CRASH__COUNT; i++)
        if (seen[i])
            crash_before((enum crashpoint)i);
    for (int i = 0; i < CRASH__COUNT; i++)
        if (seen[i] && crash_fails((enum crashpoint)i))
            return err_errno(e, crashpoint_name((enum crashpoint)i));
    TRY(c->with->commit(c, e));
    for (int i = 0; i < CRASH__COUNT; i++)
        if (seen[i])
            crash_after((enum crashpoint)i);
    return true;
}

static bool run_group(struct db *db, struct waiter *first, struct list *group, struct err *e)
{
    struct conn *c = db->writer_conn;
    *group->end = first;
    group->end = &first->next;
    TRY(c->with->ready(c, e));
    TRY(c->with->begin(c, true, e));
    if (c->with->postgres) /* another node may have written */
        c->edge_known = false;
    int64_t start = now_us(), until = -1;
    struct waiter *w = first;
    int n = 0;
    while (w != NULL) {
        TRY(run_one(c, w, e));
        n++;
        w = n < GROUP_MAX && now_us() - start < GROUP_MS * 1000 ? take(db, 0) : NULL;
        if (w == NULL && until == -1)
            until = linger(db, n);
        if (w == NULL && n < db->last_size && until > 0)
            w = take(db, until);
        if (w != NULL) {
            *group->end = w;
            group->end = &w->next;
        }
    }
    start = now_us();
    TRY(commit(c, group->first, e));
    db->last_commit_us = now_us() - start;
    db->last_size = n;
    return true;
}

/* When the group is lost, even a closure that had failed by itself hears that: what it found may
 * have been another member's work that is gone now. */
static void answer(struct list *group, const struct err *lost)
{
    for (struct waiter *w = group->first, *next; w != NULL; w = next) {
        next = w->next;
        if (lost->code != ERR_NONE) {
            *w->e = *lost;
            w->ok = false;
        }
        (void)sem_post(&w->answered);
    }
}

static void *writer_main(void *arg)
{
    struct db *db = arg;
    for (struct waiter *w; (w = take(db, INT64_MAX)) != NULL;) {
        struct list group = {.end = &group.first};
        struct err e = {0};
        if (!run_group(db, w, &group, &e))
            undo_all(db->writer_conn);
        answer(&group, &e);
    }
    return NULL;
}

bool db_write(struct db *db, enum crashpoint at, db_fn fn, void *ctx, struct err *e)
{
    assert(db->started && !pthread_equal(pthread_self(), db->writer));
    assert(e->code == ERR_NONE);
    struct waiter w = {.fn = fn, .ctx = ctx, .at = at, .e = e};
    (void)sem_init(&w.answered, 0, 0);
    (void)pthread_mutex_lock(&db->lock);
    *db->queue.end = &w;
    db->queue.end = &w.next;
    (void)pthread_cond_signal(&db->work);
    (void)pthread_mutex_unlock(&db->lock);
    while (sem_wait(&w.answered) != 0) {
    } /* interrupted */
    (void)sem_destroy(&w.answered);
    return w.ok;
}

/* Readers. */

static struct conn *reader_take_idle(struct db *db)
{
    (void)pthread_mutex_lock(&db->lock);
    while (db->idle_count == 0)
        (void)pthread_cond_wait(&db->reader_free, &db->lock);
    struct conn *c = db->idle[--db->idle_count];
    (void)pthread_mutex_unlock(&db->lock);
    return c;
}

static void reader_give_back(struct db *db, struct conn *c)
{
    (void)pthread_mutex_lock(&db->lock);
    db->idle[db->idle_count++] = c;
    (void)pthread_cond_signal(&db->reader_free);
    (void)pthread_mutex_unlock(&db->lock);
}

bool db_read(struct db *db, db_fn fn, void *ctx, struct err *e)
{
    assert(!db->started || !pthread_equal(pthread_self(), db->writer));
    struct conn *c = reader_take_idle(db);
    bool ok = c->with->ready(c, e) && c->with->begin(c, false, e) && call(c, fn, ctx, e);
    undo_all(c);
    reader_give_back(db, c);
    return ok;
}

/* Opening and closing. */

static bool start_writer(struct db *db, struct err *e)
{
    /* Signals belong to the thread that waits for them. */
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&db->writer, NULL, writer_main, db);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    db->started = code == 0;
    return db->started || err_set(e, ERR_NO_MEMORY, "thread: %s", strerror(code));
}

static bool same_version(struct db *db, struct err *e)
{
    int64_t at = 0;
    TRY(db_version(db, &at, e));
    return at == MIGRATION__COUNT || err_set(e, at > MIGRATION__COUNT ? ERR_DB_NEWER : ERR_DB_OLDER,
                                             "database is at migration %lld, this program at %d",
                                             (long long)at, MIGRATION__COUNT);
}

static bool open_all(struct db *db, const struct db_settings *s, struct err *e)
{
    if (!s->read_only) {
        TRY(db->with->open(s, true, &db->writer_conn, e));
        TRY(migrate(db->writer_conn, e));
    }
    size_t want = s->readers == 0 ? READERS : s->readers;
    db->idle = (struct conn **)calloc(want, sizeof(struct conn *));
    if (db->idle == NULL)
        return err_set(e, ERR_NO_MEMORY, "readers");
    for (; db->readers < want; db->readers++, db->idle_count++)
        TRY(db->with->open(s, false, &db->idle[db->readers], e));
    return s->read_only ? same_version(db, e) : start_writer(db, e);
}

bool db_open(const struct db_settings *s, struct db **ret, struct err *e)
{
    struct db *db = calloc(1, sizeof *db);
    if (db == NULL)
        return err_set(e, ERR_NO_MEMORY, "database");
    db->with = s->url != NULL ? &backend_postgres : &backend_sqlite;
    db->queue.end = &db->queue.first;
    (void)pthread_mutex_init(&db->lock, NULL);
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&db->work, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)pthread_cond_init(&db->reader_free, NULL);
    if (!open_all(db, s, e)) {
        db_close(db);
        return false;
    }
    *ret = db;
    return true;
}

void db_close(struct db *db)
{
    if (db == NULL)
        return;
    if (db->started) {
        (void)pthread_mutex_lock(&db->lock);
        db->stopping = true;
        (void)pthread_cond_signal(&db->work);
        (void)pthread_mutex_unlock(&db->lock);
        (void)pthread_join(db->writer, NULL);
    }
    for (size_t i = 0; i < db->idle_count; i++)
        db->with->close(db->idle[i]);
    free((void *)db->idle);
    if (db->writer_conn != NULL)
        db->with->close(db->writer_conn);
    (void)pthread_cond_destroy(&db->work);
    (void)pthread_cond_destroy(&db->reader_free);
    (void)pthread_mutex_destroy(&db->lock);
    free(db);
}

bool db_is_postgres(const struct db *db)
{
    return db->with->postgres;
}

static bool read_version(struct db_tx *tx, void *ctx, struct err *e)
{
    return migrate_version(tx->c, ctx, e);
}

bool db_version(struct db *db, int64_t *ret, struct err *e)
{
    int64_t number = 0;
    TRY(db_read(db, read_version, &number, e));
    *ret = number;
    return true;
}

bool db_prepare_all(struct db *db, struct err *e)
{
    struct conn *c = reader_take_idle(db);
    bool ok = true;
    for (int q = 0; ok && q < QUERY__COUNT; q++)
        ok = c->with->prepare(c, (enum query)q, e);
    reader_give_back(db, c);
    return ok;
}
