/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "service/refusals.h"
#include "store/audit.h"
#include "store/testdb.h"
#include <stdio.h>
#include <string.h>

enum { MINUTE_MS = 61 * 1000 };

struct bench {
    struct service service;
    unsigned reports;
};

static void report(void *ctx, const char *subject, const struct err *e)
{
    (void)subject;
    (void)e;
    ((struct bench *)ctx)->reports++;
}

struct look {
    uint64_t from, size;
    const char *kind, *word; /* counts the events of this kind with this word in them */
    unsigned found;
};

static bool look_in(struct db_tx *tx, void *ctx, struct err *e)
{
    struct look *l = ctx;
    TRY(audit_size(tx, &l->size, e));
    for (uint64_t i = l->from; i < l->size; i++) {
        struct reader leaf;
        struct audit_fields f;
        TRY(audit_leaf(tx, i, &leaf, e));
        assert_true(audit_decode(leaf, &f));
        l->found += reader_equal_text(f.kind, l->kind) &&
                    reader_find(f.detail, 0, l->word, strlen(l->word)) != SIZE_MAX;
    }
    return true;
}

static struct look look(struct testdb *t, uint64_t from, const char *kind, const char *word)
{
    struct look l = {.from = from, .kind = kind, .word = word};
    struct err e = {0};
    if (!db_read(t->db, look_in, &l, &e))
        fail_msg("%s", e.detail);
    return l;
}

static void fail_to_sign_in(struct bench *b, unsigned address)
{
    char text[32];
    (void)snprintf(text, sizeof text, "192.0.2.%u", address);
    refusal_note(&b->service, &(struct refusal){.type = "User.SignInFailed",
                                                .organization = "o",
                                                .address = text,
                                                .reason = "wrong"});
}

static struct bench bench_on(struct testdb *t)
{
    return (struct bench){.service = {.db = t->db, .report = report}};
}

static void test_refusals__first_at_once_others_as_a_number(void **state)
{
    struct testdb *t = testdb_of(state);
    struct bench b = bench_on(t);
    b.service.report_ctx = &b;
    for (int i = 0; i < 7; i++)
        fail_to_sign_in(&b, 1);
    assert_int_equal(look(t, 0, "User.SignInFailed", "192.0.2.1").found, 1);
    refusals_write(&b.service, clock_boot_ms());
    assert_int_equal(look(t, 0, "", "").size, 1); /* not a minute old */
    refusals_write(&b.service, clock_boot_ms() + MINUTE_MS);
    assert_int_equal(look(t, 1, "User.SignInFailed", "\"more\":\"6\"").found, 1);
    /* The next one is a first again, and one that stays alone is not written twice. */
    fail_to_sign_in(&b, 1);
    refusals_write(&b.service, clock_boot_ms() + MINUTE_MS);
    assert_int_equal(look(t, 0, "", "").size, 3);
    assert_int_equal(b.reports, 0);
}

static void test_refusals__a_flood_is_one_event_more(void **state)
{
    struct testdb *t = testdb_of(state);
    struct bench b = bench_on(t);
    b.service.report_ctx = &b;
    for (unsigned round = 0; round < 3; round++)
        for (unsigned address = 0; address < 200; address++)
            fail_to_sign_in(&b, address);
    assert_int_equal(look(t, 0, "User.SignInFailed", "192.0.2.").found, REFUSAL_KINDS);
    refusals_write(&b.service, clock_boot_ms() + MINUTE_MS);
    assert_int_equal(look(t, REFUSAL_KINDS, "User.SignInFailed", "\"more\":\"2\"").found,
                     REFUSAL_KINDS);
    assert_int_equal(look(t, 0, "Refusals.Counted", "\"more\":\"552\"").found, 1);
    assert_int_equal(look(t, 0, "", "").size, 2 * REFUSAL_KINDS + 1);
    assert_int_equal(b.reports, 0);
}

static void test_refusals__who_is_known_is_named(void **state)
{
    struct testdb *t = testdb_of(state);
    struct bench b = bench_on(t);
    struct actor by = {.user = "u", .organization = "o", .name = "stranger", .kind = "CI"};
    b.service.report_ctx = &b;
    const struct refusal r = {.type = "SigningRequest.Refused",
                              .organization = "o",
                              .by = &by,
                              .address = "192.0.2.9",
                              .reason = "auth.forbidden",
                              .sentence = "You may not.",
                              .project = "p"};
    for (int i = 0; i < 2; i++)
        refusal_note(&b.service, &r);
    refusals_write(&b.service, clock_boot_ms() + MINUTE_MS);
    assert_int_equal(look(t, 0, r.type, "\"actorName\":\"stranger\"").found, 2);
    assert_int_equal(look(t, 0, r.type, "\"said\":\"You may not.\",\"project\":\"p\"").found, 1);
    assert_int_equal(look(t, 1, r.type, "\"more\":\"1\"").found, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refusals__first_at_once_others_as_a_number,
                                        testdb_sqlite, testdb_done),
        cmocka_unit_test_setup_teardown(test_refusals__a_flood_is_one_event_more, testdb_sqlite,
                                        testdb_done),
        cmocka_unit_test_setup_teardown(test_refusals__who_is_known_is_named, testdb_sqlite,
                                        testdb_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
