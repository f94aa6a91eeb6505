/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/pool.h"
#include "base/test.h"
#include <stdatomic.h>
#include <string.h>

enum { MANY = 5000 };

struct counts {
    atomic_uint done[MANY];
    atomic_uint lanes[8];
    size_t refuse_from;
};

static bool count(void *ctx, size_t index, unsigned lane, struct refusal *r)
{
    struct counts *c = ctx;
    atomic_fetch_add(&c->done[index], 1);
    atomic_fetch_add(&c->lanes[lane], 1);
    if (index < c->refuse_from)
        return true;
    (void)err_user(&r->err, ERR_DIRECTIVE, "index %zu", index);
    return refusal_at(r, "a.zip » b", (uint32_t)index + 1, 2);
}

static void test_artifact_pool__does_everything_once(void **state)
{
    static struct counts c;
    struct pool *p = NULL;
    struct refusal r = {0};
    (void)state;
    assert_true(pool_new(4, &p, &r.err));
    assert_int_equal(pool_lanes(p), 4);
    for (unsigned round = 1; round <= 3; round++) {
        c.refuse_from = MANY;
        assert_true(pool_run(p, MANY, count, &c, &r));
        for (size_t i = 0; i < MANY; i++)
            assert_int_equal(atomic_load(&c.done[i]), round);
    }
    pool_free(p);
}

/* Which refusal is reported does not depend on which thread was faster. */
static void test_artifact_pool__first_refusal_wins(void **state)
{
    static struct counts c;
    struct pool *p = NULL;
    struct err e = {0};
    (void)state;
    assert_true(pool_new(4, &p, &e));
    for (unsigned round = 0; round < 200; round++) {
        struct refusal r = {0};
        c.refuse_from = round;
        assert_false(pool_run(p, MANY, count, &c, &r));
        assert_int_equal(r.err.code, ERR_DIRECTIVE);
        assert_int_equal(r.line, round + 1);
        assert_string_equal(r.path, "a.zip » b");
    }
    pool_free(p);
}

static void test_artifact_pool__one_lane_and_no_work(void **state)
{
    static struct counts c;
    struct pool *p = NULL;
    struct refusal r = {0};
    (void)state;
    assert_true(pool_new(0, &p, &r.err));
    c.refuse_from = MANY;
    assert_true(pool_run(p, 0, count, &c, &r));
    assert_true(pool_run(p, 7, count, &c, &r));
    assert_int_equal(atomic_load(&c.lanes[0]), 7);
    pool_free(p);
}

static void test_artifact_refusal__path_stays_utf8(void **state)
{
    struct refusal r = {0};
    char path[3000];
    (void)state;
    for (size_t i = 0; i + 2 < sizeof path; i += 2)
        memcpy(path + i, "\xc3\xa4", 3);
    (void)refusal_at(&r, path, 0, 0);
    assert_int_equal(strlen(r.path) % 2, 0);
    assert_true(strlen(r.path) > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_artifact_pool__does_everything_once),
        cmocka_unit_test(test_artifact_pool__first_refusal_wins),
        cmocka_unit_test(test_artifact_pool__one_lane_and_no_work),
        cmocka_unit_test(test_artifact_refusal__path_stays_utf8),
    };
    return cmocka_run_group_tests_name("artifact_pool", tests, NULL, NULL);
}
