/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "base/text.h"
#include "formats/msi/msi_package.h"
#include "formats/msi/msi_sample.h"
#include "formats/testkit.h"
#include <string.h>

static struct testkit kit;
static const char directive[] = "authenticode-sign";
enum { BIG = 90000 };
static uint8_t big[BIG];

static struct reader made(const struct msi_sample *s)
{
    struct writer w;
    writer_init(&w, 32 << 20);
    msi_sample(&w, s);
    struct reader bytes = arena_bytes(kit.arena, writer_view(&w));
    assert_non_null(bytes.at);
    writer_done(&w);
    return bytes;
}

static struct reader make(uint16_t major, uint16_t page, const char *subject)
{
    struct writer w;
    writer_init(&w, 4096);
    msi_sample_summary(&w, page, subject, "Acme");
    const struct msi_sample_stream streams[] = {
        {"\5SummaryInformation", writer_view(&w), NULL},
        {"a", reader_text("small"), NULL},
        {"large", reader_over(big, BIG), NULL},
        {"A much longer name of stream 31", reader_over(big, 4096), NULL},
        {"empty", reader_text(""), NULL},
        {"inner", reader_over(big, 4095), "Storage"},
        {"\5DigitalSignature", reader_text("an inner one is content"), "Storage"},
        {"b", reader_text("of a second storage"), "Other"},
    };
    const struct msi_sample s = {major, streams, COUNT_OF(streams)};
    struct reader bytes = made(&s);
    writer_done(&w);
    return bytes;
}

static bool accepted(struct reader file)
{
    return !testkit_has("osslsigncode") || testkit_osslsigncode(&kit, "a.msi", file);
}

/* What the check after signing says, when the first `changed` files may differ. */
static bool compares(struct reader before, struct reader after, const bool *changed)
{
    static const bool none[16];
    struct source in = source_memory(before), out = source_memory(after);
    struct container *x, *y;
    struct err e = {0};
    if (!msi_container(kit.arena, &in, NULL, &x, &e) ||
        !msi_container(kit.arena, &out, NULL, &y, &e))
        fail_msg("%s", e.user);
    return msi_compare(kit.arena, x, y, changed == NULL ? none : changed, &e);
}

static struct reader sign(struct reader in, const char *const *attributes)
{
    return testkit_signed(&kit, &msi_format, directive, "a.msi", in, attributes);
}

static void test_msi_sign__both_versions_all_hashes(void **state)
{
    static const char *const hashes[] = {"sha1", "sha256", "sha384", "sha512"};
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        const char *const attributes[] = {"hash-algorithm", hashes[i % 4], NULL};
        struct reader in = make(i / 4 == 0 ? 3 : 4, 1252, "App"), out = sign(in, attributes);
        assert_true(testkit_intact(&kit, &msi_format, "a.msi", out));
        assert_true(accepted(out));
        assert_true(compares(in, out, NULL));
        assert_true(reader_equal(sign(out, attributes), out)); /* replaced by itself */
    }
}

static void test_msi_sign__does_not_append(void **state)
{
    static const char *const append[] = {"append", "true", NULL};
    struct reader out;
    struct err e = {0};
    (void)state;
    assert_false(testkit_sign(&kit, &msi_format, directive, "a.msi", make(3, 1252, "App"), append,
                              &out, &e));
    assert_int_equal(e.code, ERR_DIRECTIVE);
}

/* A bit of a stream, a name, a class, a state or a time: all of it is signed. */
static void test_msi_verify__notices_what_changes(void **state)
{
    (void)state;
    const uint16_t versions[] = {3, 4};
    for (size_t v = 0; v < 2; v++) {
        struct reader out = sign(make(versions[v], 1252, "App"), NULL);
        struct writer w;
        writer_init(&w, 32 << 20);
        writer_reader(&w, out);
        size_t large = reader_find(out, 0, big, 64), small = reader_find(out, 0, "small", 5);
        size_t root = reader_find(out, 0, "R\0o\0o\0t\0", 8);
        assert_true(large != SIZE_MAX && small != SIZE_MAX && root != SIZE_MAX);
        const size_t places[] = {large,      large + BIG - 1, small,      small + 4,
                                 root + 80,  root + 95,       root + 96,  root + 128,
                                 root + 192, root + 224,      root + 228, root + 236};
        for (size_t i = 0; i < COUNT_OF(places); i++) {
            w.data[places[i]] ^= 1;
            if (testkit_intact(&kit, &msi_format, "a.msi", writer_view(&w)))
                fail_msg("place %zu of version %u", i, versions[v]);
            w.data[places[i]] ^= 1;
        }
        assert_true(testkit_intact(&kit, &msi_format, "a.msi", writer_view(&w)));
        writer_done(&w);
    }
}

/* The end record of a ZIP file in room that nothing signs: a used part of the directory's last
 * sector, or behind a small stream. Inside of a stream it is content like any other. */
static void test_msi_verify__no_archive_in_unsigned_room(void **state)
{
    static const char end[] = "PK\5\6";
    (void)state;
    struct reader out = sign(make(4, 1252, "App"), NULL);
    struct writer w;
    writer_init(&w, 32 << 20);
    writer_reader(&w, out);
    const size_t places[] = {reader_find(out, 0, "R\0o\0o\0t\0", 8) + 31 * (size_t)128,
                             reader_find(out, 0, "small", 5) + 20};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        writer_patch(&w, places[i], end, 4);
        assert_false(testkit_intact(&kit, &msi_format, "a.msi", writer_view(&w)));
        writer_patch(&w, places[i], "\0\0\0\0", 4);
        assert_true(testkit_intact(&kit, &msi_format, "a.msi", writer_view(&w)));
    }
    const struct msi_sample_stream streams[] = {{"a", reader_text(end), NULL}};
    const struct msi_sample s = {3, streams, 1};
    assert_true(testkit_intact(&kit, &msi_format, "a.msi", sign(made(&s), NULL)));
    writer_done(&w);
}

/* To Windows, names of streams have no case. */
static void test_msi_open__names_without_case(void **state)
{
    struct writer w;
    struct file_facts facts;
    struct err e = {0};
    (void)state;
    writer_init(&w, 4096);
    msi_sample_summary(&w, 1252, "App", "Acme");
    const struct msi_sample_stream summary = {"\5SUMMARYInformation", writer_view(&w), NULL};
    struct source in = source_memory(made(&(struct msi_sample){3, &summary, 1}));
    assert_true(msi_format.inspect(kit.arena, &in, &facts, &e));
    assert_string_equal(attribute_value(&facts.facts, "subject"), "App");
    writer_done(&w);
    const struct msi_sample_stream forged = {"\5digitalSignature", reader_text("x"), NULL};
    in = source_memory(made(&(struct msi_sample){3, &forged, 1}));
    assert_false(msi_format.inspect(kit.arena, &in, &facts, &e));
    assert_int_equal(e.code, ERR_CFB);
    /* they are ordered by their capital letters, beyond ASCII as well */
    static const char *const pairs[][2] = {
        {"\xc5\x82", "\xc5\x81"}, {"\xe1\xba\xa1", "\xe1\xba\xa0"}, {"\xd1\x8f", "\xd0\xaf"}};
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        const struct msi_sample_stream same[] = {{pairs[i][0], reader_text("x"), NULL},
                                                 {pairs[i][1], reader_text("y"), NULL}};
        struct err twice = {0};
        in = source_memory(made(&(struct msi_sample){3, same, 2}));
        assert_false(msi_format.inspect(kit.arena, &in, &facts, &twice));
        assert_non_null(strstr(twice.user, "same name"));
    }
}

static void test_msi_inspect__summary_in_code_pages(void **state)
{
    static const struct {
        uint16_t page;
        const char *bytes, *text;
    } cases[] = {
        {1252,
         "Gr\xfc\xdf"
         "e \x80",
         "Gr\xc3\xbc\xc3\x9f"
         "e \xe2\x82\xac"},
        {65001, "\xd0\x96", "\xd0\x96"},
        {28591, "\xe9", "\xc3\xa9"},
        {932, "ok", "ok"},
        {932, "\x8a", "\xef\xbf\xbd"},
        {0, "", ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct file_facts facts;
        struct err e = {0};
        struct source in = source_memory(make(3, cases[i].page, cases[i].bytes));
        assert_true(msi_format.inspect(kit.arena, &in, &facts, &e));
        assert_string_equal(attribute_value(&facts.facts, "subject"), cases[i].text);
        assert_string_equal(attribute_value(&facts.facts, "author"), "Acme");
        assert_int_equal(facts.signatures, 0);
    }
}

/* The second byte of a letter can be that of '|' or '\\', which separate names. */
static void test_msi_text__letters_of_two_bytes(void **state)
{
    static const struct {
        uint16_t page;
        const char *bytes, *text;
    } cases[] = {
        {932, "\x83|.txt", "%83%7C.txt"}, {932, "\x95\\a\\b", "%95%5Ca\\b"},
        {932, "\xb1|b", "%B1|b"}, /* half width: one byte */
        {950, "\xb3\\", "%B3%5C"},        {936, "\x81\x41|\x81", "%81A|%81"},
        {1251, "\xe0|b", "%E0|b"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *text;
        struct err e = {0};
        assert_true(
            msi_text(kit.arena, reader_text(cases[i].bytes), cases[i].page, true, &text, &e));
        assert_string_equal(text, cases[i].text);
    }
}

/* Texts of 64 KiB and more: of their lengths, either half comes first in real files. Here both ways
 * use all bytes. */
static void test_msi_database__pool_read_in_two_ways(void **state)
{
    struct arena *a = arena_new(16 << 20);
    struct writer pool, data;
    struct msi_database d;
    (void)state;
    writer_init(&data, 1 << 20);
    writer_zeros(&data, 3 << 16);
    for (uint16_t other = 1; other <= 3; other++) {
        struct cfb *file;
        struct err e = {0};
        writer_init(&pool, 1 << 20);
        writer_bytes(&pool, "\0\0\0\0\0\0\1\0\0\0", 10);
        writer_u16le(&pool, other);
        writer_bytes(&pool, "\0\0\2\0\0\0", 6);
        writer_u16le(&pool, 3 - other);
        struct reader names[] = {msi_stream_name(a, "_StringPool", true),
                                 msi_stream_name(a, "_StringData", true)};
        char *pool_name = NULL, *data_name = NULL;
        assert_true(text_from_utf16le(a, names[0], &pool_name) &&
                    text_from_utf16le(a, names[1], &data_name));
        const struct msi_sample_stream both[] = {{pool_name, writer_view(&pool), NULL},
                                                 {data_name, writer_view(&data), NULL}};
        struct source in = source_memory(made(&(struct msi_sample){3, both, 2}));
        assert_true(cfb_open(a, &in, &file, &e));
        assert_int_equal(msi_database_open(a, file, &d, &e), other == 1);
        writer_done(&pool);
    }
    writer_done(&data);
    arena_free(a);
}

/* Where the DIFAT goes on behind the header: more than 109 sectors of table. */
static void test_msi_sign__long_table_of_tables(void **state)
{
    (void)state;
    struct writer w;
    writer_init(&w, 32 << 20);
    writer_zeros(&w, 9 << 20);
    const struct msi_sample_stream streams[] = {{"long", writer_view(&w), NULL}};
    const struct msi_sample s = {3, streams, 1};
    struct reader in = made(&s), out = sign(in, NULL);
    assert_true(testkit_intact(&kit, &msi_format, "a.msi", out));
    assert_true(accepted(out));
    writer_done(&w);
}

struct lie {
    size_t at; /* + 0x10000: of the root entry of the directory; + 0x20000: of the FAT */
    uint8_t value;
    const char *what;
};
enum { ROOT = 0x10000, FAT = 0x20000 };
static const struct lie lies[] = {
    {0, 0, "no magic"},
    {7, 0, "half a magic"},
    {26, 2, "version 2"},
    {26, 4, "version 4 with small sectors"},
    {28, 0xff, "big endian"},
    {30, 12, "large sectors in version 3"},
    {30, 8, "sectors of 256 bytes"},
    {32, 7, "small sectors of 128 bytes"},
    {44, 0, "no table"},
    {44, 9, "a table of nine sectors, two named"},
    {47, 1, "a table of 16 million sectors"},
    {48, 0, "directory in a stream"},
    {48, 0xff, "directory elsewhere"},
    {51, 0x7f, "directory behind the end"},
    {57, 0, "another cut-off"},
    {58, 1, "a large cut-off"},
    {60, 0, "small table in a stream"},
    {63, 1, "small table behind the end"},
    {64, 0, "no small table"},
    {64, 9, "a longer small table"},
    {68, 1, "a table of tables that is not needed"},
    {72, 1, "a table of tables that is not there"},
    {76, 0, "table in a stream"},
    {79, 1, "table behind the end"},
    {80, 1, "table twice"},
    {ROOT + 64, 0, "root without name"},
    {ROOT + 64, 65, "root with a long name"},
    {ROOT + 64, 21, "root with an odd name"},
    {ROOT + 66, 0, "root unused"},
    {ROOT + 66, 1, "root a storage"},
    {ROOT + 66, 7, "root of unknown kind"},
    {ROOT + 68, 1, "root with a sibling"},
    {ROOT + 72, 2, "root with another sibling"},
    {ROOT + 76, 0, "root its own child"},
    {ROOT + 76, 0xff, "root with a child that is not there"},
    {ROOT + 116, 0, "stream of small streams in a stream"},
    {ROOT + 119, 1, "stream of small streams behind the end"},
    {ROOT + 121, 0, "stream of small streams short"},
    {ROOT + 123, 0x7f, "stream of small streams long"},
    {ROOT + 128 + 64, 1, "a name of half a letter"},
    {ROOT + 128 + 66, 5, "a second root"},
    {ROOT + 128 + 66, 3, "an entry of unknown kind"},
    {ROOT + 128 + 66, 0, "an entry out of the tree"},
    {ROOT + 128 + 76, 2, "a stream with a child"},
    {ROOT + 128 + 118, 1, "a small stream behind the end"},
    {ROOT + 128 + 123, 1, "a stream of 16 MiB"},
    {ROOT + 3 * 128 + 116, 3, "a large stream that begins inside itself"},
    {ROOT + 3 * 128 + 121, 0x10, "a large stream shorter than its chain"},
    {ROOT + 3 * 128 + 122, 2, "a large stream longer than its chain"},
    {FAT + 0, 0, "a chain in a circle"},
    {FAT + 0, 0xff, "a chain behind the end"},
    {FAT + 0, 2, "a chain that leaves out a sector"},
    {FAT + 8, 2, "a chain that stands still"},
    {FAT + 1023, 0, "a word for a sector that is not there"},
};

static bool opens(struct reader bytes)
{
    struct arena *a = arena_new(16 << 20);
    struct source in = source_memory(bytes);
    struct file_facts facts;
    struct err e = {0};
    bool ok = msi_format.inspect(a, &in, &facts, &e);
    arena_free(a);
    return ok;
}

static void test_msi_open__refuses_lies(void **state)
{
    (void)state;
    struct reader good = make(3, 1252, "App");
    size_t root = reader_find(good, 0, "R\0o\0o\0t\0", 8);
    struct reader r;
    uint32_t fat;
    assert_true(opens(good) && reader_slice(good, 76 + 4, 4, &r) && reader_u32le(&r, &fat));
    assert_true(reader_slice(good, 76, 4, &r) && reader_u32le(&r, &fat));
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        struct writer w;
        size_t at = lies[i].at & 0xffff;
        at += lies[i].at >= FAT ? ((size_t)fat + 1) * 512 : lies[i].at >= ROOT ? root : 0;
        writer_init(&w, 1 << 20);
        writer_reader(&w, good);
        writer_patch(&w, at, &lies[i].value, 1);
        if (opens(writer_view(&w)))
            fail_msg("%s was opened", lies[i].what);
        writer_done(&w);
    }
    for (size_t n = 0; n < good.left; n += 97)
        assert_false(opens(reader_over(good.at, n)));
    struct writer w;
    writer_init(&w, 1 << 20);
    writer_reader(&w, good);
    writer_zeros(&w, 512 * 512);
    assert_false(opens(writer_view(&w)));
    writer_done(&w);
}

/* The last sector, which is cut, is in the middle of a stream. */
static void test_msi_open__cut_inside_a_stream(void **state)
{
    const struct msi_sample_stream streams[] = {{"large", reader_over(big, 4096), NULL}};
    struct writer w;
    (void)state;
    writer_init(&w, 1 << 20);
    writer_reader(&w, made(&(struct msi_sample){3, streams, 1}));
    assert_int_equal(w.len, 512 * 11); /* header, stream, directory, table */
    const size_t fat = 512 * (size_t)10;
    writer_patch(&w, fat + 4 * 3, "\xff\xff\xff\xff", 4); /* sector 10 in place of sector 3 */
    writer_patch(&w, fat + 4 * 2, "\x0a\0\0\0", 4);
    writer_patch(&w, fat + 4 * 10, "\4\0\0\0", 4);
    writer_bytes(&w, big, 512);
    assert_true(opens(writer_view(&w)));
    assert_false(opens(reader_over(w.data, w.len - 1)));
    writer_done(&w);
}

static int start(void **state)
{
    (void)state;
    uint32_t x = 1;
    for (size_t i = 0; i < BIG; i++) {
        x = x * 1103515245 + 12345;
        big[i] = (uint8_t)(x >> 24);
    }
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
        cmocka_unit_test(test_msi_sign__both_versions_all_hashes),
        cmocka_unit_test(test_msi_sign__does_not_append),
        cmocka_unit_test(test_msi_verify__notices_what_changes),
        cmocka_unit_test(test_msi_verify__no_archive_in_unsigned_room),
        cmocka_unit_test(test_msi_open__names_without_case),
        cmocka_unit_test(test_msi_open__cut_inside_a_stream),
        cmocka_unit_test(test_msi_text__letters_of_two_bytes),
        cmocka_unit_test(test_msi_database__pool_read_in_two_ways),
        cmocka_unit_test(test_msi_inspect__summary_in_code_pages),
        cmocka_unit_test(test_msi_sign__long_table_of_tables),
        cmocka_unit_test(test_msi_open__refuses_lies),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
