/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "web/templates/escape.h"
#include "web/templates/pages.h"
#include "web/templates/template.h"
#include "web/templates/test_templates.h"

struct fixture {
    struct arena *arena;
    struct view *root;
    struct writer out;
};

static void begin(struct fixture *f)
{
    f->arena = arena_new(1 << 20);
    f->root = view_new(f->arena);
    writer_init(&f->out, 1 << 20);
}

static void end(struct fixture *f)
{
    writer_done(&f->out);
    arena_free(f->arena);
}

static void shows(struct fixture *f, enum test_template which, const char *wanted)
{
    struct err e = {0};
    assert_true(test_template_render(which, f->root, &f->out, &e));
    struct reader got = writer_view(&f->out);
    if (!reader_equal_text(got, wanted))
        print_error("%.*s\n", (int)got.left, (const char *)got.at);
    assert_true(reader_equal_text(got, wanted));
}

static void test_template__escapes_for_the_place(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    view_text(f.root, "lang", "en\" onload=\"alert(1)");
    view_text(f.root, "text", "<script>alert('x')</script>&amp;\"");
    view_text(f.root, "url", "javascript:alert(1)");
    shows(
        &f, TEST_TEMPLATE_PLACES,
        "<!DOCTYPE html>\n<html lang=\"en&quot; onload=&quot;alert(1)\">\n"
        "\n<p title=\"a &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;&quot; b\">"
        "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;&quot;</p>\n"
        "<a href=\"#\">x</a>\n"
        "<a href=\"/requests/%3Cscript%3Ealert%28%27x%27%29%3C%2Fscript%3E%26amp%3B%22?q="
        "%3Cscript%3Ealert%28%27x%27%29%3C%2Fscript%3E%26amp%3B%22\">y</a>\n"
        "<pre>\n  &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;&quot;\n    kept</pre>\n"
        "</html>\n");
    end(&f);
}

static void test_template__logic(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    view_bool(f.root, "yes", true);
    view_number(f.root, "number", -7);
    struct view *rows = view_list(f.root, "rows"), *row = view_item(rows);
    view_text(row, "name", "one");
    view_bool(row, "current", true);
    struct view *tags = view_list(row, "tags");
    view_item_text(tags, "a");
    view_item_text(tags, "b");
    row = view_item(rows);
    view_text(row, "name", "two");
    view_list(row, "tags");
    view_text(view_object(f.root, "inner"), "name", "in");
    shows(&f, TEST_TEMPLATE_LOGIC,
          "Yy\n<li aria-current=\"page\">one[a][b] -7</li><li>two- -7</li>\n<b>in</b>\n\n");
    end(&f);
    begin(&f);
    view_text(f.root, "yes", "");
    view_list(f.root, "rows");
    view_text(view_object(f.root, "inner"), "name", "in");
    shows(&f, TEST_TEMPLATE_LOGIC, "Nn\nnone\n<b>in</b>\n\n");
    end(&f);
}

static void test_template__a_missing_value_is_named(void **state)
{
    (void)state;
    struct fixture f;
    struct err e = {0};
    begin(&f);
    assert_false(test_template_render(TEST_TEMPLATE_PLACES, f.root, &f.out, &e));
    assert_int_equal(e.code, ERR_INTERNAL);
    assert_string_equal(e.detail, "template places, line 2: lang is missing");
    e = (struct err){0};
    assert_false(test_template_render(TEST_TEMPLATE_PLACES, NULL, &f.out, &e));
    assert_int_equal(e.code, ERR_NO_MEMORY);
    view_list(f.root, "lang");
    e = (struct err){0};
    assert_false(test_template_render(TEST_TEMPLATE_PLACES, f.root, &f.out, &e));
    assert_string_equal(e.detail, "template places, line 2: lang is no text and no number");
    end(&f);
}

static void test_template__memory_that_is_out_is_said(void **state)
{
    (void)state;
    struct err e = {0};
    struct arena *a = arena_new(3000);
    struct view *root = view_new(a), *list = view_list(root, "rows");
    for (int i = 0; i < 100; i++)
        view_text(view_item(list), "name", "a");
    assert_false(view_ok(root, &e));
    assert_int_equal(e.code, ERR_NO_MEMORY);
    arena_free(a);
}

static void escaped(void (*escape)(struct writer *, struct reader), const char *text,
                    const char *wanted)
{
    struct writer w;
    writer_init(&w, 1000);
    escape(&w, reader_text(text));
    assert_true(reader_equal_text(writer_view(&w), wanted));
    writer_done(&w);
}

static void test_escape__html(void **state)
{
    (void)state;
    escaped(escape_html, "a\tb\nü€", "a\tb\nü€");
    escaped(escape_html, "\xe2\x80\xaegnp.exe", "[U+202E]gnp.exe");
    escaped(escape_html, "a\x1b[1m", "a[U+001B][1m");
    escaped(escape_html, "\xc3<", "\xef\xbf\xbd&lt;");
    escaped(escape_html, "\xf8\x80", "\xef\xbf\xbd\xef\xbf\xbd");
    escaped(escape_html, "+ADw-script+AD4-", "+ADw-script+AD4-");
}

static void test_escape__addresses(void **state)
{
    (void)state;
    static const char *const good[] = {
        "/", "/a/b?c=d#e", "https://example.org/", "HTTP://a", "mailto:a@b", "#x", "?a=b"};
    static const char *const bad[] = {"",
                                      "javascript:alert(1)",
                                      "JaVaScRiPt:alert(1)",
                                      " javascript:alert(1)",
                                      "\x01javascript:alert(1)",
                                      "java\tscript:alert(1)",
                                      "data:text/html,x",
                                      "vbscript:x",
                                      "//evil.example",
                                      "/\\evil.example",
                                      "/\t/evil.example",
                                      "https:evil",
                                      "a/b",
                                      "file:///etc/passwd"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        escaped(escape_url, good[i], good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        escaped(escape_url, bad[i], "#");
    escaped(escape_url, "/a?b=\"&c=d", "/a?b=&quot;&amp;c=d");
    escaped(escape_url_part, "../a b/ü?&#:", "..%2Fa%20b%2F%C3%BC%3F%26%23%3A");
}

static void test_pages__error_page(void **state)
{
    (void)state;
    struct fixture f;
    struct err e = {0};
    begin(&f);
    struct view *frame = view_object(f.root, "frame");
    view_text(frame, "title", "Not found");
    view_text(frame, "heading", "Not found");
    view_text(frame, "css", "/static/app.css");
    view_text(frame, "icon", "/static/icon.svg");
    view_text(f.root, "sentence", "There is no such request.");
    view_text(f.root, "code", "request.unknown");
    view_text(f.root, "back", "/");
    view_text(f.root, "backName", "Back");
    view_text(frame, "flash", "");
    view_list(frame, "scripts");
    assert_true(page_render(PAGE_ERROR, f.root, &f.out, &e));
    struct reader page = writer_view(&f.out);
    assert_int_not_equal(reader_find(page, 0, "There is no such request.", 25), SIZE_MAX);
    assert_int_equal(reader_find(page, 0, "<nav", 4), SIZE_MAX); /* nobody is signed in */
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_template__escapes_for_the_place),
        cmocka_unit_test(test_template__logic),
        cmocka_unit_test(test_template__a_missing_value_is_named),
        cmocka_unit_test(test_template__memory_that_is_out_is_said),
        cmocka_unit_test(test_escape__html),
        cmocka_unit_test(test_escape__addresses),
        cmocka_unit_test(test_pages__error_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
