/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/zip.h"
#include "base/test.h"
#include <string.h>

enum { MUCH = 64 * 1024 * 1024 };

struct bed {
    struct arena *a;
    struct writer file, scratch, out;
    struct err e;
};

static int set_up(void **state)
{
    struct bed *b = test_calloc(1, sizeof *b);
    b->a = arena_new(MUCH);
    writer_init(&b->file, MUCH);
    writer_init(&b->scratch, MUCH);
    writer_init(&b->out, MUCH);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *b = *state;
    arena_free(b->a);
    writer_done(&b->file);
    writer_done(&b->scratch);
    writer_done(&b->out);
    test_free(b);
    return 0;
}

static struct zip_packed pack(struct bed *b, const char *text, uint16_t method)
{
    struct zip_packed packed;
    struct source content = source_memory(reader_text(text));
    writer_reset(&b->scratch);
    struct sink k = sink_memory(&b->scratch);
    assert_true(zip_pack(&content, method, &k, &packed, &b->e));
    packed.data.mem = arena_bytes(b->a, reader_over(packed.data.mem, packed.data.size)).at;
    return packed;
}

static void add(struct bed *b, struct zip_writer *w, const char *path, const char *text)
{
    struct zip_packed packed = pack(b, text, text[0] == '!' ? ZIP_STORED : ZIP_DEFLATED);
    struct zip_meta meta = {.path = path,
                            .time = 77,
                            .date = 999,
                            .made_by = 0x314,
                            .external = UINT32_C(0100644) << 16};
    assert_true(zip_writer_add(w, &meta, &packed, &b->e));
}

/* a.txt deflated, d/b.bin stored, grüße.txt deflated */
static struct zip *sample(struct bed *b, unsigned profile)
{
    struct sink k = sink_memory(&b->file);
    struct zip_writer w;
    zip_writer_init(&w, &k);
    add(b, &w, "a.txt", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    add(b, &w, "d/b.bin", "!not compressed");
    add(b, &w,
        "gr\xc3\xbc\xc3\x9f"
        "e.txt",
        "hello hello hello");
    assert_true(zip_writer_finish(&w, reader_text("a comment"), &b->e));
    zip_writer_done(&w);
    struct source in = sink_view(&k);
    struct zip *z = NULL;
    assert_true(zip_open(b->a, &in, profile, NULL, &z, &b->e));
    return z;
}

static const struct zip_entry *entry_of(const struct zip *z, const char *path)
{
    for (size_t i = 0; i < z->count; i++)
        if (strcmp(z->entries[i].path, path) == 0)
            return &z->entries[i];
    return NULL;
}

static const char *content(struct bed *b, const struct zip *z, const char *path)
{
    const struct zip_entry *x = entry_of(z, path);
    if (x == NULL)
        return NULL;
    struct writer out;
    writer_init(&out, MUCH);
    struct sink k = sink_memory(&out);
    assert_true(zip_extract(z, (size_t)(x - z->entries), &k, &b->e));
    const char *ret = arena_text(b->a, writer_view(&out));
    writer_done(&out);
    return ret;
}

static struct zip *repacked(struct bed *b, const struct zip *z, const struct zip_change *changes,
                            size_t count)
{
    struct zip *after = NULL;
    struct sink k = sink_memory(&b->out);
    assert_true(zip_repack(z, changes, count, NULL, &k, &b->e));
    struct source in = sink_view(&k);
    assert_true(zip_open(b->a, &in, 0, NULL, &after, &b->e));
    return after;
}

static void test_zip__writes_and_reads(void **state)
{
    struct bed *b = *state;
    struct zip *z = sample(b, 0);
    assert_int_equal(z->count, 3);
    assert_string_equal(content(b, z, "d/b.bin"), "!not compressed");
    assert_string_equal(content(b, z,
                                "gr\xc3\xbc\xc3\x9f"
                                "e.txt"),
                        "hello hello hello");
    assert_true(reader_equal_text(z->comment, "a comment"));
    assert_int_equal(z->entries[2].flags, ZIP_FLAG_UTF8);
    assert_int_equal(z->entries[0].time, 77);
    assert_null(entry_of(z, "d"));
}

static void test_zip_repack__nothing_changed_is_the_same_file(void **state)
{
    struct bed *b = *state;
    struct zip *z = sample(b, 0);
    (void)repacked(b, z, NULL, 0);
    assert_true(reader_equal(writer_view(&b->file), writer_view(&b->out)));
}

static void test_zip_repack__replaces_in_place_and_adds_behind(void **state)
{
    struct bed *b = *state;
    struct zip *z = sample(b, 0);
    const struct zip_change changes[] = {
        {.action = ZIP_REPLACE, .index = 1, .packed = pack(b, "!something longer than it was", 0)},
        {.action = ZIP_ADD, .index = 0, .path = "a.txt.sig", .packed = pack(b, "signature", 8)},
        {.action = ZIP_ADD, .index = SIZE_MAX, .path = "z", .packed = pack(b, "", 8)},
    };
    struct zip *after = repacked(b, z, changes, 3);
    assert_int_equal(after->count, 5);
    assert_string_equal(content(b, after, "d/b.bin"), "!something longer than it was");
    assert_string_equal(content(b, after, "a.txt.sig"), "signature");
    assert_int_equal(after->entries[3].time, 77);
    assert_int_equal(after->entries[4].date, ZIP_DATE_FIXED);
    bool changed[3] = {false, true, false};
    assert_true(zip_compare(z, after, changed, &b->e));
    changed[1] = false;
    assert_false(zip_compare(z, after, changed, &b->e));
    assert_int_equal(b->e.code, ERR_ZIP_CHANGED);
}

/* One stored entry "a" whose headers have an extra field of one byte each. */
static struct zip *with_extra(struct bed *b, const char *text, char local, char central)
{
    struct reader content = reader_text(text);
    uint32_t crc = deflate_crc(0, content);
    struct zip *z;
    struct writer *w = &b->file;
    size_t directory = 0;
    writer_reset(w);
    for (int second = 0; second < 2; second++) {
        directory = w->len;
        writer_text(w, second ? "PK\1\2\24" : "PK\3\4\24");
        writer_zeros(w, second ? 1 : 0);
        writer_bytes(w, "\24\0\0\0\0\0\0\0\x21", second ? 9 : 0);
        writer_bytes(w, "\0\0\0\0\0\0\0\x21", second ? 0 : 8);
        writer_u8(w, 0);
        writer_u32le(w, crc);
        writer_u32le(w, (uint32_t)content.left);
        writer_u32le(w, (uint32_t)content.left);
        writer_u16le(w, 1);
        writer_u16le(w, 5);
        writer_zeros(w, second ? 14 : 0);
        writer_bytes(w, "a\x99\x99\1\0", 5);
        writer_u8(w, (uint8_t)(second ? central : local));
        writer_reader(w, second ? (struct reader){0} : content);
    }
    size_t size = w->len - directory;
    writer_bytes(w, "PK\5\6\0\0\0\0\1\0\1", 11);
    writer_u8(w, 0);
    writer_u32le(w, (uint32_t)size);
    writer_u32le(w, (uint32_t)directory);
    writer_u16le(w, 0);
    struct source in = source_memory(arena_bytes(b->a, writer_view(w)));
    if (!zip_open(b->a, &in, 0, NULL, &z, &b->e))
        fail_msg("%s %s", b->e.user, b->e.detail);
    return z;
}

/* What stands in front of the data of a changed entry is no room for something else. */
static void test_zip_compare__extra_fields_in_front_of_the_data(void **state)
{
    struct bed *b = *state;
    const struct zip *z = with_extra(b, "one", 'x', 'y');
    const bool changed[1] = {true};
    assert_true(zip_compare(z, with_extra(b, "two", 'x', 'y'), changed, &b->e));
    assert_false(zip_compare(z, with_extra(b, "two", 'z', 'y'), changed, &b->e));
    assert_int_equal(b->e.code, ERR_ZIP_CHANGED);
    b->e = (struct err){0};
    assert_false(zip_compare(z, with_extra(b, "two", 'x', 'z'), changed, &b->e));
}

static void test_zip_repack__removes_and_puts_in_front(void **state)
{
    struct bed *b = *state;
    struct zip *z = sample(b, 0);
    const struct zip_change changes[] = {
        {.action = ZIP_REMOVE, .index = 0},
        {.action = ZIP_ADD,
         .index = SIZE_MAX,
         .path = "first",
         .first = true,
         .packed = pack(b, "1", 0)},
        {.action = ZIP_ADD, .index = SIZE_MAX, .path = "a.txt", .packed = pack(b, "new", 8)},
    };
    struct zip *after = repacked(b, z, changes, 3);
    assert_int_equal(after->count, 4);
    assert_int_equal(entry_of(after, "first")->header, 0);
    assert_string_equal(content(b, after, "a.txt"), "new");
    assert_string_equal(content(b, after, "d/b.bin"), "!not compressed");
}

static void test_zip_repack__refuses_a_name_that_is_there(void **state)
{
    struct bed *b = *state;
    struct zip *z = sample(b, 0);
    const struct {
        const char *path;
        enum err_code code;
    } rows[] = {{"a.txt", ERR_ZIP_DUPLICATE},
                {"a.txt/b", ERR_ZIP_CONFLICT},
                {"../x", ERR_ZIP_TRAVERSAL},
                {"/x", ERR_ZIP_ABSOLUTE}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct zip_change change = {
            .action = ZIP_ADD, .index = SIZE_MAX, .path = rows[i].path, .packed = pack(b, "x", 0)};
        struct sink k = sink_memory(&b->out);
        struct err e = {0};
        assert_false(zip_repack(z, &change, 1, NULL, &k, &e));
        assert_int_equal(e.code, rows[i].code);
    }
}

static void test_zip_repack__keeps_a_block_before_the_directory(void **state)
{
    struct bed *b = *state;
    struct zip *z = sample(b, 0), *with;
    struct source block = source_memory(reader_text("APK block")), in;
    struct sink k = sink_memory(&b->out);
    assert_true(zip_repack(z, NULL, 0, &block, &k, &b->e));
    in = sink_view(&k);
    assert_true(zip_open(b->a, &in, ZIP_BLOCK_BEFORE_DIRECTORY, NULL, &with, &b->e));
    assert_int_equal(with->block.size, 9);
    assert_false(zip_open(b->a, &in, 0, NULL, &with, &b->e));
    assert_int_equal(b->e.code, ERR_ZIP_GAP);
}

static void test_zip_open__any_cut_is_refused(void **state)
{
    struct bed *b = *state;
    struct reader whole;
    (void)sample(b, 0);
    for (size_t n = 0; n < b->file.len; n++) {
        struct err e = {0};
        struct zip *z;
        assert_true(reader_slice(writer_view(&b->file), 0, n, &whole));
        struct source in = source_memory(arena_bytes(b->a, whole));
        assert_false(zip_open(b->a, &in, 0, NULL, &z, &e));
        assert_int_not_equal(e.code, ERR_NONE);
        assert_int_not_equal(e.code, ERR_INTERNAL);
    }
}

/* Whatever bit flips, the file is refused, or it is refused on extraction, or what flipped is
 * something that nobody reads twice (version, time in both...: here the record alone). */
static void test_zip_open__flipped_bits_never_change_content(void **state)
{
    struct bed *b = *state;
    (void)sample(b, 0);
    struct source in = source_memory(writer_view(&b->file));
    for (size_t bit = 0; bit < b->file.len * 8; bit++) {
        struct arena *a = arena_new(MUCH);
        struct err e = {0};
        struct zip *z;
        b->file.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (zip_open(a, &in, 0, NULL, &z, &e))
            for (size_t i = 0; i < z->count; i++) {
                struct writer out;
                writer_init(&out, MUCH);
                struct sink k = sink_memory(&out);
                struct err bad = {0};
                if (zip_extract(z, i, &k, &bad))
                    assert_true(reader_equal_text(
                        writer_view(&out), i == 0   ? "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                                      "aaaaaaaa"
                                           : i == 1 ? "!not compressed"
                                                    : "hello hello hello"));
                writer_done(&out);
            }
        b->file.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        arena_free(a);
    }
}

static void test_zip_open__case_only_duplicates_by_profile(void **state)
{
    struct bed *b = *state;
    struct sink k = sink_memory(&b->file);
    struct zip_writer w;
    struct zip *z;
    zip_writer_init(&w, &k);
    add(b, &w, "\xc3\x84.class", "1");
    add(b, &w, "\xc3\xa4.class", "2");
    assert_true(zip_writer_finish(&w, reader_text(""), &b->e));
    zip_writer_done(&w);
    struct source in = sink_view(&k);
    assert_true(zip_open(b->a, &in, 0, NULL, &z, &b->e));
    assert_false(zip_open(b->a, &in, ZIP_UNIQUE_FOLDED, NULL, &z, &b->e));
    assert_int_equal(b->e.code, ERR_ZIP_CASE);
}

static void test_zip_open__pays_for_entries(void **state)
{
    struct bed *b = *state;
    (void)sample(b, 0);
    struct budget budget = {.max_entries = 2, .max_bytes = 1, .max_ratio = 1, .max_depth = 1};
    struct source in = source_memory(writer_view(&b->file));
    struct zip *z;
    assert_false(zip_open(b->a, &in, 0, &budget, &z, &b->e));
    assert_int_equal(b->e.code, ERR_FILE_LIMIT);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_zip__writes_and_reads),
        T(test_zip_repack__nothing_changed_is_the_same_file),
        T(test_zip_repack__replaces_in_place_and_adds_behind),
        T(test_zip_compare__extra_fields_in_front_of_the_data),
        T(test_zip_repack__removes_and_puts_in_front),
        T(test_zip_repack__refuses_a_name_that_is_there),
        T(test_zip_repack__keeps_a_block_before_the_directory),
        T(test_zip_open__any_cut_is_refused),
        T(test_zip_open__flipped_bits_never_change_content),
        T(test_zip_open__case_only_duplicates_by_profile),
        T(test_zip_open__pays_for_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
