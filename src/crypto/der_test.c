/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "crypto/der.h"
#include <string.h>

static struct reader bytes(const char *text, size_t n)
{
    return reader_over(text, n);
}
#define B(text) bytes(text, sizeof(text) - 1)

static void test_oid__table_agrees_with_its_dotted_forms(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);
    for (enum oid i = 0; i < OID__COUNT; i++) {
        assert_string_equal(oid_text(a, oid_bytes(i)), oid_dotted(i));
        assert_int_equal(oid_find(oid_bytes(i)), i);
    }
    assert_null(oid_text(a, B("\x2a\x86")));     /* unfinished */
    assert_null(oid_text(a, B("\x2a\x80\x01"))); /* padded */
    assert_string_equal(oid_text(a, B("\x88\x37")), "2.999");
    arena_free(a);
}

static void test_der_any__refuses_what_is_not_der(void **state)
{
    (void)state;
    const struct reader bad[] = {
        B(""),
        B("\x30"),
        B("\x30\x80\x00\x00"), /* indefinite */
        B("\x30\x81\x05\x04\x03"
          "abc"),                          /* long form of a short length */
        B("\x04\x82\x00\x80"),             /* leading zero */
        B("\x04\x85\x01\x00\x00\x00\x00"), /* five length bytes */
        B("\x1f\x81\x01\x00"),             /* many-byte tag */
        B("\x04\x04"
          "abc"), /* cut */
        B("\x00\x00"),
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct reader r = bad[i];
        struct der d;
        assert_false(der_any(&r, &d));
        assert_int_equal(r.left, bad[i].left);
    }
}

static void test_der_uint__minimal_only(void **state)
{
    (void)state;
    uint64_t v;
    struct reader ok = B("\x02\x09\x00\xff\xff\xff\xff\xff\xff\xff\xff"), zero = B("\x02\x01\x00");
    assert_true(der_uint(&ok, &v) && v == UINT64_MAX);
    assert_true(der_uint(&zero, &v) && v == 0);
    const struct reader bad[] = {B("\x02\x00"), B("\x02\x02\x00\x01"), B("\x02\x01\x80"),
                                 B("\x02\x02\xff\x80"),
                                 B("\x02\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00")};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct reader r = bad[i];
        assert_false(der_uint(&r, &v));
    }
}

static void test_der_time__forms(void **state)
{
    (void)state;
    int64_t t;
    uint32_t nanos;
    struct reader utc = B("\x17\x0d"
                          "700101000000Z"),
                  old = B("\x17\x0d"
                          "500101000000Z");
    struct reader exact = B("\x18\x13"
                            "20491231235959.05Z");
    assert_true(der_time(&utc, &t, NULL) && t == 0);
    assert_true(der_time(&old, &t, NULL) && t == -631152000);
    exact.left = sizeof "\x18\x13"
                        "20491231235959.05Z" -
                 1;
    assert_false(der_time(&exact, &t, NULL)); /* length byte says 19, there are 18 */
    exact = B("\x18\x12"
              "20491231235959.05Z");
    assert_true(der_time(&exact, &t, &nanos) && t == 2524607999 && nanos == 50000000);
    const struct reader bad[] = {B("\x17\x0b"
                                   "7001010000Z"),
                                 B("\x17\x0d"
                                   "700230000000Z"),
                                 B("\x17\x11"
                                   "700101000000+0100"),
                                 B("\x18\x0f"
                                   "20500101000000+"),
                                 B("\x18\x11"
                                   "20500101000000.0Z"),
                                 B("\x18\x10"
                                   "20500101000000.Z"),
                                 B("\x04\x0d"
                                   "700101000000Z")};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct reader r = bad[i];
        assert_false(der_time(&r, &t, NULL));
    }
}

static void test_der_string__to_utf8(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 16);
    char *text;
    struct der d;
    struct reader bmp = B("\x1e\x06\x00"
                          "A\xd8\x3d\xde\x00"),
                  t61 = B("\x14\x01\xe4");
    assert_true(der_any(&bmp, &d) && der_string(a, &d, &text));
    assert_string_equal(text, "A\xf0\x9f\x98\x80");
    assert_true(der_any(&t61, &d) && der_string(a, &d, &text));
    assert_string_equal(text, "\xc3\xa4");
    const struct reader bad[] = {B("\x0c\x02\xc0\x80"),
                                 B("\x1e\x01"
                                   "A"),
                                 B("\x1e\x02\xdc\x00"),
                                 B("\x0c\x03"
                                   "a\0b"),
                                 B("\x13\x01\xe4"),
                                 B("\x04\x01"
                                   "a")};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct reader r = bad[i];
        assert_true(der_any(&r, &d));
        assert_false(der_string(a, &d, &text));
    }
    arena_free(a);
}

static void test_der_put__reads_back(void **state)
{
    (void)state;
    struct writer w;
    struct err e = {0};
    uint8_t big[300] = {0};
    writer_init(&w, 4096);
    size_t seq = der_open(&w, DER_SEQUENCE);
    der_put_uint(&w, 0);
    der_put_uint(&w, 0x80);
    der_put_oid(&w, OID_SIGNED_DATA);
    der_put_null(&w);
    der_put_true(&w);
    der_put_octets(&w, reader_over(big, sizeof big));
    der_put_time(&w, 2524607999);
    der_put_time(&w, 2524608000);
    der_close(&w, seq);
    assert_true(writer_ok(&w, &e));
    assert_true(der_valid(writer_view(&w)));
    struct reader in, oid, none, octets;
    uint64_t zero, n;
    bool yes;
    int64_t t1, t2;
    assert_true(der_only(writer_view(&w), DER_SEQUENCE, &in));
    assert_true(der_uint(&in, &zero) && der_uint(&in, &n) && der_oid(&in, &oid) &&
                der_get(&in, DER_NULL, &none) && none.left == 0 && der_boolean(&in, &yes) &&
                der_octets(&in, &octets) && der_time(&in, &t1, NULL) && der_time(&in, &t2, NULL) &&
                reader_at_end(&in));
    assert_true(zero == 0 && n == 0x80 && oid_is(oid, OID_SIGNED_DATA) && yes &&
                octets.left == 300 && t2 == t1 + 1);
    writer_zeros(&w, 1);
    assert_false(der_valid(writer_view(&w)));
    writer_done(&w);
}

static void test_der_valid__limits_depth(void **state)
{
    (void)state;
    struct writer w;
    writer_init(&w, 4096);
    for (int i = 0; i < DER_DEPTH; i++)
        der_close(&w, (writer_insert(&w, 0, "\x30", 1), 1));
    assert_true(der_valid(writer_view(&w)));
    der_close(&w, (writer_insert(&w, 0, "\x30", 1), 1));
    assert_false(der_valid(writer_view(&w)));
    writer_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oid__table_agrees_with_its_dotted_forms),
        cmocka_unit_test(test_der_any__refuses_what_is_not_der),
        cmocka_unit_test(test_der_uint__minimal_only),
        cmocka_unit_test(test_der_time__forms),
        cmocka_unit_test(test_der_string__to_utf8),
        cmocka_unit_test(test_der_put__reads_back),
        cmocka_unit_test(test_der_valid__limits_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
