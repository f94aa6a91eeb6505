/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "formats/office_binary/office_binary.h"
#include "formats/office_oxml/vba_sample.h"
#include "formats/testkit.h"
#include <string.h>

static const char directive[] = "office-macro-sign";
static struct testkit kit;

enum { STREAMS = 4 };

static struct reader kept(struct writer *w)
{
    struct reader r = arena_bytes(kit.arena, writer_view(w));
    assert_non_null(r.at);
    writer_done(w);
    return r;
}

static struct reader made(const struct vba_sample *project, const char *prefix,
                          const struct vba_sample_stream *more, size_t count)
{
    struct writer w;
    struct vba_sample s = *project;
    s.prefix = prefix;
    s.more = more;
    s.more_count = count;
    writer_init(&w, 1 << 20);
    vba_sample_project(&w, &s);
    return kept(&w);
}

/* A set with a title, a value at an odd place, and a second section. */
static struct reader properties(void)
{
    struct writer w;
    writer_init(&w, 4096);
    writer_bytes(&w, "\xfe\xff\0\0\6\0\2\0", 8);
    writer_zeros(&w, 16);
    writer_u32le(&w, 2);
    writer_bytes(&w, "\x02\xd5\xcd\xd5\x9c\x2e\x1b\x10\x93\x97\x08\0\x2b\x2c\xf9\xae", 16);
    writer_u32le(&w, 68);
    writer_zeros(&w, 16);
    writer_u32le(&w, 68 + 24 + 8 + 11);
    writer_bytes(&w, "\x2b\0\0\0\2\0\0\0", 8); /* first section: size, count */
    writer_bytes(&w, "\1\0\0\0\x18\0\0\0\2\0\0\0\x20\0\0\0", 16);
    writer_bytes(&w, "\2\0\0\0\xe4\4\0\0", 8);
    writer_bytes(&w, "\x1e\0\0\0\3\0\0\0ab", 11);
    writer_bytes(&w, "\x8\0\0\0\0\0\0\0", 8); /* second section */
    return kept(&w);
}

static const struct vba_sample plain = {0};

static struct reader workbook(bool with_properties)
{
    const struct vba_sample_stream more[] = {
        {"Workbook", reader_over("\x09\x08\4\0\0\6\5\0\x0a\0\0\0", 12)},
        {"\5DocumentSummaryInformation", properties()}};
    return made(&plain, "_VBA_PROJECT_CUR/", more, with_properties ? 2 : 1);
}

/* FIB with as many pairs as Word 97 has. */
static struct reader document(const char *source, uint16_t flags)
{
    struct writer w;
    const struct vba_sample project = {.source = source};
    writer_init(&w, 4096);
    writer_zeros(&w, 10);
    writer_u16le(&w, flags);
    writer_zeros(&w, 20);
    writer_u16le(&w, 14);
    writer_zeros(&w, 28);
    writer_u16le(&w, 22);
    writer_zeros(&w, 88);
    writer_u16le(&w, 0x5d);
    writer_zeros(&w, 60 * (size_t)8);
    writer_u32le(&w, 4); /* StwUser: one variable, in the middle of the table */
    writer_u32le(&w, 6 + 4 + 4 + 4);
    writer_zeros(&w, 32 * (size_t)8);
    const struct vba_sample_stream more[] = {
        {"WordDocument", kept(&w)},
        {"1Table", reader_over("head\xff\xff\1\0\4\0\1\0x\0\1\2\3\4\1\0y\0tail", 26)}};
    return made(&project, "Macros/", more, 2);
}

static struct reader signed_file(const char *name, struct reader in)
{
    return testkit_signed(&kit, &office_binary_format, directive, name, in, NULL);
}

static void check_signed(const char *name, struct reader in, size_t wanted)
{
    struct signature *s;
    size_t count;
    struct err e = {0};
    uint32_t slots;
    struct reader out = signed_file(name, in);
    const struct source before = source_memory(in), after = source_memory(out);
    assert_true(testkit_verify(&kit, &office_binary_format, NULL, name, out, (struct reader){0},
                               NULL, &s, &count, &e));
    assert_int_equal(count, wanted);
    for (size_t i = 0; i < count; i++)
        assert_true(s[i].intact && s[i].stamped);
    assert_true(office_binary_format.slots(kit.arena, &before, directive, (struct attributes){0},
                                           &slots, &e));
    assert_int_equal(slots, wanted);
    assert_true(office_binary_format.unchanged(kit.arena, &before, &after, &e));
    assert_true(office_binary_format.unchanged(kit.arena, &after, &after, &e));
    assert_true(reader_equal(out, signed_file(name, out))); /* replaced by themselves */
}

static void test_office_binary_sign__excel_has_the_legacy_signature(void **state)
{
    (void)state;
    check_signed("a.xls", workbook(false), 1);
    check_signed("a.xls", workbook(true), 1);
}

static void test_office_binary_sign__word_has_all_three(void **state)
{
    (void)state;
    check_signed("a.doc", document(NULL, 0x0200), 3);
    check_signed("a.doc", document("Sub A()\nEnd Sub\n", 0x0200), 2);
}

/* What is in the property set otherwise stays as it was. */
static void test_office_binary_properties__others_are_kept(void **state)
{
    struct writer w;
    struct err e = {0};
    struct reader got, old = properties();
    (void)state;
    writer_init(&w, 1 << 16);
    assert_true(office_binary_put_property(kit.arena, old, reader_text("signature"), &w, &e));
    assert_true(office_binary_property(kit.arena, writer_view(&w), &got, &e));
    assert_int_equal(got.left, 12); /* filled up to four */
    assert_true(reader_starts_with(got, "signature", 9));
    assert_true(reader_find(writer_view(&w), 0, "\x1e\0\0\0\3\0\0\0ab", 11) != SIZE_MAX);
    struct reader section = writer_view(&w);
    assert_true(reader_slice(section, section.left - 8, 8, &section));
    assert_true(reader_equal(section, reader_over("\x8\0\0\0\0\0\0\0", 8)));
    assert_true(office_binary_property(kit.arena, old, &got, &e));
    assert_null(got.at);
    for (size_t n = 0; n < old.left; n++) {
        struct err bad = {0};
        (void)!office_binary_property(kit.arena, reader_over(old.at, n), &got, &bad);
    }
    writer_done(&w);
}

static void refused(const char *name, struct reader in, const char *says)
{
    struct reader out;
    struct err e = {0};
    assert_false(testkit_sign(&kit, &office_binary_format, directive, name, in, NULL, &out, &e));
    if (strstr(e.user, says) == NULL)
        fail_msg("said: %s", e.user);
}

static void test_office_binary_sign__refuses_with_reasons(void **state)
{
    (void)state;
    const struct vba_sample_stream book = {"Workbook", reader_over("\x09\x08\0\0", 4)};
    const struct vba_sample_stream locked = {"Workbook", reader_over("\x09\x08\0\0\x2f\0\0\0", 8)};
    const struct vba_sample_stream slides = {"PowerPoint Document", reader_text("x")};
    const struct vba_sample_stream package = {"EncryptedPackage", reader_text("x")};
    const struct vba_sample_stream sealed[] = {book, {"_xmlsignatures/1", reader_text("x")}};
    refused("a.xls", made(&plain, "Elsewhere/", &book, 1), "contains no macros");
    refused("a.xls", made(&plain, "_VBA_PROJECT_CUR/", &locked, 1), "password");
    refused("a.xls", made(&plain, "_VBA_PROJECT_CUR/", sealed, 2), "whole document");
    refused("a.ppt", made(&plain, "_VBA_PROJECT_CUR/", &slides, 1), "PowerPoint");
    refused("a.xls", made(&plain, "_VBA_PROJECT_CUR/", &package, 1), "password");
    refused("a.doc", document(NULL, 0x0300), "password");
    refused("a.xls", reader_text("nothing"), "");
}

static void test_office_binary_unchanged__sees_everything_else(void **state)
{
    (void)state;
    const struct reader files[] = {workbook(true), workbook(false), document(NULL, 0x0200),
                                   document("Sub B()\r\nEnd Sub\r\n", 0x0200)};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        for (size_t k = 0; k < COUNT_OF(files); k++) {
            struct err e = {0};
            const struct source before = source_memory(files[i]);
            const struct source after = source_memory(signed_file("a.xls", files[k]));
            assert_int_equal(office_binary_format.unchanged(kit.arena, &before, &after, &e),
                             i == k);
        }
    }
}

static void test_office_binary_probe__and_inspect(void **state)
{
    struct file_facts facts;
    struct err e = {0};
    (void)state;
    struct reader in = workbook(true);
    const struct source plain_in = source_memory(in),
                        signed_in = source_memory(signed_file("a.xls", in));
    assert_true(office_binary_format.probe(in, &plain_in));
    assert_true(office_binary_format.inspect(kit.arena, &plain_in, &facts, &e));
    assert_int_equal(facts.signatures, 0);
    assert_true(office_binary_format.inspect(kit.arena, &signed_in, &facts, &e));
    assert_int_equal(facts.signatures, 1);
}

/* They are known, so that the refusal can say what can be done. */
static void test_office_binary_probe__other_programs(void **state)
{
    static const char *const cases[][2] = {{"PowerPoint Document", "pptm"},
                                           {"VisioDocument", "vsdm"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct writer w;
        struct file_facts facts;
        struct err e = {0};
        const struct vba_sample_stream one = {cases[i][0], reader_text("slides")};
        writer_init(&w, 1 << 16);
        vba_sample_file(&w, &one, 1);
        struct reader in = kept(&w);
        const struct source from = source_memory(in);
        assert_true(office_binary_format.probe(in, &from));
        assert_false(office_binary_format.inspect(kit.arena, &from, &facts, &e));
        assert_non_null(strstr(e.user, cases[i][1]));
    }
}

static void test_office_binary_verify__damage(void **state)
{
    (void)state;
    struct reader out = signed_file("a.doc", document(NULL, 0x0200));
    size_t most = testkit_damage(&kit, &office_binary_format, "a.doc", out, 0, SIZE_MAX);
    /* unused sectors, other streams, certificates and time stamps are not covered */
    assert_in_range(most, 0, FLIPS_MAX * 7 / 8);
}

static void test_office_binary__every_allocation_fails_once(void **state)
{
    (void)state;
    testkit_faults(&kit, &office_binary_format, directive, "a.xls", workbook(true), NULL);
}

static int start(void **state)
{
    (void)state;
    testkit_init(&kit, "ec-p256", true);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    testkit_done(&kit);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_office_binary_sign__excel_has_the_legacy_signature),
        cmocka_unit_test(test_office_binary_sign__word_has_all_three),
        cmocka_unit_test(test_office_binary_properties__others_are_kept),
        cmocka_unit_test(test_office_binary_sign__refuses_with_reasons),
        cmocka_unit_test(test_office_binary_unchanged__sees_everything_else),
        cmocka_unit_test(test_office_binary_probe__and_inspect),
        cmocka_unit_test(test_office_binary_probe__other_programs),
        cmocka_unit_test(test_office_binary_verify__damage),
        cmocka_unit_test(test_office_binary__every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
