/* SPDX-License-Identifier: Apache-2.0 */
#include "configuration/build.h"
#include "configuration/names.h"
#include <string.h>

static struct xml_position nowhere(void)
{
    return (struct xml_position){0, 0};
}

/* --- paths and restrictions ------------------------------------------------------------------ */
static bool is_restriction(const struct grammar_attribute *row)
{
    return row->value == VALUE_RESTRICTION;
}

static void set_restriction(struct configuration_attribute *list, size_t *count,
                            const struct taken_attribute *one)
{
    size_t i = 0;
    while (i < *count && strcmp(list[i].name, one->row->name) != 0)
        i++;
    list[i] = (struct configuration_attribute){one->row->name, one->value, one->at, false};
    *count += i == *count ? 1 : 0;
}

/* `inherited` are the set's; NULL for single elements. */
static bool build_match(struct configuration_build *b, const struct xml_element *x,
                        const struct taken *own, const struct taken *inherited,
                        struct configuration_match *ret)
{
    size_t most = own->count + (inherited == NULL ? 0 : inherited->count);
    struct configuration_attribute *list =
        ARENA_ARRAY(b->to.arena, most, struct configuration_attribute);
    if (list == NULL)
        return arena_err(b->e);
    *ret = (struct configuration_match){.min = 1, .max = 1, .at = x->at, .restrictions = list};
    for (size_t i = 0; inherited != NULL && i < inherited->count; i++)
        set_restriction(list, &ret->restriction_count, &inherited->list[i]);
    for (size_t i = 0; i < own->count; i++)
        if (is_restriction(own->list[i].row))
            set_restriction(list, &ret->restriction_count, &own->list[i]);
    const struct template none = {.source = "", .at = nowhere()};
    const struct taken_attribute *path = taken_of(own, "path"), *min = taken_of(own, "min-matches"),
                                 *max = taken_of(own, "max-matches");
    ret->path = path == NULL ? none : path->value;
    ret->min_text = min == NULL ? none : min->value;
    ret->max_text = max == NULL ? none : max->value;
    return true;
}

static bool build_include(struct configuration_build *b, const struct xml_element *x,
                          const struct grammar_element *element, const struct taken *inherited,
                          struct configuration_match *ret)
{
    const struct grammar_attribute *const groups[] = {grammar_path, element->restrictions, NULL};
    struct taken own;
    TRY(build_attributes(b, x, groups, &own));
    build_no_children(b, x);
    return build_match(b, x, &own, inherited, ret);
}

/* --- directives ------------------------------------------------------------------------------ */
static const struct directive_facts *facts_of(const struct configuration_node *node,
                                              const char *name)
{
    return node->facts == NULL ? NULL : directive_facts_of(node->facts, name);
}

static size_t count_children(const struct xml_element *x)
{
    size_t n = 0;
    for (const struct xml_element *child = x->first; child != NULL; child = child->next)
        n++;
    return n;
}

static bool build_nested_directives(struct configuration_build *b, const struct xml_element *x,
                                    const struct configuration_node *node,
                                    const struct grammar_directive *row,
                                    struct configuration_directive *ret)
{
    struct configuration_directive *list =
        ARENA_ARRAY(b->to.arena, count_children(x), struct configuration_directive);
    if (list == NULL)
        return arena_err(b->e);
    ret->children = list;
    for (const struct xml_element *child = x->first; child != NULL; child = child->next) {
        if (!build_in_language(b, child))
            continue;
        const struct grammar_directive *inner = grammar_directive_of(child->name);
        if (inner == NULL || !grammar_lists(inner->inside, row->name)) {
            build_misplaced(b, child, names_in_directive(b->to.arena, row));
            continue;
        }
        TRY(build_directive(b, child, node, &list[ret->child_count]));
        ret->child_count++;
    }
    return true;
}

bool build_directive(struct configuration_build *b, const struct xml_element *x,
                     const struct configuration_node *node, struct configuration_directive *ret)
{
    const struct grammar_directive *row = grammar_directive_of(x->name);
    const struct grammar_attribute *const groups[] = {row->attributes, NULL};
    struct taken taken;
    TRY(build_attributes(b, x, groups, &taken));
    struct configuration_attribute *list =
        ARENA_ARRAY(b->to.arena, taken.count, struct configuration_attribute);
    if (list == NULL)
        return arena_err(b->e);
    for (size_t i = 0; i < taken.count; i++)
        list[i] = (struct configuration_attribute){taken.list[i].row->name, taken.list[i].value,
                                                   taken.list[i].at, false};
    *ret = (struct configuration_directive){.name = row->name,
                                            .facts = facts_of(node, row->name),
                                            .at = x->at,
                                            .attributes = list,
                                            .attribute_count = taken.count};
    (void)build_check_text(b, x);
    return build_nested_directives(b, x, node, row, ret);
}

/* --- the body of an element or for-each ------------------------------------------------------ */
/* Is the nearest container of a child of `node` a ZIP? */
static bool is_below_zip(const struct configuration_node *node)
{
    while (node != NULL && node->kind == CONFIGURATION_DIRECTORY)
        node = node->parent;
    return node != NULL && strcmp(node->element, "zip-file") == 0;
}

struct body {
    struct configuration_node *node;
    const struct grammar_element *element;
    struct configuration_directive *directives;
    struct configuration_node *children;
    bool is_root;
};

static bool build_child(struct configuration_build *b, const struct xml_element *x,
                        struct body *body)
{
    struct configuration_node *node = body->node;
    bool is_set = false;
    const struct grammar_directive *directive = grammar_directive_of(x->name);
    const struct grammar_element *element = grammar_element_of(x->name, &is_set);
    if (directive != NULL && directive->inside == NULL &&
        grammar_allows(body->element, directive, body->is_root)) {
        struct configuration_directive *at = &body->directives[node->directive_count];
        TRY(build_directive(b, x, node, at));
        node->directive_count++;
        return true;
    }
    bool below_zip = is_below_zip(node);
    if (element == NULL || !body->element->composite ||
        (element->kind == GRAMMAR_FILE && !below_zip)) {
        build_misplaced(b, x,
                        names_in_element(b->to.arena, body->element, body->is_root, below_zip));
        return true;
    }
    TRY(build_node(b, x, node, &body->children[node->child_count]));
    node->child_count++;
    return true;
}

/* Marks are a flag of the node, so that directives are what an engine has to do. */
static void move_mark(struct configuration_build *b, struct body *body)
{
    struct configuration_node *node = body->node;
    size_t kept = 0;
    for (size_t i = 0; i < node->directive_count; i++) {
        if (strcmp(body->directives[i].name, "include-in-provenance") != 0) {
            body->directives[kept++] = body->directives[i];
            continue;
        }
        if (node->in_provenance)
            problem_add(&b->to, body->directives[i].at, ERR_CONFIGURATION_RULE,
                        "<include-in-provenance> is given twice.");
        else
            node->provenance_at = body->directives[i].at;
        node->in_provenance = true;
    }
    node->directive_count = kept;
}

static bool build_body(struct configuration_build *b, const struct xml_element *x,
                       const struct grammar_element *element, struct configuration_node *node)
{
    size_t most = count_children(x);
    struct body body = {
        node, element, ARENA_ARRAY(b->to.arena, most, struct configuration_directive),
        ARENA_ARRAY(b->to.arena, element->composite ? most : 0, struct configuration_node),
        node->parent == NULL};
    if (body.directives == NULL || body.children == NULL)
        return arena_err(b->e);
    node->directives = body.directives;
    node->children = body.children;
    (void)build_check_text(b, x);
    for (const struct xml_element *child = x->first; child != NULL; child = child->next)
        if (build_in_language(b, child))
            TRY(build_child(b, child, &body));
    move_mark(b, &body);
    return true;
}

/* --- sets ------------------------------------------------------------------------------------ */
static bool build_for_each(struct configuration_build *b, const struct xml_element *x,
                           const struct grammar_element *element, struct configuration_node *node)
{
    static const struct grammar_attribute *const no_groups[] = {grammar_nothing, NULL};
    struct taken none;
    TRY(build_attributes(b, x, no_groups, &none));
    TRY(build_body(b, x, element, node));
    if (x->first == NULL)
        problem_add(&b->to, x->at, ERR_CONFIGURATION_RULE,
                    "<for-each> is empty: say in it what is to be done with each file.");
    return true;
}

/* One or more include, then one for-each. */
static void check_set_shape(struct configuration_build *b, const struct xml_element *x,
                            size_t includes, size_t bodies)
{
    if (includes == 0)
        problem_add(&b->to, x->at, ERR_CONFIGURATION_MISSING,
                    "<%s> needs at least one <include path=\"...\"/>.", x->name);
    if (bodies == 0)
        problem_add(&b->to, x->at, ERR_CONFIGURATION_MISSING,
                    "<%s> needs a <for-each> after its <include> elements.", x->name);
}

static bool build_set(struct configuration_build *b, const struct xml_element *x,
                      const struct grammar_element *element, struct configuration_node *node)
{
    const struct grammar_attribute *const groups[] = {element->restrictions, NULL};
    struct taken inherited;
    TRY(build_attributes(b, x, groups, &inherited));
    struct configuration_match *matches =
        ARENA_ARRAY(b->to.arena, count_children(x), struct configuration_match);
    if (matches == NULL)
        return arena_err(b->e);
    node->matches = matches;
    (void)build_check_text(b, x);
    size_t bodies = 0;
    for (const struct xml_element *child = x->first; child != NULL; child = child->next) {
        bool include = strcmp(child->name, "include") == 0;
        if (!build_in_language(b, child))
            continue;
        if (include && bodies == 0) {
            struct configuration_match *match = &matches[node->match_count];
            TRY(build_include(b, child, element, &inherited, match));
            node->match_count++;
        } else if (!include && strcmp(child->name, "for-each") == 0 && bodies++ == 0) {
            TRY(build_for_each(b, child, element, node));
        } else if (include) {
            problem_add(&b->to, child->at, ERR_CONFIGURATION_PLACE,
                        "<include> must come before <for-each>.");
        } else {
            build_misplaced(b, child, bodies == 0 ? "include for-each" : "");
        }
    }
    check_set_shape(b, x, node->match_count, bodies);
    return true;
}

/* --- elements -------------------------------------------------------------------------------- */
static bool build_single(struct configuration_build *b, const struct xml_element *x,
                         const struct grammar_element *element, struct configuration_node *node)
{
    bool root = node->parent == NULL;
    bool multifile = root && grammar_lists(element->root_directives, "create-provenance-file");
    const struct grammar_attribute *const groups[] = {root ? grammar_root_path : grammar_path,
                                                      element->restrictions,
                                                      multifile ? grammar_multifile : NULL, NULL};
    struct taken own;
    TRY(build_attributes(b, x, groups, &own));
    struct configuration_match *match = ARENA_NEW(b->to.arena, struct configuration_match);
    if (match == NULL)
        return arena_err(b->e);
    TRY(build_match(b, x, &own, NULL, match));
    node->matches = match;
    node->match_count = 1;
    const struct taken_attribute *upload = taken_of(&own, "ui-multifile-upload");
    if (upload != NULL)
        node->multifile_text = upload->value;
    return build_body(b, x, element, node);
}

bool build_node(struct configuration_build *b, const struct xml_element *x,
                const struct configuration_node *parent, struct configuration_node *ret)
{
    static const enum configuration_kind kinds[] = {
        [GRAMMAR_TYPED] = CONFIGURATION_TYPED,
        [GRAMMAR_FILE] = CONFIGURATION_FILE,
        [GRAMMAR_DIRECTORY] = CONFIGURATION_DIRECTORY,
    };
    bool is_set = false;
    const struct grammar_element *element = grammar_element_of(x->name, &is_set);
    *ret = (struct configuration_node){.kind = kinds[element->kind],
                                       .element = element->name,
                                       .facts = format_facts_of(element->name),
                                       .is_set = is_set,
                                       .composite = element->composite,
                                       .at = x->at,
                                       .parent = parent};
    return is_set ? build_set(b, x, element, ret) : build_single(b, x, element, ret);
}
