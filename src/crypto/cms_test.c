/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "crypto/cms.h"
#include "crypto/testkit.h"

static const char text[] = "What is signed here is this sentence.\n";

struct made {
    struct testkit kit;
    struct writer out;
    struct digest_value to_sign;
    sign_algorithm algorithm;
};

static void make(struct made *m, const char *key, bool pss, bool detached, bool pkcs7)
{
    struct err e = {0};
    struct writer attributes, signature, time;
    struct digest_value digest;
    struct der whole;
    testkit_init(&m->kit, key, false);
    m->algorithm = key_type_algorithm(key_type_of(m->kit.key), HASH_SHA384, pss);
    writer_init(&m->out, 65536);
    writer_init(&attributes, 4096);
    writer_init(&signature, 4096);
    writer_init(&time, 64);
    der_put_time(&time, TESTKIT_TIME);
    struct reader octets = reader_text(text), content = octets;
    struct writer wrapped;
    writer_init(&wrapped, 256);
    der_put_octets(&wrapped, octets);
    if (pkcs7)
        content = writer_view(&wrapped);
    struct cms_attribute list[] = {{OID_SIGNING_TIME, writer_view(&time)}};
    assert_true(digest_of(HASH_SHA384, octets, &digest, &e));
    struct cms_plan plan = {.pkcs7 = pkcs7,
                            .content_type = OID_DATA,
                            .detached = detached,
                            .content = content,
                            .digest = digest_view(&digest),
                            .algorithm = m->algorithm,
                            .certificates = &m->kit.certificate,
                            .certificate_count = 1,
                            .attributes = list,
                            .attribute_count = 1};
    assert_true(cms_to_be_signed(&plan, &attributes, &m->to_sign, &e));
    assert_true(
        key_sign_digest(m->kit.key, m->algorithm, digest_view(&m->to_sign), &signature, &e));
    assert_true(
        cms_finish(&plan, writer_view(&attributes), writer_view(&signature), NULL, 0, &m->out, &e));
    struct reader at = writer_view(&m->out);
    assert_true(der_any(&at, &whole) && der_valid(whole.whole));
    writer_done(&attributes);
    writer_done(&signature);
    writer_done(&time);
    writer_done(&wrapped);
}

static void unmake(struct made *m)
{
    writer_done(&m->out);
    testkit_done(&m->kit);
}

/* OpenSSL is the other implementation: it must accept the message, and refuse other content. */
static void check_by_openssl(const struct made *m, bool detached)
{
    static const char *const content[] = {"", "-content data"};
    testkit_write("data", reader_text(text));
    testkit_write("signed", writer_view(&m->out));
    testkit_write_pem("root.pem", m->kit.certificate);
    const char *verify = "openssl cms -verify -binary -inform DER -in %s %s -CAfile root.pem "
                         "-purpose any -out out && cmp out data";
    assert_true(testkit_run(verify, "signed", content[detached]));
    if (detached) {
        testkit_write("data", reader_text("What is signed here is another sentence.\n"));
        assert_false(testkit_run(verify, "signed", content[detached]));
    }
}

static void check_own(struct made *m)
{
    struct err e = {0}, wrong = {0};
    struct cms c;
    struct digest_value digest, other, signed_digest;
    assert_true(cms_parse(m->kit.arena, writer_view(&m->out), &c, &e));
    assert_int_equal(c.signer_count, 1);
    assert_true(oid_is(c.content_type, OID_DATA));
    assert_int_equal(c.signers[0].algorithm, m->algorithm);
    assert_true(digest_of(HASH_SHA384, reader_text(text), &digest, &e));
    assert_true(cms_verify(m->kit.arena, &c, &c.signers[0], digest_view(&digest), NULL,
                           &signed_digest, &e));
    assert_true(reader_equal(digest_view(&signed_digest), digest_view(&m->to_sign)));
    assert_true(digest_of(HASH_SHA384, reader_text("other"), &other, &e));
    assert_false(cms_verify(m->kit.arena, &c, &c.signers[0], digest_view(&other), NULL,
                            &signed_digest, &wrong));
    assert_int_equal(wrong.code, ERR_SIGNATURE);
}

static void test_cms__every_algorithm_and_form(void **state)
{
    static const struct {
        const char *key;
        bool pss;
    } keys[] = {{"rsa-2048", false}, {"rsa-2048", true}, {"ec-p256", false}, {"ec-p384", false}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        for (int form = 0; form < 3; form++) {
            struct made m;
            make(&m, keys[i].key, keys[i].pss, form == 0, form == 2);
            check_own(&m);
            check_by_openssl(&m, form == 0);
            unmake(&m);
        }
    }
}

/* Every byte is covered, but for a few that no verifier reads: those only must not crash. */
static void test_cms_verify__flipped_bytes(void **state)
{
    (void)state;
    struct made m;
    struct digest_value digest, unused;
    struct err e = {0};
    make(&m, "ec-p256", false, true, false);
    assert_true(digest_of(HASH_SHA384, reader_text(text), &digest, &e));
    size_t accepted = 0;
    for (size_t i = 0; i < m.out.len; i++) {
        struct err why = {0};
        struct cms c;
        struct arena *a = arena_new(1 << 20);
        m.out.data[i] ^= 1;
        if (cms_parse(a, writer_view(&m.out), &c, &why) && c.signer_count == 1 &&
            cms_verify(a, &c, &c.signers[0], digest_view(&digest), NULL, &unused, &why))
            accepted++;
        m.out.data[i] ^= 1;
        arena_free(a);
    }
    /* The certificate's own fields and signature are judged by chains, not here. */
    assert_in_range(accepted, 1, m.kit.certificate.left);
    for (size_t n = 0; n < m.out.len; n++) {
        struct err why = {0};
        struct cms c;
        assert_false(cms_parse(m.kit.arena, reader_over(m.out.data, n), &c, &why));
    }
    unmake(&m);
}

/* The other direction: what openssl writes is read, by both kinds of signer identifier. */
static void test_cms_parse__openssl_messages(void **state)
{
    static const char *const options[] = {"", "-keyid", "-nodetach",
                                          "-keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:20",
                                          "-md sha512 -nosmimecap"};
    (void)state;
    struct arena *a = arena_new(16 << 20);
    testkit_write("data", reader_text(text));
    assert_true(testkit_run("openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem "
                            "-subj /CN=Other -days 10"));
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        struct err e = {0};
        struct cms c;
        struct digest_value digest, unused;
        assert_true(testkit_run("openssl cms -sign -binary -in data -signer c.pem -inkey k.pem "
                                "-outform DER -out theirs %s",
                                options[i]));
        assert_true(cms_parse(a, testkit_read(a, "theirs"), &c, &e));
        assert_true(digest_of(c.signers[0].hash, reader_text(text), &digest, &e));
        assert_true(cms_verify(a, &c, &c.signers[0], digest_view(&digest), NULL, &unused, &e));
        assert_true(c.detached != (i == 2));
    }
    arena_free(a);
}

static void test_cms_with_unsigned__keeps_the_signature(void **state)
{
    (void)state;
    struct made m;
    struct err e = {0};
    struct cms c;
    struct writer more, twice;
    struct reader value;
    writer_init(&more, 65536);
    writer_init(&twice, 65536);
    make(&m, "ec-p256", false, true, false);
    const struct cms_attribute one = {OID_SPC_NESTED_SIGNATURE, reader_over("\x04\x01x", 3)};
    assert_true(cms_parse(m.kit.arena, writer_view(&m.out), &c, &e));
    assert_true(cms_with_unsigned(&c, one, &more, &e));
    assert_true(cms_parse(m.kit.arena, writer_view(&more), &c, &e));
    assert_true(
        cms_attribute_find(c.signers[0].unsigned_attributes, OID_SPC_NESTED_SIGNATURE, &value));
    assert_true(cms_with_unsigned(&c, one, &twice, &e));
    assert_true(cms_parse(m.kit.arena, writer_view(&twice), &c, &e));
    assert_false(
        cms_attribute_find(c.signers[0].unsigned_attributes, OID_SPC_NESTED_SIGNATURE, &value));
    struct cms_values v = {.attributes = c.signers[0].unsigned_attributes};
    int count = 0;
    while (cms_values_next(&v, OID_SPC_NESTED_SIGNATURE, &value))
        count++;
    assert_int_equal(count, 2);
    writer_done(&m.out);
    m.out = twice;
    check_own(&m);
    check_by_openssl(&m, true);
    writer_done(&more);
    unmake(&m);
}

/* A counter-signature by hand, over the message's signature; `type` adds a contentType. */
static bool counter_signed(const struct made *m, const struct cms *c, bool type, bool as_counter)
{
    struct writer set, attributes, signature;
    struct cms alike = *c;
    struct cms_signer s = c->signers[0];
    struct digest_value over, to_sign, unused;
    struct err e = {0};
    writer_init(&set, 1024);
    writer_init(&attributes, 1024);
    writer_init(&signature, 1024);
    assert_true(digest_of(s.hash, s.signature, &over, &e));
    for (int i = type ? 0 : 1; i < 2; i++) {
        size_t at = der_open(&set, DER_SEQUENCE);
        der_put_oid(&set, i == 0 ? OID_CONTENT_TYPE : OID_MESSAGE_DIGEST);
        size_t values = der_open(&set, DER_SET);
        if (i == 0)
            der_put_oid(&set, OID_DATA);
        else
            der_put_octets(&set, digest_view(&over));
        der_close(&set, values);
        der_close(&set, at);
    }
    der_put(&attributes, DER_SET, writer_view(&set));
    assert_true(digest_of(s.hash, writer_view(&attributes), &to_sign, &e));
    assert_true(key_sign_digest(m->kit.key, m->algorithm, digest_view(&to_sign), &signature, &e));
    attributes.len = 0;
    der_put(&attributes, DER_CONTEXT_MADE(0), writer_view(&set));
    s.attributes = writer_view(&attributes);
    s.signature = writer_view(&signature);
    if (as_counter)
        alike.content_type = (struct reader){0};
    bool ok = cms_verify(m->kit.arena, &alike, &s, digest_view(&over), NULL, &unused, &e);
    writer_done(&set);
    writer_done(&attributes);
    writer_done(&signature);
    return ok;
}

static void test_cms_verify__counter_signatures_have_no_content_type(void **state)
{
    struct made m;
    struct cms c;
    struct err e = {0};
    (void)state;
    make(&m, "rsa-2048", false, false, false);
    assert_true(cms_parse(m.kit.arena, writer_view(&m.out), &c, &e));
    assert_true(counter_signed(&m, &c, false, true));
    assert_true(counter_signed(&m, &c, true, true)); /* older writers */
    assert_true(counter_signed(&m, &c, true, false));
    assert_false(counter_signed(&m, &c, false, false)); /* in a message it must be there */
    unmake(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cms__every_algorithm_and_form),
        cmocka_unit_test(test_cms_verify__flipped_bytes),
        cmocka_unit_test(test_cms_parse__openssl_messages),
        cmocka_unit_test(test_cms_with_unsigned__keeps_the_signature),
        cmocka_unit_test(test_cms_verify__counter_signatures_have_no_content_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
