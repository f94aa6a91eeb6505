/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "base/text.h"
#include "formats/testkit.h"
#include "formats/wscript/wscript.h"
#include <string.h>

static const char directive[] = "authenticode-sign";
static struct testkit kit;

static const char wsf[] = "<?xml version=\"1.0\" ?>\r\n<job>\r\n<script language=\"VBScript\">\r\n"
                          "WScript.echo 1\r\n</script>\r\n</job>\r\n";

enum form { PLAIN, MARKED, LITTLE, BIG, FORMS };

/* The text in one of the encodings; the caller frees w. */
static struct reader encoded(struct writer *w, const char *text, enum form form)
{
    static const char *const marks[FORMS] = {"", "\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"};
    writer_init(w, 1 << 20);
    writer_text(w, marks[form]);
    if (form == PLAIN || form == MARKED)
        writer_text(w, text);
    else
        assert_true(text_to_utf16(w, reader_text(text), form == BIG));
    return writer_view(w);
}

static void check_one(const char *name, const char *text, enum form form)
{
    struct writer w;
    struct signature *s;
    size_t count;
    struct err e = {0};
    struct reader in = encoded(&w, text, form);
    struct reader out = testkit_signed(&kit, &wscript_format, directive, name, in, NULL);
    assert_true(testkit_verify(&kit, &wscript_format, NULL, name, out, (struct reader){0}, NULL, &s,
                               &count, &e));
    assert_int_equal(count, 1);
    assert_true(s->intact && s->stamped);
    const struct source before = source_memory(in), after = source_memory(out);
    assert_true(wscript_format.unchanged(kit.arena, &before, &after, &e));
    struct reader again = testkit_signed(&kit, &wscript_format, directive, name, out, NULL);
    assert_true(reader_equal(out, again)); /* replaced by itself */
    writer_done(&w);
}

static void test_wscript__every_language_and_encoding(void **state)
{
    static const char *const texts[] = {"x", "x\n", "a\r\nb\r\n\r\n",
                                        "\xc3\xa9 \xf0\x9f\x98\x8e\n"};
    (void)state;
    for (enum form form = PLAIN; form < FORMS; form++) {
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
            check_one("a.vbs", texts[i], form);
            check_one("A.JS", texts[i], form);
        }
        check_one("a.wsf", wsf, form);
        check_one("a.wsf", "<package><job>\xc3\xa9</job><job></job></package>", form);
    }
}

static struct reader digest_of_script(const char *name, struct reader file)
{
    struct script s;
    struct digest_value v;
    const struct script_style *style;
    struct err e = {0};
    assert_true(script_style_of(&wscript_kind, name, &style, &e));
    assert_true(script_parse(file, &wscript_kind, style, &s, &e));
    assert_true(script_digest(&s, HASH_SHA256, script_reading_of(&s), &v, &e));
    return arena_bytes(kit.arena, digest_view(&v));
}

static void check_digest(const char *name, struct reader file, struct reader want)
{
    struct digest_value v;
    struct err e = {0};
    assert_true(digest_of(HASH_SHA256, want, &v, &e));
    assert_true(reader_equal(digest_of_script(name, file), digest_view(&v)));
}

/* UTF-16LE without mark, then the number of characters before the block. */
static void test_wscript_digest__ends_in_the_place_of_the_block(void **state)
{
    (void)state;
    const struct reader wide = reader_over("h\0\xe9\0\2\0\0\0", 8);
    check_digest("a.vbs", reader_text("h\xe9"), wide);
    check_digest("a.vbs", reader_text("\xef\xbb\xbfh\xc3\xa9"), wide);
    check_digest("a.js", reader_over("\xff\xfeh\0\xe9\0", 6), wide);
    check_digest("a.js", reader_over("\xfe\xff\0h\0\xe9", 6), wide);
    /* by the code page, even where it could be UTF-8 */
    check_digest("a.js", reader_text("\xc3\xa9"), reader_over("\xc3\0\xa9\0\2\0\0\0", 8));
    check_digest("a.vbs", reader_text("\x80"), reader_over("\xac\x20\1\0\0\0", 6));
    check_digest("a.wsf", reader_text("\xc3\xa9</job>"),
                 reader_over("\xe9\0<\0/\0j\0o\0b\0>\0\1\0\0\0", 18));
    check_digest("a.wsf", reader_text("\xe9</job>"),
                 reader_over("\xe9\0<\0/\0j\0o\0b\0>\0\1\0\0\0", 18));
    check_digest("a.vbs",
                 reader_text("h\xe9\r\n'' SIG '' Begin signature block\r\n'' SIG '' QUJD\r\n"
                             "'' SIG '' End signature block\r\n"),
                 wide);
}

/* Where signtool puts the block and how it wraps it. */
static void test_wscript_sign__form_of_the_block(void **state)
{
    (void)state;
    struct reader vbs =
        testkit_signed(&kit, &wscript_format, directive, "a.vbs", reader_text("x\r\n"), NULL);
    assert_true(
        reader_starts_with(vbs, "x\r\n\r\n'' SIG '' Begin signature block\r\n'' SIG '' MII", 50));
    size_t first = reader_find(vbs, 0, "'' SIG '' MII", 13);
    assert_int_equal(reader_find(vbs, first, "\r\n", 2), first + 10 + 44);
    struct reader out =
        testkit_signed(&kit, &wscript_format, directive, "a.wsf", reader_text(wsf), NULL);
    size_t at = strlen(wsf) - strlen("</job>\r\n");
    assert_true(reader_starts_with(out, wsf, at));
    assert_int_equal(reader_find(out, 0, "\r\n<signature>\r\n** SIG ** MII", 27), at);
    size_t end = reader_find(out, 0, "</signature>\r\n</job>\r\n", 22);
    assert_int_equal(end + 22, out.left);
}

static void refused(const char *name, struct reader in, const char *const *attributes,
                    const char *says)
{
    struct reader out;
    struct err e = {0};
    assert_false(testkit_sign(&kit, &wscript_format, directive, name, in, attributes, &out, &e));
    assert_non_null(strstr(e.user, says));
}

static void test_wscript_sign__refuses_with_reasons(void **state)
{
    static const char *const append[] = {"append", "true", NULL};
    (void)state;
    refused("a.vbs", reader_text("1"), append, "replaces");
    refused("a.vbe", reader_text("1"), NULL, "vbs js wsf");
    refused("a.js", reader_over("1\0", 2), NULL, "NUL");
    refused("a.js", reader_text(""), NULL, "empty");
    refused("a.wsf", reader_text("<component></component>"), NULL, "</job>");
    refused("a.vbs", reader_text("1\r\n'' SIG '' Begin signature block\r\n'' SIG '' QUJD\r\n"),
            NULL, "no end");
    refused("a.js",
            reader_text("1\r\n// SIG // Begin signature block\r\n// SIG // QUJD\r\n"
                        "// SIG // End signature block\r\nf()\r\n"),
            NULL, "after its signature block");
    refused("a.wsf",
            reader_text("<job>\r\n<signature>\r\n</signature>\r\n<signature>\r\n</signature>\r\n"
                        "</job>"),
            NULL, "two signature blocks");
}

/* A block moved to another place, or text moved around it, is noticed. */
static void test_wscript_verify__the_place_counts(void **state)
{
    (void)state;
    struct reader out =
        testkit_signed(&kit, &wscript_format, directive, "a.wsf", reader_text(wsf), NULL);
    struct writer w;
    struct reader all = out, head, block;
    size_t start = strlen(wsf) - strlen("</job>\r\n"), move = 2;
    size_t end = out.left - strlen("</job>\r\n");
    assert_true(reader_take(&all, start, &head));
    assert_true(reader_take(&all, end - start, &block));
    writer_init(&w, 1 << 20);
    head.left -= move; /* one line end of the text goes behind the block */
    writer_reader(&w, head);
    writer_reader(&w, block);
    writer_text(&w, "\r\n");
    writer_reader(&w, all);
    assert_int_equal(w.len, out.left);
    assert_true(testkit_intact(&kit, &wscript_format, "a.wsf", out));
    assert_false(testkit_intact(&kit, &wscript_format, "a.wsf", writer_view(&w)));
    assert_false(testkit_intact(&kit, &wscript_format, "a.js", out)); /* other comment style */
    writer_done(&w);
}

/* Of the text and the block nothing may change; the certificate inside has its own signature. */
static void test_wscript_verify__damage(void **state)
{
    (void)state;
    static const char *const names[] = {"a.vbs", "a.js", "a.wsf"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct reader out =
            testkit_signed(&kit, &wscript_format, directive, names[i], reader_text(wsf), NULL);
        size_t until = strlen(wsf) - strlen("</job>\r\n");
        assert_int_equal(testkit_damage(&kit, &wscript_format, names[i], out, 0, until), 0);
        size_t most = testkit_damage(&kit, &wscript_format, names[i], out, until, SIZE_MAX);
        /* base64 of both certificates, and the time stamp, which is judged apart */
        assert_in_range(most, 1, FLIPS_MAX * 7 / 8);
    }
}

static void test_wscript_inspect__counts(void **state)
{
    (void)state;
    struct file_facts facts;
    struct err e = {0};
    struct reader out =
        testkit_signed(&kit, &wscript_format, directive, "a.wsf", reader_text(wsf), NULL);
    const struct source signed_in = source_memory(out), plain = source_memory(reader_text(wsf));
    assert_true(wscript_format.inspect(kit.arena, &signed_in, &facts, &e));
    assert_int_equal(facts.signatures, 1);
    assert_true(wscript_format.inspect(kit.arena, &plain, &facts, &e));
    assert_int_equal(facts.signatures, 0);
}

static void test_wscript__every_allocation_fails_once(void **state)
{
    (void)state;
    testkit_faults(&kit, &wscript_format, directive, "a.wsf", reader_text(wsf), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wscript__every_language_and_encoding),
        cmocka_unit_test(test_wscript_digest__ends_in_the_place_of_the_block),
        cmocka_unit_test(test_wscript_sign__form_of_the_block),
        cmocka_unit_test(test_wscript_sign__refuses_with_reasons),
        cmocka_unit_test(test_wscript_verify__the_place_counts),
        cmocka_unit_test(test_wscript_verify__damage),
        cmocka_unit_test(test_wscript_inspect__counts),
        cmocka_unit_test(test_wscript__every_allocation_fails_once),
    };
    return testkit_tests(&kit, "ec-p256", tests, COUNT_OF(tests));
}
