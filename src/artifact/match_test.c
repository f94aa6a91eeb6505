/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/match.h"
#include "base/test.h"
#include "base/text.h"
#include "formats/testkit.h"
#include <stdio.h>
#include <string.h>

#define HEAD                                                                                       \
    "<artifact-configuration xmlns='http://signpath.io/artifact-configuration/v1'><zip-file>"
#define TAIL "</zip-file></artifact-configuration>"

struct setting {
    struct arena *arena;
    struct configuration *c;
    struct container container;
    struct claim *claims;
    size_t count;
    struct refusal refusal;
};

static void open_with(struct setting *s, const char *body, const char *const *paths, size_t count)
{
    *s = (struct setting){.arena = arena_new(512 << 20)};
    const char *xml = arena_format(s->arena, HEAD "%s" TAIL, body);
    struct configuration *parsed = NULL;
    struct configuration_problems problems = {0};
    struct err e = {0};
    if (!configuration_parse(s->arena, reader_text(xml), &parsed, &problems, &e) ||
        !configuration_resolve(parsed, NULL, 0, &s->c, &problems, &e))
        fail_msg("%s", e.user);
    s->container = (struct container){.format = format_of("zip"),
                                      .entries = ARENA_ARRAY(s->arena, count, struct entry),
                                      .count = count};
    for (size_t i = 0; i < count; i++)
        s->container.entries[i].path = arena_text(s->arena, reader_text(paths[i]));
}

static bool match(struct setting *s)
{
    return match_container(s->arena, &s->container, s->c->root, "a.zip", &s->claims, &s->count,
                           &s->refusal);
}

/* product-spec 6.5: counted anew in every matched directory. */
static void test_match__counts_per_directory(void **state)
{
    (void)state;
    static const char *const paths[] = {"x/a.ps1", "y/A.PS1", "z/b.ps1"};
    struct setting s;
    static const char body[] =
        "<directory-set><include path='%s' max-matches='unbounded'/><for-each>"
        "<powershell-file path='a.ps1'><authenticode-sign/></powershell-file>"
        "</for-each></directory-set>";
    char text[1000];
    (void)snprintf(text, sizeof text, body, "[xy]");
    open_with(&s, text, paths, 3);
    assert_true(match(&s));
    assert_int_equal(s.count, 2);
    arena_free(s.arena);
    (void)snprintf(text, sizeof text, body, "*");
    open_with(&s, text, paths, 3);
    assert_false(match(&s));
    assert_int_equal(s.refusal.err.code, ERR_MATCH_COUNT);
    arena_free(s.arena);
}

static char *deep_path(struct arena *a, size_t depth)
{
    char *path = arena_alloc(a, 2 * depth + 2);
    for (size_t i = 0; i < 2 * depth; i++)
        path[i] = i % 2 == 0 ? 'd' : '/';
    path[2 * depth] = 'x';
    return path;
}

/* 30 times "**" over 40 folders would be walked for longer than the world stands. */
static void test_match__limits_nested_directories(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);
    struct writer w;
    writer_init(&w, 1 << 20);
    for (int i = 0; i < 30; i++)
        writer_text(&w, "<directory path='**' min-matches='0' max-matches='unbounded'>");
    writer_text(&w, "<powershell-file path='y' min-matches='0'><authenticode-sign/>"
                    "</powershell-file>");
    for (int i = 0; i < 30; i++)
        writer_text(&w, "</directory>");
    const char *const path = deep_path(a, 40);
    struct setting s;
    open_with(&s, arena_text(a, writer_view(&w)), &path, 1);
    writer_done(&w);
    assert_false(match(&s));
    assert_int_equal(s.refusal.err.code, ERR_FILE_LIMIT);
    assert_non_null(strstr(s.refusal.err.user, "fewer <directory path=\"**\">"));
    arena_free(s.arena);
    arena_free(a);
}

static void test_match__limits_names_of_folders(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);
    const char *const path = deep_path(a, 30000);
    struct setting s;
    open_with(&s, "<powershell-file path='y'><authenticode-sign/></powershell-file>", &path, 1);
    assert_false(match(&s));
    assert_int_equal(s.refusal.err.code, ERR_FILE_LIMIT);
    arena_free(s.arena);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match__counts_per_directory),
        cmocka_unit_test(test_match__limits_nested_directories),
        cmocka_unit_test(test_match__limits_names_of_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
