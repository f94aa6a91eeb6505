/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "configuration/configuration.h"
#include "configuration/grammar.h"
#include "configuration/test_support.h"
#include <stdio.h>
#include <string.h>

/* Every fixture gives exactly the problems of expected.txt, at exactly these places. */
static void test_configuration__fixtures(void **state)
{
    (void)state;
    FILE *table = fopen(FIXTURES "/expected.txt", "r");
    assert_non_null(table);
    char line[4000];
    size_t rows = 0, wrong = 0;
    while (fgets(line, sizeof line, table) != NULL) {
        char name[200], expected[3000];
        if (line[0] == '#' || sscanf(line, "%199s %2999s", name, expected) != 2)
            continue;
        struct arena *a = arena_new(64 << 20);
        struct configuration *c = NULL;
        struct configuration_problems problems = {0};
        struct err e = {0};
        bool right = configuration_parse_any(a, test_file(a, name), &c, &problems, &e);
        assert_int_equal(right, problems.errors == 0);
        assert_int_equal(right, strncmp(name, "good/", 5) == 0);
        assert_int_equal(right, e.code == ERR_NONE);
        char seen[3000] = "";
        test_summary(&problems, seen, sizeof seen);
        if (strcmp(seen, expected) != 0) {
            (void)fprintf(stderr, "%s\n  expected %s\n  seen     %s\n  %s\n", name, expected, seen,
                          problems.count > 0 ? problems.list[0].text : "");
            wrong++;
        }
        arena_free(a);
        rows++;
    }
    (void)fclose(table);
    assert_int_equal(wrong, 0);
    assert_true(rows >= 120);
}

/* What formats say they can do must be in the language, or nobody could ask for it. */
static void test_grammar__knows_what_is_built(void **state)
{
    (void)state;
    for (const struct format_facts *const *f = all_format_facts; *f != NULL; f++) {
        bool is_set = true;
        const struct grammar_element *element = grammar_element_of((*f)->element, &is_set);
        if (element == NULL || is_set)
            fail_msg("%s is not in the language", (*f)->element);
        if (element->kind == GRAMMAR_TYPED)
            assert_int_equal(element->composite, ((*f)->can & FORMAT_COMPOSITE) != 0);
        for (const struct directive_facts *d = (*f)->directives; d->name != NULL; d++) {
            const struct grammar_directive *row = grammar_directive_of(d->name);
            if (row == NULL || !grammar_allows(element, row, true))
                fail_msg("%s is not allowed in %s", d->name, (*f)->element);
            bool x509 = row->key == GRAMMAR_KEY_X509 || row->key == GRAMMAR_KEY_RSA;
            assert_int_equal((d->can & DIRECTIVE_NEEDS_X509) != 0, x509);
            assert_int_equal((d->can & DIRECTIVE_NEEDS_GPG) != 0, row->key == GRAMMAR_KEY_GPG);
            assert_int_equal((d->can & DIRECTIVE_NEW_FILE) != 0,
                             (row->does & GRAMMAR_NEW_FILE) != 0);
        }
        for (const char *const *name = (*f)->restrictions; *name != NULL; name++)
            if (grammar_attribute_of(element->restrictions, *name) == NULL)
                fail_msg("%s is no restriction of %s", *name, (*f)->element);
    }
}

/* Whenever the arena is full, the answer is "no memory", never a crash, a wrong tree or a verdict
 * about the document. */
static enum err_code try_with(const char *name, size_t limit)
{
    static const struct parameter_value values[] = {{"version", "2.1"}};
    struct arena *files = arena_new(4 << 20), *a = arena_new(limit);
    struct configuration *c = NULL, *resolved = NULL;
    struct configuration_problems problems = {0}, more = {0};
    struct err e = {0}, f = {0};
    assert_non_null(a);
    bool right = configuration_parse_any(a, test_file(files, name), &c, &problems, &e);
    if (right && !configuration_resolve(c, values, c->parameter_count, &resolved, &more, &f))
        e = f;
    assert_int_not_equal(e.code, ERR_INTERNAL);
    arena_free(a);
    arena_free(files);
    return e.code;
}

static void test_configuration__lack_of_memory(void **state)
{
    (void)state;
    static const char *const names[] = {"good/worked-example.xml", "bad/several-problems.xml",
                                        "good/provenance.xml",     "bad/output-same-set.xml",
                                        "good/classes.xml",        "good/utf16le.xml"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        enum err_code right = try_with(names[i], 8 << 20), seen = ERR_NO_MEMORY;
        assert_int_not_equal(right, ERR_NO_MEMORY);
        for (size_t limit = 100; seen == ERR_NO_MEMORY && limit < (1 << 20); limit += 300)
            seen = try_with(names[i], limit);
        assert_int_equal(seen, right);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configuration__fixtures),
        cmocka_unit_test(test_grammar__knows_what_is_built),
        cmocka_unit_test(test_configuration__lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
