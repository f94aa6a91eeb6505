/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "crypto/testkit.h"
#include "crypto/x509.h"
#include <string.h>

static struct arena *arena;

static void test_certificate__self_signed_for_every_key(void **state)
{
    static const char *const names[] = {"rsa-2048", "ec-p256", "ec-p384", "ec-p521"};
    static const char *const seen[] = {"sha256WithRSA", "ecdsa-with-SHA256", "ecdsa-with-SHA384",
                                       "ecdsa-with-SHA512"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct key_type type;
        struct err e = {0};
        struct certificate c;
        CLEANUP(key_cleanup) struct key *k = NULL;
        assert_true(key_type_from_name(names[i], &type) && key_generate(type, &k, &e));
        struct reader der = testkit_certificate(arena, k, "Jos\xc3\xa9, \"x\"", false);
        assert_true(certificate_parse(arena, der, &c, &e));
        assert_string_equal(c.common_name, "Jos\xc3\xa9, \"x\"");
        assert_string_equal(c.subject_text, "CN=Jos\xc3\xa9\\, \\\"x\\\",O=Chancery tests,C=DE");
        const char *windows;
        assert_true(certificate_name_windows(arena, c.subject, &windows, &e));
        assert_string_equal(windows, "CN=\"Jos\xc3\xa9, \"\"x\"\"\", O=Chancery tests, C=DE");
        assert_true(c.self_issued && !c.ca && c.usage_critical && c.usage_count == 1);
        assert_int_equal(c.key_usage, USAGE_DIGITAL_SIGNATURE);
        assert_true(certificate_usable_for(&c, OID_CODE_SIGNING));
        assert_false(certificate_usable_for(&c, OID_TIME_STAMPING));
        assert_int_equal(c.serial.left, 16);
        assert_int_equal(c.not_after, TESTKIT_TIME + 86400LL * 3650);
        assert_int_equal(c.key.bits, type.bits);
        assert_true(reader_equal(c.spki, key_spki(k)));
        testkit_write_pem("self.pem", der);
        assert_true(testkit_run("openssl verify -CAfile self.pem -x509_strict self.pem"));
        assert_true(
            testkit_run("openssl x509 -in self.pem -noout -text > text && grep -q '%s' text && "
                        "grep -A1 'Extended Key Usage: critical' text | grep -q 'Code Sig'",
                        seen[i]));
    }
}

static void test_certificate_tbs__says_what_is_wrong(void **state)
{
    static const struct {
        struct name_part part;
        const char *says;
    } bad[] = {{{"CN", ""}, "CN"},   {{"XX", "a"}, "XX"},       {{"C", "Germany"}, "two capital"},
               {{"C", "de"}, "two"}, {{"CN", "a\nb"}, "print"}, {{"O", "x"}, "common name"}};
    (void)state;
    struct err key_error = {0};
    CLEANUP(key_cleanup) struct key *k = NULL;
    assert_true(key_generate((struct key_type){KEY_EC, 256}, &k, &key_error));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err e = {0};
        struct writer w;
        sign_algorithm algorithm;
        writer_init(&w, 4096);
        const struct certificate_plan plan = {
            .subject = &bad[i].part, .subject_count = 1, .spki = key_spki(k), .not_after = 1000};
        assert_false(certificate_tbs(&plan, &w, &algorithm, &e));
        assert_non_null(strstr(e.user, bad[i].says));
        writer_done(&w);
    }
}

static void test_certificate_finish__refuses_a_foreign_signature(void **state)
{
    (void)state;
    struct err e = {0};
    struct certificate c;
    struct writer w;
    struct testkit t;
    testkit_init(&t, "ec-p256", false);
    writer_init(&w, 8192);
    assert_true(certificate_parse(t.arena, t.certificate, &c, &e));
    assert_false(certificate_finish(c.tbs, SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA256),
                                    reader_text("no signature"), &w, &e));
    assert_int_equal(e.code, ERR_SIGNATURE);
    assert_int_equal(w.len, 0);
    writer_done(&w);
    testkit_done(&t);
}

static bool make_chain(void **unused)
{
    (void)unused;
    return testkit_run(
        "cat > ext <<X\n"
        "[ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n"
        "subjectKeyIdentifier=hash\n"
        "[leaf]\nextendedKeyUsage=codeSigning\nbasicConstraints=CA:FALSE\n"
        "[mail]\nextendedKeyUsage=emailProtection\n"
        "X\n"
        "req() { openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key"
        " -subj \"/O=Other/CN=$1\" -out $1.csr; }\n"
        "sign() { openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key -CAcreateserial -days 30 "
        "-extfile ext -extensions $3 -out $1.pem; }\n"
        "req root && openssl x509 -req -in root.csr -signkey root.key -days 30 -extfile ext "
        "-extensions ca -out root.pem && req inter && sign inter root ca && req leaf && "
        "sign leaf inter leaf && req mail && sign mail inter mail && "
        "cat leaf.pem inter.pem root.pem > all.pem && "
        "openssl crl2pkcs7 -nocrl -certfile all.pem -outform DER -out all.p7b && "
        "openssl crl2pkcs7 -nocrl -certfile all.pem -out all.p7b.pem && "
        "openssl x509 -in leaf.pem -outform DER -out leaf.der && cat leaf.key >> bad.pem");
}

static struct reader one(const char *name)
{
    struct reader *list;
    size_t count;
    struct err e = {0};
    assert_true(certificates_read(arena, testkit_read(arena, name), &list, &count, &e));
    assert_int_equal(count, 1);
    return list[0];
}

static void test_certificates_read__every_container(void **state)
{
    static const char *const files[] = {"all.pem", "all.p7b", "all.p7b.pem"};
    (void)state;
    struct reader *list;
    size_t count;
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        struct err e = {0};
        assert_true(certificates_read(arena, testkit_read(arena, files[i]), &list, &count, &e));
        assert_int_equal(count, 3);
    }
    assert_true(reader_equal(one("leaf.der"), one("leaf.pem")));
    struct err key = {0}, junk = {0}, cut = {0};
    assert_false(certificates_read(arena, testkit_read(arena, "bad.pem"), &list, &count, &key));
    assert_non_null(strstr(key.user, "private key"));
    assert_false(certificates_read(arena, reader_text("hello"), &list, &count, &junk));
    struct reader pem = testkit_read(arena, "leaf.pem");
    pem.left -= 30;
    assert_false(certificates_read(arena, pem, &list, &count, &cut));
}

static void test_chain_verify__trust_time_and_usage(void **state)
{
    (void)state;
    struct reader root = one("root.pem"), inter = one("inter.pem"), leaf = one("leaf.pem");
    struct reader mail = one("mail.pem"), junk[] = {mail, root, inter}, *chain;
    size_t count;
    struct certificate c;
    struct err e = {0}, late = {0}, foreign = {0}, missing = {0}, usage = {0};
    assert_true(certificate_parse(arena, leaf, &c, &e));
    struct trust trust = {&root, 1, c.not_before + 60, OID_CODE_SIGNING};
    assert_true(chain_verify(arena, leaf, junk, 3, &trust, &chain, &count, &e));
    assert_int_equal(count, 3);
    assert_true(reader_equal(chain[2], root));
    assert_false(chain_verify(arena, leaf, junk, 1, &trust, &chain, &count, &missing));
    assert_int_equal(missing.code, ERR_CERTIFICATE);
    assert_false(chain_verify(arena, mail, junk, 3, &trust, &chain, &count, &usage));
    trust.time = c.not_after + 1;
    assert_false(chain_verify(arena, leaf, junk, 3, &trust, &chain, &count, &late));
    assert_non_null(strstr(late.user, "expired"));
    trust.time = c.not_before + 60;
    trust.roots = &mail;
    assert_false(chain_verify(arena, leaf, junk, 3, &trust, &chain, &count, &foreign));
}

static void test_chain_order__from_junk(void **state)
{
    (void)state;
    struct reader root = one("root.pem"), inter = one("inter.pem"), leaf = one("leaf.pem");
    struct reader junk[] = {one("mail.pem"), root, inter}, *chain;
    size_t count;
    bool complete;
    struct err e = {0};
    assert_true(chain_order(arena, leaf, junk, 3, &chain, &count, &complete, &e));
    assert_true(complete && count == 3 && reader_equal(chain[1], inter));
    assert_true(chain_order(arena, leaf, junk, 2, &chain, &count, &complete, &e));
    assert_true(!complete && count == 1);
    assert_true(chain_order(arena, root, junk, 3, &chain, &count, &complete, &e));
    assert_true(complete && count == 1);
}

static int start(void **state)
{
    arena = arena_new(64 << 20);
    return make_chain(state) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificate__self_signed_for_every_key),
        cmocka_unit_test(test_certificate_tbs__says_what_is_wrong),
        cmocka_unit_test(test_certificate_finish__refuses_a_foreign_signature),
        cmocka_unit_test(test_certificates_read__every_container),
        cmocka_unit_test(test_chain_verify__trust_time_and_usage),
        cmocka_unit_test(test_chain_order__from_junk),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
