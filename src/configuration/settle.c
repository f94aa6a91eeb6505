/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"
#include "configuration/build.h"
#include "configuration/names.h"
#include "configuration/value.h"
#include <string.h>

/* What a parameter may multiply a document to: bytes of values put in, all together. */
enum { EXPANDED_MAX = 4 * 1024 * 1024 };

/* --- templates ------------------------------------------------------------------------------- */
static const struct parameter_value *value_of(const struct settle *s, const char *name)
{
    size_t i = s->values == NULL ? SIZE_MAX : parameter_index(s->from, name);
    return i == SIZE_MAX ? NULL : &s->values[i];
}

static bool put_values_in(struct settle *s, const struct template *from, struct template *to)
{
    struct template_piece *pieces = ARENA_ARRAY(s->to.arena, from->count, struct template_piece);
    if (pieces == NULL)
        return arena_err(s->e);
    for (size_t i = 0; i < from->count; i++) {
        pieces[i] = from->pieces[i];
        const struct parameter_value *value =
            pieces[i].kind == TEMPLATE_PARAMETER ? value_of(s, pieces[i].text) : NULL;
        if (value == NULL)
            continue;
        pieces[i] = (struct template_piece){TEMPLATE_VALUE, value->value};
        s->expanded += strlen(value->value);
    }
    if (s->expanded > EXPANDED_MAX)
        return err_user(s->e, ERR_PARAMETER,
                        "The parameter values make the artifact configuration larger than "
                        "%d bytes.",
                        (int)EXPANDED_MAX);
    *to = *from;
    to->pieces = pieces;
    return true;
}

static bool is_open(const struct template *t)
{
    return template_has(t, TEMPLATE_PARAMETER);
}

/* Values in; *text is the whole value with "x" for the file name, NULL while parameters are open
 * or when the value is wrong and was reported. */
static bool settle_value(struct settle *s, const char *element, const struct grammar_attribute *row,
                         const struct template *from, struct template *to, const char **text)
{
    *text = NULL;
    TRY(put_values_in(s, from, to));
    if (to->count == 0 || is_open(to))
        return true;
    const char *whole = template_join(s->to.arena, to, "", "x");
    const char *problem = whole == NULL ? "" : value_problem(s->to.arena, row, whole);
    if (problem == NULL) {
        *text = whole;
        return true;
    }
    if (problem[0] == '\0')
        return arena_err(s->e);
    enum err_code code =
        row->value == VALUE_OUTPUT_NAME ? ERR_CONFIGURATION_OUTPUT : ERR_CONFIGURATION_VALUE;
    problem_add(&s->to, to->at, code, "The value '%s' of '%s' in <%s> is not valid: %s",
                problem_excerpt(s->to.arena, whole), row->name, element, problem);
    return true;
}

/* --- paths ----------------------------------------------------------------------------------- */
static bool is_any_depth(const char *text, size_t n)
{
    return n >= 2 && text[n - 1] == '*' && text[n - 2] == '*';
}

/* A parameter whose value is not known stands for a name; next to "**" it can only be one with a
 * separator. */
static const char *stand_in(const struct template *t, size_t i)
{
    const char *before = i == 0 ? "" : t->pieces[i - 1].text;
    const char *after = i + 1 == t->count ? "" : t->pieces[i + 1].text;
    bool front = is_any_depth(before, strlen(before)), back = strncmp(after, "**", 2) == 0;
    return front && back ? "/x/" : front ? "/x" : back ? "x/" : "x";
}

static bool compile(struct settle *s, const struct template *t, struct pattern **ret)
{
    struct pattern_part *parts = ARENA_ARRAY(s->to.arena, t->count, struct pattern_part);
    if (parts == NULL)
        return arena_err(s->e);
    for (size_t i = 0; i < t->count; i++) {
        bool open = t->pieces[i].kind == TEMPLATE_PARAMETER;
        parts[i].text = open ? stand_in(t, i) : t->pieces[i].text;
        parts[i].literal = t->pieces[i].kind != TEMPLATE_LITERAL;
    }
    struct err e = {0};
    *ret = NULL;
    if (pattern_compile(s->to.arena, parts, t->count, ret, &e))
        return true;
    if (e.code != ERR_CONFIGURATION_PATTERN)
        return err_from(s->e, err_machine_code(e.code), e.user, e.detail);
    problem_add(&s->to, t->at, ERR_CONFIGURATION_PATTERN, "%s", e.user);
    return true;
}

static bool settle_path(struct settle *s, const struct configuration_node *node,
                        struct configuration_match *match)
{
    struct pattern *pattern = NULL;
    TRY(compile(s, &match->path, &pattern));
    if (pattern == NULL)
        return true;
    if (node->parent == NULL && !pattern_is_name(pattern))
        problem_add(&s->to, match->path.at, ERR_CONFIGURATION_PATTERN,
                    "The path of the root element is a pattern for the name of the uploaded file: "
                    "it cannot have folders.");
    else if (pattern_is_root(pattern) && node->kind != CONFIGURATION_DIRECTORY)
        problem_add(&s->to, match->path.at, ERR_CONFIGURATION_PATTERN,
                    "'.' is the container itself and is allowed for <directory> only.");
    else if (!is_open(&match->path))
        match->pattern = pattern;
    return true;
}

static bool settle_restrictions(struct settle *s, const struct configuration_node *node,
                                const struct configuration_match *from,
                                struct configuration_match *to)
{
    bool is_set;
    const struct grammar_element *element = grammar_element_of(node->element, &is_set);
    struct configuration_attribute *list =
        ARENA_ARRAY(s->to.arena, from->restriction_count, struct configuration_attribute);
    if (list == NULL)
        return arena_err(s->e);
    for (size_t i = 0; i < from->restriction_count; i++) {
        const char *text;
        list[i] = from->restrictions[i];
        TRY(settle_value(s, node->element,
                         grammar_attribute_of(element->restrictions, list[i].name),
                         &from->restrictions[i].value, &list[i].value, &text));
    }
    to->restrictions = list;
    return true;
}

static bool settle_match(struct settle *s, const struct configuration_node *node,
                         const struct configuration_match *from, struct configuration_match *to)
{
    const char *min = NULL, *max = NULL, *path = NULL;
    const struct grammar_attribute *min_row = grammar_attribute_of(grammar_path, "min-matches");
    const struct grammar_attribute *max_row = grammar_attribute_of(grammar_path, "max-matches");
    *to = *from;
    TRY(settle_value(s, node->element, min_row, &from->min_text, &to->min_text, &min));
    TRY(settle_value(s, node->element, max_row, &from->max_text, &to->max_text, &max));
    TRY(settle_value(s, node->element, grammar_path, &from->path, &to->path, &path));
    to->min = min == NULL ? 1 : value_count(min);
    to->max = max == NULL ? 1 : value_count(max);
    bool known = !is_open(&to->min_text) && !is_open(&to->max_text);
    if (known && to->min > to->max)
        problem_add(&s->to, to->max_text.count > 0 ? to->max_text.at : to->min_text.at,
                    ERR_CONFIGURATION_RULE,
                    "'max-matches' (%u) must not be smaller than 'min-matches' (%u).", to->max,
                    to->min);
    if (to->path.count > 0 && to->pattern == NULL) /* else it has no parameter */
        TRY(settle_path(s, node, to));
    return settle_restrictions(s, node, from, to);
}

/* --- directives ------------------------------------------------------------------------------ */
static void check_for_element(struct settle *s, const struct configuration_node *node,
                              const struct grammar_attribute *row,
                              const struct configuration_attribute *attribute, const char *text)
{
    bool app_package = grammar_lists("appx-file msix-file", node->element);
    if (app_package && strcmp(row->name, "hash-algorithm") == 0 && strcmp(text, "sha1") == 0)
        problem_add(&s->to, attribute->value.at, ERR_CONFIGURATION_VALUE,
                    "<%s> cannot be signed with 'sha1': 'hash-algorithm' must be the algorithm of "
                    "its AppxBlockMap.xml.",
                    node->element);
    bool here = row->only_in == NULL || grammar_lists(row->only_in, node->element);
    bool one_only = strcmp(row->name, "append") == 0;
    if (!here && value_boolean(text))
        problem_add(&s->to, attribute->at, ERR_CONFIGURATION_VALUE,
                    "'%s' is not possible for <%s>%s. It is possible for: %s.", row->name,
                    node->element, one_only ? ", because the format holds one signature only" : "",
                    names_spoken(s->to.arena, row->only_in, true));
}

static bool settle_attribute(struct settle *s, const struct configuration_node *node,
                             const struct grammar_directive *row,
                             const struct configuration_attribute *from,
                             struct configuration_attribute *to)
{
    const struct grammar_attribute *attribute = grammar_attribute_of(row->attributes, from->name);
    const char *text = NULL;
    *to = *from;
    TRY(settle_value(s, row->name, attribute, &from->value, &to->value, &text));
    if (text == NULL)
        return true;
    check_for_element(s, node, attribute, to, text);
    if (attribute->value != VALUE_BOOLEAN)
        return true;
    return template_literal(s->to.arena, value_boolean(text) ? "true" : "false", from->value.at,
                            &to->value) ||
           arena_err(s->e);
}

static bool has_attribute(const struct configuration_directive *d, const char *name)
{
    return configuration_attribute(d, name) != NULL;
}

static size_t count_defaults(const struct grammar_directive *row)
{
    size_t n = 0;
    for (const struct grammar_attribute *a = row->attributes; a->name != NULL; a++)
        n += a->by_default != NULL;
    return n;
}

static bool add_defaults(struct settle *s, const struct configuration_node *node,
                         const struct configuration_directive *from,
                         struct configuration_attribute *list, size_t *count)
{
    const struct grammar_directive *row = grammar_directive_of(from->name);
    for (const struct grammar_attribute *a = row->attributes; a->name != NULL; a++) {
        bool here = a->only_in == NULL || grammar_lists(a->only_in, node->element);
        if (a->by_default == NULL || !here || has_attribute(from, a->name))
            continue;
        struct configuration_attribute *one = &list[(*count)++];
        *one = (struct configuration_attribute){.name = a->name, .at = from->at};
        one->by_default = true;
        if (!template_literal(s->to.arena, a->by_default, from->at, &one->value))
            return arena_err(s->e);
    }
    return true;
}

static bool settle_directives(struct settle *s, const struct configuration_node *node,
                              const struct configuration_directive *from, size_t count,
                              const struct configuration_directive **ret)
{
    struct configuration_directive *list =
        ARENA_ARRAY(s->to.arena, count, struct configuration_directive);
    if (list == NULL)
        return arena_err(s->e);
    *ret = list;
    for (size_t i = 0; i < count; i++) {
        const struct grammar_directive *row = grammar_directive_of(from[i].name);
        size_t n = from[i].attribute_count;
        struct configuration_attribute *attributes =
            ARENA_ARRAY(s->to.arena, n + (s->values == NULL ? 0 : count_defaults(row)),
                        struct configuration_attribute);
        if (attributes == NULL)
            return arena_err(s->e);
        list[i] = from[i];
        list[i].attributes = attributes;
        for (size_t j = 0; j < n; j++)
            TRY(settle_attribute(s, node, row, &from[i].attributes[j], &attributes[j]));
        if (s->values != NULL)
            TRY(add_defaults(s, node, &from[i], attributes, &n));
        list[i].attribute_count = n;
        TRY(settle_directives(s, node, from[i].children, from[i].child_count, &list[i].children));
    }
    return true;
}

/* --- the tree -------------------------------------------------------------------------------- */
static bool settle_multifile(struct settle *s, const struct configuration_node *from,
                             struct configuration_node *to)
{
    const char *text = NULL;
    TRY(settle_value(s, from->element, grammar_multifile, &from->multifile_text,
                     &to->multifile_text, &text));
    to->multifile_upload = text != NULL && strcmp(text, "on") == 0;
    return true;
}

static bool settle_node(struct settle *s, const struct configuration_node *from,
                        const struct configuration_node *parent, struct configuration_node *to)
{
    *to = *from;
    to->parent = parent;
    struct configuration_match *matches =
        ARENA_ARRAY(s->to.arena, from->match_count, struct configuration_match);
    struct configuration_node *children =
        ARENA_ARRAY(s->to.arena, from->child_count, struct configuration_node);
    if (matches == NULL || children == NULL)
        return arena_err(s->e);
    to->matches = matches;
    to->children = children;
    TRY(settle_multifile(s, from, to));
    for (size_t i = 0; i < from->match_count; i++)
        TRY(settle_match(s, to, &from->matches[i], &matches[i]));
    TRY(settle_directives(s, to, from->directives, from->directive_count, &to->directives));
    for (size_t i = 0; i < from->child_count; i++)
        TRY(settle_node(s, &from->children[i], to, &children[i]));
    return true;
}

bool configuration_settle(struct settle *s, struct configuration **ret)
{
    struct configuration *c = ARENA_NEW(s->to.arena, struct configuration);
    struct configuration_node *root = ARENA_NEW(s->to.arena, struct configuration_node);
    if (c == NULL || root == NULL)
        return arena_err(s->e);
    TRY(settle_node(s, s->from->root, NULL, root));
    *c = *s->from;
    c->root = root;
    c->resolved = s->values != NULL;
    *ret = c;
    return true;
}
