/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/tree.h"
#include "base/test.h"
#include <string.h>

/* Sorted or not, the answers are the same; of several the first counts. */
static void test_part_near__without_case(void **state)
{
    static struct entry entries[] = {
        {.path = "z/Setup.msi"},  {.path = "z/cabs", .folder = true},
        {.path = "z/Data1.CAB"},  {.path = "z/cabs/data1.cab"},
        {.path = "data1.cab"},    {.path = "z/\xc3\x84.cab"},
        {.path = "z/data1.cab"},  {.path = "z/data10.cab"},
        {.path = "z/data1.cab2"}, {.path = "Z/b"},
    };
    static const struct {
        const char *path;
        size_t index;
    } cases[] = {{"data1.cab", 2},   {"CABS/DATA1.CAB", 3},   {"\xc3\xa4.CAB", 5},
                 {"cabs", SIZE_MAX}, {"data1.ca", SIZE_MAX},  {"B", 9},
                 {"", SIZE_MAX},     {"data11.cab", SIZE_MAX}};
    struct arena *a = arena_new(1 << 16);
    struct container c = {.entries = entries, .count = COUNT_OF(entries)};
    struct err e = {0};
    (void)state;
    for (int sorted = 0; sorted < 2; sorted++) {
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            size_t index = 0;
            assert_true(part_near(&c, "z/Setup.msi", cases[i].path, &index, &e));
            assert_int_equal(index, cases[i].index);
        }
        assert_true(part_sort_near(a, &c, &e));
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_part_near__without_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
