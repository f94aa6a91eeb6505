/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/fault.h"
#include "store/effects.h"
#include "store/testdb.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* A row to write: effects are a table of numbers and bytes. */
struct row {
    uint32_t slot;
    struct reader request, answer;
    bool then_fail;
};

static const struct reader grant = {(const uint8_t *)"grant", 5};

static bool put_row(struct db_tx *tx, void *ctx, struct err *e)
{
    const struct row *r = ctx;
    struct effect effect = {
        .grant = grant, .slot = r->slot, .kind = 1, .request = r->request, .answer = r->answer};
    if (!effect_put(tx, &effect, e))
        return false;
    return !r->then_fail || err_set(e, ERR_USAGE, "test");
}

struct counting {
    struct effect after;
    size_t page;
};

static bool count_page(struct db_tx *tx, void *ctx, struct err *e)
{
    struct counting *c = ctx;
    struct db_rows rows;
    if (!effects_next(tx, &c->after, &rows, e))
        return false;
    c->page = rows.count;
    return true;
}

static bool count_rows(struct db_tx *tx, size_t *ret, struct err *e)
{
    struct counting c = {.after.grant = grant};
    if (!count_page(tx, &c, e))
        return false;
    *ret = c.page;
    return true;
}

static size_t rows_in(struct testdb *t)
{
    struct err e = {0};
    struct counting c = {.after.grant = grant};
    size_t n = 0;
    do {
        if (!db_read(t->db, count_page, &c, &e))
            fail_msg("%s", e.detail);
        n += c.page;
    } while (c.page > 0);
    return n;
}

static bool write_row(struct testdb *t, uint32_t slot, struct err *e)
{
    struct row r = {.slot = slot, .request = reader_text("?"), .answer = reader_text("!")};
    return db_write(t->db, CRASH_S01, put_row, &r, e);
}

static void test_db_open__migrates_and_prepares_every_query(void **state)
{
    struct testdb *t = testdb_of(state);
    struct err e = {0};
    int64_t version = 0;
    assert_true(db_version(t->db, &version, &e));
    assert_int_equal(version, MIGRATION__COUNT);
    assert_true(db_is_postgres(t->db) == t->postgres);
    if (!db_prepare_all(t->db, &e))
        fail_msg("%s", e.detail);
    testdb_reopen(t);
    assert_true(db_version(t->db, &version, &e));
    assert_int_equal(version, MIGRATION__COUNT);
}

/* Each is asked every second or by every submission, of tables that only grow. */
static void test_db__frequent_queries_search_no_whole_table(void **state)
{
    static const enum query often[] = {
        QUERY_audit_head_last,        QUERY_audit_size,
        QUERY_requests_past_deadline, QUERY_request_insert,
        QUERY_idempotency_by_key,     QUERY_idempotency_delete_old,
        QUERY_request_by_id,          QUERY_grant_open_of_request,
        QUERY_requests_uses_blob,     QUERY_request_to_cancel,
        QUERY_job_turn_next,          QUERY_job_next_due,
        QUERY_outcome_leaf,
    };
    struct testdb *t = testdb_of(state);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(t->path, &db), SQLITE_OK);
    for (size_t i = 0; i < COUNT_OF(often); i++) {
        char sql[8192];
        sqlite3_stmt *st = NULL;
        (void)snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", query_rows[often[i]].sqlite);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
        while (sqlite3_step(st) == SQLITE_ROW) {
            const char *plan = (const char *)sqlite3_column_text(st, 3);
            if (strncmp(plan, "SCAN ", 5) == 0 && strstr(plan, "INDEX") == NULL &&
                strcmp(plan, "SCAN x") != 0) /* a sub-query of ours */
                fail_msg("%s: %s", query_rows[often[i]].name, plan);
        }
        (void)sqlite3_finalize(st);
    }
    (void)sqlite3_close(db);
}

static void test_db_open__refuses_a_newer_database(void **state)
{
    struct testdb *t = testdb_of(state);
    struct err e = {0};
    testdb_sql(t, "INSERT INTO schema_migrations VALUES (9999, 'later', 0)", NULL);
    db_close(t->db);
    t->db = NULL;
    assert_false(db_open(&t->settings, &t->db, &e));
    assert_int_equal(e.code, ERR_DB_NEWER);
    assert_null(t->db);
}

static void test_db_open__read_only_changes_nothing(void **state)
{
    struct testdb *t = testdb_of(state);
    struct err e = {0};
    assert_true(write_row(t, 1, &e));
    struct db_settings settings = t->settings;
    settings.read_only = true;
    struct db *writable = t->db;
    assert_true(db_open(&settings, &t->db, &e)); /* beside the service */
    assert_int_equal(rows_in(t), 1);
    db_close(t->db);
    t->db = writable;
    testdb_sql(
        t,
        "DELETE FROM schema_migrations WHERE number = (SELECT max(number) FROM schema_migrations)",
        NULL);
    struct db *older = NULL;
    assert_false(db_open(&settings, &older, &e));
    assert_int_equal(e.code, ERR_DB_OLDER);
    assert_null(older);
}

static void test_db_open__bad_place_is_an_error(void **state)
{
    (void)state;
    struct err e = {0};
    struct db *db = NULL;
    assert_false(db_open(&(struct db_settings){.path = "/nowhere/x.db"}, &db, &e));
    assert_int_equal(e.code, ERR_IO);
    e = (struct err){0};
    assert_false(db_open(&(struct db_settings){.url = "host=/nowhere dbname=x"}, &db, &e));
    assert_int_equal(e.code, ERR_DB_AWAY);
    /* A file that is no database. */
    char path[] = "/tmp/chybadXXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "This is not a database at all, but a text of some length.";
    for (int i = 0; i < 20; i++)
        assert_int_equal(write(fd, text, sizeof text), sizeof text);
    close(fd);
    e = (struct err){0};
    assert_false(db_open(&(struct db_settings){.path = path}, &db, &e));
    assert_int_equal(e.code, ERR_DB_DAMAGED);
    unlink(path);
}

static bool read_values(struct db_tx *tx, void *ctx, struct err *e)
{
    const struct row *want = ctx;
    struct db_rows rows;
    if (!effects_next(tx, &(struct effect){.grant = grant}, &rows, e))
        return false;
    assert_int_equal(rows.count, 2);
    assert_true(rows_next(&rows));
    assert_int_equal(row_int(&rows, "slot"), want[0].slot);
    assert_true(reader_equal(row_bytes(&rows, "request"), want[0].request));
    assert_true(reader_equal(row_bytes(&rows, "answer"), want[0].answer));
    assert_true(rows_next(&rows));
    assert_int_equal(row_int(&rows, "slot"), UINT32_MAX);
    assert_int_equal(row_bytes(&rows, "answer").left, 0);
    assert_false(row_null(&rows, "answer"));
    assert_false(rows_next(&rows));
    if (!tx_one(tx, QUERY_job_next_due, DB_ARGS(DB_TEXT("none")), &rows, e))
        return false;
    assert_true(rows.count == 1 && row_null(&rows, "due") && row_int(&rows, "due") == 0);
    if (!tx_one(tx, QUERY_effect_get, DB_ARGS(DB_BYTES(grant), DB_INT(7), DB_INT(1), DB_INT(0)),
                &rows, e))
        return false;
    assert_int_equal(rows.count, 0);
    return true;
}

static void test_db__values_come_back(void **state)
{
    struct testdb *t = testdb_of(state);
    struct err e = {0};
    uint8_t all[256];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (uint8_t)i;
    uint8_t *large = calloc(1, 300000);
    struct row rows[] = {
        {.slot = 0, .request = reader_over(all, sizeof all), .answer = reader_over(large, 300000)},
        {.slot = UINT32_MAX, .request = reader_text("x"), .answer = reader_text("")}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_true(db_write(t->db, CRASH_S01, put_row, &rows[i], &e));
    if (!db_read(t->db, read_values, rows, &e))
        fail_msg("%s", e.detail);
    free(large);
}

static bool add_twice(struct db_tx *tx, void *ctx, struct err *e)
{
    static const char node[] = "0123456789abcdef0123456789abcdef";
    (void)ctx;
    for (int i = 0; i < 2; i++)
        if (!tx_run(tx, QUERY_audit_node_add, DB_ARGS(DB_INT(1), DB_INT(0), DB_BLOB(node, 32)), e))
            return false;
    return true;
}

static bool ignore_failure(struct db_tx *tx, void *ctx, struct err *e)
{
    struct err ignored = {0};
    (void)e;
    return !add_twice(tx, ctx, &ignored);
}

static void test_db_write__conflict_is_told_and_undone(void **state)
{
    struct testdb *t = testdb_of(state);
    struct err e = {0};
    assert_false(db_write(t->db, CRASH_S01, add_twice, NULL, &e));
    assert_int_equal(e.code, ERR_DB_CONFLICT);
    e = (struct err){0};
    assert_false(db_write(t->db, CRASH_S01, ignore_failure, NULL, &e));
    assert_int_equal(e.code, ERR_DB);
    e = (struct err){0};
    testdb_sql(t, "INSERT INTO audit_nodes VALUES (1, 0, x'00')",
               "INSERT INTO audit_nodes VALUES (1, 0, '\\x00')");
}

static bool write_in_read(struct db_tx *tx, void *ctx, struct err *e)
{
    struct row r = {.slot = 1, .request = reader_text("?"), .answer = reader_text("!")};
    (void)ctx;
    return put_row(tx, &r, e);
}

/* More than the results of one transaction may take. */
static void test_effects__of_a_large_job_come_in_pages(void **state)
{
    enum { ROWS = 700, BYTES = 100 * 1024 };
    struct testdb *t = testdb_of(state);
    struct err e = {0};
    uint8_t *answer = calloc(1, BYTES);
    assert_non_null(answer);
    for (uint32_t i = 0; i < ROWS; i++) {
        struct row r = {
            .slot = i, .request = reader_text("?"), .answer = reader_over(answer, BYTES)};
        if (!db_write(t->db, CRASH_D14, put_row, &r, &e))
            fail_msg("%s", e.detail);
    }
    assert_int_equal(rows_in(t), ROWS);
    free(answer);
}

static void test_db_read__cannot_write(void **state)
{
    struct testdb *t = testdb_of(state);
    struct err e = {0};
    assert_false(db_read(t->db, write_in_read, NULL, &e));
    assert_int_not_equal(e.code, ERR_NONE);
    assert_int_equal(rows_in(t), 0);
    e = (struct err){0};
    assert_true(write_row(t, 1, &e));
    assert_int_equal(rows_in(t), 1);
}

static bool see_nothing_new(struct db_tx *tx, void *ctx, struct err *e)
{
    struct testdb *t = ctx;
    size_t before = 0, after = 0;
    struct err other = {0};
    if (!count_rows(tx, &before, e))
        return false;
    testdb_sql(t, "DELETE FROM effects", NULL);
    assert_false(other.code);
    if (!count_rows(tx, &after, e))
        return false;
    assert_int_equal(before, 1);
    assert_int_equal(after, 1);
    return true;
}

static void test_db_read__is_one_snapshot(void **state)
{
    struct testdb *t = testdb_of(state);
    struct err e = {0};
    assert_true(write_row(t, 1, &e));
    assert_true(db_read(t->db, see_nothing_new, t, &e));
    assert_int_equal(rows_in(t), 0);
}

/* Many threads; every fifth write fails on purpose and must take nothing with it. */
enum { THREADS = 32, EACH = 25 };
struct crowd {
    struct testdb *t;
    uint32_t number;
};

static void *write_many(void *arg)
{
    const struct crowd *c = arg;
    for (uint32_t i = 0; i < EACH; i++) {
        struct row r = {.slot = c->number * 1000 + i,
                        .request = reader_text("?"),
                        .answer = reader_text("!"),
                        .then_fail = i % 5 == 0};
        struct err e = {0};
        bool ok = db_write(c->t->db, CRASH_S01, put_row, &r, &e);
        if (ok == r.then_fail || (r.then_fail && e.code != ERR_USAGE))
            return arg;
    }
    return NULL;
}

static void test_db_write__a_failing_member_is_undone_alone(void **state)
{
    struct testdb *t = testdb_of(state);
    pthread_t threads[THREADS];
    struct crowd crowd[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        crowd[i] = (struct crowd){t, i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &crowd[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *said = NULL;
        pthread_join(threads[i], &said);
        assert_null(said);
    }
    assert_int_equal(rows_in(t), THREADS * EACH * 4 / 5);
}

static void test_db__postgres_comes_back(void **state)
{
    struct testdb *t = testdb_of(state);
    struct err e = {0};
    assert_true(write_row(t, 1, &e));
    testdb_postgres_crash();
    /* Connections come back by themselves, and what was confirmed is there. */
    if (!write_row(t, 2, &e))
        fail_msg("%s", e.detail);
    for (int i = 0; i < 4; i++)
        assert_int_equal(rows_in(t), 2);
}

static size_t fill_disk(struct testdb *t, enum err_code *ret)
{
    size_t written = 0;
    static uint8_t block[50000];
    for (*ret = ERR_NONE; *ret == ERR_NONE && written < 1000;) {
        struct err e = {0};
        struct row r = {.slot = (uint32_t)written,
                        .request = reader_over(block, sizeof block),
                        .answer = reader_text("!")};
        if (db_write(t->db, CRASH_S01, put_row, &r, &e))
            written++;
        *ret = e.code;
    }
    return written;
}

static void test_db_write__full_disk_loses_nothing_and_passes(void **state)
{
    struct testdb *t = testdb_of(state);
    char folder[80], filler[128];
    struct err e = {0};
    db_close(t->db);
    t->db = NULL;
    snprintf(folder, sizeof folder, "%s/small", t->folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    if (mount("tmpfs", folder, "tmpfs", 0, "size=4m") != 0)
        skip();
    snprintf(t->path, sizeof t->path, "%s/test.db", folder);
    snprintf(filler, sizeof filler, "%s/filler", folder);
    FILE *f = fopen(filler, "w");
    for (int i = 0; i < 1024 * 1024; i++)
        fputc(1, f);
    fclose(f);
    testdb_reopen(t);
    enum err_code code;
    size_t written = fill_disk(t, &code);
    assert_int_equal(code, ERR_STORAGE_FULL);
    assert_int_equal(rows_in(t), written);
    assert_int_equal(unlink(filler), 0);
    if (!write_row(t, 5000, &e))
        fail_msg("%s", e.detail);
    assert_int_equal(rows_in(t), written + 1);
    testdb_reopen(t);
    assert_int_equal(rows_in(t), written + 1);
    db_close(t->db);
    t->db = NULL;
    assert_int_equal(umount2(folder, MNT_DETACH), 0);
}

#ifdef CHANCERY_FAULTS
static void test_db_write__nth_failure_is_all_or_nothing(void **state)
{
    struct testdb *t = testdb_of(state);
    size_t have = 0, unknown = 0;
    bool done = false;
    for (uint32_t n = 1; !done; n++) {
        struct err e = {0};
        testdb_reopen(t); /* so that every round makes the same calls */
        fault_arm(n);
        bool ok = write_row(t, n, &e);
        done = !fault_fired();
        fault_arm(0);
        assert_true(ok == (e.code == ERR_NONE));
        assert_true(ok || !done);
        /* A sync that failed says "unknown": only then may it be there after the next start. */
        unknown += e.code == ERR_DB_UNKNOWN;
        for (int again = 0; again < 2; again++) {
            size_t now = rows_in(t);
            if (now != have + ok && (e.code != ERR_DB_UNKNOWN || now != have + 1))
                fail_msg("fault %u: %zu rows, %zu expected, %s", n, now, have + ok, e.detail);
            have = now - ok;
            testdb_reopen(t);
        }
        have = rows_in(t);
        assert_true(n < 500);
    }
    assert_true(have >= 1);
    if (!t->postgres)
        assert_true(unknown > 0); /* the loop has been as deep as the sync */
}

static void test_db_open__nth_failure_leaves_nothing_behind(void **state)
{
    struct testdb *t = testdb_of(state);
    db_close(t->db);
    bool done = false;
    for (unsigned long n = 1; !done; n++) {
        struct err e = {0};
        t->db = NULL;
        fault_arm(n);
        bool ok = db_open(&t->settings, &t->db, &e);
        done = !fault_fired();
        fault_arm(0);
        assert_true(ok == (e.code == ERR_NONE) && ok == (t->db != NULL));
        assert_true(ok || !done);
        db_close(t->db);
        assert_true(n < 2000);
    }
    t->db = NULL;
    testdb_reopen(t);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ON_BOTH(test_db_open__migrates_and_prepares_every_query),
        cmocka_unit_test_setup_teardown(test_db__frequent_queries_search_no_whole_table,
                                        testdb_sqlite, testdb_done),
        TEST_ON_BOTH(test_db_open__refuses_a_newer_database),
        TEST_ON_BOTH(test_db_open__read_only_changes_nothing),
        cmocka_unit_test(test_db_open__bad_place_is_an_error),
        TEST_ON_BOTH(test_db__values_come_back),
        TEST_ON_BOTH(test_db_write__conflict_is_told_and_undone),
        TEST_ON_BOTH(test_effects__of_a_large_job_come_in_pages),
        TEST_ON_BOTH(test_db_read__cannot_write),
        TEST_ON_BOTH(test_db_read__is_one_snapshot),
        TEST_ON_BOTH(test_db_write__a_failing_member_is_undone_alone),
        cmocka_unit_test_setup_teardown(test_db__postgres_comes_back, testdb_postgres, testdb_done),
        cmocka_unit_test_setup_teardown(test_db_write__full_disk_loses_nothing_and_passes,
                                        testdb_sqlite, testdb_done),
#ifdef CHANCERY_FAULTS
        TEST_ON_BOTH(test_db_write__nth_failure_is_all_or_nothing),
        TEST_ON_BOTH(test_db_open__nth_failure_leaves_nothing_behind),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
