/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reader.h"
#include "base/test.h"
#include "base/writer.h"

static void test_reader__little_and_big_endian(void **state)
{
    (void)state;
    const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 1, 2};
    struct reader r = reader_over(bytes, sizeof bytes);
    uint64_t le, past;
    uint16_t be;
    assert_true(reader_u64le(&r, &le) && le == UINT64_C(0x0807060504030201));
    assert_true(reader_u16be(&r, &be) && be == 0x0102);
    assert_false(reader_u64le(&r, &past));
    assert_true(reader_at_end(&r));
}

static void test_reader__words_at_once(void **state)
{
    (void)state;
    const uint8_t bytes[] = {1, 0, 0, 0, 2, 3, 0, 0x80, 9};
    struct reader r = reader_over(bytes, sizeof bytes);
    uint32_t words[2] = {0};
    assert_false(reader_u32le_array(&r, words, 3));
    assert_false(reader_u32le_array(&r, words, SIZE_MAX));
    assert_true(r.left == sizeof bytes && words[0] == 0);
    assert_true(reader_u32le_array(&r, words, 2));
    assert_true(words[0] == 1 && words[1] == UINT32_C(0x80000302) && r.left == 1);
}

static void test_reader__child_never_sees_past_its_parent(void **state)
{
    (void)state;
    struct reader r = reader_text("abcdef"), part, none;
    assert_true(reader_take(&r, 4, &part));
    assert_false(reader_take(&part, 5, &none));
    assert_true(reader_equal_text(part, "abcd") && reader_equal_text(r, "ef"));
    assert_false(reader_slice(r, 1, SIZE_MAX, &none));
    assert_true(reader_slice(r, 2, 0, &none) && reader_at_end(&none));
    assert_int_equal(reader_find(reader_text("xxabc"), 1, "abc", 3), 2);
    assert_true(reader_find(reader_text("xxab"), 0, "abc", 3) == SIZE_MAX);
}

static void test_writer__limit_sticks(void **state)
{
    (void)state;
    struct writer w;
    struct err e = {0};
    writer_init(&w, 6);
    writer_u32le(&w, 1);
    writer_u32le(&w, 2);
    writer_u8(&w, 3);
    assert_false(writer_ok(&w, &e));
    assert_int_equal(e.code, ERR_FILE_LIMIT);
    writer_done(&w);
}

static void test_writer__insert_and_patch(void **state)
{
    (void)state;
    struct writer w;
    writer_init(&w, 100);
    writer_text(&w, "world");
    writer_insert(&w, 0, "hello ", 6);
    writer_patch(&w, 6, "W", 1);
    assert_true(reader_equal_text(writer_view(&w), "hello World"));
    writer_patch(&w, 11, "!", 1);
    assert_true(w.failed);
    writer_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reader__little_and_big_endian),
        cmocka_unit_test(test_reader__words_at_once),
        cmocka_unit_test(test_reader__child_never_sees_past_its_parent),
        cmocka_unit_test(test_writer__limit_sticks),
        cmocka_unit_test(test_writer__insert_and_patch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
