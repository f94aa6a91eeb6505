/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/ovba.h"
#include "base/test.h"
#include <string.h>

static bool expands(struct reader container, const char *want, size_t n)
{
    struct writer w;
    struct err e = {0};
    writer_init(&w, 1 << 20);
    bool ok = ovba_expand(container, &w, &e) && reader_equal(writer_view(&w), reader_over(want, n));
    assert_true(ok || e.code == ERR_VBA || e.code == ERR_NONE);
    writer_done(&w);
    return ok;
}

/* The three examples of [MS-OVBA] 3.2. */
static void test_ovba_expand__examples_of_the_specification(void **state)
{
    (void)state;
    static const uint8_t none[] = {0x01, 0x19, 0xb0, 0x00, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66,
                                   0x67, 0x68, 0x00, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f,
                                   0x70, 0x00, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x2e};
    static const uint8_t normal[] = {
        0x01, 0x2f, 0xb0, 0x00, 0x23, 0x61, 0x61, 0x61, 0x62, 0x63, 0x64, 0x65, 0x82,
        0x66, 0x00, 0x70, 0x61, 0x67, 0x68, 0x69, 0x6a, 0x01, 0x38, 0x08, 0x61, 0x6b,
        0x6c, 0x00, 0x30, 0x6d, 0x6e, 0x6f, 0x70, 0x06, 0x71, 0x02, 0x70, 0x04, 0x10,
        0x72, 0x73, 0x74, 0x75, 0x76, 0x10, 0x77, 0x78, 0x79, 0x7a, 0x00, 0x3c};
    static const uint8_t most[] = {0x01, 0x03, 0xb0, 0x02, 0x61, 0x45, 0x00};
    static const char plain[] = "#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa";
    char many[73];
    memset(many, 'a', sizeof many);
    assert_true(expands(reader_over(none, sizeof none), "abcdefghijklmnopqrstuv.", 23));
    assert_true(expands(reader_over(normal, sizeof normal), plain, strlen(plain)));
    assert_true(expands(reader_over(most, sizeof most), many, sizeof many));
}

static void test_ovba_expand__refuses(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        {"", 0},                                     /* no signature */
        {"\x02\x03\xb0\x02\x61\x45\x00", 7},         /* another signature */
        {"\x01\x03\xa0\x02\x61\x45\x00", 7},         /* of a chunk */
        {"\x01\x03\xb0\x02\x61\x45", 6},             /* cut */
        {"\x01\x03\xb0", 3},                         /* header alone */
        {"\x01\x03\xb0\x02\x61\x45\x10", 7},         /* reaches before the chunk */
        {"\x01\x02\xb0\x01\x45\x00", 6},             /* nothing to copy from */
        {"\x01\x03\x30\x61\x62\x63\x64", 7},         /* plain chunk that is not full */
        {"\x01\x05\xb0\x06\x61\xff\x0f\xff\x1f", 9}, /* more than a chunk holds */
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct writer w;
        struct err e = {0};
        writer_init(&w, 1 << 20);
        assert_false(ovba_expand(reader_over(bad[i].bytes, bad[i].n), &w, &e));
        assert_int_equal(e.code, ERR_VBA);
        writer_done(&w);
    }
}

static void test_ovba_expand__stays_within_the_limit(void **state)
{
    (void)state;
    struct writer w;
    struct err e = {0};
    writer_init(&w, 72);
    assert_false(ovba_expand(reader_over("\x01\x03\xb0\x02\x61\x45\x00", 7), &w, &e));
    assert_int_equal(e.code, ERR_VBA);
    writer_done(&w);
}

static void test_ovba_expand__full_chunks_follow_each_other(void **state)
{
    (void)state;
    struct writer in, out;
    struct err e = {0};
    writer_init(&in, 1 << 20);
    writer_init(&out, 1 << 20);
    writer_u8(&in, 1);
    writer_u16le(&in, 0x3fff); /* 4096 plain bytes */
    for (int i = 0; i < 4096; i++)
        writer_u8(&in, (uint8_t)i);
    writer_bytes(&in, "\x03\xb0\x02\x61\x45\x00", 6);
    assert_true(ovba_expand(writer_view(&in), &out, &e));
    assert_int_equal(out.len, 4096 + 73);
    assert_int_equal(out.data[4095], 0xff);
    assert_int_equal(out.data[4096], 'a');
    writer_done(&in);
    writer_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ovba_expand__examples_of_the_specification),
        cmocka_unit_test(test_ovba_expand__refuses),
        cmocka_unit_test(test_ovba_expand__stays_within_the_limit),
        cmocka_unit_test(test_ovba_expand__full_chunks_follow_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
