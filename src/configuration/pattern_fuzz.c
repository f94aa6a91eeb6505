/* SPDX-License-Identifier: Apache-2.0 */
#include "configuration/pattern.h"
#include <stdlib.h>

/* Pattern, parameter value and path, one a line; the value is put behind the pattern,
 * and a star that only a value that is empty could join with what is in front. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a CLEANUP(arena_cleanup) = arena_new(64 << 20);
    struct reader rest = reader_over(data, size), piece;
    const char *lines[3] = {"", "", ""};
    for (size_t i = 0; i < 3; i++) {
        size_t end = i == 2 ? SIZE_MAX : reader_find(rest, 0, "\n", 1);
        bool last = end == SIZE_MAX;
        if (!reader_take(&rest, last ? rest.left : end, &piece))
            abort();
        lines[i] = arena_text(a, piece);
        if (lines[i] == NULL)
            return 0;
        if (last || !reader_skip(&rest, 1))
            break;
    }
    const struct pattern_part parts[] = {{lines[0], false}, {lines[1], true}, {"*", false}};
    struct pattern *p = NULL;
    struct err e = {0};
    if (!pattern_compile(a, parts, size % 2 == 0 ? 2 : 3, &p, &e)) {
        if (e.code == ERR_NONE || e.code == ERR_INTERNAL)
            abort();
        return 0;
    }
    const char *paths[] = {lines[2], pattern_text(p)};
    const char *hint = NULL;
    bool matches = pattern_matches(p, lines[2]);
    /* Without wildcards a pattern matches its own text. */
    if (!pattern_has_wildcards(p) && !pattern_matches(p, pattern_text(p)))
        abort();
    (void)matches;
    if (!pattern_hint(a, p, paths, 2, &hint, &e) && e.code != ERR_NO_MEMORY)
        abort();
    return 0;
}
