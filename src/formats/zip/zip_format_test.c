/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/zip.h"
#include "base/test.h"
#include "formats/format.h"
#include <string.h>

enum { MUCH = 64 * 1024 * 1024 };

static void make_zip(struct writer *w)
{
    static const char *const paths[] = {"bin/app.exe", "docs/", "readme.txt"};
    struct err e = {0};
    struct sink k = sink_memory(w);
    struct zip_writer z;
    zip_writer_init(&z, &k);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct writer scratch;
        writer_init(&scratch, MUCH);
        struct sink s = sink_memory(&scratch);
        struct zip_packed packed;
        bool folder = i == 1;
        struct source text = source_memory(reader_text(folder ? "" : paths[i]));
        struct zip_meta meta = {.path = paths[i], .date = ZIP_DATE_FIXED, .time = 7};
        assert_true(zip_pack(&text, folder ? ZIP_STORED : ZIP_DEFLATED, &s, &packed, &e));
        assert_true(zip_writer_add(&z, &meta, &packed, &e));
        writer_done(&scratch);
    }
    assert_true(zip_writer_finish(&z, reader_text(""), &e));
    zip_writer_done(&z);
}

static void test_zip_format__a_signed_entry_goes_through_prepare_and_repack(void **state)
{
    (void)state;
    struct arena *a = arena_new(MUCH);
    struct budget budget = {
        .max_entries = 100, .max_bytes = 1000, .max_depth = 3, .max_ratio = 1000};
    struct err e = {0};
    struct writer file, scratch, out, text;
    writer_init(&file, MUCH);
    writer_init(&scratch, MUCH);
    writer_init(&out, MUCH);
    writer_init(&text, MUCH);
    make_zip(&file);
    struct source in = source_memory(writer_view(&file));
    struct container *c, *after;
    assert_true(zip_format.probe(writer_view(&file), &in));
    assert_true(zip_format.open(a, &in, &budget, &c, &e));
    assert_int_equal(c->count, 3);
    assert_true(c->entries[1].folder && strcmp(c->entries[1].path, "docs") == 0);
    assert_int_equal(c->entries[0].size, 11);

    struct change changes[] = {
        {.index = 0, .content = source_memory(reader_text("signed app"))},
        {.index = SIZE_MAX,
         .path = "readme.txt.sig",
         .like = 2,
         .content = source_memory(reader_text("signature"))},
    };
    struct sink s = sink_memory(&scratch), k = sink_memory(&out), t = sink_memory(&text);
    assert_true(zip_format.prepare(c, a, &changes[0], &s, &e));
    assert_true(zip_format.repack(c, changes, 2, &k, &e));
    struct source result = sink_view(&k);
    assert_true(zip_format.open(a, &result, &budget, &after, &e));
    assert_int_equal(after->count, 4);
    assert_string_equal(after->entries[3].path, "readme.txt.sig");
    assert_true(zip_format.extract(after, 0, &t, &e));
    assert_true(zip_format.extract(after, 3, &t, &e));
    assert_true(reader_equal_text(writer_view(&text), "signed appsignature"));
    const bool right[] = {true, false, false}, wrong[] = {false, false, true};
    assert_true(zip_format.compare(a, c, after, right, &e));
    assert_false(zip_format.compare(a, c, after, wrong, &e));
    assert_int_equal(e.code, ERR_ZIP_CHANGED);

    writer_done(&file);
    writer_done(&scratch);
    writer_done(&out);
    writer_done(&text);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zip_format__a_signed_entry_goes_through_prepare_and_repack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
