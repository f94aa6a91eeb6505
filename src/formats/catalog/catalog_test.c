/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "formats/catalog/catalog.h"
#include "formats/catalog/catalog_sample.h"
#include "formats/testkit.h"
#include <string.h>

static const char directive[] = "authenticode-sign";
static struct testkit kit;

static struct reader made(enum oid type, bool with_content)
{
    struct writer w;
    writer_init(&w, 4096);
    catalog_sample(&w, type, with_content);
    struct reader ret = arena_bytes(kit.arena, writer_view(&w));
    writer_done(&w);
    return ret;
}

static struct reader sample(void)
{
    return made(OID_CTL, true);
}

static struct signature *verified(struct reader file, size_t *count)
{
    struct signature *s = NULL;
    struct err e = {0};
    assert_true(testkit_verify(&kit, &catalog_format, NULL, "a.cat", file, (struct reader){0}, NULL,
                               &s, count, &e));
    return s;
}

static void test_catalog_sign__every_hash(void **state)
{
    static const char *const hashes[] = {"sha1", "sha256", "sha384", "sha512"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(hashes); i++) {
        const char *const attributes[] = {"hash-algorithm", hashes[i], "description", "List", NULL};
        size_t count;
        struct reader out =
            testkit_signed(&kit, &catalog_format, directive, "a.cat", sample(), attributes);
        struct signature *s = verified(out, &count);
        assert_int_equal(count, 1);
        assert_true(s->intact && s->stamped);
        assert_string_equal(attribute_value(&s->details, "description"), "List");
        if (testkit_has_osslsigncode())
            assert_true(testkit_osslsigncode(&kit, "a.cat", out));
    }
}

static void test_catalog_sign__replaces_or_appends(void **state)
{
    static const char *const append[] = {"append", "true", NULL};
    size_t count;
    (void)state;
    struct reader once =
        testkit_signed(&kit, &catalog_format, directive, "a.cat", sample(), append);
    assert_non_null(verified(once, &count));
    assert_int_equal(count, 1); /* there was nothing to append to */
    struct reader again = testkit_signed(&kit, &catalog_format, directive, "a.cat", once, NULL);
    assert_true(reader_equal(once, again));
    struct reader twice = testkit_signed(&kit, &catalog_format, directive, "a.cat", once, append);
    struct signature *s = verified(twice, &count);
    assert_int_equal(count, 2);
    assert_true(s[0].intact && s[1].intact);
    if (testkit_has_osslsigncode())
        assert_true(testkit_osslsigncode(&kit, "a.cat", twice));
    struct source before = source_memory(once), after = source_memory(twice);
    struct err e = {0};
    assert_true(catalog_format.unchanged(kit.arena, &before, &after, &e));
}

static void test_catalog_verify__a_nested_signature_of_another_list(void **state)
{
    static const char *const append[] = {"append", "true", NULL};
    size_t count;
    (void)state;
    struct reader once = testkit_signed(&kit, &catalog_format, directive, "a.cat", sample(), NULL);
    struct reader twice = testkit_signed(&kit, &catalog_format, directive, "a.cat", once, append);
    struct writer w;
    writer_init(&w, twice.left);
    writer_reader(&w, twice);
    size_t first = reader_find(twice, 0, "a digest of", 11);
    size_t second = reader_find(twice, first + 1, "a digest of", 11);
    assert_true(second != SIZE_MAX);
    writer_patch(&w, second, "b", 1);
    struct signature *s = verified(writer_view(&w), &count);
    assert_int_equal(count, 2);
    assert_true(s[0].intact && !s[1].intact);
    assert_non_null(strstr(s[1].problem, "another list"));
    writer_done(&w);
}

static void test_catalog_verify__damage(void **state)
{
    (void)state;
    struct reader out = testkit_signed(&kit, &catalog_format, directive, "a.cat", sample(), NULL);
    size_t list = reader_find(out, 0, "0123456789abcdef", 16);
    size_t end = reader_find(out, 0, "a digest of twenty b", 20) + 20;
    assert_int_equal(testkit_damage(&kit, &catalog_format, "a.cat", out, list, end), 0);
    (void)testkit_damage(&kit, &catalog_format, "a.cat", out, 0, out.left);
}

static void refused(struct reader in)
{
    struct reader out;
    struct err e = {0};
    assert_false(testkit_sign(&kit, &catalog_format, directive, "a.cat", in, NULL, &out, &e));
    assert_int_equal(e.code, ERR_CATALOG);
}

static void test_catalog_sign__refuses(void **state)
{
    (void)state;
    refused(made(OID_DATA, true));
    refused(made(OID_CTL, false));
    refused(reader_text(""));
    refused(reader_text("0\x80"));
    struct writer w; /* bytes behind the message belong to nobody */
    writer_init(&w, 4096);
    writer_reader(&w, sample());
    writer_u8(&w, 0);
    refused(writer_view(&w));
    writer_done(&w);
}

static void test_catalog_probe__by_content(void **state)
{
    const struct source in = source_memory(sample());
    const struct source signed_one =
        source_memory(testkit_signed(&kit, &catalog_format, directive, "a.cat", sample(), NULL));
    struct file_facts facts;
    struct err e = {0};
    (void)state;
    assert_true(catalog_format.probe(sample(), &in));
    assert_false(catalog_format.probe(made(OID_DATA, true), &in));
    assert_false(catalog_format.probe(reader_text("MZ"), &in));
    assert_true(catalog_format.inspect(kit.arena, &in, &facts, &e));
    assert_int_equal(facts.signatures, 0);
    assert_true(catalog_format.inspect(kit.arena, &signed_one, &facts, &e));
    assert_int_equal(facts.signatures, 1);
}

static void test_catalog__faults(void **state)
{
    (void)state;
    testkit_faults(&kit, &catalog_format, directive, "a.cat", sample(), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_catalog_sign__every_hash),
        cmocka_unit_test(test_catalog_sign__replaces_or_appends),
        cmocka_unit_test(test_catalog_verify__a_nested_signature_of_another_list),
        cmocka_unit_test(test_catalog_verify__damage),
        cmocka_unit_test(test_catalog_sign__refuses),
        cmocka_unit_test(test_catalog_probe__by_content),
        cmocka_unit_test(test_catalog__faults),
    };
    return testkit_tests(&kit, "rsa-2048", tests, COUNT_OF(tests));
}
