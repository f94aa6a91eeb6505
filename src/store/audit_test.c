/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/text.h"
#include "crypto/key.h"
#include "store/audit_line.h"
#include "store/audit_verify.h"
#include "store/testdb.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Head after each of these sizes, signed as the key process does. */
static const uint64_t head_sizes[] = {3, 8, 11};
enum { EVENTS = 13 };

static struct key *log_key(void)
{
    static struct key *k;
    struct err e = {0};
    struct key_type type;
    if (k == NULL)
        assert_true(key_type_from_name("ed25519", &type) && key_generate(type, &k, &e));
    return k;
}

static bool append(struct db_tx *tx, void *ctx, struct err *e)
{
    int *n = ctx;
    char request[32], body[32];
    snprintf(request, sizeof request, "request-%d", *n % 3);
    snprintf(body, sizeof body, "grant %d", *n);
    uint64_t index = 0;
    struct audit_event event = {.kind = *n % 4 == 0 ? LOG_LEAF_INTENT : "SigningRequest.Submitted",
                                .actor = "user:ana \"quoted\"",
                                .object = *n % 2 ? NULL : "Project:p",
                                .request = request,
                                .detail = reader_text("{\"a\":1}"),
                                .body = reader_text(body)};
    if (!audit_append(tx, &event, &index, e))
        return false;
    assert_int_equal(index, *n);
    (*n)++;
    return true;
}

struct head_job {
    uint64_t size, journal, epoch;
    struct writer signature;
    struct audit_head head;
};

static void sign(struct head_job *j, const struct merkle_hash *root)
{
    struct err e = {0};
    struct writer text;
    j->head = (struct audit_head){
        .head = {.size = j->size, .epoch = j->epoch, .journal = j->journal}, .node = "node-1"};
    memcpy(j->head.head.root, root->bytes, 32);
    writer_init(&text, 1000);
    writer_init(&j->signature, 100);
    log_head_text(&text, reader_text("node-1"), &j->head.head);
    assert_true(key_sign_message(log_key(), writer_view(&text), &j->signature, &e));
    writer_done(&text);
    j->head.signature = writer_view(&j->signature);
    j->head.log_key = key_spki(log_key());
}

static bool add_head(struct db_tx *tx, void *ctx, struct err *e)
{
    struct head_job *j = ctx;
    struct merkle_hash root;
    if (!audit_root(tx, j->size, &root, e))
        return false;
    sign(j, &root);
    return audit_head_store(tx, &j->head, e);
}

static void fill(struct testdb *t, int events)
{
    struct err e = {0};
    for (int n = 0, next = 0; n < events;) {
        if (!db_write(t->db, CRASH_S01, append, &n, &e))
            fail_msg("%s", e.detail);
        if (next < (int)COUNT_OF(head_sizes) && (uint64_t)n == head_sizes[next]) {
            struct head_job j = {.size = (uint64_t)n, .journal = (uint64_t)++next, .epoch = 1};
            if (!db_write(t->db, CRASH_D19, add_head, &j, &e))
                fail_msg("%s", e.detail);
            writer_done(&j.signature);
        }
    }
}

static struct audit_report verify(struct testdb *t, struct reader witnesses)
{
    struct err e = {0};
    struct audit_report report;
    struct audit_check check = {.witnesses = witnesses};
    if (!audit_verify_db(t->db, &check, &report, &e))
        fail_msg("%s", e.detail);
    return report;
}

static struct audit_report verify_text(struct reader text)
{
    struct err e = {0};
    struct audit_report report = {0};
    struct audit_check check = {.log_key = key_spki(log_key())};
    struct source s = source_memory(text);
    if (!audit_verify_file(&s, &check, &report, &e)) {
        report.bad = true;
        snprintf(report.what, sizeof report.what, "%.399s", e.user);
    }
    return report;
}

static struct reader export(struct testdb *t, struct writer *w)
{
    struct err e = {0};
    writer_init(w, 1 << 20);
    struct sink to = sink_memory(w);
    if (!audit_export(t->db, &to, &e))
        fail_msg("%s", e.detail);
    return writer_view(w);
}

static void test_audit__whole_log_verifies(void **state)
{
    struct testdb *t = testdb_of(state);
    struct audit_report empty = verify(t, reader_text(""));
    assert_false(empty.bad);
    assert_int_equal(empty.size, 0);
    fill(t, EVENTS);
    testdb_reopen(t);
    struct audit_report report = verify(t, reader_text(""));
    if (report.bad)
        fail_msg("%s", report.what);
    assert_int_equal(report.size, EVENTS);
    assert_int_equal(report.heads, 3);
    assert_int_equal(report.covered, 11);
    struct writer w;
    struct audit_report file = verify_text(export(t, &w));
    if (file.bad)
        fail_msg("%s", file.what);
    assert_int_equal(file.size, EVENTS);
    assert_memory_equal(file.root.bytes, report.root.bytes, 32);
    writer_done(&w);
}

static bool prove_all(struct db_tx *tx, void *ctx, struct err *e)
{
    (void)ctx;
    struct merkle_hash roots[EVENTS + 1], hash;
    for (uint64_t size = 0; size <= EVENTS; size++)
        assert_true(audit_root(tx, size, &roots[size], e));
    for (uint64_t size = 1; size <= EVENTS; size++) {
        for (uint64_t i = 0; i < size; i++) {
            struct reader leaf;
            struct writer proof;
            writer_init(&proof, MERKLE_PROOF_MAX);
            assert_true(audit_leaf(tx, i, &leaf, e) && merkle_leaf(leaf, &hash, e));
            assert_true(audit_inclusion(tx, i, size, &proof, e));
            assert_true(
                merkle_check_inclusion(&hash, i, size, writer_view(&proof), &roots[size], e));
            writer_reset(&proof);
            assert_true(audit_consistency(tx, i, size, &proof, e));
            assert_true(
                merkle_check_consistency(i, &roots[i], size, &roots[size], writer_view(&proof), e));
            writer_done(&proof);
        }
    }
    struct err outside = {0};
    assert_false(audit_root(tx, EVENTS + 1, &hash, &outside));
    assert_int_equal(outside.code, ERR_AUDIT);
    return true;
}

static void test_audit__proofs_of_every_size(void **state)
{
    struct testdb *t = testdb_of(state);
    struct err e = {0};
    fill(t, EVENTS);
    if (!db_read(t->db, prove_all, NULL, &e))
        fail_msg("%s", e.detail);
}

static bool append_and_fail(struct db_tx *tx, void *ctx, struct err *e)
{
    int n = *(int *)ctx;
    return append(tx, &n, e) && err_set(e, ERR_USAGE, "test");
}

static void test_audit__undone_appends_leave_no_gap(void **state)
{
    struct testdb *t = testdb_of(state);
    for (int n = 0; n < EVENTS;) {
        struct err e = {0};
        assert_false(db_write(t->db, CRASH_S01, append_and_fail, &n, &e));
        assert_int_equal(e.code, ERR_USAGE);
        e = (struct err){0};
        assert_true(db_write(t->db, CRASH_S01, append, &n, &e));
    }
    struct audit_report report = verify(t, reader_text(""));
    assert_false(report.bad);
    assert_int_equal(report.size, EVENTS);
}

static bool last_head(struct db_tx *tx, void *ctx, struct err *e)
{
    bool found = false;
    struct audit_head head;
    (void)ctx;
    if (!audit_head_last(tx, &head, &found, e))
        return false;
    assert_true(found);
    assert_int_equal(head.head.size, 11);
    assert_int_equal(head.head.journal, 3);
    assert_string_equal(head.node, "node-1");
    return true;
}

static bool forge_head(struct db_tx *tx, void *ctx, struct err *e)
{
    struct head_job *j = ctx;
    struct merkle_hash other = {.bytes = {1}};
    sign(j, &other);
    return audit_head_store(tx, &j->head, e);
}

static void test_audit_head__last_one_and_none_that_does_not_fit(void **state)
{
    struct testdb *t = testdb_of(state);
    struct err e = {0};
    fill(t, EVENTS);
    assert_true(db_read(t->db, last_head, NULL, &e));
    struct head_job j = {.size = 5, .journal = 9, .epoch = 1};
    assert_false(db_write(t->db, CRASH_D19, forge_head, &j, &e));
    assert_int_equal(e.code, ERR_AUDIT);
    writer_done(&j.signature);
}

/* Somebody with the database: what they do, and the range in which the first bad entry is named. */
static const struct tampering {
    const char *what, *sqlite, *postgres;
    uint64_t first, last;
} tamperings[] = {
    {"edit", "UPDATE audit_events SET leaf = x'00' WHERE position = 5",
     "UPDATE audit_events SET leaf = '\\x00' WHERE position = 5", 5, 5},
    {"edit of one byte",
     "UPDATE audit_events SET leaf = CAST(leaf || x'00' AS BLOB) WHERE position = 12",
     "UPDATE audit_events SET leaf = leaf || '\\x00' WHERE position = 12", 12, 12},
    {"edit of a column", "UPDATE audit_events SET actor = 'nobody' WHERE position = 4", NULL, 4, 4},
    {"edit of a time", "UPDATE audit_events SET happened = happened + 1 WHERE position = 0", NULL,
     0, 0},
    {"hash", "UPDATE audit_events SET hash = leaf WHERE position = 7", NULL, 7, 7},
    {"deletion", "DELETE FROM audit_events WHERE position = 6", NULL, 6, 6},
    {"deletion of the first", "DELETE FROM audit_events WHERE position = 0", NULL, 0, 0},
    {"deletion, closed up",
     "DELETE FROM audit_events WHERE position = 6;"
     "UPDATE audit_events SET position = -position WHERE position > 6;"
     "UPDATE audit_events SET position = -position - 1 WHERE position < 0",
     NULL, 6, 7},
    {"insertion",
     "UPDATE audit_events SET position = -position - 1 WHERE position >= 4;"
     "UPDATE audit_events SET position = -position WHERE position < 0;"
     "INSERT INTO audit_events SELECT 4, leaf, hash, happened, kind, actor, object, request"
     " FROM audit_events WHERE position = 1",
     NULL, 4, 5},
    {"swap",
     "UPDATE audit_events SET position = -1 WHERE position = 2;"
     "UPDATE audit_events SET position = 2 WHERE position = 9;"
     "UPDATE audit_events SET position = 9 WHERE position = -1",
     NULL, 0, 2},
    {"cut below a head", "DELETE FROM audit_events WHERE position >= 9", NULL, 9, 10},
    {"cut above the heads", "DELETE FROM audit_events WHERE position >= 11", NULL, 11, 11},
    {"cut and nodes gone",
     "DELETE FROM audit_events WHERE position >= 9;"
     "DELETE FROM audit_nodes WHERE (position + 1) * (1 << level) > 9",
     "DELETE FROM audit_events WHERE position >= 9;"
     "DELETE FROM audit_nodes WHERE (position + 1) * (1 << level::int) > 9",
     9, 10},
    {"rewritten tail without heads",
     "DELETE FROM audit_heads WHERE size > 3; DELETE FROM audit_events WHERE position >= 9", NULL,
     9, 9},
    {"node",
     "UPDATE audit_nodes SET hash = (SELECT hash FROM audit_events WHERE position = 0)"
     " WHERE level = 1 AND position = 2",
     NULL, 4, 5},
    {"node deleted", "DELETE FROM audit_nodes WHERE level = 2 AND position = 1", NULL, 4, 7},
    {"head root",
     "UPDATE audit_heads SET root = (SELECT hash FROM audit_events WHERE position = 0)"
     " WHERE size = 8",
     NULL, 3, 7},
    {"head journal", "UPDATE audit_heads SET journal = 77 WHERE size = 8", NULL, 3, 7},
    {"head signature", "UPDATE audit_heads SET signature = log_key WHERE size = 3", NULL, 0, 2},
    {"entry before the first",
     "INSERT INTO audit_events SELECT -1, leaf, hash, happened, kind, actor, object, request"
     " FROM audit_events WHERE position = 1",
     NULL, 0, 0},
};

static void test_audit_verify__names_what_was_done_to_the_database(void **state)
{
    struct testdb *t = testdb_of(state);
    for (size_t i = 0; i < COUNT_OF(tamperings); i++) {
        const struct tampering *x = &tamperings[i];
        testdb_sql(t, "DELETE FROM audit_events; DELETE FROM audit_nodes; DELETE FROM audit_heads",
                   NULL);
        testdb_reopen(t);
        fill(t, EVENTS);
        assert_false(verify(t, reader_text("")).bad);
        testdb_sql(t, x->sqlite, x->postgres);
        struct audit_report report = verify(t, reader_text(""));
        if (!report.bad)
            fail_msg("%s: not found", x->what);
        if (report.bad_first != x->first || report.bad_last != x->last)
            fail_msg("%s: %llu..%llu %s", x->what, (unsigned long long)report.bad_first,
                     (unsigned long long)report.bad_last, report.what);
    }
}

static void all_heads(struct testdb *t, struct writer *lines)
{
    struct writer text;
    struct reader all = export(t, &text), line;
    writer_init(lines, 1 << 20);
    while (audit_next_line(&all, &line))
        if (reader_starts_with(line, "{\"head\"", 7)) {
            writer_reader(lines, line);
            writer_u8(lines, '\n');
        }
    writer_done(&text);
}

static void test_audit_head_keep__line_by_line_after_a_cut(void **state)
{
    struct testdb *t = testdb_of(state);
    struct err e = {0};
    CLEANUP(arena_cleanup) struct arena *a = arena_new(1 << 20);
    struct head_job j = {.size = 3, .journal = 1, .epoch = 1};
    CLEANUP(file_close) int folder = open(t->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char path[96];
    struct reader lines;
    fill(t, 3);
    assert_true(db_write(t->db, CRASH_D19, add_head, &j, &e));
    assert_true(audit_head_keep(folder, &j.head, &e));
    assert_true(audit_head_keep(folder, &j.head, &e));
    snprintf(path, sizeof path, "%s/heads.jsonl", t->folder);
    assert_true(file_read(AT_FDCWD, path, 1 << 16, a, &lines, &e));
    assert_int_equal(verify(t, lines).witnesses, 2);
    assert_int_equal(truncate(path, (off_t)lines.left - 10), 0);
    assert_true(audit_head_keep(folder, &j.head, &e));
    assert_true(file_read(AT_FDCWD, path, 1 << 16, a, &lines, &e));
    struct audit_report report = verify(t, lines);
    assert_false(report.bad);
    assert_int_equal(report.witnesses, 2);
    assert_int_equal(report.unreadable, 1);
    writer_done(&j.signature);
}

/* Everything of the log after entry 8 vanished, heads and hashes with it: only somebody who kept
 * a head can know. */
static const char rollback_sqlite[] =
    "DELETE FROM audit_heads WHERE size > 8; DELETE FROM audit_events WHERE position >= 8;"
    "DELETE FROM audit_nodes WHERE (position + 1) * (1 << level) > 8";
static const char rollback_postgres[] =
    "DELETE FROM audit_heads WHERE size > 8; DELETE FROM audit_events WHERE position >= 8;"
    "DELETE FROM audit_nodes WHERE (position + 1) * (1 << level::int) > 8";

static void test_audit_verify__witness_sees_a_rollback(void **state)
{
    struct testdb *t = testdb_of(state);
    struct err e = {0};
    struct writer witnesses;
    fill(t, EVENTS);
    all_heads(t, &witnesses);
    assert_false(verify(t, writer_view(&witnesses)).bad);
    testdb_sql(t, rollback_sqlite, rollback_postgres);
    testdb_reopen(t);
    assert_false(verify(t, reader_text("")).bad);
    struct audit_report report = verify(t, writer_view(&witnesses));
    assert_true(report.bad);
    assert_int_equal(report.bad_first, 8);
    /* Other entries instead of the old ones do not hide it. */
    for (int n = 8; n < EVENTS;)
        assert_true(db_write(t->db, CRASH_S01, append, &n, &e));
    report = verify(t, writer_view(&witnesses));
    assert_true(report.bad);
    assert_int_equal(report.bad_first, 8);
    /* A restore, which the key process signs as a new epoch, is no finding but counted. */
    struct head_job j = {.size = EVENTS, .journal = 9, .epoch = 2};
    assert_true(db_write(t->db, CRASH_D19, add_head, &j, &e));
    writer_done(&j.signature);
    report = verify(t, writer_view(&witnesses));
    if (report.bad)
        fail_msg("%s", report.what);
    assert_int_equal(report.superseded, 1);
    writer_done(&witnesses);
}

static void test_audit_verify_file__every_changed_byte_is_found(void **state)
{
    struct testdb *t = testdb_of(state);
    struct writer w;
    fill(t, EVENTS);
    (void)export(t, &w);
    for (size_t i = 0; i < w.len; i += 17) {
        uint8_t was = w.data[i];
        w.data[i] = (uint8_t)(was ^ 1);
        if (!verify_text(writer_view(&w)).bad)
            fail_msg("byte %zu of %zu", i, w.len);
        w.data[i] = was;
    }
    for (size_t n = 0; n < w.len; n += 29)
        if (!verify_text(reader_over(w.data, n)).bad)
            fail_msg("cut at %zu", n);
    assert_false(verify_text(writer_view(&w)).bad);
    writer_done(&w);
}

/* Lines of the export left out, doubled, exchanged: which entry is named. */
static void test_audit_verify_file__names_the_first_bad_entry(void **state)
{
    struct testdb *t = testdb_of(state);
    struct writer w, changed;
    struct reader lines[64], rest;
    size_t count = 0, head = 4; /* header, three heads */
    fill(t, EVENTS);
    rest = export(t, &w);
    while (audit_next_line(&rest, &lines[count]))
        count++;
    assert_int_equal(count, head + EVENTS);
    enum { LEAVE_OUT, TWICE, EXCHANGE, CUT, KINDS };
    for (size_t at = 0; at < EVENTS; at++) {
        for (int kind = 0; kind < KINDS; kind++) {
            writer_init(&changed, 1 << 20);
            for (size_t i = 0; i < count; i++) {
                size_t here = i;
                if (kind == EXCHANGE && i >= head && (i - head == at || i - head == at + 1))
                    here = i - head == at ? i + 1 : i - 1;
                if ((kind == LEAVE_OUT && i == head + at) || (kind == CUT && i >= head + at) ||
                    here >= count)
                    continue;
                for (int n = 0; n < (kind == TWICE && i == head + at ? 2 : 1); n++) {
                    writer_reader(&changed, lines[here]);
                    writer_u8(&changed, '\n');
                }
            }
            struct audit_report report = verify_text(writer_view(&changed));
            bool last = at == EVENTS - 1;
            uint64_t want = kind == TWICE ? at + 1 : at;
            if (!report.bad || (report.bad_first != want && !(last && kind == EXCHANGE)))
                fail_msg("kind %d at %zu: %s", kind, at, report.what);
            writer_done(&changed);
        }
    }
    writer_done(&w);
}

static void test_audit_verify_file__refuses_another_log_key(void **state)
{
    struct testdb *t = testdb_of(state);
    struct err e = {0};
    struct writer w;
    struct key *other = NULL;
    struct key_type type;
    fill(t, EVENTS);
    struct source s = source_memory(export(t, &w));
    assert_true(key_type_from_name("ed25519", &type) && key_generate(type, &other, &e));
    struct audit_check check = {.log_key = key_spki(other)};
    struct audit_report report;
    assert_true(audit_verify_file(&s, &check, &report, &e));
    assert_true(report.bad);
    key_free(other);
    writer_done(&w);
}

static int free_key(void **state)
{
    (void)state;
    key_free(log_key());
    return 0;
}

/* What looks at the exported file only. */
#define ON_SQLITE(fn)                                                                              \
    {                                                                                              \
#fn, fn, testdb_sqlite, testdb_done, NULL                                                  \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ON_BOTH(test_audit__whole_log_verifies),
        TEST_ON_BOTH(test_audit__proofs_of_every_size),
        TEST_ON_BOTH(test_audit__undone_appends_leave_no_gap),
        TEST_ON_BOTH(test_audit_head__last_one_and_none_that_does_not_fit),
        TEST_ON_BOTH(test_audit_verify__names_what_was_done_to_the_database),
        ON_SQLITE(test_audit_head_keep__line_by_line_after_a_cut),
        TEST_ON_BOTH(test_audit_verify__witness_sees_a_rollback),
        ON_SQLITE(test_audit_verify_file__every_changed_byte_is_found),
        ON_SQLITE(test_audit_verify_file__names_the_first_bad_entry),
        ON_SQLITE(test_audit_verify_file__refuses_another_log_key),
    };
    return cmocka_run_group_tests(tests, NULL, free_key);
}
