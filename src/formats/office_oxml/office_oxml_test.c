/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "formats/office_oxml/office_oxml.h"
#include "formats/office_oxml/office_oxml_sample.h"
#include "formats/testkit.h"
#include <string.h>

static const char directive[] = "office-macro-sign";
static struct testkit kit;

static struct reader made(const struct vba_sample *project, const struct office_oxml_part *more,
                          size_t count)
{
    struct writer bin, docm;
    writer_init(&bin, 1 << 20);
    writer_init(&docm, 1 << 20);
    if (project != NULL)
        vba_sample_project(&bin, project);
    office_oxml_sample(&docm, project == NULL ? (struct reader){0} : writer_view(&bin), more,
                       count);
    struct reader ret = arena_bytes(kit.arena, writer_view(&docm));
    writer_done(&bin);
    writer_done(&docm);
    return ret;
}

static const struct vba_sample plain = {0};

static struct reader signed_document(struct reader in)
{
    return testkit_signed(&kit, &office_oxml_format, directive, "a.docm", in, NULL);
}

static size_t verified(struct reader in, struct signature **list)
{
    size_t count;
    struct err e = {0};
    assert_true(testkit_verify(&kit, &office_oxml_format, NULL, "a.docm", in, (struct reader){0},
                               NULL, list, &count, &e));
    return count;
}

static void test_office_oxml_sign__writes_all_three(void **state)
{
    static const char *const kinds[] = {"vba-legacy", "vba-agile", "vba-v3"};
    struct signature *s;
    struct err e = {0};
    uint32_t slots;
    (void)state;
    struct reader in = made(&plain, NULL, 0);
    struct reader out = signed_document(in);
    const struct source before = source_memory(in), after = source_memory(out);
    assert_int_equal(verified(out, &s), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(s[i].intact && s[i].stamped);
        assert_string_equal(s[i].kind, kinds[i]);
        assert_int_equal(s[i].certificate_count, 1);
    }
    assert_true(office_oxml_format.slots(kit.arena, &before, directive, (struct attributes){0},
                                         &slots, &e));
    assert_int_equal(slots, 3);
    assert_true(office_oxml_format.unchanged(kit.arena, &before, &after, &e));
    assert_int_equal(verified(in, &s), 0);
    assert_true(reader_equal(out, signed_document(out))); /* replaced by themselves */
}

/* Each of them covers more than the one before. */
static void test_office_oxml_verify__what_each_covers(void **state)
{
    static const struct {
        struct vba_sample project;
        bool intact[3];
    } cases[] = {
        {{0}, {true, true, true}},
        {{.source = "Sub Other()\r\nEnd Sub\r\n"}, {false, false, false}},
        {{.form = "Form"}, {true, false, false}},
        {{.project = "HelpContextID=\"1\"\r\n"}, {true, true, false}},
        {{.project = "DPB=\"1\"\r\n"}, {true, true, true}},
        {{.code = "other code"}, {false, false, false}},
    };
    (void)state;
    struct reader first = signed_document(made(&plain, NULL, 0));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct reader parts[VBA_KINDS], in;
        struct oxml o;
        struct err e = {0};
        struct signature *s, list[VBA_SIGNATURES];
        size_t count = 0;
        struct vba v;
        const struct source source = source_memory(first);
        assert_true(oxml_open(kit.arena, &source, &o, &e));
        for (enum vba_kind k = VBA_LEGACY; k < VBA_KINDS; k++)
            assert_true(oxml_load(kit.arena, o.zip, o.signatures[k], &parts[k], &e));
        in = made(&cases[i].project, NULL, 0);
        const struct source other = source_memory(in);
        assert_true(oxml_open(kit.arena, &other, &o, &e) && oxml_project(kit.arena, &o, &v, &e));
        for (enum vba_kind k = VBA_LEGACY; k < VBA_KINDS; k++)
            assert_true(vba_verify(kit.arena, &v, k, parts[k], list, &count, &e));
        assert_int_equal(count, 3);
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(list[k].intact, cases[i].intact[k]);
        vba_done(&v);
        assert_int_equal(verified(signed_document(in), &s), 3);
    }
}

static void test_office_oxml_sign__old_and_stale_signatures_go(void **state)
{
    static const struct office_oxml_part stale = {"word/vbaProjectSignatureV3.bin",
                                                  {(const uint8_t *)"old", 3}};
    struct signature *s;
    struct err e = {0};
    (void)state;
    struct reader in = made(&plain, &stale, 1), out = signed_document(in);
    const struct source before = source_memory(in), after = source_memory(out);
    assert_int_equal(verified(out, &s), 3);
    assert_true(s[0].intact && s[1].intact && s[2].intact);
    assert_true(office_oxml_format.unchanged(kit.arena, &before, &after, &e));
}

/* Readers disagree about modules whose lines end in LF only; the other two signatures hold. */
static void test_office_oxml_sign__no_v3_over_bare_line_ends(void **state)
{
    static const struct vba_sample bare = {.source = "Sub Mac()\nEnd Sub\n"};
    struct signature *s;
    struct err e = {0};
    uint32_t slots;
    (void)state;
    struct reader in = made(&bare, NULL, 0), out = signed_document(in);
    const struct source before = source_memory(in);
    assert_true(office_oxml_format.slots(kit.arena, &before, directive, (struct attributes){0},
                                         &slots, &e));
    assert_int_equal(slots, 2);
    assert_int_equal(verified(out, &s), 2);
    assert_true(s[0].intact && s[1].intact);
}

static void refused(struct reader in, const char *says)
{
    struct reader out;
    struct err e = {0};
    assert_false(testkit_sign(&kit, &office_oxml_format, directive, "a.docm", in, NULL, &out, &e));
    if (strstr(e.user, says) == NULL)
        fail_msg("said: %s", e.user);
}

static void test_office_oxml_sign__refuses_with_reasons(void **state)
{
    static const struct office_oxml_part seal = {"_xmlsignatures/sig1.xml",
                                                 {(const uint8_t *)"<a/>", 4}};
    static const struct vba_sample huge = {.project = "BaseClass=Nothing\r\n"};
    static const struct vba_sample again = {.project = "BaseClass=UserForm1\r\n"};
    (void)state;
    refused(made(NULL, NULL, 0), "contains no macros");
    refused(made(&plain, &seal, 1), "whole document");
    refused(made(&huge, NULL, 0), "form");
    refused(made(&again, NULL, 0), "named twice");
    refused(reader_over("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
                        "rest",
                        12),
            "password");
    refused(reader_text("nothing"), "");
    kit.refuse = true;
    refused(made(&plain, NULL, 0), "");
    kit.refuse = false;
}

/* --- other lists of parts --------------------------------------------------------------------- */
#define PACKAGE   "http://schemas.openxmlformats.org/package/2006/"
#define MICROSOFT "http://schemas.microsoft.com/office/2006/relationships/"

/* The sample with other relationships of its project. */
static struct reader linked(const char *links)
{
    struct reader in = made(&plain, NULL, 0);
    const struct source from = source_memory(in), text = source_memory(reader_text(links));
    struct writer w, scratch;
    struct oxml o;
    struct err e = {0};
    struct zip_change change = {.action = ZIP_REPLACE};
    writer_init(&w, 8 << 20);
    writer_init(&scratch, 8 << 20);
    struct sink k = sink_memory(&w), s = sink_memory(&scratch);
    assert_true(oxml_open(kit.arena, &from, &o, &e));
    change.index = o.rels;
    assert_true(zip_pack(&text, ZIP_STORED, &s, &change.packed, &e) &&
                zip_repack(o.zip, &change, 1, NULL, &k, &e));
    struct reader ret = arena_bytes(kit.arena, writer_view(&w));
    writer_done(&w);
    writer_done(&scratch);
    return ret;
}

/* Signing takes a signature that is there away: a part of the document must not pass for one. */
static void test_office_oxml_sign__lists_that_lie(void **state)
{
    static const char *const cases[][2] = {
        {"<Relationships xmlns=\"" PACKAGE
         "relationships\"><Relationship Id=\"a\" Type=\"" MICROSOFT
         "vbaProjectSignature\" Target=\"vbaData.xml\"/></Relationships>",
         "something else"},
        {"<Relationships xmlns=\"urn:x\"/>", "something else"},
        {"<Relationships xmlns=\"" PACKAGE "relationships\"><Relationship xmlns=\"urn:x\" Id=\"a\" "
         "Type=\"b\" Target=\"c\"/></Relationships>",
         "not understood"},
        {"<Relationships xmlns=\"" PACKAGE "relationships\">text</Relationships>",
         "something else"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        refused(linked(cases[i][0]), cases[i][1]);
}

static void test_office_oxml_sign__long_lists(void **state)
{
    enum { LINKS = 10000 };
    struct writer w;
    struct signature *s;
    (void)state;
    writer_init(&w, 8 << 20);
    writer_text(&w, "<Relationships xmlns=\"" PACKAGE "relationships\">");
    for (int i = 1; i <= LINKS; i++)
        writer_format(&w, "<Relationship Id=\"rId%d\" Type=\"t\" Target=\"x\"/>", i);
    writer_text(&w, "</Relationships>");
    writer_u8(&w, 0);
    assert_false(w.failed);
    struct reader out = signed_document(linked((const char *)w.data));
    assert_int_equal(verified(out, &s), 3);
    writer_done(&w);
}

/* A short stream can expand to a lot, and several modules may name one. */
static void test_vba_open__limits_all_modules_together(void **state)
{
    enum { MODULES = 2000, CHUNKS = 256 };
    static const uint8_t zeros[16];
    struct writer dir, packed, text, bin;
    struct err e = {0};
    struct cfb *file;
    struct vba v;
    bool found;
    (void)state;
    writer_init(&dir, 8 << 20);
    writer_init(&packed, 8 << 20);
    writer_init(&text, 8 << 20);
    writer_init(&bin, 8 << 20);
    /* information without texts, no references */
    writer_bytes(&dir, "\1\0\4\0\0\0\3\0\0\0\2\0\4\0\0\0\x09\4\0\0\x14\0\4\0\0\0\x09\4\0\0", 30);
    writer_bytes(&dir, "\3\0\2\0\0\0\xe4\4\4\0\0\0\0\0", 14);
    writer_bytes(&dir, "\5\0\0\0\0\0\x40\0\0\0\0\0\6\0\0\0\0\0\x3d\0\0\0\0\0", 24);
    writer_bytes(&dir, "\7\0\4\0\0\0\0\0\0\0\x08\0\4\0\0\0\0\0\0\0", 20);
    writer_bytes(&dir, "\x09\0\4\0\0\0\1\0\0\0\2\0", 12);
    writer_bytes(&dir, "\x0f\0\2\0\0\0", 6);
    writer_u16le(&dir, MODULES);
    writer_bytes(&dir, "\x13\0\2\0\0\0\xff\xff", 8);
    for (int i = 0; i < MODULES; i++) {
        writer_bytes(&dir, "\x19\0\1\0\0\0M\x1a\0\1\0\0\0M\x32\0\2\0\0\0M\0", 22);
        writer_bytes(&dir, "\x1c\0\0\0\0\0\x48\0\0\0\0\0\x31\0\4\0\0\0\0\0\0\0", 22);
        writer_bytes(&dir, "\x1e\0\4\0\0\0\0\0\0\0\x2c\0\2\0\0\0\0\0", 18);
        writer_bytes(&dir, "\x21\0\0\0\0\0\x2b\0\0\0\0\0", 12);
    }
    writer_bytes(&dir, "\x10\0\0\0\0\0", 6);
    writer_u8(&text, 1);
    for (struct reader plain_dir = writer_view(&dir), some; plain_dir.left > 0;) {
        size_t n = plain_dir.left < 2048 ? plain_dir.left : 2048;
        writer_u16le(&text, (uint16_t)(0xb000 | (n + (n + 7) / 8 - 1)));
        for (size_t k = 0; k < n; k += 8) {
            assert_true(reader_take(&plain_dir, n - k < 8 ? n - k : 8, &some));
            writer_u8(&text, 0);
            writer_reader(&text, some);
        }
    }
    /* one line of 1 MiB, copied letters, that goes into no data */
    writer_bytes(&packed, "\1\x18\xb0\0attribut\0e vb_nam\20e = \xff\7", 28);
    for (int i = 0; i < CHUNKS; i++)
        writer_bytes(&packed, "\3\xb0\2e\xfc\x0f", 6);
    const struct vba_sample_stream streams[] = {
        {"VBA/dir", writer_view(&text)},
        {"VBA/M", writer_view(&packed)},
        {"VBA/_VBA_PROJECT", reader_over(zeros, 1)},
        {"PROJECT", reader_text("ID=1\r\n")},
    };
    vba_sample_file(&bin, streams, COUNT_OF(streams));
    const struct source in = source_memory(writer_view(&bin));
    assert_true(cfb_open(kit.arena, &in, &file, &e));
    assert_false(vba_open(kit.arena, file, 0, &v, &found, &e));
    assert_int_equal(e.code, ERR_VBA);
    if (strstr(e.user, "larger than") == NULL)
        fail_msg("said: %s", e.user);
    writer_done(&dir);
    writer_done(&packed);
    writer_done(&text);
    writer_done(&bin);
}

static void test_office_oxml_unchanged__sees_other_parts(void **state)
{
    static const struct office_oxml_part one = {"word/x.xml", {(const uint8_t *)"<a/>", 4}},
                                         two = {"word/x.xml", {(const uint8_t *)"<b/>", 4}};
    static const struct vba_sample other = {.source = "Sub Other()\r\nEnd Sub\r\n"};
    (void)state;
    struct reader in = made(&plain, &one, 1);
    const struct reader outs[] = {signed_document(made(&plain, &two, 1)),
                                  signed_document(made(&plain, NULL, 0)),
                                  signed_document(made(&other, &one, 1))};
    const struct source before = source_memory(in);
    for (size_t i = 0; i < COUNT_OF(outs); i++) {
        const struct source after = source_memory(outs[i]);
        struct err e = {0};
        assert_false(office_oxml_format.unchanged(kit.arena, &before, &after, &e));
        assert_true(e.code == ERR_VERIFY_CHANGED || e.code == ERR_ZIP_CHANGED);
    }
}

static void test_office_oxml_probe__and_inspect(void **state)
{
    struct file_facts facts;
    struct err e = {0};
    (void)state;
    struct reader in = made(&plain, NULL, 0), out = signed_document(in);
    const struct source unsigned_in = source_memory(in), signed_in = source_memory(out);
    assert_true(office_oxml_format.probe(in, &unsigned_in));
    assert_false(office_oxml_format.probe(reader_text("MZ"), &unsigned_in));
    assert_true(office_oxml_format.inspect(kit.arena, &unsigned_in, &facts, &e));
    assert_int_equal(facts.signatures, 0);
    assert_true(office_oxml_format.inspect(kit.arena, &signed_in, &facts, &e));
    assert_int_equal(facts.signatures, 3);
}

static void test_office_oxml_verify__damage(void **state)
{
    (void)state;
    struct reader out = signed_document(made(&plain, NULL, 0));
    size_t most = testkit_damage(&kit, &office_oxml_format, "a.docm", out, 0, SIZE_MAX);
    /* certificates, stores and time stamps are judged apart */
    assert_in_range(most, 0, FLIPS_MAX * 7 / 8);
}

static void test_office_oxml__every_allocation_fails_once(void **state)
{
    (void)state;
    testkit_faults(&kit, &office_oxml_format, directive, "a.docm", made(&plain, NULL, 0), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_office_oxml_sign__writes_all_three),
        cmocka_unit_test(test_office_oxml_verify__what_each_covers),
        cmocka_unit_test(test_office_oxml_sign__old_and_stale_signatures_go),
        cmocka_unit_test(test_office_oxml_sign__no_v3_over_bare_line_ends),
        cmocka_unit_test(test_office_oxml_sign__refuses_with_reasons),
        cmocka_unit_test(test_office_oxml_sign__lists_that_lie),
        cmocka_unit_test(test_office_oxml_sign__long_lists),
        cmocka_unit_test(test_vba_open__limits_all_modules_together),
        cmocka_unit_test(test_office_oxml_unchanged__sees_other_parts),
        cmocka_unit_test(test_office_oxml_probe__and_inspect),
        cmocka_unit_test(test_office_oxml_verify__damage),
        cmocka_unit_test(test_office_oxml__every_allocation_fails_once),
    };
    return testkit_tests(&kit, "ec-p256", tests, COUNT_OF(tests));
}
