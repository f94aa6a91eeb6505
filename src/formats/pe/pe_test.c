/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "formats/pe/pe.h"
#include "formats/pe/pe_sample.h"
#include "formats/testkit.h"
#include <string.h>

static struct reader sample(struct arena *a, const struct pe_sample *s)
{
    struct writer w;
    writer_init(&w, 1 << 20);
    pe_sample(&w, s);
    struct reader bytes = arena_bytes(a, writer_view(&w));
    assert_true(!w.failed && bytes.at != NULL);
    writer_done(&w);
    return bytes;
}

static const struct pe_sample plain = {
    .plus = true, .languages = 1, .product = "App", .description = "An app"};

static bool accepted(struct testkit *kit, struct reader file)
{
    return !testkit_has("osslsigncode") || testkit_osslsigncode(kit, "a.exe", file);
}

static void test_pe_sign__both_kinds_all_hashes_all_overlays(void **state)
{
    static const char *const hashes[] = {"sha1", "sha256", "sha384", "sha512"};
    static const char *const keys[] = {"rsa-2048", "ec-p256"};
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        struct testkit kit;
        const struct pe_sample s = {.plus = i % 2 == 0,
                                    .languages = (unsigned)i % 3,
                                    .product = "App",
                                    .description = "An app",
                                    .overlay = i * 3};
        const char *const attributes[] = {"hash-algorithm", hashes[i % 4], "description-url",
                                          "https://example.org/", NULL};
        testkit_init(&kit, keys[i / 4], i % 2 == 1);
        struct reader in = sample(kit.arena, &s);
        struct reader out =
            testkit_signed(&kit, &pe_format, "authenticode-sign", "a.exe", in, attributes);
        assert_true(testkit_intact(&kit, &pe_format, "a.exe", out));
        assert_true(accepted(&kit, out));
        struct source before = source_memory(in), after = source_memory(out);
        struct err e = {0};
        assert_true(pe_format.unchanged(kit.arena, &before, &after, &e));
        testkit_done(&kit);
    }
}

static void test_pe_sign__again_replaces_and_append_nests(void **state)
{
    static const char *const none[] = {NULL};
    static const char *const append[] = {"append", "true", "hash-algorithm", "sha384", NULL};
    struct testkit kit;
    struct signature *list;
    size_t count;
    struct err e = {0};
    (void)state;
    testkit_init(&kit, "rsa-2048", true);
    struct reader in = sample(kit.arena, &plain);
    struct reader once = testkit_signed(&kit, &pe_format, "authenticode-sign", "a.exe", in, none);
    struct reader twice =
        testkit_signed(&kit, &pe_format, "authenticode-sign", "a.exe", once, none);
    assert_true(reader_equal(once, twice));
    struct reader dual =
        testkit_signed(&kit, &pe_format, "authenticode-sign", "a.exe", once, append);
    assert_true(testkit_verify(&kit, &pe_format, NULL, "a.exe", dual, reader_text(NULL), none,
                               &list, &count, &e));
    assert_int_equal(count, 2);
    assert_true(list[0].intact && list[1].intact && list[1].content_hash == HASH_SHA384);
    assert_true(accepted(&kit, dual));
    testkit_done(&kit);
}

/* The list ends with the end of the last section; osslsigncode computes the same. */
static void test_pe_sign__page_hashes(void **state)
{
    static const char *const hashes[] = {"sha1", "sha256", "sha384", "sha512"};
    struct testkit kit;
    (void)state;
    testkit_init(&kit, "rsa-2048", false);
    for (size_t i = 0; i < COUNT_OF(hashes); i++) {
        const char *const attributes[] = {"page-hashes", "true", "hash-algorithm", hashes[i], NULL};
        struct reader in = sample(kit.arena, &plain);
        struct reader out =
            testkit_signed(&kit, &pe_format, "authenticode-sign", "a.exe", in, attributes);
        static const uint8_t version1[] = {0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 3, 1};
        static const uint8_t version2[] = {0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 3, 2};
        assert_true(reader_find(out, in.left, i == 0 ? version1 : version2, 10) < out.left);
        assert_true(testkit_intact(&kit, &pe_format, "a.exe", out));
        assert_true(accepted(&kit, out));
    }
    testkit_done(&kit);
}

/* Page hashes of another file under a good signature: what Windows would refuse to run. */
static void test_pe_verify__page_hashes_of_another_file(void **state)
{
    struct testkit kit;
    struct pe *pe;
    struct err e = {0};
    struct digest_value digest;
    struct writer pages, data, content, pkcs7, out;
    (void)state;
    testkit_init(&kit, "rsa-2048", false);
    struct reader in = sample(kit.arena, &plain);
    const struct source from = source_memory(in);
    for (int wrong = 0; wrong < 2; wrong++) {
        writer_init(&pages, 1 << 20);
        writer_init(&data, 1 << 20);
        writer_init(&content, 1 << 20);
        writer_init(&pkcs7, 1 << 20);
        writer_init(&out, 1 << 20);
        assert_true(pe_parse(kit.arena, &from, &pe, &e));
        assert_true(pe_digest(pe, &from, HASH_SHA256, &digest, &e));
        assert_true(pe_page_hashes(pe, &from, HASH_SHA256, &pages, &e));
        pages.data[10] ^= (uint8_t)wrong;
        spc_data_pe_pages(&data, HASH_SHA256, writer_view(&pages));
        spc_indirect_data(&content, writer_view(&data), HASH_SHA256, digest_view(&digest));
        const struct authenticode job = {.content_type = OID_SPC_INDIRECT_DATA,
                                         .content = writer_view(&content),
                                         .hash = HASH_SHA256};
        assert_true(authenticode_sign(&job, &kit.signer, &pkcs7, &e));
        writer_reader(&out, in);
        writer_zeros(&out, (8 - in.left % 8) % 8);
        size_t at = out.len, pad = (8 - pkcs7.len % 8) % 8, length = 8 + pkcs7.len + pad;
        writer_u32le(&out, (uint32_t)length);
        writer_u32le(&out, 0x00020200);
        writer_reader(&out, writer_view(&pkcs7));
        writer_zeros(&out, pad);
        for (unsigned i = 0; i < 4; i++) {
            out.data[pe->directory_at + i] = (uint8_t)(at >> 8 * i);
            out.data[pe->directory_at + 4 + i] = (uint8_t)(length >> 8 * i);
        }
        assert_int_equal(testkit_intact(&kit, &pe_format, "a.exe", writer_view(&out)), !wrong);
        writer_done(&pages);
        writer_done(&data);
        writer_done(&content);
        writer_done(&pkcs7);
        writer_done(&out);
    }
    testkit_done(&kit);
}

static void test_pe_verify__notices_every_flipped_byte(void **state)
{
    static const char *const none[] = {NULL};
    struct testkit kit;
    (void)state;
    testkit_init(&kit, "ec-p256", false);
    struct reader in = sample(kit.arena, &plain);
    struct reader out = testkit_signed(&kit, &pe_format, "authenticode-sign", "a.exe", in, none);
    /* Only CheckSum is covered by nothing; every other byte of the content is. */
    enum { CHECKSUM = 64 + 24 + 64 };
    assert_int_equal(testkit_damage(&kit, &pe_format, "a.exe", out, 0, CHECKSUM), 0);
    assert_int_equal(testkit_damage(&kit, &pe_format, "a.exe", out, CHECKSUM, CHECKSUM + 4), 4);
    assert_int_equal(testkit_damage(&kit, &pe_format, "a.exe", out, CHECKSUM + 4, in.left), 0);
    testkit_done(&kit);
}

static void test_pe_inspect__reads_versions_of_all_languages(void **state)
{
    struct testkit kit;
    struct file_facts facts;
    struct err e = {0};
    (void)state;
    testkit_init(&kit, "ec-p256", false);
    struct pe_sample s = plain;
    s.languages = 3;
    struct source in = source_memory(sample(kit.arena, &s));
    assert_true(pe_format.inspect(kit.arena, &in, &facts, &e));
    size_t products = 0;
    for (size_t i = 0; i < facts.facts.count; i++)
        if (strcmp(facts.facts.list[i].name, "product-name") == 0)
            products += strcmp(facts.facts.list[i].value, "App") == 0;
    assert_int_equal(products, 3);
    assert_string_equal(attribute_value(&facts.facts, "company-name"), "Acme GmbH");
    testkit_done(&kit);
}

/* Each lie about a small signed program, and that it is refused. */
static void test_pe_parse__refuses_lies(void **state)
{
    static const char *const none[] = {NULL};
    static const struct {
        size_t at;
        uint8_t value;
        const char *what;
    } lies[] = {
        {0x3c, 0xff, "header elsewhere"},
        {0x3c, 65, "odd header"},
        {64 + 6, 0xff, "too many sections"},
        {64 + 20, 0, "short optional header"},
        {88, 0, "unknown magic"},
        {88 + 108, 4, "no security directory"},
        {88 + 112 + 32, 8, "table in headers"},
        {88 + 112 + 36, 0xf0, "table past the end"},
        {88 + 112 + 36, 8, "table too short"},
    };
    struct testkit kit;
    (void)state;
    testkit_init(&kit, "ec-p256", false);
    struct reader out = testkit_signed(&kit, &pe_format, "authenticode-sign", "a.exe",
                                       sample(kit.arena, &plain), none);
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        struct writer w;
        struct err e = {0};
        struct reader made;
        writer_init(&w, 1 << 20);
        writer_reader(&w, out);
        writer_patch(&w, lies[i].at, &lies[i].value, 1);
        if (testkit_sign(&kit, &pe_format, "authenticode-sign", "a.exe", writer_view(&w), none,
                         &made, &e))
            fail_msg("%s was signed", lies[i].what);
        writer_done(&w);
    }
    struct writer w;
    struct err e = {0};
    struct reader made;
    writer_init(&w, 1 << 20);
    writer_reader(&w, out);
    writer_text(&w, "payload!");
    assert_false(testkit_sign(&kit, &pe_format, "authenticode-sign", "a.exe", writer_view(&w), none,
                              &made, &e));
    assert_int_equal(e.code, ERR_PE);
    writer_done(&w);
    testkit_done(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pe_sign__both_kinds_all_hashes_all_overlays),
        cmocka_unit_test(test_pe_sign__again_replaces_and_append_nests),
        cmocka_unit_test(test_pe_sign__page_hashes),
        cmocka_unit_test(test_pe_verify__page_hashes_of_another_file),
        cmocka_unit_test(test_pe_verify__notices_every_flipped_byte),
        cmocka_unit_test(test_pe_inspect__reads_versions_of_all_languages),
        cmocka_unit_test(test_pe_parse__refuses_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
