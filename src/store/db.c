/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db.h"
#include "base/clock.h"
#include "store/backend.h"
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    GROUP_MAX = 256, /* closures to a commit */
    GROUP_MS = 20,   /* and no new ones after this */
    READERS = 4,
    RESULT_LIMIT = 64 << 20, /* memory of one transaction's results */
};

struct waiter {
    db_fn fn;
    void *ctx;
    enum crashpoint at;
    struct err *e;
    bool ok, done;
    struct waiter *next;
    pthread_cond_t answered;
};

struct list {
    struct waiter *first, **end;
};

struct db {
    const struct backend *with;
    struct conn *writer_conn;
    pthread_t writer;
    bool started;

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

bool tx_is_postgres(const struct db_tx *tx)
{
    return tx->c->with->postgres;
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

static struct waiter *take(struct db *db, bool wait)
{
    (void)pthread_mutex_lock(&db->lock);
    while (wait && db->queue.first == NULL && !db->stopping)
        (void)pthread_cond_wait(&db->work, &db->lock);
    struct waiter *w = db->queue.first;
    if (w != NULL && (db->queue.first = w->next) == NULL)
        db->queue.end = &db->queue.first;
    (void)pthread_mutex_unlock(&db->lock);
    if (w != NULL)
        w->next = NULL;
    return w;
}

static bool commit(struct conn *c, const struct waiter *group, struct err *e)
{
    bool seen[CRASH__COUNT] = {0};
    for (const struct waiter *w = group; w != NULL; w = w->next)
        seen[w->at] = seen[w->at] || w->ok;
    for (int i = 0; i < CRASH__COUNT; i++)
        if (seen[i])
            crash_before((enum crashpoint)i);
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
    int64_t start = clock_boot_ms();
    struct waiter *w = first;
    for (int n = 1; w != NULL; n++) {
        TRY(run_one(c, w, e));
        w = n < GROUP_MAX && clock_boot_ms() - start < GROUP_MS ? take(db, false) : NULL;
        if (w != NULL) {
            *group->end = w;
            group->end = &w->next;
        }
    }
    return commit(c, group->first, e);
}

/* When the group is lost, even a closure that had failed by itself hears that: what it found may
 * have been another member's work that is gone now. */
static void answer(struct db *db, struct list *group, const struct err *lost)
{
    (void)pthread_mutex_lock(&db->lock);
    for (struct waiter *w = group->first, *next; w != NULL; w = next) {
        next = w->next;
        if (lost->code != ERR_NONE) {
            *w->e = *lost;
            w->ok = false;
        }
        w->done = true;
        (void)pthread_cond_signal(&w->answered);
    }
    (void)pthread_mutex_unlock(&db->lock);
}

static void *writer_main(void *arg)
{
    struct db *db = arg;
    for (struct waiter *w; (w = take(db, true)) != NULL;) {
        struct list group = {.end = &group.first};
        struct err e = {0};
        if (!run_group(db, w, &group, &e))
            undo_all(db->writer_conn);
        answer(db, &group, &e);
    }
    return NULL;
}

bool db_write(struct db *db, enum crashpoint at, db_fn fn, void *ctx, struct err *e)
{
    assert(!pthread_equal(pthread_self(), db->writer));
    assert(e->code == ERR_NONE);
    struct waiter w = {.fn = fn, .ctx = ctx, .at = at, .e = e};
    (void)pthread_cond_init(&w.answered, NULL);
    (void)pthread_mutex_lock(&db->lock);
    *db->queue.end = &w;
    db->queue.end = &w.next;
    (void)pthread_cond_signal(&db->work);
    while (!w.done)
        (void)pthread_cond_wait(&w.answered, &db->lock);
    (void)pthread_mutex_unlock(&db->lock);
    (void)pthread_cond_destroy(&w.answered);
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
    assert(!pthread_equal(pthread_self(), db->writer));
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

static bool open_all(struct db *db, const struct db_settings *s, struct err *e)
{
    TRY(db->with->open(s, true, &db->writer_conn, e));
    TRY(migrate(db->writer_conn, e));
    size_t want = s->readers == 0 ? READERS : s->readers;
    db->idle = (struct conn **)calloc(want, sizeof(struct conn *));
    if (db->idle == NULL)
        return err_set(e, ERR_NO_MEMORY, "readers");
    for (; db->readers < want; db->readers++, db->idle_count++)
        TRY(db->with->open(s, false, &db->idle[db->readers], e));
    return start_writer(db, e);
}

bool db_open(const struct db_settings *s, struct db **ret, struct err *e)
{
    struct db *db = calloc(1, sizeof *db);
    if (db == NULL)
        return err_set(e, ERR_NO_MEMORY, "database");
    db->with = s->url != NULL ? &backend_postgres : &backend_sqlite;
    db->queue.end = &db->queue.first;
    (void)pthread_mutex_init(&db->lock, NULL);
    (void)pthread_cond_init(&db->work, NULL);
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
