/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "store/audit_verify.h"
#include "store/effects.h"
#include "store/testdb.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A writing process is killed again and again. What it was told is durable must be there, whole,
 * and nothing else but at most the one write that each of its threads had under way.
 * CHANCERY_KILLS=500 for the long run. */
enum { WRITERS = 4 };

struct mark {
    uint32_t writer, number;
};

static struct reader grant_of(const uint32_t *writer)
{
    return reader_over(writer, sizeof *writer);
}

/* Three tables: an effect, its audit event, a node of a tree now and then. */
static bool write_one(struct db_tx *tx, void *ctx, struct err *e)
{
    const struct mark *m = ctx;
    char request[32];
    snprintf(request, sizeof request, "writer-%u", m->writer);
    struct effect effect = {.grant = grant_of(&m->writer),
                            .slot = m->number,
                            .kind = 1,
                            .request = reader_text("?"),
                            .answer = reader_text("!")};
    struct audit_event event = {.kind = "test", .request = request};
    if (!effect_put(tx, &effect, e))
        return false;
    return audit_append(tx, &event, NULL, e);
}

struct writer_thread {
    struct db *db;
    int to_parent;
    struct mark mark;
};

static void *write_on(void *arg)
{
    struct writer_thread *t = arg;
    for (;; t->mark.number++) {
        struct err e = {0};
        if (!db_write(t->db, CRASH_S01, write_one, &t->mark, &e))
            _exit(3);
        if (write(t->to_parent, &t->mark, sizeof t->mark) != sizeof t->mark)
            _exit(4);
    }
}

static void child(const struct testdb *t, int to_parent, const uint32_t first[WRITERS],
                  const char *crash)
{
    struct err e = {0};
    struct db *db;
    pthread_t threads[WRITERS];
    struct writer_thread writers[WRITERS];
    if (!db_open(&t->settings, &db, &e))
        _exit(2);
#ifdef CHANCERY_FAULTS
    if (crash != NULL && !crashpoint_arm(crash))
        _exit(5);
#else
    (void)crash;
#endif
    for (uint32_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer_thread){db, to_parent, {i, first[i]}};
        if (pthread_create(&threads[i], NULL, write_on, &writers[i]) != 0)
            _exit(2);
    }
    (void)pause();
}

struct found {
    uint32_t count[WRITERS];
    uint64_t events;
};

static bool look(struct db_tx *tx, void *ctx, struct err *e)
{
    struct found *f = ctx;
    struct db_rows rows;
    for (uint32_t i = 0; i < WRITERS; i++) {
        struct effect after = {.grant = grant_of(&i)};
        f->count[i] = 0;
        do {
            if (!effects_next(tx, &after, &rows, e))
                return false;
            for (; rows_next(&rows); f->count[i]++)
                assert_int_equal(row_int(&rows, "slot"), f->count[i]);
        } while (rows.count > 0);
    }
    return audit_size(tx, &f->events, e);
}

static void check_history(struct testdb *t, const uint32_t told[WRITERS], struct found *f)
{
    struct err e = {0};
    struct audit_check check = {0};
    struct audit_report report;
    testdb_reopen(t);
    if (!db_read(t->db, look, f, &e) || !audit_verify_db(t->db, &check, &report, &e))
        fail_msg("%s", e.detail);
    if (report.bad)
        fail_msg("%s", report.what);
    uint64_t all = 0;
    for (size_t i = 0; i < WRITERS; i++) {
        if (f->count[i] < told[i] || f->count[i] > told[i] + 1)
            fail_msg("writer %zu was told of %u, %u are there", i, told[i], f->count[i]);
        all += f->count[i];
    }
    assert_int_equal(f->events, all);
    db_close(t->db);
    t->db = NULL;
}

/* crash: where the child kills itself, or NULL: the parent does, at some time. */
static void one_life(struct testdb *t, struct found *f, const char *crash, long wait_us)
{
    int ends[2];
    uint32_t told[WRITERS];
    memcpy(told, f->count, sizeof told);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        child(t, ends[1], told, crash);
        _exit(6);
    }
    close(ends[1]);
    struct mark m;
    ssize_t got = read(ends[0], &m, sizeof m); /* it has begun */
    for (bool killed = false; got == sizeof m; got = read(ends[0], &m, sizeof m)) {
        assert_int_equal(m.number, told[m.writer]);
        told[m.writer]++;
        if (crash != NULL || killed)
            continue;
        const struct timespec pause_for = {.tv_nsec = wait_us * 1000};
        nanosleep(&pause_for, NULL);
        kill(pid, SIGKILL);
        killed = true;
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(ends[0]);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("the writer ended by itself: %d", WEXITSTATUS(status));
    check_history(t, told, f);
}

static int lives(void)
{
    const char *text = getenv("CHANCERY_KILLS");
    return text == NULL ? 12 : atoi(text);
}

static void test_store__killed_at_any_time(void **state)
{
    struct testdb *t = testdb_of(state);
    struct found f = {0};
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    srandom(seed);
    db_close(t->db);
    t->db = NULL;
    for (int i = 0; i < lives(); i++)
        one_life(t, &f, NULL, random() % 60000);
    assert_true(f.events > 0);
}

#ifdef CHANCERY_FAULTS
static void test_store__killed_around_the_commit(void **state)
{
    struct testdb *t = testdb_of(state);
    struct found f = {0};
    db_close(t->db);
    t->db = NULL;
    for (int i = 1; i <= lives(); i++) {
        char crash[32];
        snprintf(crash, sizeof crash, "S01:%s:%d", i % 2 ? "before" : "after", 1 + i / 2);
        one_life(t, &f, crash, 0);
    }
}
#endif

/* The server goes down with its client, without a checkpoint. */
static void test_store__postgres_killed_as_well(void **state)
{
    struct testdb *t = testdb_of(state);
    struct found f = {0};
    db_close(t->db);
    t->db = NULL;
    for (int i = 0; i < 3; i++) {
        one_life(t, &f, NULL, random() % 60000);
        testdb_postgres_crash();
        check_history(t, f.count, &f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ON_BOTH(test_store__killed_at_any_time),
#ifdef CHANCERY_FAULTS
        TEST_ON_BOTH(test_store__killed_around_the_commit),
#endif
        cmocka_unit_test_setup_teardown(test_store__postgres_killed_as_well, testdb_postgres,
                                        testdb_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
