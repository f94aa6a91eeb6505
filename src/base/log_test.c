/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/log.h"
#include "base/test.h"
#include <string.h>
#include <unistd.h>

/* What one line looks like on standard error. */
static void line_of(enum log_format format, const char *subject, const char *text, char to[1000])
{
    int ends[2], kept = dup(STDERR_FILENO);
    assert_true(kept >= 0);
    assert_int_equal(pipe(ends), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    log_start("test", LOG_INFO, format);
    log_line(LOG_DEBUG, NULL, "not shown");
    log_line(LOG_WARNING, subject, "%s", text);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    ssize_t n = read(ends[0], to, 999);
    assert_true(n > 0);
    to[n] = '\0';
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)close(kept);
}

/* What comes from outside commands no terminal and makes no second line. */
static void test_log__control_characters(void **state)
{
    (void)state;
    char line[1000];
    line_of(LOG_TEXT, "a\x1b[1m",
            "\xc2\x9b"
            "31m\nx\x7f\xff \xc3\xbc",
            line);
    assert_string_equal(
        line, "test: warning: a[U+001B][1m: [U+009B]31m[U+000A]x[U+007F]\xef\xbf\xbd \xc3\xbc\n");
    line_of(LOG_JSON, NULL, "a\n\"\xff", line);
    assert_non_null(strstr(line, "\"message\":\"a\\n\\\"\xef\xbf\xbd\"}\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log__control_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
