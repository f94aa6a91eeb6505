/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "crypto/digest.h"
#include "crypto/key.h"
#include <stdio.h>
#include <string.h>

static void check_signatures(const struct key *k)
{
    for (enum scheme s = SCHEME_RSA_PKCS1; s <= SCHEME_ECDSA; s++) {
        for (enum hash h = HASH_SHA1; h <= HASH_SHA512; h++) {
            sign_algorithm a = SIGN_ALGORITHM(s, h);
            struct err e = {0}, bad = {0};
            struct digest_value v;
            struct writer w;
            writer_init(&w, 1024);
            assert_true(digest_of(h, reader_text("message"), &v, &e));
            bool done = key_sign_digest(k, a, digest_view(&v), &w, &e);
            assert_int_equal(done, key_type_allows(key_type_of(k), a));
            if (done) {
                assert_true(
                    key_verify_digest(key_spki(k), a, digest_view(&v), writer_view(&w), &e));
                v.bytes[3] ^= 1;
                assert_false(
                    key_verify_digest(key_spki(k), a, digest_view(&v), writer_view(&w), &bad));
                assert_int_equal(bad.code, ERR_SIGNATURE);
                assert_false(key_sign_digest(k, a, reader_over(v.bytes, v.len - 1), &w, &bad));
            }
            writer_done(&w);
        }
    }
}

static void test_key__every_type_makes_signs_and_moves(void **state)
{
    static const char *const names[] = {"rsa-2048", "ec-p256", "ec-p384", "ec-p521", "ed25519"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct err e = {0};
        struct key_type type, of;
        CLEANUP(key_cleanup) struct key *k = NULL;
        CLEANUP(key_cleanup) struct key *back = NULL;
        CLEANUP(secret_done) struct secret der = {0};
        char name[16];
        assert_true(key_type_from_name(names[i], &type));
        key_type_name(type, name);
        assert_string_equal(name, names[i]);
        assert_true(key_generate(type, &k, &e));
        assert_true(key_type_of_spki(key_spki(k), &of, &e));
        assert_int_equal(of.kind, type.kind);
        assert_int_equal(of.bits, type.bits);
        assert_true(key_to_pkcs8(k, &der, &e));
        assert_true(key_from_pkcs8(secret_view(&der), &back, &e));
        assert_true(reader_equal(key_spki(k), key_spki(back)));
        check_signatures(back);
    }
}

static void test_key_sign_message__only_ed25519(void **state)
{
    (void)state;
    struct err e = {0}, bad = {0}, other = {0};
    CLEANUP(key_cleanup) struct key *k = NULL;
    CLEANUP(key_cleanup) struct key *ec = NULL;
    struct writer w;
    writer_init(&w, 64);
    assert_true(key_generate((struct key_type){KEY_ED25519, 256}, &k, &e));
    assert_true(key_generate((struct key_type){KEY_EC, 256}, &ec, &e));
    assert_true(key_sign_message(k, reader_text("head 7"), &w, &e));
    assert_true(key_verify_message(key_spki(k), reader_text("head 7"), writer_view(&w), &e));
    assert_false(key_verify_message(key_spki(k), reader_text("head 8"), writer_view(&w), &bad));
    assert_false(key_verify_message(key_spki(ec), reader_text("head 7"), writer_view(&w), &other));
    assert_false(key_sign_message(ec, reader_text("head 7"), &w, &other));
    writer_done(&w);
}

/* A private value and a public point that do not belong together would sign uselessly. */
static void test_key_from_pkcs8__refuses_halves_of_two_keys(void **state)
{
    (void)state;
    struct err e = {0};
    CLEANUP(key_cleanup) struct key *k = NULL;
    CLEANUP(key_cleanup) struct key *none = NULL;
    CLEANUP(secret_done) struct secret der = {0};
    assert_true(key_generate((struct key_type){KEY_RSA, 2048}, &k, &e));
    assert_true(key_to_pkcs8(k, &der, &e));
    der.data[300] ^= 1; /* inside the modulus or the private exponent */
    assert_false(key_from_pkcs8(secret_view(&der), &none, &e));
    assert_int_equal(e.code, ERR_KEY);
    assert_null(none);
    e = (struct err){0};
    der.data[300] ^= 1;
    assert_false(key_from_pkcs8(reader_over(der.data, der.len - 1), &none, &e));
}

/* Made by: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes-256-cbc -pass
 * pass:correct. */
static const char encrypted[] =
#include "crypto/testdata/encrypted-key.inc"
    ;

static void test_key_from_pem__password(void **state)
{
    (void)state;
    struct err e = {0}, wrong = {0}, missing = {0}, junk = {0};
    CLEANUP(key_cleanup) struct key *k = NULL;
    struct reader pem = reader_text(encrypted), none = {0};
    assert_false(key_from_pem(pem, none, &k, &missing));
    assert_int_equal(missing.code, ERR_KEY_PASSWORD);
    assert_false(key_from_pem(pem, reader_text("wrong"), &k, &wrong));
    assert_int_equal(wrong.code, ERR_KEY_PASSWORD);
    assert_false(key_from_pem(reader_text("no key"), none, &k, &junk));
    assert_int_equal(junk.code, ERR_KEY);
    assert_true(key_from_pem(pem, reader_text("correct"), &k, &e));
    assert_int_equal(key_type_of(k).bits, 256);
}

static void test_key_generate__refuses_unknown_types(void **state)
{
    (void)state;
    struct key_type t;
    struct key *k;
    struct err e = {0};
    assert_false(key_type_from_name("rsa-1024", &t));
    assert_false(key_generate((struct key_type){KEY_RSA, 1024}, &k, &e));
    assert_int_equal(e.code, ERR_KEY);
    assert_false(key_type_allows((struct key_type){KEY_RSA, 1024},
                                 SIGN_ALGORITHM(SCHEME_RSA_PSS, HASH_SHA512)));
    assert_false(key_type_allows((struct key_type){KEY_RSA, 2048},
                                 SIGN_ALGORITHM(SCHEME_RSA_PKCS1, HASH_MD5)));
    assert_false(key_type_allows((struct key_type){KEY_RSA, 2048}, 0x10103));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key__every_type_makes_signs_and_moves),
        cmocka_unit_test(test_key_sign_message__only_ed25519),
        cmocka_unit_test(test_key_from_pkcs8__refuses_halves_of_two_keys),
        cmocka_unit_test(test_key_from_pem__password),
        cmocka_unit_test(test_key_generate__refuses_unknown_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
