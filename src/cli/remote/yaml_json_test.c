/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "cli/remote/yaml_json.h"
#include <stdlib.h>
#include <string.h>

/* As compact JSON; a refusal as "! " and its sentence. */
static char *read_text(struct arena *a, const char *text)
{
    struct yaml_document d = {0};
    struct err e = {0};
    if (!yaml_read(a, reader_text(text), &d, &e))
        return arena_format(a, "! %s", e.user);
    char *json = json_dumps(d.value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
    char *copy = arena_format(a, "%s", json);
    free(json);
    yaml_done(&d);
    return copy;
}

static void expect(const char *yaml, const char *json)
{
    struct arena *a = arena_new(16 << 20);
    assert_string_equal(read_text(a, yaml), json);
    arena_free(a);
}

static void expect_refused(const char *yaml, const char *begin)
{
    struct arena *a = arena_new(16 << 20);
    const char *said = read_text(a, yaml);
    if (strncmp(said, begin, strlen(begin)) != 0)
        assert_string_equal(said, begin);
    arena_free(a);
}

static void test_yaml_scalar__core_schema(void **state)
{
    (void)state;
    expect("[null, ~, Null, true, TRUE, False]", "[null,null,null,true,true,false]");
    expect("a:\nb: \n", "{\"a\":null,\"b\":null}");
    expect("[1, -2, +3, 0o17, 0x1F, 0, 007]", "[1,-2,3,15,31,0,7]");
    expect("[1.5, .5, 1e3, -1.25E-2]", "[1.5,0.5,1000.0,-0.012500000000000001]");
    /* Of YAML 1.1, not of the core schema: texts. */
    expect("[yes, on, n, 1_000, 0b11, 12:30, 2027-12-31, nUll, 0x, 1e, .]",
           "[\"yes\",\"on\",\"n\",\"1_000\",\"0b11\",\"12:30\",\"2027-12-31\",\"nUll\",\"0x\","
           "\"1e\",\".\"]");
    expect("[\"1\", 'true', \"\", '~']", "[\"1\",\"true\",\"\",\"~\"]");
    expect("a: |\n  <x>\n  </x>\nb: >-\n  one\n  two\n",
           "{\"a\":\"<x>\\n</x>\\n\",\"b\":\"one two\"}");
    expect_refused("[.inf]", "! line 1, column 2: infinity");
    expect_refused("[9223372036854775808]", "! line 1, column 2: this number is too large");
    expect_refused("[1e999]", "! line 1, column 2: this number is too large");
}

static void test_yaml_refused__with_line_and_column(void **state)
{
    (void)state;
    expect_refused("a: &x 1\nb: *x\n", "! line 1, column 4: anchors");
    expect_refused("a: 1\nb: *x\n", "! line 2, column 4: aliases");
    expect_refused("a: !!str 1", "! line 1, column 4: tags");
    expect_refused("a: ! 1", "! line 1, column 4: tags");
    expect_refused("a: !!map {}", "! line 1, column 4: tags");
    expect_refused("a:\n  <<: {b: 1}", "! line 2, column 3: merge keys");
    expect_refused("a: 1\nb: 2\na: 3", "! line 3, column 1: the key a is there twice");
    expect_refused("? [a]\n: 1", "! line 1, column 3: a key must be a text");
    expect_refused("? {a: 1}\n: 1", "! line 1, column 3: a key must be a text");
    expect_refused("%YAML 1.1\n---\na: 1", "! line 1, column 1: directives");
    expect_refused("a: 1\n---\nb: 1", "! line 2, column 1: only one document");
    expect_refused("a: \"x\\0y\"", "! line 1, column 4: a text cannot hold the character NUL");
    expect_refused("", "! line 1: there is no document");
    expect_refused("a: [1, 2\nb: 3", "! line 2, column 2: did not find expected ',' or ']'");
    expect_refused("a: \"\xff\"", "! The document is not UTF-8");
    expect("'<<': 1", "{\"<<\":1}");
}

static void test_yaml_limits__depth_and_size(void **state)
{
    (void)state;
    char deep[YAML_DEPTH * 2 + 3];
    for (size_t i = 0; i <= YAML_DEPTH; i++) {
        deep[i] = '[';
        deep[YAML_DEPTH + 1 + i] = ']';
    }
    deep[2 * YAML_DEPTH + 2] = '\0';
    expect_refused(deep, "! line 1, column 33: this is nested too deeply");
    struct arena *a = arena_new(16 << 20);
    char *large = arena_alloc(a, YAML_MOST + 2);
    for (size_t i = 0; i <= YAML_MOST; i++)
        large[i] = '#';
    expect_refused(large, "! The document is larger than 1 MiB");
    arena_free(a);
}

static void test_yaml_find__the_nearest_place_that_a_message_names(void **state)
{
    (void)state;
    struct arena *a = arena_new(16 << 20);
    struct yaml_document d = {0};
    struct err e = {0};
    const char *text = "apiVersion: chancery/v1\n"
                       "projects:\n"
                       "  - slug: a\n"
                       "    signingPolicies:\n"
                       "      - slug: b\n"
                       "        porpose: Test\n";
    assert_true(yaml_read(a, reader_text(text), &d, &e));
    const struct yaml_place *at =
        yaml_find(&d, "projects[0].signingPolicies[0].porpose: there is no such key here");
    assert_non_null(at);
    assert_int_equal(at->line, 6);
    assert_int_equal(at->column, 9);
    at = yaml_find(&d, "projects[0].signingPolicies[0].purpose: is required.");
    assert_non_null(at);
    assert_int_equal(at->line, 5);
    assert_int_equal(at->column, 9);
    assert_null(yaml_find(&d, "The service is away."));
    assert_null(yaml_find(&d, "somewhere: else"));
    yaml_done(&d);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yaml_scalar__core_schema),
        cmocka_unit_test(test_yaml_refused__with_line_and_column),
        cmocka_unit_test(test_yaml_limits__depth_and_size),
        cmocka_unit_test(test_yaml_find__the_nearest_place_that_a_message_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
