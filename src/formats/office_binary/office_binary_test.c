/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "formats/office_binary/office_binary.h"
#include "formats/office_oxml/vba_sample.h"
#include "formats/testkit.h"
#include <libdeflate.h>
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

static void put_record(struct writer *w, uint16_t head, uint16_t type, struct reader body)
{
    writer_u16le(w, head);
    writer_u16le(w, type);
    writer_u32le(w, (uint32_t)body.left);
    writer_reader(w, body);
}

static struct reader record(uint16_t head, uint16_t type, struct reader body)
{
    struct writer w;
    writer_init(&w, 1 << 20);
    put_record(&w, head, type, body);
    return kept(&w);
}

static struct reader numbers(const uint32_t *list, size_t count)
{
    struct writer w;
    writer_init(&w, 256);
    for (size_t i = 0; i < count; i++)
        writer_u32le(&w, list[i]);
    return kept(&w);
}

static struct reader squeezed(struct reader in)
{
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
    uint8_t *to = arena_alloc(kit.arena, 4 + 2 * in.left);
    const uint32_t size = (uint32_t)in.left;
    struct writer w;
    size_t n = libdeflate_zlib_compress(c, in.at, in.left, to, 2 * in.left);
    assert_true(n > 0);
    libdeflate_free_compressor(c);
    writer_init(&w, 1 << 20);
    writer_u32le(&w, size);
    writer_bytes(&w, to, n);
    return kept(&w);
}

/* Objects: 1 the document, 3 the macros; the first edit had other macros. */
static struct reader presentation(bool packed, uint32_t token, uint32_t has_macros)
{
    struct writer w;
    struct reader project = made(&plain, NULL, NULL, 0);
    const uint32_t info[] = {3, has_macros, 2};
    const struct reader atom = record(2, 0x400, numbers(info, 3));
    struct reader list = record(0xf, 0x7d0, record(0x1f, 0x3ff, atom));
    writer_init(&w, 1 << 20);
    put_record(&w, 0, 0x1011, reader_text("no macros"));
    uint32_t document = (uint32_t)w.len;
    put_record(&w, 0xf, 0x3e8, list);
    uint32_t directory = (uint32_t)w.len;
    const uint32_t old[] = {3u << 20 | 1, document, 0, 0};
    put_record(&w, 0, 0x1772, numbers(old, 4));
    uint32_t edit = (uint32_t)w.len;
    const uint32_t first[] = {0, 0, 0, directory, 1, 4, 0};
    put_record(&w, 0, 0xff5, numbers(first, 7));
    uint32_t macros = (uint32_t)w.len;
    put_record(&w, packed ? 0x10 : 0, 0x1011, packed ? squeezed(project) : project);
    directory = (uint32_t)w.len;
    const uint32_t new[] = {1u << 20 | 3, macros};
    put_record(&w, 0, 0x1772, numbers(new, 2));
    const uint32_t second[] = {0, 0, edit, directory, 1, 4, 0};
    const uint32_t user[] = {20, token, (uint32_t)w.len};
    put_record(&w, 0, 0xff5, numbers(second, 7));
    const struct vba_sample_stream streams[] = {
        {"PowerPoint Document", kept(&w)}, {"Current User", record(0, 0xff6, numbers(user, 3))}};
    writer_init(&w, 1 << 20);
    vba_sample_file(&w, streams, 2);
    return kept(&w);
}

enum { IN_PLAIN = 0xe391c05f, ENCRYPTED = 0xf3d1c4df };

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
    /* names of storages have no case */
    const struct vba_sample_stream book = {"WORKBOOK",
                                           reader_over("\x09\x08\4\0\0\6\5\0\x0a\0\0\0", 12)};
    check_signed("a.xls", made(&plain, "_vba_project_cur/", &book, 1), 1);
}

static void test_office_binary_sign__word_has_all_three(void **state)
{
    (void)state;
    check_signed("a.doc", document(NULL, 0x0200), 3);
    check_signed("a.doc", document("Sub A()\nEnd Sub\n", 0x0200), 2);
}

static void test_office_binary_sign__powerpoint_has_the_legacy_signature(void **state)
{
    (void)state;
    check_signed("a.ppt", presentation(true, IN_PLAIN, 1), 1);
    check_signed("a.pps", presentation(false, IN_PLAIN, 1), 1);
}

/* Every cut and every flipped bit is refused, or read as something that is there. */
static void test_office_binary_powerpoint__damage(void **state)
{
    (void)state;
    struct reader in = presentation(true, IN_PLAIN, 1);
    size_t refused = 0;
    for (size_t i = 0; i < in.left; i++) {
        CLEANUP(arena_cleanup) struct arena *a = arena_new(64 << 20);
        struct writer w;
        struct office_binary b;
        struct err e = {0};
        writer_init(&w, in.left);
        writer_reader(&w, in);
        w.data[i] ^= (uint8_t)(1u << i % 8);
        const struct source from = source_memory(writer_view(&w));
        if (!office_binary_open(a, &from, &b, &e)) {
            assert_false(err_is_ours(&e));
            refused++;
        }
        writer_done(&w);
    }
    assert_true(refused > in.left / 4);
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
    refused("a.ppt", made(&plain, "_VBA_PROJECT_CUR/", &slides, 1), "damaged");
    refused("a.ppt", presentation(true, ENCRYPTED, 1), "password");
    refused("a.ppt", presentation(true, 1, 1), "damaged");
    refused("a.ppt", presentation(true, IN_PLAIN, 0), "contains no macros");
    refused("a.xls", made(&plain, "_VBA_PROJECT_CUR/", &package, 1), "password");
    refused("a.doc", document(NULL, 0x0300), "password");
    refused("a.xls", reader_text("nothing"), "");
}

/* Many edits that all point to one long directory, as no program writes them. */
static void test_office_binary_powerpoint__does_not_read_a_directory_twice(void **state)
{
    enum { EDITS = 50000, RUNS = 200000 };
    struct writer w, bin;
    (void)state;
    writer_init(&w, 16 << 20);
    writer_u32le(&w, 0x1772u << 16);
    writer_u32le(&w, RUNS * 4);
    writer_zeros(&w, RUNS * (size_t)4);
    for (uint32_t i = 0; i < EDITS; i++) {
        const uint32_t before = i == 0 ? 0 : (uint32_t)w.len - 36;
        writer_u32le(&w, 0xff5u << 16);
        writer_u32le(&w, 28);
        writer_zeros(&w, 8);
        writer_u32le(&w, before);
        writer_zeros(&w, 4); /* the directory is at 0 */
        writer_u32le(&w, 1);
        writer_zeros(&w, 8);
    }
    const uint32_t user[] = {20, IN_PLAIN, (uint32_t)w.len - 36};
    const struct vba_sample_stream streams[] = {
        {"PowerPoint Document", writer_view(&w)},
        {"Current User", record(0, 0xff6, numbers(user, 3))}};
    writer_init(&bin, 32 << 20);
    vba_sample_file(&bin, streams, 2);
    refused("a.ppt", kept(&bin), "damaged");
    writer_done(&w);
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
    static const char *const cases[][2] = {{"PowerPoint Document", "damaged"},
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
    testkit_faults(&kit, &office_binary_format, directive, "a.ppt", presentation(true, IN_PLAIN, 1),
                   NULL);
    testkit_faults(&kit, &office_binary_format, directive, "a.doc", document(NULL, 0x0200), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_office_binary_sign__excel_has_the_legacy_signature),
        cmocka_unit_test(test_office_binary_sign__word_has_all_three),
        cmocka_unit_test(test_office_binary_sign__powerpoint_has_the_legacy_signature),
        cmocka_unit_test(test_office_binary_powerpoint__damage),
        cmocka_unit_test(test_office_binary_properties__others_are_kept),
        cmocka_unit_test(test_office_binary_sign__refuses_with_reasons),
        cmocka_unit_test(test_office_binary_powerpoint__does_not_read_a_directory_twice),
        cmocka_unit_test(test_office_binary_unchanged__sees_everything_else),
        cmocka_unit_test(test_office_binary_probe__and_inspect),
        cmocka_unit_test(test_office_binary_probe__other_programs),
        cmocka_unit_test(test_office_binary_verify__damage),
        cmocka_unit_test(test_office_binary__every_allocation_fails_once),
    };
    return testkit_tests(&kit, "ec-p256", tests, COUNT_OF(tests));
}
