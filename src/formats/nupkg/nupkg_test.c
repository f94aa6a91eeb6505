/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "formats/nupkg/nupkg.h"
#include "formats/testkit.h"
#include "formats/zip/zip_format.h"
#include <string.h>

enum { MUCH = 16 * 1024 * 1024 };
static const char directive[] = "nuget-sign";
static const char nuspec[] =
    "<?xml version=\"1.0\"?><package xmlns=\"http://schemas.microsoft.com/packaging/2013/05/"
    "nuspec.xsd\"><metadata><id>Sample</id><version>1.2.3</version></metadata></package>";
static struct testkit kit;

/* paths and contents in turn, ended by NULL; comment of the archive. */
static struct reader make(const char *const *entries, const char *comment, uint16_t method)
{
    struct writer file;
    struct err e = {0};
    writer_init(&file, MUCH);
    struct sink k = sink_memory(&file);
    struct zip_writer z;
    zip_writer_init(&z, &k);
    for (size_t i = 0; entries[i] != NULL; i += 2) {
        struct writer scratch;
        struct zip_packed packed;
        struct zip_meta meta = {.path = entries[i], .date = ZIP_DATE_FIXED};
        struct source text = source_memory(reader_text(entries[i + 1]));
        writer_init(&scratch, MUCH);
        struct sink s = sink_memory(&scratch);
        assert_true(zip_pack(&text, method, &s, &packed, &e));
        assert_true(zip_writer_add(&z, &meta, &packed, &e));
        writer_done(&scratch);
    }
    assert_true(zip_writer_finish(&z, reader_text(comment), &e));
    zip_writer_done(&z);
    struct reader ret = arena_bytes(kit.arena, writer_view(&file));
    writer_done(&file);
    return ret;
}

static struct reader sample(void)
{
    static const char *const entries[] = {"Sample.nuspec", nuspec, "lib/a.dll", "not really one",
                                          NULL};
    return make(entries, "", ZIP_DEFLATED);
}

static struct reader signed_sample(void)
{
    return testkit_signed(&kit, &nupkg_format, directive, "a.nupkg", sample(), NULL);
}

static struct signature *verified(struct reader file, size_t *count)
{
    struct signature *s = NULL;
    struct err e = {0};
    assert_true(testkit_verify(&kit, &nupkg_format, NULL, "a.nupkg", file, (struct reader){0}, NULL,
                               &s, count, &e));
    return s;
}

static void test_nupkg_sign__puts_a_stored_entry_behind_all_others(void **state)
{
    struct zip *z;
    struct err e = {0};
    size_t count;
    (void)state;
    struct reader in = sample(), out = signed_sample();
    struct source from = source_memory(out);
    assert_true(nupkg_open(kit.arena, &from, &z, &e));
    const struct zip_entry *x = &z->entries[z->count - 1];
    assert_string_equal(x->path, NUPKG_SIGNATURE);
    assert_int_equal(x->method, ZIP_STORED);
    assert_int_equal(x->external, 0);
    assert_true(reader_starts_with(out, in.at, x->header)); /* not a byte before it changes */
    struct signature *s = verified(out, &count);
    assert_int_equal(count, 1);
    assert_true(s->intact && s->stamped && s->problem == NULL);
    assert_string_equal(s->kind, "nuget-author");
    struct digest_value v;
    assert_true(digest_of(HASH_SHA256, in, &v, &e)); /* the hash is over the file as it was */
    assert_true(reader_equal(s->content_digest, digest_view(&v)));
    assert_true(reader_equal(out, signed_sample()));
}

static void test_nupkg_inspect__reads_id_and_version(void **state)
{
    struct file_facts facts;
    struct err e = {0};
    (void)state;
    const struct source in = source_memory(sample()), out = source_memory(signed_sample());
    assert_true(nupkg_format.probe(sample(), &in));
    assert_true(nupkg_format.inspect(kit.arena, &in, &facts, &e));
    assert_string_equal(attribute_value(&facts.facts, "package-id"), "Sample");
    assert_string_equal(attribute_value(&facts.facts, "package-version"), "1.2.3");
    assert_int_equal(facts.signatures, 0);
    assert_true(nupkg_format.inspect(kit.arena, &out, &facts, &e));
    assert_int_equal(facts.signatures, 1);
}

static void test_nupkg_probe__wants_one_nuspec_in_the_root(void **state)
{
    static const char *const none[] = {"lib/a.nuspec", "", NULL};
    static const char *const two[] = {"a.nuspec", "", "b.nuspec", "", NULL};
    (void)state;
    struct reader a = make(none, "", ZIP_STORED), b = make(two, "", ZIP_STORED);
    const struct source in_a = source_memory(a), in_b = source_memory(b);
    assert_false(nupkg_format.probe(a, &in_a));
    assert_false(nupkg_format.probe(b, &in_b));
}

static void refused(struct reader in, const char *says)
{
    struct reader out;
    struct err e = {0};
    assert_false(testkit_sign(&kit, &nupkg_format, directive, "a.nupkg", in, NULL, &out, &e));
    if (strstr(e.user, says) == NULL)
        fail_msg("%s", e.user);
}

static void test_nupkg_sign__refuses_with_reasons(void **state)
{
    static const char *const entries[] = {"Sample.nuspec", nuspec, NULL};
    static const char *const bare[] = {"readme", "", NULL};
    static const char *const folded[] = {"a.nuspec", nuspec, "A.NUSPEC", nuspec, NULL};
    static const char *const junk[] = {"a.nuspec", nuspec, NUPKG_SIGNATURE, "junk", NULL};
    (void)state;
    refused(make(entries, "a comment", ZIP_STORED), "comment");
    refused(make(bare, "", ZIP_STORED), ".nuspec");
    refused(make(folded, "", ZIP_STORED), "case");
    refused(make(junk, "", ZIP_DEFLATED), "stored");
    refused(make(junk, "", ZIP_STORED), "DER");
    refused(signed_sample(), "author signature already");
    refused(reader_text("not a package"), "ZIP");
    struct testkit ec;
    struct reader out;
    struct err e = {0};
    testkit_init(&ec, "ec-p256", false);
    assert_false(testkit_sign(&ec, &nupkg_format, directive, "a", sample(), NULL, &out, &e));
    assert_non_null(strstr(e.user, "RSA"));
    testkit_done(&ec);
}

/* Hostile: a signature entry of any other content is never a valid signature, and never a crash. */
static void test_nupkg_verify__hostile_messages(void **state)
{
    static const char *const messages[] = {
        "",
        "0",
        "\x30",
        "\x30\x80",
        "\x30\x84\xff\xff\xff\xff",
        "\x30\x03\x02\x01\x01",
        "junk",
        "-----BEGIN CMS-----\n-----END CMS-----\n",
        "\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02",
        "\x30\x0f\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x02\x30\x7f"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        for (uint16_t method = 0; method <= ZIP_DEFLATED; method += ZIP_DEFLATED) {
            const char *const entries[] = {"a.nuspec", nuspec, NUPKG_SIGNATURE, messages[i], NULL};
            size_t count;
            struct signature *s = verified(make(entries, "", method), &count);
            assert_int_equal(count, 1);
            assert_false(s->intact);
            assert_non_null(s->problem);
        }
    }
}

/* Everything but the signature entry itself is covered. */
static void test_nupkg_verify__damage(void **state)
{
    struct zip *z;
    struct err e = {0};
    (void)state;
    struct testkit plain;
    testkit_init(&plain, "rsa-2048", false);
    struct reader out = testkit_signed(&plain, &nupkg_format, directive, "a.nupkg", sample(), NULL);
    struct source from = source_memory(out);
    assert_true(nupkg_open(kit.arena, &from, &z, &e));
    const struct zip_entry *x = &z->entries[z->count - 1];
    assert_int_equal(testkit_damage(&plain, &nupkg_format, "a.nupkg", out, 0, x->header), 0);
    size_t end = out.left - z->end.left, record = end - x->record.left;
    assert_int_equal(testkit_damage(&plain, &nupkg_format, "a.nupkg", out, z->directory, record),
                     0);
    assert_int_equal(testkit_damage(&plain, &nupkg_format, "a.nupkg", out, end, out.left), 0);
    testkit_done(&plain);
}

static struct reader repacked(const struct container *c, const struct change *changes, size_t count,
                              bool *ok)
{
    struct writer w;
    struct err e = {0};
    writer_init(&w, MUCH);
    struct sink k = sink_memory(&w);
    *ok = nupkg_format.repack(c, changes, count, &k, &e);
    struct reader ret = arena_bytes(kit.arena, writer_view(&w));
    writer_done(&w);
    return ret;
}

static void test_nupkg_repack__then_sign_then_compare(void **state)
{
    struct container *c, *after;
    struct err e = {0};
    bool ok;
    (void)state;
    struct source in = source_memory(sample());
    const struct change change = {.index = 1, .content = source_memory(reader_text("signed"))};
    assert_true(nupkg_format.open(kit.arena, &in, NULL, &c, &e));
    struct reader middle = repacked(c, &change, 1, &ok);
    assert_true(ok);
    struct source out =
        source_memory(testkit_signed(&kit, &nupkg_format, directive, "a.nupkg", middle, NULL));
    assert_true(nupkg_format.open(kit.arena, &out, NULL, &after, &e));
    assert_true(nupkg_format.own_entry(after, 2) && !nupkg_format.own_entry(after, 1));
    const bool right[] = {false, true}, wrong[] = {true, false};
    assert_true(nupkg_format.compare(kit.arena, c, after, right, &e));
    assert_false(nupkg_format.compare(kit.arena, c, after, wrong, &e));
    struct container *again;
    assert_true(nupkg_format.open(kit.arena, &out, NULL, &again, &(struct err){0}));
    (void)repacked(again, &change, 1, &ok);
    assert_false(ok); /* the author's signature would break */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nupkg_sign__puts_a_stored_entry_behind_all_others),
        cmocka_unit_test(test_nupkg_inspect__reads_id_and_version),
        cmocka_unit_test(test_nupkg_probe__wants_one_nuspec_in_the_root),
        cmocka_unit_test(test_nupkg_sign__refuses_with_reasons),
        cmocka_unit_test(test_nupkg_verify__hostile_messages),
        cmocka_unit_test(test_nupkg_verify__damage),
        cmocka_unit_test(test_nupkg_repack__then_sign_then_compare),
    };
    return testkit_tests(&kit, "rsa-2048", tests, COUNT_OF(tests));
}
