/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "base/text.h"
#include "formats/powershell/powershell.h"
#include "formats/testkit.h"
#include <string.h>

static const char directive[] = "authenticode-sign";
static struct testkit kit;

enum form { PLAIN, MARKED, LITTLE, BIG, FORMS };

/* The text in one of the encodings; the caller frees w. */
static struct reader encoded(struct writer *w, const char *text, enum form form)
{
    writer_init(w, 1 << 20);
    if (form == MARKED)
        writer_text(w, "\xef\xbb\xbf");
    if (form == LITTLE)
        writer_bytes(w, "\xff\xfe", 2);
    if (form == BIG)
        writer_bytes(w, "\xfe\xff", 2);
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
    struct reader out = testkit_signed(&kit, &powershell_format, directive, name, in, NULL);
    assert_true(reader_starts_with(out, in.at, in.left)); /* not a byte of the text changes */
    assert_true(testkit_verify(&kit, &powershell_format, NULL, name, out, (struct reader){0}, NULL,
                               &s, &count, &e));
    assert_int_equal(count, 1);
    assert_true(s->intact && s->stamped);
    assert_string_equal(attribute_value(&s->details, "description"), name);
    struct reader again = testkit_signed(&kit, &powershell_format, directive, name, out, NULL);
    assert_true(reader_equal(out, again)); /* replaced by itself */
    if (form != BIG)                       /* osslsigncode 2.9 does not know UTF-16BE */
        assert_true(testkit_osslsigncode(&kit, name, out));
    writer_done(&w);
}

static void test_powershell__every_encoding_line_end_and_extension(void **state)
{
    static const char *const texts[] = {"Write-Host 1",
                                        "Write-Host 1\n",
                                        "a\r\nb\r\n\r\n",
                                        "a\rb\r",
                                        "\n",
                                        "\r\n",
                                        "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x8e\n"};
    static const char *const names[] = {"a.ps1",  "b.PSM1",  "c.psd1", "d.ps1xml",
                                        "e.psc1", "f.cdxml", "g.mof"};
    (void)state;
    if (!testkit_has_osslsigncode())
        skip();
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        for (enum form form = PLAIN; form < FORMS; form++)
            check_one("a.ps1", texts[i], form);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        for (enum form form = PLAIN; form < FORMS; form++)
            check_one(names[i], texts[2], form);
}

static void test_powershell__hashes(void **state)
{
    static const char *const hashes[] = {"sha1", "sha256", "sha384", "sha512"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(hashes); i++) {
        const char *const attributes[] = {
            "hash-algorithm",       hashes[i], "description", "", "description-url",
            "https://example.org/", NULL};
        struct signature *s;
        size_t count;
        struct err e = {0};
        struct reader out = testkit_signed(&kit, &powershell_format, directive, "a.ps1",
                                           reader_text("1\r\n"), attributes);
        assert_true(testkit_verify(&kit, &powershell_format, NULL, "a.ps1", out, (struct reader){0},
                                   NULL, &s, &count, &e));
        assert_true(s->intact);
        assert_string_equal(hash_name(s->content_hash), hashes[i]);
        assert_null(attribute_value(&s->details, "description"));
        assert_string_equal(attribute_value(&s->details, "url"), "https://example.org/");
    }
}

static void check_digest(struct reader file, enum script_reading reading, struct reader want)
{
    struct script s;
    struct digest_value a, b;
    const struct script_style *style;
    struct err e = {0};
    assert_true(script_style_of(&powershell_kind, "a.ps1", &style, &e));
    assert_true(script_parse(file, &powershell_kind, style, &s, &e));
    assert_true(script_digest(&s, HASH_SHA256, reading, &a, &e));
    assert_true(digest_of(HASH_SHA256, want, &b, &e));
    assert_true(reader_equal(digest_view(&a), digest_view(&b)));
}

/* What is hashed is the text in UTF-16LE, its byte order mark included. */
static void test_powershell_digest__is_over_utf16(void **state)
{
    (void)state;
    const struct reader wide = reader_over("h\0\xe9\0", 4);
    const struct reader marked = reader_over("\xff\xfeh\0\xe9\0", 6);
    check_digest(reader_text("h\xc3\xa9"), SCRIPT_AS_UTF8, wide);
    check_digest(reader_text("\xef\xbb\xbfh\xc3\xa9"), SCRIPT_AS_UTF8, marked);
    check_digest(reader_over("\xfe\xff\0h\0\xe9", 6), SCRIPT_AS_UTF8, marked);
    check_digest(marked, SCRIPT_AS_UTF8, marked);
    check_digest(reader_text("h\xe9"), SCRIPT_AS_WINDOWS_1252, wide);
    check_digest(reader_text("h\x96"), SCRIPT_AS_WINDOWS_1252, reader_over("h\0\x13\x20", 4));
    check_digest(reader_text("h\x96"), SCRIPT_AS_UTF8, reader_over("h\0\xfd\xff", 4));
    check_digest(reader_text("h\xc3\xa9\r\n# SIG # Begin signature block\r\n# QUJD\r\n"
                             "# SIG # End signature block\r\n"),
                 SCRIPT_AS_UTF8, wide);
}

static void refused(const char *name, struct reader in, const char *const *attributes,
                    const char *says)
{
    struct reader out;
    struct err e = {0};
    assert_false(testkit_sign(&kit, &powershell_format, directive, name, in, attributes, &out, &e));
    assert_non_null(strstr(e.user, says));
}

static void test_powershell_sign__refuses_with_reasons(void **state)
{
    static const char *const append[] = {"append", "true", NULL};
    static const char *const hash[] = {"hash-algorithm", "md5", NULL};
    (void)state;
    struct reader text = reader_text("1\r\n");
    refused("a.ps1", text, append, "replaces");
    refused("a.ps1", text, hash, "sha256");
    refused("a.txt", text, NULL, "psm1");
    refused("ps1", text, NULL, "psm1");
    refused("a.ps1",
            reader_over("1\0"
                        "2",
                        3),
            NULL, "NUL");
    refused("a.ps1",
            reader_over("\xff\xfe"
                        "1",
                        3),
            NULL, "middle");
    refused("a.ps1", reader_text(""), NULL, "empty");
    refused("a.ps1", reader_text("1\r\n# SIG # Begin signature block\r\n# QUJD\r\n"), NULL, "end");
    refused("a.ps1",
            reader_text("1\r\n# SIG # Begin signature block\r\n# QUJD\r\n"
                        "# SIG # End signature block\r\nStop-Computer\r\n"),
            NULL, "after its signature block");
    kit.refuse = true;
    refused("a.ps1", reader_text("2\r\n"), NULL, "");
    kit.refuse = false;
}

static void test_powershell_verify__tells_what_is_wrong(void **state)
{
    (void)state;
    struct signature *s;
    size_t count;
    struct err e = {0};
    assert_true(testkit_verify(&kit, &powershell_format, NULL, "a.ps1", reader_text("1\r\n"),
                               (struct reader){0}, NULL, &s, &count, &e));
    assert_int_equal(count, 0);
    assert_true(testkit_verify(&kit, &powershell_format, NULL, "a.ps1",
                               reader_text("1\r\n# SIG # Begin signature block\r\nQUJD\r\n"
                                           "# SIG # End signature block\r\n"),
                               (struct reader){0}, NULL, &s, &count, &e));
    assert_true(count == 1 && !s->intact && strstr(s->problem, "damaged") != NULL);
    struct reader xml =
        testkit_signed(&kit, &powershell_format, directive, "a.ps1xml", reader_text("<a/>"), NULL);
    assert_true(testkit_verify(&kit, &powershell_format, NULL, "a.ps1", xml, (struct reader){0},
                               NULL, &s, &count, &e));
    assert_int_equal(count, 0); /* the comment style belongs to the extension */
    struct reader cut =
        testkit_signed(&kit, &powershell_format, directive, "a.ps1", reader_text("1"), NULL);
    cut.left -= 2; /* the line end of the last line */
    assert_true(testkit_verify(&kit, &powershell_format, NULL, "a.ps1", cut, (struct reader){0},
                               NULL, &s, &count, &e));
    assert_true(count == 1 && !s->intact);
    struct reader again = testkit_signed(&kit, &powershell_format, directive, "a.ps1", cut, NULL);
    assert_int_equal(again.left, cut.left + 2);
}

/* Of the text and the block nothing may change; the certificate inside has its own signature. */
static void test_powershell_verify__damage(void **state)
{
    (void)state;
    static const char *const names[] = {"a.ps1", "a.ps1xml"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct reader text = reader_text("Write-Host 'x'\r\nexit\r\n");
        struct reader out =
            testkit_signed(&kit, &powershell_format, directive, names[i], text, NULL);
        assert_int_equal(testkit_damage(&kit, &powershell_format, names[i], out, 0, text.left + 40),
                         0);
        size_t most =
            testkit_damage(&kit, &powershell_format, names[i], out, text.left + 40, SIZE_MAX);
        /* base64 of both certificates, and the time stamp, which is judged apart */
        assert_in_range(most, 1, FLIPS_MAX * 7 / 8);
    }
}

static void test_powershell_inspect__counts(void **state)
{
    (void)state;
    struct file_facts facts;
    struct err e = {0};
    struct reader out =
        testkit_signed(&kit, &powershell_format, directive, "a.mof", reader_text("x"), NULL);
    const struct source signed_in = source_memory(out), plain = source_memory(reader_text("x"));
    assert_true(powershell_format.inspect(kit.arena, &signed_in, &facts, &e));
    assert_int_equal(facts.signatures, 1);
    assert_true(powershell_format.inspect(kit.arena, &plain, &facts, &e));
    assert_int_equal(facts.signatures, 0);
}

static void test_powershell_unchanged__compares_the_text(void **state)
{
    static const char *const names[] = {"a.psd1", "a.cdxml", "a.mof"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct err e = {0}, text = {0}, none = {0};
        struct reader out = testkit_signed(&kit, &powershell_format, directive, names[i],
                                           reader_text("one\n"), NULL);
        const struct source after = source_memory(out),
                            before = source_memory(reader_text("one\n"));
        const struct source other = source_memory(reader_text("two\n"));
        assert_true(powershell_format.unchanged(kit.arena, &before, &after, &e));
        assert_true(powershell_format.unchanged(kit.arena, &after, &after, &e));
        assert_false(powershell_format.unchanged(kit.arena, &other, &after, &text));
        assert_int_equal(text.code, ERR_VERIFY_CHANGED);
        assert_false(powershell_format.unchanged(kit.arena, &before, &before, &none));
    }
}

static void test_powershell__every_allocation_fails_once(void **state)
{
    (void)state;
    testkit_faults(&kit, &powershell_format, directive, "a.ps1", reader_text("1\r\n"), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_powershell__every_encoding_line_end_and_extension),
        cmocka_unit_test(test_powershell__hashes),
        cmocka_unit_test(test_powershell_digest__is_over_utf16),
        cmocka_unit_test(test_powershell_sign__refuses_with_reasons),
        cmocka_unit_test(test_powershell_verify__tells_what_is_wrong),
        cmocka_unit_test(test_powershell_verify__damage),
        cmocka_unit_test(test_powershell_inspect__counts),
        cmocka_unit_test(test_powershell_unchanged__compares_the_text),
        cmocka_unit_test(test_powershell__every_allocation_fails_once),
    };
    return testkit_tests(&kit, "ec-p256", tests, COUNT_OF(tests));
}
