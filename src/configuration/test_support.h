/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIGURATION_TEST_SUPPORT_H
#define CONFIGURATION_TEST_SUPPORT_H
#include "base/test.h"
#include "base/writer.h"
#include "configuration/configuration.h"
#include <stdio.h>
#include <string.h>

/* For tests of this folder only; FIXTURES is a folder given by the build. */
static inline struct reader test_file(struct arena *a, const char *name)
{
    char path[1000];
    (void)snprintf(path, sizeof path, "%s/%s", FIXTURES, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    enum { MOST = 2 << 20 };
    char *bytes = arena_alloc(a, MOST);
    assert_non_null(bytes);
    size_t n = fread(bytes, 1, MOST, f);
    (void)fclose(f);
    return reader_over(bytes, n);
}

/* "code:line:column,..." of all problems in order, "ok" for none. */
static inline void test_summary(const struct configuration_problems *problems, char *to,
                                size_t size)
{
    size_t used = 0;
    to[0] = '\0';
    for (size_t i = 0; i < problems->count && used < size; i++) {
        const struct configuration_problem *p = &problems->list[i];
        const char *code = p->warning ? "warning" : err_machine_code(p->code);
        used += (size_t)snprintf(&to[used], size - used, "%s%s:%u:%u", i == 0 ? "" : ",", code,
                                 p->at.line, p->at.column);
    }
    if (problems->count == 0)
        (void)snprintf(to, size, "ok");
}
#endif
