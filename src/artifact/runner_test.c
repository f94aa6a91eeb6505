/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/testcore.h"
#include "base/test.h"
#include <stdlib.h>
#include <string.h>

#define HEAD "<artifact-configuration xmlns=\"http://signpath.io/artifact-configuration/v1\">"
#define TAIL "</artifact-configuration>"
#define RAW                                                                                        \
    "<create-raw-signature hash-algorithm=\"sha256\" output-file-name=\"${file.name}.sig\"/>"

static const char nested_configuration[] =
    HEAD "<zip-file><zip-file path=\"inner.zip\"><directory path=\"bin\"><file-set>"
         "<include path=\"*.txt\" min-matches=\"1\" max-matches=\"unbounded\"/><for-each>" RAW
         "</for-each></file-set></directory></zip-file><file path=\"SUMS\">"
         "<create-cms-signature output-encoding=\"der\" output-file-name=\"${file.name}.p7s\"/>"
         "</file></zip-file>" TAIL;

static struct testkit kit;
static const char *program; /* the real worker, or NULL */

static struct testcore job_of(const char *configuration)
{
    const char *inner[] = {"bin/a.txt", "alpha", "bin/b.txt", "beta", "c.dat", "gamma", NULL};
    const char *outer[] = {"inner.zip", "PK", "SUMS", "sums", "readme.txt", "hello", NULL};
    struct reader nested = testcore_zip(kit.arena, inner, (struct reader){0});
    return (struct testcore){.kit = &kit,
                             .program = program,
                             .name = "bundle.zip",
                             .configuration = configuration,
                             .artifact = testcore_zip(kit.arena, outer, nested),
                             .effect_count = SIZE_MAX};
}

static void planned(struct testcore *t)
{
    struct testcore_result r = testcore_run(t, JOB_INSPECT);
    if (!r.done)
        fail_msg("inspect: %s %s", r.code, r.user);
    t->plan = r.plan;
}

static struct testcore_result signed_by(struct testcore *t)
{
    planned(t);
    struct testcore_result r = testcore_run(t, JOB_SIGN);
    if (!r.done)
        fail_msg("sign: %s %s", r.code, r.user);
    return r;
}

static void expect_refusal(const struct testcore_result *r, const char *code)
{
    assert_false(r->done);
    assert_string_equal(r->code, code);
}

/* --- the plan --------------------------------------------------------------------------------- */

static void test_artifact_runner__plans_inside_out(void **state)
{
    static const char *const paths[] = {"bundle.zip » SUMS", "bundle.zip » inner.zip » bin/a.txt",
                                        "bundle.zip » inner.zip » bin/b.txt"};
    struct testcore t = job_of(nested_configuration);
    struct testcore_result r = testcore_run(&t, JOB_INSPECT);
    struct reader list = r.plan;
    size_t seen[COUNT_OF(paths)] = {0};
    uint32_t slot = 0;
    (void)state;
    assert_true(r.done);
    assert_int_equal(r.items, 3);
    assert_int_equal(r.slots, 3);
    assert_int_equal(r.sha256.left, 32);
    while (list.left > 0) {
        struct record_PLAN_ITEM item;
        assert_true(record_PLAN_ITEM_next(&list, &item));
        assert_int_equal(item.slot, slot++);
        assert_int_equal(item.slots, 1);
        for (size_t i = 0; i < COUNT_OF(paths); i++)
            seen[i] += reader_equal_text(item.path, paths[i]);
    }
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        assert_int_equal(seen[i], 1);
    struct testcore_result again = testcore_run(&t, JOB_INSPECT);
    assert_true(reader_equal(again.plan, r.plan));
}

/* --- sign and verify -------------------------------------------------------------------------- */

static void test_artifact_runner__three_lists_agree(void **state)
{
    struct testcore t = job_of(nested_configuration);
    struct testcore_result made = signed_by(&t);
    (void)state;
    t.output = made.output;
    struct testcore_result r = testcore_run(&t, JOB_VERIFY);
    if (!r.done)
        fail_msg("verify: %s %s", r.code, r.user);
    struct reader found = r.found;
    for (uint32_t slot = 0; slot < r.slots; slot++) {
        struct record_FOUND f;
        assert_true(record_FOUND_next(&found, &f));
        assert_int_equal(f.slot, slot);
        struct reader effects = made.effects;
        bool asked = false;
        while (effects.left > 0) {
            struct record_EFFECT x;
            struct reader digest;
            assert_true(record_EFFECT_next(&effects, &x));
            assert_true(reader_slice(x.request, 4, x.request.left - 4, &digest));
            asked |= x.slot == slot && reader_equal(digest, f.digest);
        }
        assert_true(asked);
    }
    assert_int_equal(found.left, 0);
}

static void test_artifact_runner__replay_after_each_effect(void **state)
{
    struct testcore t = job_of(nested_configuration);
    struct testcore_result first = signed_by(&t);
    (void)state;
    assert_int_equal(first.asked, 3);
    t.effects = first.effects;
    for (size_t n = 0; n <= 3; n++) {
        t.effect_count = n;
        struct testcore_result r = testcore_run(&t, JOB_SIGN);
        assert_true(r.done);
        assert_int_equal(r.asked, 3 - n);
        assert_true(reader_equal(r.output, first.output));
    }
}

static void test_artifact_runner__replay_of_another_digest(void **state)
{
    struct testcore t = job_of(nested_configuration);
    struct testcore_result first = signed_by(&t);
    struct record_EFFECT x;
    struct reader list = first.effects;
    struct writer w;
    (void)state;
    assert_true(record_EFFECT_next(&list, &x));
    uint8_t other[36] = {3, 1, 0, 0};
    x.request = reader_over(other, sizeof other);
    writer_init(&w, 100000);
    record_EFFECT_write(&w, &x);
    t.effects = writer_view(&w);
    struct testcore_result r = testcore_run(&t, JOB_SIGN);
    expect_refusal(&r, "artifact.replay_differs");
    writer_done(&w);
}

static void test_artifact_runner__refused_slot(void **state)
{
    struct testcore t = job_of(nested_configuration);
    planned(&t);
    (void)state;
    t.answer = ANSWER_REFUSE;
    for (t.answer_at = 0; t.answer_at < 3; t.answer_at++) {
        struct testcore_result r = testcore_run(&t, JOB_SIGN);
        expect_refusal(&r, "server.internal");
        assert_string_equal(r.user, "The slot is spent.");
        assert_int_not_equal(r.line, 0);
    }
}

static void test_artifact_runner__wrong_signature_is_not_released(void **state)
{
    struct testcore t = job_of(nested_configuration);
    planned(&t);
    (void)state;
    t.answer = ANSWER_WRONG;
    for (t.answer_at = 0; t.answer_at < 3; t.answer_at++) {
        struct testcore_result made = testcore_run(&t, JOB_SIGN);
        if (!made.done)
            continue; /* a format may notice it at once */
        struct testcore check = t;
        check.output = made.output;
        struct testcore_result r = testcore_run(&check, JOB_VERIFY);
        expect_refusal(&r, "verify.invalid");
    }
}

static void test_artifact_runner__core_goes_away(void **state)
{
    struct testcore t = job_of(nested_configuration);
    planned(&t);
    (void)state;
    t.answer = ANSWER_CLOSE;
    struct testcore_result r = testcore_run(&t, JOB_SIGN);
    assert_true(r.closed);
    assert_false(r.done);
}

static void test_artifact_runner__plan_of_another_artifact(void **state)
{
    const char *other[] = {"inner.zip", "PK", "SUMS", "tampered", "readme.txt", "hello", NULL};
    const char *inner[] = {"bin/a.txt", "alpha", "bin/b.txt", "beta", NULL};
    struct testcore t = job_of(nested_configuration);
    planned(&t);
    (void)state;
    t.artifact = testcore_zip(kit.arena, other, testcore_zip(kit.arena, inner, (struct reader){0}));
    struct testcore_result r = testcore_run(&t, JOB_SIGN);
    expect_refusal(&r, "artifact.plan_differs");
    assert_int_equal(r.asked, 0);
}

/* Whatever else changes in the output, the verify run does not pass it. Only other compressed
 * bytes that expand to the same content are the same output. */
static void test_artifact_runner__any_other_change_is_seen(void **state)
{
    struct testcore t = job_of(nested_configuration);
    struct testcore_result made = signed_by(&t);
    (void)state;
    uint8_t *copy = arena_alloc(kit.arena, made.output.left);
    struct reader from = made.output;
    assert_true(reader_copy(&from, copy, made.output.left));
    size_t step = program != NULL ? 97 : 1, passed = 0;
    for (size_t at = 0; at < made.output.left; at += step) {
        copy[at] ^= (uint8_t)(1u << (at % 8));
        t.output = reader_over(copy, made.output.left);
        struct testcore_result r = testcore_run(&t, JOB_VERIFY);
        if (r.done && !testcore_same_content(kit.arena, t.output, made.output)) {
            print_message("flip at %zu of %zu passed\n", at, made.output.left);
            passed++;
        }
        copy[at] ^= (uint8_t)(1u << (at % 8));
    }
    assert_int_equal(passed, 0);
}

static void test_artifact_runner__added_entry_is_seen(void **state)
{
    const char *more[] = {"inner.zip", "PK",       "SUMS", "sums", "readme.txt",
                          "hello",     "evil.exe", "x",    NULL};
    const char *inner[] = {"bin/a.txt", "alpha", "bin/b.txt", "beta", "c.dat", "gamma", NULL};
    struct testcore t = job_of(nested_configuration);
    planned(&t);
    (void)state;
    struct testcore larger = t;
    larger.artifact =
        testcore_zip(kit.arena, more, testcore_zip(kit.arena, inner, (struct reader){0}));
    struct testcore_result made = signed_by(&larger);
    t.output = made.output;
    struct testcore_result r = testcore_run(&t, JOB_VERIFY);
    expect_refusal(&r, "verify.changed");
}

/* --- refusals that the uploader reads --------------------------------------------------------- */

struct refusal_row {
    const char *configuration, *code, *text, *path;
    uint32_t line;
};

static void test_artifact_runner__says_what_is_wrong(void **state)
{
    static const struct refusal_row rows[] = {
        {HEAD "<zip-file>\n<file path=\"nothing.txt\">" RAW "</file></zip-file>" TAIL,
         "artifact.match_count", "Expected path to match exactly 1 item, but found 0", "bundle.zip",
         2},
        {HEAD "<zip-file>\n<file path=\"*\" max-matches=\"2\">" RAW "</file></zip-file>" TAIL,
         "artifact.match_count", "between 1 and 2 items, but found 3", "bundle.zip", 2},
        {HEAD "<zip-file>\n<zip-file path=\"SUMS\"><file path=\"a\">" RAW
              "</file></zip-file></zip-file>" TAIL,
         "file.wrong_type", "The file does not correspond to the specified file type",
         "bundle.zip » SUMS", 2},
        {HEAD "<zip-file>\n<file path=\"SUMS\">" RAW "</file>\n<file path=\"S*\">" RAW
              "</file></zip-file>" TAIL,
         "artifact.matched_twice", "(lines 2 and 3)", "bundle.zip » SUMS", 3},
        {HEAD "<zip-file path=\"other-*.zip\">\n<file path=\"SUMS\">" RAW "</file></zip-file>" TAIL,
         "artifact.root_name", "\"bundle.zip\"", "bundle.zip", 1},
        {HEAD "<zip-file>\n<file path=\"SUMS\"><create-raw-signature hash-algorithm=\"sha256\" "
              "output-file-name=\"README.TXT\"/></file></zip-file>" TAIL,
         "artifact.output_clash", "would have the name of another file", "bundle.zip", 1},
        {HEAD "<zip-file>\n<file path=\"none\" min-matches=\"0\">" RAW "</file></zip-file>" TAIL,
         "artifact.nothing_to_sign", "Nothing in \"bundle.zip\"", "", 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct testcore t = job_of(rows[i].configuration);
        struct testcore_result r = testcore_run(&t, JOB_INSPECT);
        if (r.done || strcmp(r.code, rows[i].code) != 0 || strstr(r.user, rows[i].text) == NULL ||
            strcmp(r.path, rows[i].path) != 0 || r.line != rows[i].line)
            fail_msg("row %zu: done %d code %s line %u path %s: %s", i, r.done, r.code, r.line,
                     r.path, r.user);
    }
}

static void test_artifact_runner__near_misses(void **state)
{
    struct testcore t =
        job_of(HEAD "<zip-file><file path=\"a.txt\">" RAW "</file></zip-file>" TAIL);
    const char *folder[] = {"bin/a.txt", "alpha", NULL};
    (void)state;
    t.artifact = testcore_zip(kit.arena, folder, (struct reader){0});
    struct testcore_result r = testcore_run(&t, JOB_INSPECT);
    expect_refusal(&r, "artifact.match_count");
    assert_non_null(strstr(r.user, "bin/a.txt"));
    struct reader inner = t.artifact;
    t.artifact = testcore_zip(kit.arena, (const char *[]){"wrapped.zip", "PK", NULL}, inner);
    r = testcore_run(&t, JOB_INSPECT);
    expect_refusal(&r, "artifact.match_count");
    assert_non_null(strstr(r.user, "wrapped.zip"));
}

static void test_artifact_runner__limits_hold_over_nesting(void **state)
{
    struct testcore t = job_of(nested_configuration);
    (void)state;
    t.max_entries = 6; /* 3 outside and 3 inside */
    struct testcore_result r = testcore_run(&t, JOB_INSPECT);
    assert_true(r.done);
    t.max_entries = 5;
    r = testcore_run(&t, JOB_INSPECT);
    expect_refusal(&r, "file.limit_exceeded");
}

/* The verify run opens both files, and what was signed is a little more than what came. */
static void test_artifact_runner__limits_hold_for_each_file(void **state)
{
    struct testcore t = job_of(nested_configuration);
    (void)state;
    t.max_entries = 6;
    struct testcore_result made = signed_by(&t);
    t.output = made.output;
    struct testcore_result r = testcore_run(&t, JOB_VERIFY);
    if (!r.done)
        fail_msg("%s: %s", r.code, r.user);
    t.max_entries = 5;
    r = testcore_run(&t, JOB_VERIFY);
    expect_refusal(&r, "file.limit_exceeded");
}

static void test_artifact_runner__bad_configuration(void **state)
{
    struct testcore t = job_of("<nonsense/>");
    (void)state;
    struct testcore_result r = testcore_run(&t, JOB_INSPECT);
    assert_false(r.done);
    assert_false(r.closed);
    t = job_of(nested_configuration);
    t.parameter = "unknown";
    t.value = "1";
    r = testcore_run(&t, JOB_INSPECT);
    expect_refusal(&r, "configuration.parameter");
}

static void test_artifact_runner__killed_worker(void **state)
{
    struct testcore t = job_of(nested_configuration);
    (void)state;
    if (program == NULL)
        skip();
    planned(&t);
    t.kill_at_question = true;
    struct testcore_result r = testcore_run(&t, JOB_SIGN);
    assert_true(r.closed);
    assert_false(r.done);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_artifact_runner__plans_inside_out),
        cmocka_unit_test(test_artifact_runner__three_lists_agree),
        cmocka_unit_test(test_artifact_runner__replay_after_each_effect),
        cmocka_unit_test(test_artifact_runner__replay_of_another_digest),
        cmocka_unit_test(test_artifact_runner__refused_slot),
        cmocka_unit_test(test_artifact_runner__wrong_signature_is_not_released),
        cmocka_unit_test(test_artifact_runner__core_goes_away),
        cmocka_unit_test(test_artifact_runner__plan_of_another_artifact),
        cmocka_unit_test(test_artifact_runner__any_other_change_is_seen),
        cmocka_unit_test(test_artifact_runner__added_entry_is_seen),
        cmocka_unit_test(test_artifact_runner__says_what_is_wrong),
        cmocka_unit_test(test_artifact_runner__near_misses),
        cmocka_unit_test(test_artifact_runner__limits_hold_over_nesting),
        cmocka_unit_test(test_artifact_runner__limits_hold_for_each_file),
        cmocka_unit_test(test_artifact_runner__bad_configuration),
        cmocka_unit_test(test_artifact_runner__killed_worker),
    };
    program = argc > 1 ? argv[1] : NULL;
    testkit_init(&kit, "ec-p256", false);
    int failed = cmocka_run_group_tests_name("artifact_runner", tests, NULL, NULL);
    testkit_done(&kit);
    return failed;
}
