/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "store/effects.h"
#include "store/queue.h"
#include "store/testdb.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct job_owner me = {"node-1", "boot-2"};

struct step {
    enum step_kind { ADD, CLAIM, CHECK, COMPLETE, RETRY, RECLAIM, DUE, COUNT } what;
    struct job job;
    int64_t not_before;
    struct job_owner owner;
    /* results */
    struct arena *a;
    int64_t number;
    struct queue_counts counts;
};

static bool do_step(struct db_tx *tx, void *ctx, struct err *e)
{
    struct step *s = ctx;
    tx_into(tx, s->a);
    switch (s->what) {
    case ADD:
        return queue_add(tx, &s->job, s->not_before, e);
    case CLAIM:
        return queue_claim(tx, "worker", &s->owner, &s->job, e);
    case CHECK:
        return queue_check(tx, &s->job, e);
    case COMPLETE:
        return queue_complete(tx, &s->job, e);
    case RETRY:
        return queue_retry(tx, &s->job, s->not_before, e);
    case RECLAIM:
        return queue_reclaim(tx, &s->owner, &s->number, e);
    case DUE:
        return queue_next_due(tx, "worker", &s->number, e);
    case COUNT:
        return queue_count(tx, "worker", &s->counts, e);
    }
    return false;
}

static enum err_code run(struct testdb *t, struct step *s)
{
    struct err e = {0};
    if (db_write(t->db, CRASH_D04, do_step, s, &e))
        return ERR_NONE;
    if (e.code != ERR_JOB_LOST)
        fail_msg("%s", e.detail);
    return e.code;
}

static void add(struct testdb *t, const char *subject, const char *project)
{
    struct step s = {
        .what = ADD,
        .job = {.lane = "worker", .kind = "inspect", .subject = subject, .project = project}};
    assert_int_equal(run(t, &s), ERR_NONE);
}

static struct job claim(struct testdb *t, struct arena *a, struct job_owner owner)
{
    struct step s = {.what = CLAIM, .owner = owner, .a = a};
    assert_int_equal(run(t, &s), ERR_NONE);
    return s.job;
}

static enum err_code with(struct testdb *t, enum step_kind what, struct job job, int64_t not_before)
{
    struct step s = {.job = job, .not_before = not_before, .owner = me};
    s.what = what;
    return run(t, &s);
}

static struct queue_counts counts(struct testdb *t)
{
    struct step s = {.what = COUNT};
    assert_int_equal(run(t, &s), ERR_NONE);
    return s.counts;
}

static void test_queue__projects_take_turns(void **state)
{
    struct testdb *t = testdb_of(state);
    CLEANUP(arena_cleanup) struct arena *a = arena_new(1 << 20);
    for (int i = 0; i < 6; i++) {
        char subject[16];
        snprintf(subject, sizeof subject, "big-%d", i);
        add(t, subject, "big");
    }
    add(t, "small-0", "small");
    add(t, "other-0", "other");
    add(t, "small-1", "small");
    /* Whatever the first: within any three claims each of three projects has had a turn. */
    unsigned small = 0;
    for (int i = 0; i < 9; i++) {
        struct job j = claim(t, a, me);
        assert_non_null(j.id);
        assert_int_equal(j.attempts, 1);
        small += strcmp(j.project, "small") == 0;
        if (i == 2)
            assert_int_equal(small, 1);
        if (i == 4)
            assert_int_equal(small, 2);
    }
    assert_null(claim(t, a, me).id);
    assert_int_equal(counts(t).claimed, 9);
}

static void test_queue__oldest_of_a_project_first_and_once(void **state)
{
    struct testdb *t = testdb_of(state);
    CLEANUP(arena_cleanup) struct arena *a = arena_new(1 << 20);
    add(t, "r1", "p");
    add(t, "r1", "p");
    assert_int_equal(counts(t).ready, 1);
    struct job j = claim(t, a, me);
    assert_string_equal(j.subject, "r1");
    assert_string_equal(j.kind, "inspect");
    assert_null(claim(t, a, me).id);
    assert_int_equal(with(t, CHECK, j, 0), ERR_NONE);
    assert_int_equal(with(t, COMPLETE, j, 0), ERR_NONE);
    assert_int_equal(with(t, COMPLETE, j, 0), ERR_JOB_LOST);
    assert_int_equal(with(t, CHECK, j, 0), ERR_JOB_LOST);
    assert_int_equal(counts(t).claimed, 0);
}

static void test_queue__retry_waits(void **state)
{
    struct testdb *t = testdb_of(state);
    CLEANUP(arena_cleanup) struct arena *a = arena_new(1 << 20);
    int64_t later = clock_wall_ms() + 3600000;
    add(t, "r1", "p");
    struct job j = claim(t, a, me);
    assert_int_equal(with(t, RETRY, j, later), ERR_NONE);
    assert_null(claim(t, a, me).id);
    struct step due = {.what = DUE};
    assert_int_equal(run(t, &due), ERR_NONE);
    assert_int_equal(due.number, later);
    testdb_sql(t, "UPDATE jobs SET not_before = 0", NULL);
    struct job again = claim(t, a, me);
    assert_int_equal(again.attempts, 2);
    assert_true(again.token > j.token);
    assert_int_equal(with(t, COMPLETE, j, 0), ERR_JOB_LOST);
    assert_int_equal(with(t, COMPLETE, again, 0), ERR_NONE);
    assert_int_equal(run(t, &due), ERR_NONE);
    assert_true(due.number == INT64_MAX);
}

static void test_queue__own_earlier_boots_are_reclaimed_at_start(void **state)
{
    struct testdb *t = testdb_of(state);
    CLEANUP(arena_cleanup) struct arena *a = arena_new(1 << 20);
    add(t, "r1", "p");
    add(t, "r2", "p");
    add(t, "r3", "p");
    struct job old = claim(t, a, (struct job_owner){"node-1", "boot-1"});
    struct job mine = claim(t, a, me);
    struct job other = claim(t, a, (struct job_owner){"node-2", "boot-1"});
    struct step s = {.what = RECLAIM, .owner = me};
    assert_int_equal(run(t, &s), ERR_NONE);
    assert_int_equal(s.number, 1);
    assert_int_equal(with(t, COMPLETE, old, 0), ERR_JOB_LOST);
    assert_int_equal(with(t, COMPLETE, mine, 0), ERR_NONE);
    assert_int_equal(with(t, COMPLETE, other, 0), ERR_NONE);
    struct job again = claim(t, a, me);
    assert_string_equal(again.id, old.id);
}

static bool held(struct db_tx *tx, void *ctx, struct err *e)
{
    struct step *s = ctx;
    tx_into(tx, s->a);
    return queue_held(tx, "worker", &s->owner, &s->job, e);
}

static void test_queue_held__is_what_this_owner_claimed(void **state)
{
    struct testdb *t = testdb_of(state);
    struct err e = {0};
    CLEANUP(arena_cleanup) struct arena *a = arena_new(1 << 20);
    struct step s = {.owner = me, .a = a};
    add(t, "r1", "p");
    add(t, "r2", "p");
    (void)claim(t, a, (struct job_owner){"node-1", "boot-2/1"});
    assert_true(db_write(t->db, CRASH_S01, held, &s, &e));
    assert_null(s.job.id);
    struct job mine = claim(t, a, me);
    assert_true(db_write(t->db, CRASH_S01, held, &s, &e));
    assert_string_equal(s.job.id, mine.id);
    assert_int_equal(s.job.token, mine.token);
    assert_int_equal(with(t, COMPLETE, s.job, 0), ERR_NONE);
    assert_true(db_write(t->db, CRASH_S01, held, &s, &e));
    assert_null(s.job.id);
}

/* Threads that claim and complete: every job is done exactly once. */
struct many {
    struct testdb *t;
    int done;
};

static void *serve(void *arg)
{
    struct many *m = arg;
    for (;;) {
        struct arena *a = arena_new(1 << 20);
        struct job j = claim(m->t, a, me);
        bool any = j.id != NULL;
        if (any && with(m->t, COMPLETE, j, 0) == ERR_NONE)
            m->done++;
        arena_free(a);
        if (!any)
            return NULL;
    }
}

static void test_queue__each_job_has_one_owner(void **state)
{
    struct testdb *t = testdb_of(state);
    enum { JOBS = 60, SERVERS = 6 };
    for (int i = 0; i < JOBS; i++) {
        char subject[16], project[16];
        snprintf(subject, sizeof subject, "r%d", i);
        snprintf(project, sizeof project, "p%d", i % 7);
        add(t, subject, project);
    }
    pthread_t threads[SERVERS];
    struct many many[SERVERS];
    int done = 0;
    for (size_t i = 0; i < SERVERS; i++) {
        many[i] = (struct many){.t = t};
        assert_int_equal(pthread_create(&threads[i], NULL, serve, &many[i]), 0);
    }
    for (size_t i = 0; i < SERVERS; i++) {
        pthread_join(threads[i], NULL);
        done += many[i].done;
    }
    assert_int_equal(done, JOBS);
    assert_int_equal(counts(t).ready + counts(t).claimed, 0);
}

static bool effects(struct db_tx *tx, void *ctx, struct err *e)
{
    bool found = true;
    struct effect put = {.grant = reader_text("g"),
                         .slot = 3,
                         .kind = 2,
                         .attempt = 1,
                         .request = reader_text("request"),
                         .answer = reader_text("answer")};
    struct effect get = {.grant = reader_text("g"), .slot = 3, .kind = 2};
    (void)ctx;
    if (!effect_put(tx, &put, e) || !effect_put(tx, &put, e) || !effect_get(tx, &get, &found, e))
        return false;
    assert_false(found);
    get.attempt = 1;
    if (!effect_get(tx, &get, &found, e))
        return false;
    assert_true(found && reader_equal_text(get.request, "request") &&
                reader_equal_text(get.answer, "answer"));
    return true;
}

static bool other_effect(struct db_tx *tx, void *ctx, struct err *e)
{
    struct effect put = {.grant = reader_text("g"),
                         .slot = 3,
                         .kind = 2,
                         .attempt = 1,
                         .request = reader_text(ctx == NULL ? "another" : "request"),
                         .answer = reader_text(ctx == NULL ? "answer" : ctx)};
    return effect_put(tx, &put, e);
}

static void test_effect_put__once(void **state)
{
    struct testdb *t = testdb_of(state);
    struct err e = {0};
    char other[] = "other";
    if (!db_write(t->db, CRASH_D14, effects, NULL, &e))
        fail_msg("%s", e.detail);
    assert_false(db_write(t->db, CRASH_D14, other_effect, NULL, &e));
    assert_int_equal(e.code, ERR_EFFECT_CHANGED);
    e = (struct err){0};
    assert_false(db_write(t->db, CRASH_D14, other_effect, other, &e));
    assert_int_equal(e.code, ERR_EFFECT_CHANGED);
    e = (struct err){0};
    assert_true(db_write(t->db, CRASH_D14, effects, NULL, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ON_BOTH(test_queue__projects_take_turns),
        TEST_ON_BOTH(test_queue__oldest_of_a_project_first_and_once),
        TEST_ON_BOTH(test_queue__retry_waits),
        TEST_ON_BOTH(test_queue__own_earlier_boots_are_reclaimed_at_start),
        TEST_ON_BOTH(test_queue_held__is_what_this_owner_claimed),
        TEST_ON_BOTH(test_queue__each_job_has_one_owner),
        TEST_ON_BOTH(test_effect_put__once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
