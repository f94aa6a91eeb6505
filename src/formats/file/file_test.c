/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "formats/testkit.h"
#include <string.h>

static const char text[] = "any bytes at all\n";

struct form {
    const char *key, *hash, *padding;
};
static const struct form forms[] = {
    {"rsa-2048", "sha256", "pkcs1"},
    {"rsa-2048", "sha384", "pss"},
    {"ec-p256", "sha256", "pkcs1"},
    {"ec-p384", "sha512", "pss"}, /* rsa-padding means nothing for other keys */
};

static void check_signature(struct testkit *kit, const char *directive, struct reader made,
                            const char *const *attributes, const struct form *form)
{
    struct signature *s;
    size_t count;
    struct err e = {0}, other = {0};
    assert_true(testkit_verify(kit, &file_format, directive, "a.sig", made, reader_text(text),
                               attributes, &s, &count, &e));
    assert_int_equal(count, 1);
    assert_true(s->intact);
    assert_string_equal(hash_name(s->content_hash), form->hash);
    assert_true(reader_equal(s->certificates[0], kit->certificate));
    assert_int_equal(s->signed_digest.left, hash_size(s->content_hash));
    assert_true(testkit_verify(kit, &file_format, directive, "a.sig", made,
                               reader_text("any bytes at all\r"), attributes, &s, &count, &other));
    assert_true(!s->intact && s->problem != NULL);
}

static void test_file_raw__openssl_dgst_agrees(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        struct testkit kit;
        const struct form *f = &forms[i];
        const char *const attributes[] = {
            "output-file-name", "a.sig", "hash-algorithm", f->hash, "rsa-padding",
            f->padding,         NULL};
        testkit_init(&kit, f->key, true);
        struct reader made = testkit_signed(&kit, &file_format, "create-raw-signature", "a",
                                            reader_text(text), attributes);
        check_signature(&kit, "create-raw-signature", made, attributes, f);
        assert_int_equal(kit.stamped_count, 0);
        testkit_write("a", reader_text(text));
        testkit_write("a.sig", made);
        testkit_write_pem("c.pem", kit.certificate);
        bool pss = f->key[0] == 'r' && strcmp(f->padding, "pss") == 0;
        const char *command = "openssl x509 -in c.pem -noout -pubkey > p.pem && "
                              "openssl dgst -%s -verify p.pem -signature a.sig %s a";
        const char *option =
            pss ? "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest" : "";
        assert_true(testkit_run(command, f->hash, option));
        testkit_write("a", reader_text("any bytes at aLl\n"));
        assert_false(testkit_run(command, f->hash, option));
        testkit_done(&kit);
    }
}

static void test_file_cms__openssl_cms_agrees(void **state)
{
    static const char *const encodings[] = {"der", "pem"};
    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(forms); i++) {
        struct testkit kit;
        const struct form *f = &forms[i / 2];
        const char *encoding = encodings[i % 2];
        const char *const attributes[] = {
            "output-file-name", "a.p7s",           "hash-algorithm", f->hash, "rsa-padding",
            f->padding,         "output-encoding", encoding,         NULL};
        testkit_init(&kit, f->key, true);
        struct reader made = testkit_signed(&kit, &file_format, "create-cms-signature", "a",
                                            reader_text(text), attributes);
        assert_true(reader_starts_with(made, "-----BEGIN CMS-----\n", 20) == (i % 2 == 1));
        check_signature(&kit, "create-cms-signature", made, attributes, f);
        testkit_write("a", reader_text(text));
        testkit_write("a.p7s", made);
        testkit_write_pem("c.pem", kit.certificate);
        const char *command = "openssl cms -verify -binary -purpose any -content a -CAfile c.pem "
                              "-inform %s -in a.p7s -out b && cmp a b";
        assert_true(testkit_run(command, encoding));
        assert_true(testkit_run("openssl cms -cmsout -print -noout -inform %s -in a.p7s | "
                                "grep -q signingTime",
                                encoding));
        testkit_write("a", reader_text("any bytes at aLl\n"));
        assert_false(testkit_run(command, encoding));
        testkit_done(&kit);
    }
}

static void test_file__refusals(void **state)
{
    (void)state;
    struct testkit kit;
    struct reader made;
    struct signature *s;
    size_t count;
    struct err hash = {0}, junk = {0}, cut = {0}, e = {0}, refused = {0};
    testkit_init(&kit, "ec-p256", false);
    const char *const unknown[] = {"hash-algorithm", "sha3", NULL};
    assert_false(testkit_sign(&kit, &file_format, "create-raw-signature", "a", reader_text(text),
                              unknown, &made, &hash));
    assert_int_equal(hash.code, ERR_DIRECTIVE);
    assert_false(testkit_verify(&kit, &file_format, "create-cms-signature", "a",
                                reader_text("junk"), reader_text(text), NULL, &s, &count, &junk));
    made = testkit_signed(&kit, &file_format, "create-cms-signature", "a", reader_text(text), NULL);
    made.left -= 5;
    assert_false(testkit_verify(&kit, &file_format, "create-cms-signature", "a", made,
                                reader_text(text), NULL, &s, &count, &cut));
    assert_true(testkit_verify(&kit, &file_format, NULL, "a", reader_text(text), (struct reader){0},
                               NULL, &s, &count, &e));
    assert_int_equal(count, 0);
    kit.refuse = true;
    assert_false(testkit_sign(&kit, &file_format, "create-raw-signature", "a", reader_text("new"),
                              NULL, &made, &refused));
    assert_int_equal(refused.code, ERR_CRYPTO);
    testkit_done(&kit);
}

/* Same question, same answer: what makes a repeated run give the same bytes. */
static void test_file__repeats(void **state)
{
    (void)state;
    struct testkit kit;
    testkit_init(&kit, "ec-p256", false);
    struct reader a =
        testkit_signed(&kit, &file_format, "create-cms-signature", "a", reader_text(text), NULL);
    struct reader b =
        testkit_signed(&kit, &file_format, "create-cms-signature", "a", reader_text(text), NULL);
    assert_true(reader_equal(a, b));
    testkit_done(&kit);
}

static void test_file__every_allocation_fails_once(void **state)
{
    (void)state;
    struct testkit kit;
    testkit_init(&kit, "ec-p256", false);
    testkit_faults(&kit, &file_format, "create-cms-signature", "a", reader_text(text), NULL);
    testkit_faults(&kit, &file_format, "create-raw-signature", "a", reader_text(text), NULL);
    testkit_done(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_raw__openssl_dgst_agrees),
        cmocka_unit_test(test_file_cms__openssl_cms_agrees),
        cmocka_unit_test(test_file__refusals),
        cmocka_unit_test(test_file__repeats),
        cmocka_unit_test(test_file__every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
