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
    (void)state;
    refused(made(NULL, NULL, 0), "contains no macros");
    refused(made(&plain, &seal, 1), "whole document");
    refused(made(&huge, NULL, 0), "form");
    refused(reader_over("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
                        "rest",
                        12),
            "password");
    refused(reader_text("nothing"), "");
    kit.refuse = true;
    refused(made(&plain, NULL, 0), "");
    kit.refuse = false;
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
        cmocka_unit_test(test_office_oxml_unchanged__sees_other_parts),
        cmocka_unit_test(test_office_oxml_probe__and_inspect),
        cmocka_unit_test(test_office_oxml_verify__damage),
        cmocka_unit_test(test_office_oxml__every_allocation_fails_once),
    };
    return testkit_tests(&kit, "ec-p256", tests, COUNT_OF(tests));
}
