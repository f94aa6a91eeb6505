/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "configuration/configuration.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configuration__fixtures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
