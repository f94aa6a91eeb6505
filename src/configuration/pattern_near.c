/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "configuration/pattern.h"
#include "configuration/problems.h"
#include <string.h>

/* Comparing spellings is dear; a container may hold 200,000 names. */
enum { SPELLINGS_COMPARED = 20000, LONGEST_SPELLING = 63, FOLDERS_SKIPPED = 32 };

struct search {
    struct arena *arena;
    const struct pattern *pattern;
    const char *wanted; /* folded, '/' between names; "" with wildcards */
    struct pattern_near_miss *best;
    size_t count;
};

/* Nothing when the result would be long. */
static bool fold(const char *text, char to[LONGEST_SPELLING + 1])
{
    struct reader rest = reader_text(text);
    struct writer w;
    writer_init(&w, LONGEST_SPELLING);
    uint32_t c;
    while (text_next(&rest, &c))
        text_put(&w, c == '\\' ? '/' : text_fold(c));
    bool fits = !w.failed && rest.left == 0;
    struct reader folded = writer_view(&w);
    size_t n = folded.left;
    if (fits && reader_copy(&folded, to, n))
        to[n] = '\0';
    writer_done(&w);
    return fits;
}

/* Sorted by cost, equal ones in the order of the caller. */
static void offer(struct search *s, const char *path, const char *reason, size_t cost)
{
    size_t at = s->count;
    while (at > 0 && s->best[at - 1].cost > cost)
        at--;
    if (at == PATTERN_NEAR_MISSES || reason == NULL)
        return;
    size_t last = s->count < PATTERN_NEAR_MISSES ? s->count++ : PATTERN_NEAR_MISSES - 1;
    for (size_t i = last; i > at; i--)
        s->best[i] = s->best[i - 1];
    s->best[at] = (struct pattern_near_miss){path, reason, cost};
}

static bool full_with(const struct search *s, size_t cost)
{
    return s->count == PATTERN_NEAR_MISSES && s->best[PATTERN_NEAR_MISSES - 1].cost <= cost;
}

static const char *next_name(const char *path)
{
    const char *slash = strpbrk(path, "/\\");
    return slash == NULL ? NULL : slash + 1;
}

/* The pattern fits when leading folders of the path are left out: it lies deeper. */
static bool lies_deeper(struct search *s, const char *path)
{
    size_t skipped = 1;
    for (const char *rest = next_name(path); rest != NULL && skipped <= FOLDERS_SKIPPED;
         rest = next_name(rest), skipped++) {
        if (!pattern_matches(s->pattern, rest))
            continue;
        if (!full_with(s, skipped))
            offer(s, path,
                  skipped == 1 ? "one folder deeper"
                               : arena_format(s->arena, "%zu folders deeper", skipped),
                  skipped);
        return true;
    }
    return false;
}

/* The path is what the pattern wants without its leading folders: it lies higher. */
static bool lies_higher(struct search *s, const char *path, const char *folded)
{
    size_t n = strlen(folded), m = strlen(s->wanted);
    if (n >= m || s->wanted[m - n - 1] != '/' || strcmp(&s->wanted[m - n], folded) != 0)
        return false;
    offer(s, path, "without the leading folder", 2);
    return true;
}

static void compare_spelling(struct search *s, const char *path)
{
    char folded[LONGEST_SPELLING + 1];
    if (s->wanted[0] == '\0' || !fold(path, folded) || lies_higher(s, path, folded))
        return;
    size_t n = strlen(folded), m = strlen(s->wanted), most = m / 3 < 4 ? m / 3 : 4;
    if (n > m + most || m > n + most)
        return;
    size_t distance = text_distance(folded, s->wanted), cost = 10 + distance;
    if (distance == 0 || distance > most || full_with(s, cost))
        return;
    offer(s, path,
          distance == 1 ? "differs in one character"
                        : arena_format(s->arena, "differs in %zu characters", distance),
          cost);
}

bool pattern_near_misses(struct arena *a, const struct pattern *p, const char *const *paths,
                         size_t path_count, struct pattern_near_miss ret[PATTERN_NEAR_MISSES],
                         size_t *ret_count, struct err *e)
{
    char wanted[LONGEST_SPELLING + 1] = "";
    struct search s = {.arena = a, .pattern = p, .wanted = wanted, .best = ret};
    if (pattern_is_root(p)) {
        *ret_count = 0;
        return true;
    }
    if (pattern_has_wildcards(p) || !fold(pattern_text(p), wanted))
        wanted[0] = '\0';
    for (size_t i = 0; i < path_count; i++) {
        if (pattern_matches(p, paths[i]) || lies_deeper(&s, paths[i]))
            continue;
        if (i < SPELLINGS_COMPARED)
            compare_spelling(&s, paths[i]);
    }
    for (size_t i = 0; i < s.count; i++)
        if (s.best[i].reason == NULL)
            return arena_err(e);
    *ret_count = s.count;
    return true;
}

/* --- the sentence ---------------------------------------------------------------------------- */
static bool ends_with_zip(const char *path)
{
    size_t n = strlen(path);
    return n > 4 && text_equal_ascii_fold(&path[n - 4], ".zip");
}

/* The first folder when all paths lie in it, else NULL. */
static const char *only_folder(struct arena *a, const char *const *paths, size_t count)
{
    size_t n = count == 0 ? 0 : strcspn(paths[0], "/\\");
    for (size_t i = 0; i < count; i++)
        if (strcspn(paths[i], "/\\") != n || paths[i][n] == '\0' ||
            strncmp(paths[i], paths[0], n) != 0)
            return NULL;
    return n == 0 ? NULL : arena_text(a, reader_over(paths[0], n));
}

static bool begins_with(struct arena *a, const char *text, const char *start)
{
    size_t n = strlen(start);
    const char *head = strlen(text) < n ? NULL : arena_text(a, reader_over(text, n));
    return head != NULL && text_equal_fold(head, start);
}

static void say_container(struct arena *a, struct writer *w, const struct pattern *p,
                          const char *const *paths, size_t path_count)
{
    if (path_count == 1 && ends_with_zip(paths[0])) {
        writer_format(w,
                      "%sThe container holds nothing but the ZIP file '%s': artifacts of build "
                      "systems are often packed twice. Nest another <zip-file>, or upload the "
                      "inner file.",
                      w->len > 0 ? " " : "", problem_excerpt(a, paths[0]));
        return;
    }
    const char *folder = only_folder(a, paths, path_count);
    if (folder != NULL && !begins_with(a, pattern_text(p), folder))
        writer_format(w,
                      "%sEverything in the container lies in the folder '%s': put it in front of "
                      "the path.",
                      w->len > 0 ? " " : "", problem_excerpt(a, folder));
}

bool pattern_hint(struct arena *a, const struct pattern *p, const char *const *paths,
                  size_t path_count, const char **ret, struct err *e)
{
    struct pattern_near_miss near[PATTERN_NEAR_MISSES];
    size_t count = 0;
    TRY(pattern_near_misses(a, p, paths, path_count, near, &count, e));
    struct writer w;
    writer_init(&w, 10000);
    if (path_count == 0)
        writer_text(&w, "The container is empty.");
    for (size_t i = 0; i < count; i++)
        writer_format(&w, "%s'%s' (%s)", i == 0 ? "Nearest: " : ", ",
                      problem_excerpt(a, near[i].path), near[i].reason);
    if (count > 0)
        writer_text(&w, ".");
    say_container(a, &w, p, paths, path_count);
    char *text = writer_ok(&w, e) ? arena_text(a, writer_view(&w)) : NULL;
    writer_done(&w);
    if (text == NULL)
        return arena_err(e);
    *ret = text;
    return true;
}
