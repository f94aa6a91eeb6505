/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/match.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file, or a folder that an entry names or that lies above a file. */
struct listed {
    const char *path;   /* as stored, but '/' for every separator and none at the end */
    const char *folded; /* folders end with '/', so that a folder sorts before what it holds */
    size_t index;       /* of the entry */
    struct claim *claim;
};

/* Of all folders of a container, each with those above it in front. */
enum { FOLDER_NAMES_MOST = 64 * 1024 * 1024 };

struct listing {
    struct arena *arena;
    struct listed *files, *folders; /* by folded path, then by path */
    size_t file_count, folder_count, folder_room, folder_bytes;
    uint64_t compared, compared_most; /* names with patterns */
    const char *path;                 /* of the container */
    struct refusal *refusal;
};

/* Where patterns are relative to: the container or a virtual folder in it. Everything below it is
 * one run of the sorted lists, because it begins with the same bytes. */
struct place {
    const char *folded; /* "" or "lib/" */
    size_t depth;       /* segments to leave out */
    size_t file_from, file_to, folder_from, folder_to;
};

char *match_fold(struct arena *a, const char *path)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, SIZE_MAX);
    struct reader r = reader_text(path);
    uint32_t c;
    while (text_next(&r, &c))
        text_put(&w, c == '\\' ? '/' : text_fold(c));
    writer_reader(&w, r); /* what is not UTF-8 stays as it is */
    struct err e = {0};
    return writer_ok(&w, &e) ? arena_text(a, writer_view(&w)) : NULL;
}

static int listed_order(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    int order = strcmp(x->folded, y->folded);
    return order != 0 ? order : strcmp(x->path, y->path);
}

static const char *without_folders(const char *path, size_t depth)
{
    for (; depth > 0; depth--) {
        const char *slash = strchr(path, '/');
        if (slash == NULL)
            return "";
        path = slash + 1;
    }
    return path;
}

/* --- the listing ------------------------------------------------------------------------------ */

static bool normal_path(struct arena *a, const char *path, char **ret, struct err *e)
{
    char *copy = arena_text(a, reader_text(path));
    if (copy == NULL)
        return arena_err(e);
    size_t n = strlen(copy);
    for (size_t i = 0; i < n; i++)
        if (copy[i] == '\\')
            copy[i] = '/';
    if (n > 0 && copy[n - 1] == '/')
        copy[n - 1] = '\0';
    *ret = copy;
    return true;
}

static bool add_folder(struct listing *l, const char *path, size_t path_len, const char *folded,
                       size_t folded_len, size_t index)
{
    l->folder_bytes += path_len + folded_len;
    if (l->folder_bytes > FOLDER_NAMES_MOST) {
        (void)err_user(
            &l->refusal->err, ERR_FILE_LIMIT,
            "\"%.200s\" holds so many folders inside of each other that their names take "
            "more than %d bytes.",
            l->path, (int)FOLDER_NAMES_MOST);
        return refusal_at(l->refusal, l->path, 0, 0);
    }
    if (l->folder_count == l->folder_room) {
        size_t room = l->folder_room == 0 ? 64 : 2 * l->folder_room;
        struct listed *more = arena_grow(l->arena, l->folders, l->folder_count, room, sizeof *more);
        if (more == NULL)
            return arena_err(&l->refusal->err);
        l->folders = more;
        l->folder_room = room;
    }
    struct listed folder = {.path = arena_text(l->arena, reader_over(path, path_len)),
                            .folded = arena_text(l->arena, reader_over(folded, folded_len)),
                            .index = index};
    if (folder.path == NULL || folder.folded == NULL)
        return arena_err(&l->refusal->err);
    l->folders[l->folder_count++] = folder;
    return true;
}

static size_t common_prefix(const char *a, const char *b)
{
    size_t n = 0;
    while (a[n] != '\0' && a[n] == b[n])
        n++;
    return n;
}

/* Folders above one listed thing. `all` is sorted, so those shared with the one before exist. */
static bool add_folders_of(struct listing *l, const struct listed *x, const char *before)
{
    size_t shared = before == NULL ? 0 : common_prefix(before, x->folded), path_at = 0;
    for (size_t i = 0; x->folded[i] != '\0'; i++) {
        if (x->folded[i] != '/')
            continue;
        while (x->path[path_at] != '/' && x->path[path_at] != '\0')
            path_at++;
        if (before == NULL || i >= shared)
            TRY(add_folder(l, x->path, path_at, x->folded, i + 1, x->index));
        if (x->path[path_at] == '/')
            path_at++;
    }
    return true;
}

static bool check_names(struct listing *l, const struct container *c)
{
    bool folds = (c->format->facts->can & FORMAT_FOLDS_NAMES) != 0;
    for (size_t i = 1; i < l->file_count; i++) {
        const struct listed *x = &l->files[i - 1], *y = &l->files[i];
        if (strcmp(folds ? x->folded : x->path, folds ? y->folded : y->path) != 0)
            continue;
        (void)err_user(&l->refusal->err, ERR_MATCH_NAMES,
                       "\"%.200s\" contains multiple files with the same name: \"%.200s\".",
                       l->path, y->path);
        return refusal_at(l->refusal, l->path, 0, 0);
    }
    return true;
}

static bool list_entries(struct listing *l, const struct container *c)
{
    struct err *e = &l->refusal->err;
    struct listed *all = ARENA_ARRAY(l->arena, c->count, struct listed);
    l->files = ARENA_ARRAY(l->arena, c->count, struct listed);
    if (all == NULL || l->files == NULL)
        return arena_err(e);
    for (size_t i = 0; i < c->count; i++) {
        char *path = NULL;
        TRY(normal_path(l->arena, c->entries[i].path, &path, e));
        const char *folded = match_fold(l->arena, path);
        if (folded != NULL && c->entries[i].folder)
            folded = arena_format(l->arena, "%s/", folded);
        if (folded == NULL)
            return arena_err(e);
        all[i] = (struct listed){.path = path, .folded = folded, .index = i};
    }
    qsort(all, c->count, sizeof *all, listed_order);
    for (size_t i = 0; i < c->count; i++) {
        TRY(add_folders_of(l, &all[i], i == 0 ? NULL : all[i - 1].folded));
        if (!c->entries[all[i].index].folder)
            l->files[l->file_count++] = all[i];
    }
    return check_names(l, c);
}

/* First of a sorted list that is not before `folded`. */
static size_t lower_bound(const struct listed *list, size_t count, const char *folded)
{
    size_t from = 0, to = count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (strcmp(list[middle].folded, folded) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static size_t run_end(const struct listed *list, size_t count, size_t from, const char *prefix)
{
    size_t n = strlen(prefix), to = count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (strncmp(list[middle].folded, prefix, n) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static struct place place_of(const struct listing *l, const char *folded, size_t depth)
{
    struct place p = {.folded = folded, .depth = depth};
    p.file_from = lower_bound(l->files, l->file_count, folded);
    p.file_to = run_end(l->files, l->file_count, p.file_from, folded);
    p.folder_from = lower_bound(l->folders, l->folder_count, folded);
    p.folder_to = run_end(l->folders, l->folder_count, p.folder_from, folded);
    if (depth > 0) /* not the folder itself */
        p.folder_from++;
    return p;
}

/* --- claims ----------------------------------------------------------------------------------- */

static bool same_restrictions(struct arena *a, const struct configuration_match *x,
                              const struct configuration_match *y, const char *name, bool *ret,
                              struct err *e)
{
    bool same = x->restriction_count == y->restriction_count;
    for (size_t i = 0; same && i < x->restriction_count; i++) {
        bool found = false;
        for (size_t k = 0; k < y->restriction_count; k++) {
            if (strcmp(x->restrictions[i].name, y->restrictions[k].name) != 0)
                continue;
            const char *left, *right;
            TRY(template_expand(a, &x->restrictions[i].value, name, &left, e));
            TRY(template_expand(a, &y->restrictions[k].value, name, &right, e));
            found = strcmp(left, right) == 0;
        }
        same = found;
    }
    *ret = same;
    return true;
}

static bool refuse_twice(struct listing *l, const struct listed *x, struct xml_position first,
                         struct xml_position second, const char *why)
{
    (void)err_user(&l->refusal->err, ERR_MATCH_TWICE,
                   "\"%.200s\" is matched by more than one element of the artifact configuration "
                   "(lines %u and %u)%s.",
                   x->path, first.line, second.line, why);
    const char *path = arena_format(l->arena, "%s » %s", l->path, x->path);
    return refusal_at(l->refusal, path, second.line, second.column);
}

static bool claim(struct listing *l, struct listed *x, const struct configuration_node *node,
                  const struct configuration_match *m)
{
    if (x->claim == NULL && (x->claim = ARENA_NEW(l->arena, struct claim)) == NULL)
        return arena_err(&l->refusal->err);
    struct claim *c = x->claim;
    c->index = x->index;
    bool is_file = node->kind == CONFIGURATION_FILE;
    const struct configuration_node **owner = is_file ? &c->file : &c->typed;
    const struct configuration_match **match = is_file ? &c->file_match : &c->typed_match;
    if (*owner == NULL) {
        *owner = node;
        *match = m;
        return true;
    }
    if (*owner != node)
        return refuse_twice(l, x, (*match)->at, m->at, "");
    if (*match == m)
        return true;
    bool same = false;
    const char *slash = strrchr(x->path, '/');
    TRY(same_restrictions(l->arena, *match, m, slash == NULL ? x->path : slash + 1, &same,
                          &l->refusal->err));
    return same || refuse_twice(l, x, (*match)->at, m->at, " with different restrictions");
}

/* --- counting --------------------------------------------------------------------------------- */

static void wanted_text(const struct configuration_match *m, char *to, size_t n)
{
    const char *items =
        m->max == 1 || (m->max == CONFIGURATION_UNBOUNDED && m->min == 1) ? "item" : "items";
    if (m->min == m->max)
        (void)snprintf(to, n, "exactly %u %s", m->min, items);
    else if (m->max == CONFIGURATION_UNBOUNDED)
        (void)snprintf(to, n, "at least %u %s", m->min, items);
    else if (m->min == 0)
        (void)snprintf(to, n, "at most %u %s", m->max, items);
    else
        (void)snprintf(to, n, "between %u and %u %s", m->min, m->max, items);
}

static bool near_misses(struct listing *l, const struct place *p,
                        const struct configuration_node *node, const struct configuration_match *m,
                        const char **ret)
{
    bool folders = node->kind == CONFIGURATION_DIRECTORY;
    const struct listed *list = folders ? l->folders : l->files;
    size_t from = folders ? p->folder_from : p->file_from;
    size_t to = folders ? p->folder_to : p->file_to;
    const char **paths = ARENA_ARRAY(l->arena, to - from + 1, const char *);
    if (paths == NULL)
        return arena_err(&l->refusal->err);
    for (size_t i = from; i < to; i++)
        paths[i - from] = without_folders(list[i].path, p->depth);
    return pattern_hint(l->arena, m->pattern, paths, to - from, ret, &l->refusal->err);
}

static bool check_count(struct listing *l, const struct place *p,
                        const struct configuration_node *node, const struct configuration_match *m,
                        size_t found)
{
    if (found >= m->min && (m->max == CONFIGURATION_UNBOUNDED || found <= m->max))
        return true;
    const char *hint = "";
    if (found < m->min)
        TRY(near_misses(l, p, node, m, &hint));
    char wanted[64];
    wanted_text(m, wanted, sizeof wanted);
    (void)err_user(&l->refusal->err, ERR_MATCH_COUNT,
                   "Expected path to match %s, but found %zu: <%s path=\"%.120s\"> in "
                   "\"%.160s%s%.100s\".%s%s",
                   wanted, found, node->element, pattern_text(m->pattern), l->path,
                   p->depth > 0 ? " » " : "", p->folded, hint[0] != '\0' ? " " : "", hint);
    return refusal_at(l->refusal, l->path, m->at.line, m->at.column);
}

/* --- walking ---------------------------------------------------------------------------------- */

/* Matches below a container without those in nested containers. */
static uint64_t count_matches(const struct configuration_node *node)
{
    uint64_t n = 0;
    for (size_t i = 0; i < node->child_count; i++) {
        const struct configuration_node *child = &node->children[i];
        n += child->match_count;
        n += child->kind == CONFIGURATION_DIRECTORY ? count_matches(child) : 0;
    }
    return n;
}

/* <directory path="**"> inside of each other reach one folder on more ways than can be walked:
 * what takes so many times longer than one walk is refused. */
static uint64_t most_comparisons(const struct listing *l, const struct configuration_node *node)
{
    enum { WALKS = 1000 };
    static const uint64_t always = 1000000, never = 4000000000;
    uint64_t names = (uint64_t)l->file_count + l->folder_count + 1, matches = count_matches(node),
             most;
    if (__builtin_mul_overflow(names * WALKS, matches, &most) || most > never)
        return never;
    return most < always ? always : most;
}

static bool may_compare(struct listing *l, const struct configuration_match *m, size_t names)
{
    l->compared += names + 1;
    if (l->compared <= l->compared_most)
        return true;
    (void)err_user(&l->refusal->err, ERR_FILE_LIMIT,
                   "The artifact configuration would compare more than %llu names of files and "
                   "folders in \"%.200s\" with its patterns. Write fewer <directory path=\"**\"> "
                   "inside of each other.",
                   (unsigned long long)l->compared_most, l->path);
    return refusal_at(l->refusal, l->path, m->at.line, m->at.column);
}

static bool match_children(struct listing *l, const struct configuration_node *node,
                           const struct place *p);

static size_t segments_of(const char *folded)
{
    size_t n = 0;
    for (; *folded != '\0'; folded++)
        n += *folded == '/';
    return n;
}

static bool ends_in(const char *folded, const char *const *extensions)
{
    const char *dot = strrchr(folded, '.');
    for (; dot != NULL && *extensions != NULL; extensions++)
        if (strcmp(dot, *extensions) == 0)
            return true;
    return false;
}

/* Directives of a directory work on files in it, at any depth, that have their extensions. What is
 * no ClickOnce manifest by content takes no part in it. */
static bool match_manifests(struct listing *l, const struct configuration_node *node,
                            const struct configuration_match *m, const struct place *p)
{
    static const char *const deployments[] = {".application", ".vsto", NULL};
    static const char *const applications[] = {".manifest", NULL};
    size_t found = 0;
    if (node->directive_count == 0)
        return true;
    for (size_t i = p->file_from; i < p->file_to; i++) {
        struct listed *x = &l->files[i];
        bool deployment = ends_in(x->folded, deployments);
        found += deployment;
        if (deployment || ends_in(x->folded, applications))
            TRY(claim(l, x, node, m));
    }
    if (found > 0)
        return true;
    (void)err_user(&l->refusal->err, ERR_MATCH_COUNT,
                   "The directory \"%.200s\" holds no deployment manifest (.application or .vsto), "
                   "which %.40s needs.",
                   p->depth > 0 ? p->folded : l->path, node->directives[0].name);
    return refusal_at(l->refusal, l->path, m->at.line, m->at.column);
}

static bool match_folders(struct listing *l, const struct configuration_node *node,
                          const struct configuration_match *m, const struct place *p,
                          size_t *ret_found)
{
    if (pattern_is_root(m->pattern)) {
        *ret_found = 1;
        return match_manifests(l, node, m, p) && match_children(l, node, p);
    }
    TRY(may_compare(l, m, p->folder_to - p->folder_from));
    for (size_t i = p->folder_from; i < p->folder_to; i++) {
        const struct listed *x = &l->folders[i];
        if (!pattern_matches(m->pattern, without_folders(x->path, p->depth)))
            continue;
        ++*ret_found;
        struct place below = place_of(l, x->folded, segments_of(x->folded));
        TRY(match_manifests(l, node, m, &below) && match_children(l, node, &below));
    }
    return true;
}

static bool match_files(struct listing *l, const struct configuration_node *node,
                        const struct configuration_match *m, const struct place *p,
                        size_t *ret_found)
{
    TRY(may_compare(l, m, p->file_to - p->file_from));
    for (size_t i = p->file_from; i < p->file_to; i++) {
        struct listed *x = &l->files[i];
        if (!pattern_matches(m->pattern, without_folders(x->path, p->depth)))
            continue;
        ++*ret_found;
        TRY(claim(l, x, node, m));
    }
    return true;
}

static bool match_children(struct listing *l, const struct configuration_node *node,
                           const struct place *p)
{
    for (size_t i = 0; i < node->child_count; i++) {
        const struct configuration_node *child = &node->children[i];
        for (size_t k = 0; k < child->match_count; k++) {
            const struct configuration_match *m = &child->matches[k];
            size_t found = 0;
            if (child->kind == CONFIGURATION_DIRECTORY)
                TRY(match_folders(l, child, m, p, &found));
            else
                TRY(match_files(l, child, m, p, &found));
            TRY(check_count(l, p, child, m, found));
        }
    }
    return true;
}

bool match_container(struct arena *a, const struct container *c,
                     const struct configuration_node *node, const char *path, struct claim **ret,
                     size_t *ret_count, struct refusal *r)
{
    struct listing l = {.arena = a, .path = path, .refusal = r};
    TRY(list_entries(&l, c));
    l.compared_most = most_comparisons(&l, node);
    struct place all = place_of(&l, "", 0);
    TRY(match_children(&l, node, &all));
    size_t count = 0;
    struct claim *claims = ARENA_ARRAY(a, l.file_count, struct claim);
    if (claims == NULL)
        return arena_err(&r->err);
    for (size_t i = 0; i < l.file_count; i++)
        if (l.files[i].claim != NULL)
            claims[count++] = *l.files[i].claim;
    *ret = claims;
    *ret_count = count;
    return true;
}
