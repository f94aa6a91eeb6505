/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "base/test.h"
#include "base/text.h"
#include <string.h>

static void test_text__base64_round_trip_and_strictness(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);
    for (size_t n = 0; n < 100; n++) {
        uint8_t bytes[100];
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)(i * 37 + n);
        struct writer w;
        writer_init(&w, 1000);
        text_base64(&w, reader_over(bytes, n), 64, "\r\n");
        struct reader back;
        assert_true(text_unbase64(a, writer_view(&w), &back));
        assert_true(reader_equal(back, reader_over(bytes, n)));
        writer_done(&w);
    }
    struct reader none;
    static const char *const bad[] = {
        "A", "AA", "AAA", "AA=A", "AB==", "AAB=", "A===", "AA ==", "AAAA="};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(text_unbase64(a, reader_text(bad[i]), &none));
    arena_free(a);
}

static void test_text__utf8_strictness(void **state)
{
    (void)state;
    assert_true(text_is_utf8(reader_text("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80")));
    static const char *const bad[] = {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\xc3",     "\x80",         "\xe0\x80\x80"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(text_is_utf8(reader_text(bad[i])));
}

static void test_text__utf16_round_trip(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);
    struct writer w;
    writer_init(&w, 1000);
    assert_true(text_to_utf16(&w, reader_text("a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"), false));
    char *back = NULL;
    assert_true(text_from_utf16le(a, writer_view(&w), &back));
    assert_string_equal(back, "a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_false(text_from_utf16le(a, reader_over("\x00\xd8", 2), &back));
    assert_false(text_from_utf16le(a, reader_over("a", 1), &back));
    writer_done(&w);
    arena_free(a);
}

static void test_text__folding(void **state)
{
    (void)state;
    assert_true(text_equal_fold("STRA\xc3\x9c"
                                "E",
                                "stra\xc3\xbc"
                                "e"));
    assert_true(text_equal_fold("\xce\xa3", "\xcf\x83")); /* Greek sigma */
    assert_true(text_equal_fold("\xd0\x96", "\xd0\xb6")); /* Cyrillic zhe */
    assert_false(text_equal_fold("\xc3\x9f", "ss"));      /* simple, not full, folding */
    assert_true(text_equal_ascii_fold("Test-Signing", "test-signING"));
    assert_false(text_equal_ascii_fold("a", "ab"));
}

static void test_text__numbers_and_uuids(void **state)
{
    (void)state;
    uint64_t v = 7;
    assert_true(text_u64(reader_text("18446744073709551615"), &v) && v == UINT64_MAX);
    static const char *const bad[] = {"", "01", "-1", "1 ", "18446744073709551616", "0x1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(text_u64(reader_text(bad[i]), &v));
    const uint8_t random[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    char id[37];
    text_uuid(random, id);
    assert_string_equal(id, "ffffffff-ffff-4fff-bf00-000000000000");
    assert_true(text_is_uuid(reader_text(id)));
    assert_int_equal(text_distance("listen", "listen"), 0);
    assert_int_equal(text_distance("lisen", "listen"), 1);
}

static void test_json__escapes_and_nests(void **state)
{
    (void)state;
    struct writer w;
    writer_init(&w, 1000);
    struct json j = json_into(&w);
    json_open_object(&j, NULL);
    json_text(&j, "a", "\"\\\n\x01\xff");
    json_open_array(&j, "b");
    json_u64(&j, NULL, 1);
    json_bool(&j, NULL, true);
    json_end_array(&j);
    json_put_null(&j, "c");
    json_end_object(&j);
    assert_true(reader_equal_text(
        writer_view(&w), "{\"a\":\"\\\"\\\\\\n\\u0001\xef\xbf\xbd\",\"b\":[1,true],\"c\":null}"));
    writer_done(&w);
}

static void test_text__unpercent(void **state)
{
    (void)state;
    struct writer w;
    writer_init(&w, 100);
    assert_true(text_unpercent(&w, reader_text("a%2Fb+%c3%A9"), false));
    assert_true(reader_equal_text(writer_view(&w), "a/b+\xc3\xa9"));
    writer_reset(&w);
    assert_true(text_unpercent(&w, reader_text("a+b%2B"), true));
    assert_true(reader_equal_text(writer_view(&w), "a b+"));
    assert_false(text_unpercent(&w, reader_text("%"), false));
    assert_false(text_unpercent(&w, reader_text("%4"), false));
    assert_false(text_unpercent(&w, reader_text("%4g"), false));
    writer_done(&w);
}

static void test_base_err__texts_stay_utf8(void **state)
{
    struct err e = {0}, other = {0};
    (void)state;
    (void)err_user(&e, ERR_USAGE, "%.3s|%s|", "\xc3\xa4\xc3\xa4",
                   "a\xff\xfe"
                   "b");
    assert_string_equal(e.user, "\xc3\xa4?|a??b|");
    char name[2000];
    for (size_t i = 0; i + 3 < sizeof name; i += 3)
        memcpy(name + i, "\xe2\x82\xac", 4);
    (void)err_set(&other, ERR_IO, "x%s", name);
    assert_true(text_is_utf8(reader_text(other.detail)));
}

static void test_text__hidden_characters_are_shown(void **state)
{
    static const struct {
        const char *text, *plain, *shown;
    } rows[] = {
        {"abc \xc3\xbc \xe2\x82\xac", "", "abc \xc3\xbc \xe2\x82\xac"},
        {"\x1b[2J\n", "", "[U+001B][2J[U+000A]"},
        {"a\nb\tc", "\n\t", "a\nb\tc"},
        {"invoice\xe2\x80\xae"
         "fdp.exe",
         "", "invoice[U+202E]fdp.exe"},
        {"\xc2\x9b"
         "0m\xef\xbb\xbf\xf3\xa0\x80\x81",
         "", "[U+009B]0m[U+FEFF][U+E0001]"},
        {"\xff\xe2\x80", "", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct writer w;
        writer_init(&w, 1000);
        text_put_visible(&w, reader_text(rows[i].text), rows[i].plain);
        assert_true(reader_equal_text(writer_view(&w), rows[i].shown));
        writer_done(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_err__texts_stay_utf8),
        cmocka_unit_test(test_text__unpercent),
        cmocka_unit_test(test_text__base64_round_trip_and_strictness),
        cmocka_unit_test(test_text__utf8_strictness),
        cmocka_unit_test(test_text__utf16_round_trip),
        cmocka_unit_test(test_text__hidden_characters_are_shown),
        cmocka_unit_test(test_text__folding),
        cmocka_unit_test(test_text__numbers_and_uuids),
        cmocka_unit_test(test_json__escapes_and_nests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
