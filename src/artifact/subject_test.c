/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/subject.h"
#include "base/test.h"
#include "base/text.h"
#include <string.h>

/* The values of tests/vectors/subject.txt, made by a second implementation. */
#define EMPTY  "caf8d84468d239176ebe83b2fbd45d552b3a16527da50bd7fe670bafd6c07762"
#define FILLED "57af2c8c2f1c52dc32998b9d1e5b8d345e03818abf043d2308fb01ede3d441b9"

static void expect(const struct subject *s, const char *hex)
{
    uint8_t digest[SUBJECT_SIZE];
    char text[65] = {0};
    struct err e = {0};
    assert_true(subject_digest(s, digest, &e));
    text_hex(digest, sizeof digest, text);
    assert_string_equal(text, hex);
}

static struct subject filled(void)
{
    static const uint8_t sums[6][32] = {{1}, {2}, {3}, {4}, {5}, {6}};
    return (struct subject){.organisation = reader_text("org"),
                            .request = reader_text("request"),
                            .submitter = reader_text("user"),
                            .artifact_sha256 = reader_over(sums[0], 32),
                            .artifact_size = 4096,
                            .plan_sha256 = reader_over(sums[1], 32),
                            .configuration = reader_text("configuration"),
                            .configuration_version = 3,
                            .configuration_sha256 = reader_over(sums[2], 32),
                            .policy = reader_text("policy"),
                            .policy_version = 5,
                            .policy_sha256 = reader_over(sums[3], 32),
                            .key = reader_text("key"),
                            .certificate_sha256 = reader_over(sums[4], 32),
                            .parameters = reader_text("parameters"),
                            .origin = reader_text("{}"),
                            .scan = reader_text("clean"),
                            .approvals = 2};
}

static void test_artifact_subject__vectors(void **state)
{
    struct subject empty = {0}, full = filled();
    (void)state;
    expect(&empty, EMPTY);
    expect(&full, FILLED);
}

/* No byte can move from one field to the next without another digest. */
static void test_artifact_subject__fields_do_not_run_together(void **state)
{
    struct subject a = filled(), b = filled();
    uint8_t x[SUBJECT_SIZE], y[SUBJECT_SIZE];
    struct err e = {0};
    (void)state;
    b.organisation = reader_text("orgr");
    b.request = reader_text("equest");
    assert_true(subject_digest(&a, x, &e));
    assert_true(subject_digest(&b, y, &e));
    assert_memory_not_equal(x, y, sizeof x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_artifact_subject__vectors),
        cmocka_unit_test(test_artifact_subject__fields_do_not_run_together),
    };
    return cmocka_run_group_tests_name("artifact_subject", tests, NULL, NULL);
}
