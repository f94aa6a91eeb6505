/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIGURATION_PATTERN_H
#define CONFIGURATION_PATTERN_H
#include "base/arena.h"

/* Path patterns of the artifact configuration language: "*", "?", "[a-z]", "[!a-z]" inside a
 * segment, "**" as a whole segment; case folded; both slashes separate. Matching takes time
 * proportional to pattern length times path length at most. Immutable: threads may share one. */
struct pattern;

/* A piece of the pattern text. In a literal piece (the value of a parameter) only separators
 * mean anything. An empty one keeps its neighbours apart: "*", "", "*" is no "**". */
struct pattern_part {
    const char *text; /* UTF-8 */
    bool literal;
};

/* Everything lives in the arena. False: ERR_CONFIGURATION_PATTERN with a sentence for the author.
 */
MUST_CHECK bool pattern_compile(struct arena *a, const struct pattern_part *parts, size_t count,
                                struct pattern **ret, struct err *e);
MUST_CHECK bool pattern_compile_text(struct arena *a, const char *text, struct pattern **ret,
                                     struct err *e);

/* `path` is relative to what the pattern is relative to, UTF-8, either slash, without a slash at
 * its ends. A path that is not well-formed UTF-8 or holds an empty segment matches nothing. */
MUST_CHECK bool pattern_matches(const struct pattern *p, const char *path);

const char *pattern_text(const struct pattern *p);        /* as written, values put in */
MUST_CHECK bool pattern_is_root(const struct pattern *p); /* ".": the container itself */
MUST_CHECK bool pattern_has_wildcards(const struct pattern *p);
MUST_CHECK bool pattern_is_name(const struct pattern *p); /* of one thing, without folders */

/* Why a pattern found too little: up to PATTERN_NEAR_MISSES paths that it nearly matches, best
 * first, each with a phrase. */
enum { PATTERN_NEAR_MISSES = 5 };
struct pattern_near_miss {
    const char *path;   /* as given */
    const char *reason; /* "one folder deeper", "name differs in 1 character" ... */
    size_t cost;        /* smaller is nearer */
};
/* `paths`: all files (for directory patterns: all directories) of the container, relative to it.
 * *ret_count is 0 when nothing is near. False only without memory. */
MUST_CHECK bool pattern_near_misses(struct arena *a, const struct pattern *p,
                                    const char *const *paths, size_t path_count,
                                    struct pattern_near_miss ret[PATTERN_NEAR_MISSES],
                                    size_t *ret_count, struct err *e);
/* The whole sentence for the error page: "Did you mean ...? Found at ..." or "" . Hints at a
 * container that holds one ZIP or one top folder only (double-zipped CI artifacts). */
MUST_CHECK bool pattern_hint(struct arena *a, const struct pattern *p, const char *const *paths,
                             size_t path_count, const char **ret, struct err *e);
#endif
