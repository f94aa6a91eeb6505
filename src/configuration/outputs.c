/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "configuration/build.h"
#include "configuration/value.h"
#include <stdlib.h>
#include <string.h>

/* A new file as far as the document tells: which folder, which name. */
struct output {
    const struct configuration_node *node;   /* NULL: the root of the ZIP (provenance) */
    const struct configuration_node *parent; /* what the folder is relative to */
    const struct configuration_match *match;
    const struct configuration_directive *directive;
    const char *folder, *name; /* folded; one text for ${file.name} */
};
/* Every include of a set times every directive in it: few bytes of document ask for very many. */
enum { OUTPUTS_MAX = 20000 };
struct outputs {
    struct problem_at to;
    struct output *list;
    size_t count, room;
    bool too_many;
    struct err *e;
};

/* No file name and no path has such a character. */
static const char file_name_mark[] = "\x01";

static const char *fold(struct arena *a, const char *text)
{
    struct reader rest = reader_text(text);
    struct writer w;
    writer_init(&w, 1 << 20);
    uint32_t c;
    while (text_next(&rest, &c))
        text_put(&w, c == '\\' ? '/' : text_fold(c));
    char *folded = w.failed ? NULL : arena_text(a, writer_view(&w));
    writer_done(&w);
    return folded;
}

/* The folder part of a pattern, as text: the same text is the same folder in every match. */
static const char *folder_of(struct arena *a, const struct configuration_match *match)
{
    const char *path = pattern_text(match->pattern);
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] != '/' && path[n - 1] != '\\')
        n--;
    const char *folder = arena_text(a, reader_over(path, n));
    return folder == NULL ? NULL : fold(a, folder);
}

/* Of every match of a node; NULL for paths that are not known yet. */
static bool folders_of(const struct outputs *o, const struct configuration_node *node,
                       const char ***ret)
{
    const char **list = ARENA_ARRAY(o->to.arena, node->match_count + 1, const char *);
    if (list == NULL)
        return arena_err(o->e);
    for (size_t i = 0; i < node->match_count; i++) {
        if (node->matches[i].pattern == NULL)
            continue;
        list[i] = folder_of(o->to.arena, &node->matches[i]);
        if (list[i] == NULL)
            return arena_err(o->e);
    }
    *ret = list;
    return true;
}

/* False when parameters are open or the name is missing. */
static bool name_of(const struct outputs *o, const struct configuration_directive *d,
                    const char **ret)
{
    const struct template *t = configuration_attribute(d, "output-file-name");
    if (t == NULL || template_has(t, TEMPLATE_PARAMETER))
        return false;
    const char *whole = template_join(o->to.arena, t, "", file_name_mark);
    *ret = whole == NULL ? NULL : value_trim(o->to.arena, whole);
    if (*ret == NULL) /* a name that cannot be compared must not pass */
        problem_add(&o->to, d->at, ERR_NO_MEMORY, "%s", err_default_text(ERR_NO_MEMORY));
    return *ret != NULL;
}

static bool add(struct outputs *o, struct output one)
{
    if (o->count == OUTPUTS_MAX) {
        problem_add(&o->to, one.directive->at, ERR_CONFIGURATION_RULE,
                    "The configuration makes more than %d new files: each <include> of a "
                    "<file-set> counts once for each directive in it.",
                    (int)OUTPUTS_MAX);
        o->too_many = true;
        return true;
    }
    if (o->count == o->room) {
        size_t room = o->room == 0 ? 16 : o->room * 2;
        void *larger = arena_grow(o->to.arena, o->list, o->count, room, sizeof *o->list);
        if (larger == NULL)
            return arena_err(o->e);
        o->list = larger;
        o->room = room;
    }
    o->list[o->count++] = one;
    return true;
}

static void check_several(struct outputs *o, const struct configuration_match *match,
                          const struct configuration_directive *d, const char *name)
{
    if (match->max > 1 && strstr(name, file_name_mark) == NULL)
        problem_add(&o->to, configuration_attribute(d, "output-file-name")->at,
                    ERR_CONFIGURATION_OUTPUT,
                    "'output-file-name' must contain ${file.name}, because 'max-matches' in line "
                    "%u allows several files: their outputs would all be '%s'.",
                    match->at.line, problem_excerpt(o->to.arena, name));
}

static bool add_of_node(struct outputs *o, const struct configuration_node *node)
{
    const char **folders, *name = NULL, *folded;
    TRY(folders_of(o, node, &folders));
    for (size_t j = 0; j < node->directive_count; j++) {
        const struct configuration_directive *d = &node->directives[j];
        if (!name_of(o, d, &name))
            continue;
        if ((folded = fold(o->to.arena, name)) == NULL)
            return arena_err(o->e);
        for (size_t i = 0; i < node->match_count; i++) {
            const struct configuration_match *match = &node->matches[i];
            if (o->too_many || problems_full(o->to.problems))
                return true;
            check_several(o, match, d, name);
            if (folders[i] != NULL)
                TRY(add(o, (struct output){node, node->parent, match, d, folders[i], folded}));
        }
    }
    return true;
}

/* Provenance and what is nested in it lie in the root of the ZIP. There ${file.name} is the name
 * of the file around; the outermost has none. */
static bool add_of_provenance(struct outputs *o, const struct configuration_node *root,
                              const struct configuration_directive *d, const char *around)
{
    const char *name = NULL;
    if (!name_of(o, d, &name))
        return true;
    if (around == NULL && strstr(name, file_name_mark) != NULL) {
        problem_add(&o->to, configuration_attribute(d, "output-file-name")->at,
                    ERR_CONFIGURATION_OUTPUT,
                    "${file.name} has no meaning here: <%s> does not belong to one file.", d->name);
        return true;
    }
    const struct template *t = configuration_attribute(d, "output-file-name");
    bool nested = strcmp(d->name, "create-attestation-signature") == 0;
    const char *whole = template_join(o->to.arena, t, "", around == NULL ? "" : around);
    name = whole == NULL ? NULL : value_trim(o->to.arena, whole);
    const char *folded = name == NULL ? NULL : fold(o->to.arena, name);
    if (folded == NULL)
        return arena_err(o->e);
    TRY(add(o, (struct output){NULL, root, NULL, d, "", folded}));
    for (size_t i = 0; i < d->child_count && !nested; i++)
        TRY(add_of_provenance(o, root, &d->children[i], name));
    return true;
}

static bool collect(void *ctx, const struct configuration_node *node)
{
    struct outputs *o = ctx;
    if (node->kind == CONFIGURATION_FILE)
        return add_of_node(o, node);
    for (size_t i = 0; i < node->directive_count; i++)
        if (strcmp(node->directives[i].name, "create-provenance-file") == 0)
            TRY(add_of_provenance(o, node, &node->directives[i], NULL));
    return true;
}

static int compare_places(const struct output *a, const struct output *b)
{
    int folders = a->folder == b->folder ? 0 : strcmp(a->folder, b->folder);
    return folders != 0 ? folders : strcmp(a->name, b->name);
}

static int order(const void *left, const void *right)
{
    const struct output *a = left, *b = right;
    if (a->parent->at.line != b->parent->at.line)
        return a->parent->at.line < b->parent->at.line ? -1 : 1;
    if (a->parent->at.column != b->parent->at.column)
        return a->parent->at.column < b->parent->at.column ? -1 : 1;
    int places = compare_places(a, b);
    if (places != 0)
        return places;
    uint32_t one = a->directive->at.line, two = b->directive->at.line;
    if (one != two)
        return one < two ? -1 : 1;
    one = a->directive->at.column;
    two = b->directive->at.column;
    return one == two ? 0 : one < two ? -1 : 1;
}

static bool must_exist(const struct output *o)
{
    return o->match == NULL || (o->match->min > 0 && o->match->min_text.count == 0) ||
           (o->match->min > 0 && !template_has(&o->match->min_text, TEMPLATE_PARAMETER));
}

/* Two that are certain to be made and to get one name. */
static bool clash(const struct output *a, const struct output *b)
{
    if (a->parent != b->parent || compare_places(a, b) != 0)
        return false;
    bool same_file = a->match == b->match && a->node != NULL;
    bool per_file = strstr(a->name, file_name_mark) != NULL;
    return same_file || (!per_file && must_exist(a) && must_exist(b));
}

bool outputs_check(struct problem_at to, const struct configuration *c, struct err *e)
{
    struct outputs o = {.to = to, .e = e};
    TRY(each_node(c->root, collect, &o));
    if (o.count > 1)
        qsort(o.list, o.count, sizeof *o.list, order);
    for (size_t i = 1; i < o.count; i++)
        if (clash(&o.list[i - 1], &o.list[i]))
            problem_add(&to, configuration_attribute(o.list[i].directive, "output-file-name")->at,
                        ERR_CONFIGURATION_OUTPUT,
                        "The output name clashes with that of <%s> in line %u: names must differ, "
                        "whatever their case.",
                        o.list[i - 1].directive->name, o.list[i - 1].directive->at.line);
    return true;
}
