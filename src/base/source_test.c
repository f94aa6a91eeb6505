/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/file.h"
#include "base/source.h"
#include "base/test.h"
#include <string.h>
#include <sys/mman.h>

static void check_round_trip(struct sink k)
{
    struct err e = {0};
    char back[12] = "";
    assert_true(sink_write(&k, "hello ", 6, &e) && sink_write(&k, "world", 5, &e));
    assert_true(sink_patch(&k, 6, "W", 1, &e));
    struct source s = sink_view(&k), part;
    assert_int_equal(s.size, 11);
    assert_true(source_read(&s, 0, back, 11, &e));
    assert_string_equal(back, "hello World");
    assert_true(source_slice(&s, 6, 5, &part, &e) && source_read(&part, 0, back, 5, &e));
    assert_memory_equal(back, "World", 5);
    assert_false(source_slice(&part, 1, 5, &part, &e));
    assert_int_equal(e.code, ERR_FILE_TRUNCATED);
}

static void test_source__file_and_memory_behave_alike(void **state)
{
    (void)state;
    int fd = memfd_create("test", MFD_CLOEXEC);
    check_round_trip(sink_file(fd, 1000, 11));
    struct writer w;
    writer_init(&w, 100);
    writer_text(&w, "before");
    check_round_trip(sink_memory(&w));
    writer_done(&w);
    file_close(&fd);
}

static void test_sink__refuses_to_pass_its_limit(void **state)
{
    (void)state;
    struct err e = {0};
    int fd = memfd_create("test", MFD_CLOEXEC);
    struct sink k = sink_file(fd, 0, 10);
    assert_true(sink_zeros(&k, 10, &e));
    assert_false(sink_write(&k, "x", 1, &e));
    assert_int_equal(e.code, ERR_FILE_LIMIT);
    file_close(&fd);
}

static void test_arena__limit_and_alignment(void **state)
{
    (void)state;
    struct arena *a = arena_new(100000);
    for (size_t i = 1; i < 100; i++) {
        const void *p = arena_alloc(a, i);
        assert_true((uintptr_t)p % 16 == 0);
    }
    assert_non_null(arena_alloc(a, 50000));
    assert_null(arena_alloc(a, 50000));
    assert_null(arena_array(a, SIZE_MAX / 2, 3));
    assert_string_equal(arena_format(a, "%d-%s", 7, "x"), "7-x");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source__file_and_memory_behave_alike),
        cmocka_unit_test(test_sink__refuses_to_pass_its_limit),
        cmocka_unit_test(test_arena__limit_and_alignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
