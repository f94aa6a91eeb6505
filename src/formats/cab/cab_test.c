/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "formats/cab/cab.h"
#include "formats/cab/cab_sample.h"
#include "formats/testkit.h"
#include <stdio.h>
#include <string.h>

static struct testkit kit;
static const char directive[] = "authenticode-sign";
static const uint16_t kinds[] = {CAB_MSZIP, CAB_STORED};
enum { BIG = 100000 };
static uint8_t big[BIG];

static struct reader make(struct reader reserve, bool small)
{
    const struct cab_sample_file files[] = {
        {"bin\\app.exe", reader_text("the program"), 0},
        {"big.dat", small ? reader_text("x") : reader_over(big, BIG), 0},
        {"empty", reader_text(""), 0},
        {"read me.txt", reader_text("hello hello hello"), 0},
        {"stored.dat", small ? reader_text("y") : reader_over(big, BIG / 2), 1},
    };
    const struct cab_sample s = {files, COUNT_OF(files), kinds, COUNT_OF(kinds), reserve};
    struct writer w;
    writer_init(&w, 1 << 20);
    cab_sample(&w, &s);
    struct reader bytes = arena_bytes(kit.arena, writer_view(&w));
    assert_non_null(bytes.at);
    writer_done(&w);
    return bytes;
}

static const struct reader none = {0};

static bool accepted(struct reader file)
{
    return !testkit_has("osslsigncode") || testkit_osslsigncode(&kit, "a.cab", file);
}

static struct reader sign(struct reader in, const char *const *attributes)
{
    return testkit_signed(&kit, &cab_format, directive, "a.cab", in, attributes);
}

static bool compares(const struct source *before, const struct source *after, struct err *e)
{
    static const bool unchanged[16];
    struct cab *x, *y;
    return cab_open(kit.arena, before, NULL, &x, e) && cab_open(kit.arena, after, NULL, &y, e) &&
           cab_compare(x, y, unchanged, e);
}

static void test_cab_sign__with_and_without_reserve(void **state)
{
    static const char *const hashes[] = {"sha1", "sha256", "sha384", "sha512"};
    static const uint8_t zeros[300];
    static const uint8_t blocks[] = {3, 0, 0, 0, 'a', 'b', 'c', 0, 0};
    const struct reader reserves[] = {none, reader_over(zeros, 20), reader_over(zeros, 300),
                                      reader_over(blocks, sizeof blocks)};
    (void)state;
    for (size_t i = 0; i < 16; i++) {
        const char *const attributes[] = {"hash-algorithm", hashes[i % 4], NULL};
        struct reader in = make(reserves[i / 4], false), out = sign(in, attributes);
        struct source before = source_memory(in), after = source_memory(out);
        struct err e = {0};
        assert_true(testkit_intact(&kit, &cab_format, "a.cab", out));
        assert_true(compares(&before, &after, &e));
        if (i / 4 < 2) /* osslsigncode knows a reserve of 20 bytes only */
            assert_true(accepted(out));
        assert_true(reader_equal(sign(out, attributes), out)); /* replaced by itself */
    }
}

static void test_cab_sign__append_nests(void **state)
{
    static const char *const append[] = {"append", "true", "hash-algorithm", "sha384", NULL};
    struct signature *list;
    size_t count;
    struct err e = {0};
    (void)state;
    struct reader dual = sign(sign(make(none, false), NULL), append);
    assert_true(
        testkit_verify(&kit, &cab_format, NULL, "a.cab", dual, none, NULL, &list, &count, &e));
    assert_int_equal(count, 2);
    assert_true(list[0].intact && list[1].intact && list[1].content_hash == HASH_SHA384);
    assert_true(accepted(dual));
}

static void test_cab_verify__notices_every_flipped_byte(void **state)
{
    (void)state;
    struct reader in = make(none, true), out = sign(in, NULL);
    assert_int_equal(testkit_damage(&kit, &cab_format, "a.cab", out, 0, in.left + 24), 0);
}

static struct container *opened(struct reader bytes, struct budget *budget)
{
    struct container *c;
    struct err e = {0};
    struct source in = source_memory(bytes);
    if (!cab_format.open(kit.arena, &in, budget, &c, &e))
        fail_msg("%s %s", e.user, e.detail);
    return c;
}

static struct reader content(const struct container *c, size_t index)
{
    struct writer w;
    struct err e = {0};
    writer_init(&w, 1 << 20);
    struct sink k = sink_memory(&w);
    if (!cab_format.extract(c, index, &k, &e))
        fail_msg("%s %s", e.user, e.detail);
    struct reader r = arena_bytes(kit.arena, writer_view(&w));
    writer_done(&w);
    return r;
}

static struct reader repacked(const struct container *c, const struct change *changes, size_t n)
{
    struct writer w;
    struct err e = {0};
    writer_init(&w, 4 << 20);
    struct sink k = sink_memory(&w);
    if (!cab_format.repack(c, changes, n, &k, &e))
        fail_msg("%s %s", e.user, e.detail);
    struct reader r = arena_bytes(kit.arena, writer_view(&w));
    writer_done(&w);
    return r;
}

static struct budget much(void)
{
    return (struct budget){
        .max_entries = 10000, .max_bytes = 1 << 28, .max_depth = 3, .max_ratio = 1000};
}

static void test_cab_repack__changes_what_it_should(void **state)
{
    (void)state;
    struct budget budget = much();
    struct container *c = opened(sign(make(none, false), NULL), &budget);
    const struct change changes[] = {
        {.index = 0, .content = source_memory(reader_over(big, 70000))},
        {.index = 3, .content = source_memory(reader_text("new"))}};
    struct reader out = repacked(c, changes, 2);
    assert_true(reader_equal(out, repacked(c, changes, 2)));
    struct container *d = opened(out, &budget);
    assert_int_equal(d->count, 5);
    assert_string_equal(d->entries[0].path, "bin/app.exe");
    assert_true(reader_equal(content(d, 0), reader_over(big, 70000)));
    assert_true(reader_equal(content(d, 1), reader_over(big, BIG)));
    assert_true(reader_equal_text(content(d, 2), ""));
    assert_true(reader_equal_text(content(d, 3), "new"));
    assert_true(reader_equal(content(d, 4), reader_over(big, BIG / 2)));
    const bool right[5] = {[0] = true, [3] = true}, wrong[5] = {[0] = true};
    struct err e = {0}, e2 = {0};
    assert_true(cab_format.compare(kit.arena, c, d, right, &e));
    assert_false(cab_format.compare(kit.arena, c, d, wrong, &e2));
    assert_int_equal(e2.code, ERR_VERIFY_CHANGED);
    assert_true(accepted(sign(out, NULL)));
    testkit_write("b.cab", out);
    if (testkit_has("cabextract"))
        assert_true(testkit_run("cabextract -t b.cab >/dev/null 2>&1"));
    if (testkit_has("gcab"))
        assert_true(testkit_run("gcab -t b.cab >/dev/null 2>&1"));
}

/* A cabinet with one folder of two files that are `big`, in LZX blocks that say "not compressed",
 * as no tool of ours packs better. Bits come in words of 16, the highest first. */
static void lzx_sample(struct writer *w, uint16_t kind)
{
    enum { SIZE = 70000, FIRST = 50000, FILES = 2 * (16 + 6) };
    const size_t data = CAB_HEADER + CAB_FOLDER + FILES;
    writer_text(w, "MSCF");
    writer_u32le(w, 0);
    writer_u32le(w, (uint32_t)(data + 3 * 8 + 16 + SIZE));
    writer_u32le(w, 0);
    writer_u32le(w, CAB_HEADER + CAB_FOLDER);
    writer_u32le(w, 0);
    const uint16_t words[] = {0x0103, 1, 2, 0, 1, 0};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        writer_u16le(w, words[i]);
    writer_u32le(w, (uint32_t)data);
    writer_u16le(w, 3);
    writer_u16le(w, kind);
    for (uint32_t i = 0; i < 2; i++) {
        writer_u32le(w, i == 0 ? FIRST : SIZE - FIRST);
        writer_u32le(w, i == 0 ? 0 : FIRST);
        writer_u16le(w, 0);
        writer_u32le(w, 0x60005a21);
        writer_u16le(w, 0x20);
        writer_bytes(w, i == 0 ? "a.exe" : "b.txt", 6);
    }
    for (uint32_t at = 0; at < SIZE; at += CAB_BLOCK) {
        uint32_t n = SIZE - at < CAB_BLOCK ? SIZE - at : CAB_BLOCK;
        writer_u32le(w, 0);
        writer_u16le(w, (uint16_t)(n + (at == 0 ? 16 : 0)));
        writer_u16le(w, (uint16_t)n);
        if (at == 0) { /* no translation of calls, kind 3, length, padding; three distances */
            const uint32_t bits = UINT32_C(3) << 28 | (uint32_t)SIZE << 4;
            writer_u16le(w, (uint16_t)(bits >> 16));
            writer_u16le(w, (uint16_t)bits);
            for (int i = 0; i < 3; i++)
                writer_u32le(w, 1);
        }
        writer_bytes(w, &big[at], n);
    }
}

static void test_cab_extract__lzx_is_read_and_becomes_mszip(void **state)
{
    (void)state;
    struct budget budget = much();
    struct writer w, parts[2];
    struct err e = {0};
    writer_init(&w, 1 << 20);
    lzx_sample(&w, CAB_LZX | 16 << 8);
    testkit_write("lzx.cab", writer_view(&w));
    if (testkit_has("cabextract"))
        assert_true(testkit_run("cabextract -t lzx.cab >/dev/null 2>&1"));
    struct container *c = opened(writer_view(&w), &budget);
    assert_true(reader_equal(content(c, 0), reader_over(big, 50000)));
    assert_true(reader_equal(content(c, 1), reader_over(&big[50000], 20000)));
    struct sink sinks[2];
    const size_t order[] = {1, 0};
    for (size_t i = 0; i < 2; i++) {
        writer_init(&parts[i], 1 << 20);
        sinks[i] = sink_memory(&parts[i]);
    }
    assert_true(cab_format.extract_many(c, order, 2, sinks, &e));
    assert_true(reader_equal(writer_view(&parts[0]), reader_over(&big[50000], 20000)));
    assert_true(reader_equal(writer_view(&parts[1]), reader_over(big, 50000)));
    const struct change change = {.index = 0, .content = source_memory(reader_text("new"))};
    const bool changed[] = {true, false}, other[] = {false, true};
    struct container *d = opened(repacked(c, &change, 1), &budget);
    assert_true(reader_equal_text(content(d, 0), "new"));
    assert_true(reader_equal(content(d, 1), reader_over(&big[50000], 20000)));
    assert_true(cab_format.compare(kit.arena, c, d, changed, &e));
    assert_false(cab_format.compare(kit.arena, c, d, other, &e));
    assert_int_equal(e.code, ERR_VERIFY_CHANGED);
    for (size_t i = 0; i < 2; i++)
        writer_done(&parts[i]);
    writer_done(&w);
}

static void test_cab_extract__sees_damaged_quantum(void **state)
{
    (void)state;
    struct budget budget = much();
    struct writer w;
    struct err e = {0};
    struct sink k = sink_discard();
    writer_init(&w, 1 << 20);
    lzx_sample(&w, CAB_QUANTUM | 1 << 4 | 16 << 8);
    struct container *c = opened(writer_view(&w), &budget);
    assert_false(cab_format.extract(c, 0, &k, &e));
    assert_int_equal(e.code, ERR_CAB);
    assert_true(accepted(sign(writer_view(&w), NULL))); /* as a whole */
    writer_done(&w);
}

/* Where things are in the cabinet that make(none, true) gives. */
enum { FOLDERS = 36, FILES = 52, FILE2 = FILES + 28 };
struct lie {
    size_t at;
    uint8_t value;
    const char *what;
};
static const struct lie lies[] = {
    {0, 'X', "no magic"},
    {4, 1, "reserved field 1"},
    {8, 0xff, "longer than it is"},
    {8, 1, "shorter than it is"},
    {11, 1, "16 MiB longer"},
    {12, 1, "reserved field 2"},
    {16, 0, "files in the header"},
    {16, 0xff, "files elsewhere"},
    {16, 60, "a gap before the files"},
    {20, 1, "reserved field 3"},
    {24, 2, "version 1.2"},
    {25, 2, "version 2.3"},
    {26, 0, "no folders"},
    {26, 1, "one folder less"},
    {26, 3, "one folder more"},
    {27, 1, "many folders"},
    {28, 0, "no files"},
    {28, 4, "one file less"},
    {28, 6, "one file more"},
    {29, 1, "many files"},
    {30, 1, "previous cabinet"},
    {30, 2, "next cabinet"},
    {30, 3, "middle of a set"},
    {30, 4, "reserve that is not there"},
    {30, 8, "unknown flag"},
    {31, 1, "unknown high flag"},
    {FOLDERS, 0, "data in the header"},
    {FOLDERS + 1, 1, "data behind the end"},
    {FOLDERS + 4, 0, "no blocks"},
    {FOLDERS + 4, 2, "one block more"},
    {FOLDERS + 5, 1, "many blocks"},
    {FOLDERS + 6, 4, "unknown compression"},
    {FOLDERS + 6, 15, "another unknown compression"},
    {FOLDERS + 6, 0, "compressed, said to be stored"},
    {FOLDERS + 8, 0, "second folder over the first"},
    {FOLDERS + 12, 2, "second folder past the end"},
    {FILES, 0, "shorter file"},
    {FILES, 0xff, "longer file"},
    {FILES + 3, 0x80, "2 GiB file"},
    {FILES + 4, 1, "file that begins later"},
    {FILES + 7, 0xff, "file that begins at 4 GiB"},
    {FILES + 8, 1, "file in another folder"},
    {FILES + 8, 2, "file in no folder"},
    {FILES + 8, 0xfd, "file in folder 253"},
    {FILES + 16, '/', "absolute path"},
    {FILES + 16, 0, "empty name"},
    {FILES + 17, ':', "drive letter"},
    {FILES + 18, 7, "control character"},
    {FILE2 + 4, 0, "two files at the same place"},
    {FILE2, 0, "nothing in no file"},
};

static bool usable(struct reader bytes)
{
    struct arena *a = arena_new(16 << 20);
    struct budget budget = much();
    struct source in = source_memory(bytes);
    struct container *c;
    struct err e = {0};
    bool ok = cab_format.open(a, &in, &budget, &c, &e);
    for (size_t i = 0; ok && i < c->count; i++) {
        struct sink nowhere = sink_discard();
        ok = cab_format.extract(c, i, &nowhere, &e);
    }
    arena_free(a);
    return ok;
}

static void test_cab_open__refuses_lies(void **state)
{
    (void)state;
    struct reader good = make(none, true);
    assert_true(usable(good));
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        struct writer w;
        writer_init(&w, 1 << 20);
        writer_reader(&w, good);
        writer_patch(&w, lies[i].at, &lies[i].value, 1);
        if (usable(writer_view(&w)))
            fail_msg("%s was opened", lies[i].what);
        writer_done(&w);
    }
    struct writer w;
    writer_init(&w, 1 << 20);
    writer_reader(&w, good);
    writer_u8(&w, 0);
    assert_false(usable(writer_view(&w))); /* a byte behind the end */
    writer_done(&w);
    for (size_t n = 0; n < good.left; n++)
        assert_false(usable(reader_over(good.at, n)));
}

static void test_cab_sign__refuses_a_foreign_reserve(void **state)
{
    (void)state;
    struct reader out;
    struct err e = {0};
    assert_false(testkit_sign(&kit, &cab_format, directive, "a.cab",
                              make(reader_text("somebody's own header bytes"), true), NULL, &out,
                              &e));
    assert_non_null(strstr(e.user, "unknown kind"));
}

static int start(void **state)
{
    (void)state;
    uint32_t x = 1;
    for (size_t i = 0; i < BIG; i++) {
        x = x * 1103515245 + 12345;
        big[i] = (uint8_t)(x >> 28); /* compresses, but not to nothing */
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
        cmocka_unit_test(test_cab_sign__with_and_without_reserve),
        cmocka_unit_test(test_cab_sign__append_nests),
        cmocka_unit_test(test_cab_verify__notices_every_flipped_byte),
        cmocka_unit_test(test_cab_repack__changes_what_it_should),
        cmocka_unit_test(test_cab_extract__lzx_is_read_and_becomes_mszip),
        cmocka_unit_test(test_cab_extract__sees_damaged_quantum),
        cmocka_unit_test(test_cab_open__refuses_lies),
        cmocka_unit_test(test_cab_sign__refuses_a_foreign_reserve),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
