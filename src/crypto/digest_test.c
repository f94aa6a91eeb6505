/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "base/text.h"
#include "crypto/aead.h"
#include "crypto/digest.h"
#include <string.h>

static void check_hex(const struct digest_value *v, const char *want)
{
    char hex[2 * HASH_MAX + 1];
    text_hex(v->bytes, v->len, hex);
    assert_string_equal(hex, want);
}

/* FIPS 180-4 and RFC 1321 examples of "abc". */
static void test_digest_of__known_values(void **state)
{
    static const char *const want[] = {
        [HASH_MD5] = "900150983cd24fb0d6963f7d28e17f72",
        [HASH_SHA1] = "a9993e364706816aba3e25717850c26c9cd0d89d",
        [HASH_SHA256] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        [HASH_SHA384] = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                        "8086072ba1e7cc2358baeca134c825a7",
        [HASH_SHA512] = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    };
    (void)state;
    for (enum hash h = HASH_MD5; h <= HASH_SHA512; h++) {
        struct err e = {0};
        struct digest_value v;
        assert_true(digest_of(h, reader_text("abc"), &v, &e));
        check_hex(&v, want[h]);
        assert_int_equal(v.len, hash_size(h));
    }
}

static void test_digest_source__agrees_with_the_tee_of_a_sink(void **state)
{
    (void)state;
    struct err e = {0};
    struct writer w;
    struct digest tee;
    struct digest_value a, b;
    writer_init(&w, 1000000);
    struct sink k = sink_memory(&w);
    assert_true(digest_begin(&tee, HASH_SHA384, &e));
    k.tee = digest_tee;
    k.tee_ctx = &tee;
    assert_true(sink_write(&k, "start", 5, &e) && sink_zeros(&k, 300000, &e));
    struct source s = sink_view(&k);
    assert_true(digest_of_source(HASH_SHA384, &s, &a, &e) && digest_end(&tee, &b, &e));
    assert_true(reader_equal(digest_view(&a), digest_view(&b)));
    writer_done(&w);
}

static void test_hash__names_and_oids_round_trip(void **state)
{
    (void)state;
    enum hash h;
    for (enum hash i = HASH_MD5; i <= HASH_SHA512; i++) {
        assert_true(hash_from_name(hash_name(i), &h) && h == i);
        assert_true(hash_from_oid(hash_oid(i), &h) && h == i);
    }
    assert_true(hash_from_name("SHA-256", &h) && h == HASH_SHA256);
    assert_false(hash_from_name("sha3-256", &h));
    assert_null(hash_name((enum hash)6));
    assert_int_equal(hash_size(HASH_NONE), 0);
    struct err e = {0};
    struct digest d;
    assert_false(digest_begin(&d, HASH_NONE, &e));
    assert_int_equal(e.code, ERR_CRYPTO);
}

static void test_aead__opens_only_what_was_sealed(void **state)
{
    (void)state;
    uint8_t key[AEAD_KEY] = {7};
    struct reader k = reader_over(key, sizeof key), bound = reader_text("key 1");
    struct writer w;
    struct secret s = {0};
    struct err e = {0};
    writer_init(&w, 1000);
    assert_true(aead_seal(k, bound, reader_text("top secret"), &w, &e));
    assert_int_equal(w.len, 10 + AEAD_OVERHEAD);
    assert_true(aead_open(k, bound, writer_view(&w), &s, &e));
    assert_true(reader_equal_text(secret_view(&s), "top secret"));
    secret_done(&s);
    assert_false(aead_open(k, reader_text("key 2"), writer_view(&w), &s, &e));
    assert_int_equal(e.code, ERR_SEAL);
    for (size_t i = 0; i < w.len; i++) {
        e = (struct err){0};
        w.data[i] ^= 1;
        assert_false(aead_open(k, bound, writer_view(&w), &s, &e));
        w.data[i] ^= 1;
        struct err cut = {0};
        assert_false(aead_open(k, bound, reader_over(w.data, i), &s, &cut));
    }
    key[31] ^= 1;
    assert_false(aead_open(k, bound, writer_view(&w), &s, &e));
    writer_done(&w);
}

/* RFC 4231 test case 2, RFC 5869 test case 1. */
static void test_hmac_hkdf__known_values(void **state)
{
    (void)state;
    struct err e = {0};
    struct digest_value v;
    assert_true(hmac_of(HASH_SHA256, reader_text("Jefe"),
                        reader_text("what do ya want for nothing?"), &v, &e));
    check_hex(&v, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    uint8_t ikm[22], salt[13], info[10], okm[42];
    char hex[85];
    memset(ikm, 0x0b, sizeof ikm);
    for (size_t i = 0; i < sizeof salt; i++)
        salt[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof info; i++)
        info[i] = (uint8_t)(0xf0 + i);
    assert_true(hkdf(HASH_SHA256, reader_over(ikm, 22), reader_over(salt, 13),
                     reader_over(info, 10), okm, sizeof okm, &e));
    text_hex(okm, sizeof okm, hex);
    assert_string_equal(hex, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                             "34007208d5b887185865");
}

static int start(void **state)
{
    (void)state;
    struct err e = {0};
    return crypto_start(&e) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest_of__known_values),
        cmocka_unit_test(test_digest_source__agrees_with_the_tee_of_a_sink),
        cmocka_unit_test(test_hash__names_and_oids_round_trip),
        cmocka_unit_test(test_aead__opens_only_what_was_sealed),
        cmocka_unit_test(test_hmac_hkdf__known_values),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
