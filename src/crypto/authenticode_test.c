/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "crypto/authenticode.h"
#include "crypto/testkit.h"
#include "crypto/tsp.h"
#include <string.h>

static const uint8_t guid[16] = {0x1f, 0xcc, 0x3b, 0x60};
static const char *file_text = "the file";

static bool digest_file(void *ctx, struct arena *a, const struct spc_content *said,
                        struct reader *ret, struct err *e)
{
    struct digest_value v;
    (void)ctx;
    TRY(digest_of(said->hash, reader_text(file_text), &v, e));
    *ret = arena_bytes(a, digest_view(&v));
    return ret->at != NULL || arena_err(e);
}

static void sign(struct testkit *t, enum hash hash, struct reader append_to, struct writer *out)
{
    struct err e = {0};
    struct writer data, content;
    struct digest_value digest;
    writer_init(&data, 512);
    writer_init(&content, 1024);
    spc_data_sip(&data, 0x10000, guid);
    assert_true(digest_of(hash, reader_text("the file"), &digest, &e));
    spc_indirect_data(&content, writer_view(&data), hash, digest_view(&digest));
    const struct authenticode job = {.content_type = OID_SPC_INDIRECT_DATA,
                                     .content = writer_view(&content),
                                     .hash = hash,
                                     .description = "Gr\xc3\xb6\xc3\x9f"
                                                    "e",
                                     .url = "https://example.org/a",
                                     .slot = 3,
                                     .append_to = append_to};
    writer_init(out, 1 << 20);
    assert_true(authenticode_sign(&job, &t->signer, out, &e));
    assert_true(der_valid(writer_view(out)));
    writer_done(&data);
    writer_done(&content);
}

static void verify(struct testkit *t, struct reader blob, struct signature **ret, size_t *count)
{
    struct err e = {0};
    assert_true(authenticode_verify(t->arena, blob, digest_file, NULL, ret, count, &e));
}

static void test_authenticode__signs_stamps_and_verifies(void **state)
{
    static const char *const keys[] = {"rsa-2048", "ec-p256", "ec-p384"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        for (enum hash h = HASH_SHA1; h <= HASH_SHA512; h++) {
            struct testkit t;
            struct writer w, again;
            struct signature *s;
            size_t count;
            testkit_init(&t, keys[i], h != HASH_SHA1);
            sign(&t, h, (struct reader){0}, &w);
            sign(&t, h, (struct reader){0}, &again);
            assert_true(reader_equal(writer_view(&w), writer_view(&again)));
            verify(&t, writer_view(&w), &s, &count);
            assert_int_equal(count, 1);
            assert_true(s->intact && s->problem == NULL && s->content_hash == h);
            assert_string_equal(attribute_value(&s->details, "description"), "Gr\xc3\xb6\xc3\x9f"
                                                                             "e");
            assert_string_equal(attribute_value(&s->details, "url"), "https://example.org/a");
            assert_null(attribute_value(&s->details, "stamp-problem"));
            assert_int_equal(s->stamped, h != HASH_SHA1);
            assert_int_equal(s->stamp_time, s->stamped ? TESTKIT_TIME : 0);
            assert_true(reader_equal(s->certificates[0], t.certificate));
            assert_int_equal(s->signed_digest.left, hash_size(h));
            assert_int_equal(t.signed_count, 2);
            writer_done(&w);
            writer_done(&again);
            testkit_done(&t);
        }
    }
}

static void test_authenticode__nested(void **state)
{
    (void)state;
    struct testkit t;
    struct writer one, two, three;
    struct signature *s;
    size_t count;
    testkit_init(&t, "ec-p256", true);
    sign(&t, HASH_SHA1, (struct reader){0}, &one);
    sign(&t, HASH_SHA256, writer_view(&one), &two);
    sign(&t, HASH_SHA384, writer_view(&two), &three);
    verify(&t, writer_view(&three), &s, &count);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++)
        assert_true(s[i].intact && s[i].stamped);
    assert_int_equal(s[0].content_hash, HASH_SHA1);
    assert_int_equal(s[1].content_hash, HASH_SHA256);
    assert_int_equal(s[2].content_hash, HASH_SHA384);
    struct err e = {0};
    struct writer junk;
    writer_init(&junk, 1000);
    const struct authenticode job = {.content_type = OID_SPC_INDIRECT_DATA,
                                     .content = reader_over("\x30\x00", 2),
                                     .hash = HASH_SHA256,
                                     .append_to = reader_text("junk")};
    assert_false(authenticode_sign(&job, &t.signer, &junk, &e));
    assert_non_null(strstr(e.user, "replaces"));
    writer_done(&one);
    writer_done(&two);
    writer_done(&three);
    writer_done(&junk);
    testkit_done(&t);
}

static void test_authenticode_verify__changed_file_and_flipped_bytes(void **state)
{
    (void)state;
    struct testkit t;
    struct writer w;
    struct signature *s;
    size_t count;
    testkit_init(&t, "ec-p256", true);
    sign(&t, HASH_SHA256, (struct reader){0}, &w);
    file_text = "the File";
    verify(&t, writer_view(&w), &s, &count);
    assert_true(!s->intact && strstr(s->problem, "changed") != NULL);
    file_text = "the file";
    size_t accepted = 0;
    for (size_t i = 0; i < w.len; i++) {
        struct arena *a = arena_new(8 << 20);
        struct err e = {0};
        w.data[i] ^= 0x11;
        if (authenticode_verify(a, writer_view(&w), digest_file, NULL, &s, &count, &e) &&
            count == 1 && s->intact && s->stamped)
            accepted++;
        w.data[i] ^= 0x11;
        arena_free(a);
    }
    /* certificates (here and in the token) are judged by chains; so is little else */
    assert_in_range(accepted, 1, t.certificate.left + t.tsa_certificate.left);
    testkit_done(&t);
    writer_done(&w);
}

static void test_authenticode_sign__passes_a_refusal_on(void **state)
{
    (void)state;
    struct testkit t;
    struct writer w;
    struct err e = {0};
    testkit_init(&t, "ec-p256", false);
    t.refuse = true;
    writer_init(&w, 65536);
    const struct authenticode job = {.content_type = OID_SPC_INDIRECT_DATA,
                                     .content = reader_over("\x30\x00", 2),
                                     .hash = HASH_SHA256};
    assert_false(authenticode_sign(&job, &t.signer, &w, &e));
    assert_int_equal(e.code, ERR_CRYPTO);
    assert_int_equal(w.len, 0);
    writer_done(&w);
    testkit_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_authenticode__signs_stamps_and_verifies),
        cmocka_unit_test(test_authenticode__nested),
        cmocka_unit_test(test_authenticode_verify__changed_file_and_flipped_bytes),
        cmocka_unit_test(test_authenticode_sign__passes_a_refusal_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
