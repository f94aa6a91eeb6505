/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "base/writer.h"
#include "configuration/pattern.h"
#include <string.h>

struct vector {
    const char *pattern, *path;
    bool match;
};

static void check(struct arena *a, const struct vector *v)
{
    struct pattern *p = NULL;
    struct err e = {0};
    if (!pattern_compile_text(a, v->pattern, &p, &e))
        fail_msg("%s: %s", v->pattern, e.user);
    if (pattern_matches(p, v->path) != v->match)
        fail_msg("'%s' on '%s' must%s match", v->pattern, v->path, v->match ? "" : " not");
}

static void test_pattern_matches__vectors(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct vector vectors[] = {
        /* product-spec 6.5 */
        {"m*y", "my first pony", true}, {"th?s", "ths", false}, {"th?s", "th$s", true},
        {"[fb]oo", "Boo", true}, {"[!f]oo", "$oo", true}, {"[!f]oo", "Foo", false},
        {"[0-9]", "7", true}, {"a[*]b", "a*b", true}, {"a[*]b", "axb", false},
        {"*.*", "README", false}, {"**/*.dll", "a.dll", true}, {"**/*.dll", "x/y/A.DLL", true},
        {"*.dll", "x/a.dll", false}, {"bin\\app.exe", "bin/App.EXE", true},
        {"bin/**/x", "bin/x", true},
        /* separators and depth */
        {"bin/app.exe", "BIN\\app.exe", true}, {"a/b", "a", false}, {"a", "a/b", false},
        {"**", "a", true}, {"**", "a/b/c", true}, {"a/**", "a/b", true}, {"a/**", "a/b/c", true},
        {"a/**", "a", false}, {"a/**", "b/a/c", false}, {"**/a", "a", true}, {"**/a", "x/a", true},
        {"**/a", "x/a/b", false}, {"**/**/a", "a", true}, {"a/**/**/b", "a/b", true},
        {"a/**/b/**/c", "a/b/c", true}, {"a/**/b/**/c", "a/x/b/b/y/c", true},
        {"a/**/b/**/c", "a/x/c/y/b", false}, {"**/a/b", "a/a/b", true}, {"**/a/b", "a/b/a", false},
        {"**/*/x", "x", false}, {"**/*/x", "a/x", true}, {"*/x", "a/b/x", false},
        {"**/x?", "q/xy", true}, {"**/**", "a", true},
        /* inside a segment */
        {"*", ".hidden", true}, {"*", "", false}, {"?", "", false}, {"?", "\xc3\xbc", true},
        {"?", "ab", false}, {"*a*b*c", "xxaxxbxxc", true}, {"*a*b*c", "xxaxxbxxcx", false},
        {"a*", "a", true}, {"*a", "a", true}, {"*a*", "bab", true}, {"*.*", ".x", true},
        {"a.b", "axb", false}, {"(a)+{b}|$^", "(A)+{B}|$^", true}, {"a]b", "a]b", true},
        {"*a", "aaaaaaaaab", false}, {"*?", "a", true}, {"*?", "", false}, {"?*?", "a", false},
        /* classes */
        {"[a-c]", "B", true}, {"[A-C]", "b", true}, {"[a-c]", "d", false}, {"[!a-c]", "D", true},
        {"[!a-c]", "A", false}, {"[]]", "]", true}, {"[!]]", "]", false}, {"[!]]", "x", true},
        {"[]a]", "a", true}, {"[-a]", "-", true}, {"[a-]", "-", true}, {"[a-]", "b", false},
        {"[a-c-e]", "-", true}, {"[a-c-e]", "d", false}, {"[?]", "?", true}, {"[?]", "x", false},
        {"[[]", "[", true},
        {"[a!]", "!", true}, {"x[0-9][0-9]", "x42", true}, {"x[0-9][0-9]", "x4", false},
        {"[\xc3\xa0-\xc3\xbe]", "\xc3\x80", true}, {"[\xc3\x80-\xc3\x9e]", "\xc3\xbc", true},
        {"[Z-a]", "z", true}, {"[Z-a]", "^", true}, {"[Z-a]", "y", false},
        {"[\xe2\x84\xaa]", "k", true} /* Kelvin sign folds to k */,
        /* folding, code point by code point */
        {"STRA\xc3\x9f" "E", "stra\xc3\x9f" "e", true}, {"stra\xc3\x9f" "e", "strasse", false},
        {"\xce\xa3", "\xcf\x82", true} /* final sigma */, {"\xd0\x96*", "\xd0\xb6z", true},
        {"\xf0\x90\x90\x80", "\xf0\x90\x90\xa8", true} /* Deseret */,
        {"I", "\xc4\xb1", false} /* dotless i is another letter */,
        /* paths that are none */
        {"*", "/a", false}, {"**", "a//b", false}, {"**", "a/", false}, {"*", "\xff", false},
        {"**", "", false}, {".", "", true}, {".", ".", true}, {".", "a", false},
    };
    /* clang-format on */
    struct arena *a = arena_new(16 << 20);
    for (size_t i = 0; i < COUNT_OF(vectors); i++)
        check(a, &vectors[i]);
    arena_free(a);
}

static void test_pattern_compile__refuses(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *says;
    } bad[] = {
        {"bin**/x", "'**' must stand alone"},
        {"**a", "'**' must stand alone"},
        {"a/***", "'**' must stand alone"},
        {"[a", "no ']'"},
        {"[", "no ']'"},
        {"[]", "no ']'"},
        {"[!]", "no ']'"},
        {"a[b/c]", "cannot hold a separator"},
        {"[c-a]", "goes backwards"},
        {"../x", "'..' is not allowed"},
        {"a\\..", "'..' is not allowed"},
        {"/x", "begins with a separator"},
        {"\\x", "begins with a separator"},
        {"C:x", "drive letter"},
        {"z:\\x", "drive letter"},
        {"a/", "ends with a separator"},
        {"a//b", "empty folder name"},
        {"./a", "'.' is allowed only"},
        {"a/.", "'.' is allowed only"},
        {"", "it is empty"},
        {"a\nb", "control character"},
        {"a\xc2\x85", "control character"},
        {"\xff", "not well-formed UTF-8"},
    };
    struct arena *a = arena_new(1 << 20);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct pattern *p = NULL;
        struct err e = {0};
        assert_false(pattern_compile_text(a, bad[i].pattern, &p, &e));
        assert_int_equal(e.code, ERR_CONFIGURATION_PATTERN);
        if (strstr(e.user, bad[i].says) == NULL)
            fail_msg("'%s': %s", bad[i].pattern, e.user);
        assert_null(p);
    }
    arena_free(a);
}

/* The value of a parameter means itself. */
static void test_pattern_compile__literal_parts(void **state)
{
    (void)state;
    static const struct {
        const char *before, *value, *after, *path;
        bool match;
    } rows[] = {
        {"v", "1*", "", "v12", false},
        {"v", "1*", "", "v1*", true},
        {"", "**", "/x", "**/x", true},
        {"", "**", "/x", "a/x", false},
        {"a", "[b]", "c", "a[B]c", true},
        {"a", "[b]", "c", "abc", false},
        {"", "a/b", "/*", "a/b/c", true},
        {"", "?", "", "x", false},
        {"[", "a-c", "]", "b", false},
        {"[", "a-c", "]", "-", true},
        {"[", "]", "]", "]", true},
        {"*", "x", "*", "axb", true},
        {"x", "", "y", "xy", true},
        {"[!", "^", "]", "^", false},
        /* a value that is empty makes nothing of its neighbours that the author did not write */
        {"*", "", "*", "ab", true},
        {"*", "", "*", "a/b", false},
        {"a/*", "", "*b", "a/x/b", false},
        {"**/", "", "b", "a/x/b", true},
        {"[", "", "!a]", "b", false},
        {"[", "", "!a]", "!", true},
        {"[a", "", "-c]", "b", false},
        {"[a", "", "-c]", "-", true},
        {"[a-", "", "c]", "b", false},
        {"[a-", "", "c]", "c", true},
        {"[", "a", "-c]", "b", true},
        {"[a-", "c", "]", "b", true},
    };
    struct arena *a = arena_new(1 << 20);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct pattern_part parts[] = {
            {rows[i].before, false}, {rows[i].value, true}, {rows[i].after, false}};
        struct pattern *p = NULL;
        struct err e = {0};
        assert_true(pattern_compile(a, parts, 3, &p, &e));
        if (pattern_matches(p, rows[i].path) != rows[i].match)
            fail_msg("row %zu, %s", i, rows[i].path);
    }
    static const struct pattern_part bad[][3] = {
        {{"a[", false}, {"", true}, {"]x[b]", false}}, {{"", false}, {"", true}, {"**", false}},
        {{"**", false}, {"", true}, {"/a", false}},    {{"a/**", false}, {"", true}, {"", false}},
        {{"a/", false}, {"..", true}, {"", false}},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct pattern *p = NULL;
        struct err e = {0};
        assert_false(pattern_compile(a, bad[i], 3, &p, &e));
        assert_int_equal(e.code, ERR_CONFIGURATION_PATTERN);
    }
    arena_free(a);
}

static void refuses_repeated(const char *before, const char *piece, size_t times, const char *after,
                             const char *says)
{
    struct arena *a = arena_new(16 << 20);
    struct writer w;
    struct pattern *p = NULL;
    struct err e = {0};
    writer_init(&w, 1 << 20);
    writer_text(&w, before);
    for (size_t i = 0; i < times; i++)
        writer_text(&w, piece);
    writer_text(&w, after);
    assert_false(pattern_compile_text(a, arena_text(a, writer_view(&w)), &p, &e));
    assert_int_equal(e.code, ERR_CONFIGURATION_PATTERN);
    if (strstr(e.user, says) == NULL)
        fail_msg("%s", e.user);
    writer_done(&w);
    arena_free(a);
}

static void test_pattern_compile__refuses_large_ones(void **state)
{
    (void)state;
    refuses_repeated("", "a", 16385, "", "longer than 16384 bytes");
    refuses_repeated("[", "!-\xf4\x8f\xbf\xbf", 2000, "]", "too many ranges");
    struct arena *a = arena_new(1 << 20);
    check(a, &(struct vector){"[!-\xf4\x8f\xbf\xbf]", "\xc3\xbc", true});
    arena_free(a);
}

/* Doubling the input may double the time, but a backtracking matcher would never end here. */
static void test_pattern_matches__is_not_exponential(void **state)
{
    (void)state;
    enum { MANY = 2000 };
    struct arena *a = arena_new(16 << 20);
    struct writer pattern, path;
    writer_init(&pattern, 1 << 20);
    writer_init(&path, 1 << 20);
    for (int i = 0; i < MANY; i++) {
        writer_text(&pattern, i % 2 == 0 ? "**/*a*a*a/" : "*a*b/");
        writer_text(&path, "aaaaaaaaaaaaaaa/");
    }
    writer_text(&pattern, "b");
    writer_text(&path, "a");
    struct pattern *p = NULL;
    struct err e = {0};
    assert_true(pattern_compile_text(a, arena_text(a, writer_view(&pattern)), &p, &e));
    assert_false(pattern_matches(p, arena_text(a, writer_view(&path))));
    writer_done(&pattern);
    writer_done(&path);
    arena_free(a);
}

static void near(const char *pattern, const char *const *paths, size_t count, const char *expected)
{
    struct arena *a = arena_new(4 << 20);
    struct pattern *p = NULL;
    struct err e = {0};
    const char *hint = NULL;
    assert_true(pattern_compile_text(a, pattern, &p, &e));
    assert_true(pattern_hint(a, p, paths, count, &hint, &e));
    assert_string_equal(hint, expected);
    arena_free(a);
}

static void test_pattern_hint__says_what_is_near(void **state)
{
    (void)state;
    static const char *const deeper[] = {"readme.txt", "dist/wt.exe", "dist/x/wt.exe"};
    near("wt.exe", deeper, 3,
         "Nearest: 'dist/wt.exe' (one folder deeper), 'dist/x/wt.exe' (2 folders deeper).");
    near("*.exe", deeper, 3,
         "Nearest: 'dist/wt.exe' (one folder deeper), 'dist/x/wt.exe' (2 folders deeper).");
    static const char *const higher[] = {"a.dll", "b.dll"};
    near("bin/a.dll", higher, 2, "Nearest: 'a.dll' (without the leading folder).");
    static const char *const spelt[] = {"setup-1.0.msi", "other"};
    near("Setup-1.1.msi", spelt, 2, "Nearest: 'setup-1.0.msi' (differs in one character).");
    static const char *const packed[] = {"app.ZIP"};
    near("wt.exe", packed, 1,
         "The container holds nothing but the ZIP file 'app.ZIP': artifacts of build systems are "
         "often packed twice. Nest another <zip-file>, or upload the inner file.");
    static const char *const folder[] = {"out/a", "out/b/c"};
    near("*.exe", folder, 2,
         "Everything in the container lies in the folder 'out': put it in front of the path.");
    near("out/*.exe", folder, 2, "");
    near("x", NULL, 0, "The container is empty.");
    static const char *const many[] = {"1/f", "2/f", "3/f", "4/f", "5/f", "6/f"};
    near("f", many, 6,
         "Nearest: '1/f' (one folder deeper), '2/f' (one folder deeper), '3/f' (one folder "
         "deeper), '4/f' (one folder deeper), '5/f' (one folder deeper).");
}

static void test_pattern__describes_itself(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);
    struct pattern *p = NULL;
    struct err e = {0};
    assert_true(pattern_compile_text(a, "a/**/b", &p, &e));
    assert_string_equal(pattern_text(p), "a/**/b");
    assert_true(pattern_has_wildcards(p));
    assert_false(pattern_is_name(p));
    assert_true(pattern_compile_text(a, "**/**", &p, &e));
    assert_false(pattern_is_name(p));
    assert_true(pattern_compile_text(a, "*.exe", &p, &e));
    assert_true(pattern_is_name(p));
    assert_true(pattern_compile_text(a, "a\\b", &p, &e));
    assert_false(pattern_has_wildcards(p));
    assert_false(pattern_is_root(p));
    assert_true(pattern_compile_text(a, ".", &p, &e));
    assert_true(pattern_is_root(p));
    assert_false(pattern_is_name(p));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pattern_matches__vectors),
        cmocka_unit_test(test_pattern_compile__refuses),
        cmocka_unit_test(test_pattern_compile__literal_parts),
        cmocka_unit_test(test_pattern_compile__refuses_large_ones),
        cmocka_unit_test(test_pattern_matches__is_not_exponential),
        cmocka_unit_test(test_pattern_hint__says_what_is_near),
        cmocka_unit_test(test_pattern__describes_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
