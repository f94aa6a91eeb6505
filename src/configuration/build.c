/* SPDX-License-Identifier: Apache-2.0 */
#include "configuration/build.h"
#include "configuration/names.h"
#include "configuration/value.h"
#include <string.h>

static const char xsi[] = "http://www.w3.org/2001/XMLSchema-instance";

/* Names that people bring from elsewhere. */
static const struct {
    const char *name, *advice;
} advice_rows[] = {
    {"max-occurs", "It is called 'max-matches'."},
    {"min-occurs", "It is called 'min-matches'."},
    {"file-name", "It is called 'output-file-name'."},
    {"timestamp", "Time stamps are always made where a method has them; the operator sets the "
                  "servers."},
    {"min-matches", "It belongs on nested elements and on <include>; the root and sets have none."},
    {"max-matches", "It belongs on nested elements and on <include>; the root and sets have none."},
    {"ui-multifile-upload", "It belongs on a <zip-file> that is the root element."},
    {"path", "In a set the paths stand on <include>."},
};

static const char *advice_for(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(advice_rows); i++)
        if (strcmp(advice_rows[i].name, name) == 0)
            return advice_rows[i].advice;
    return "";
}

/* --- attributes ------------------------------------------------------------------------------ */
const struct taken_attribute *taken_of(const struct taken *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->list[i].row->name, name) == 0)
            return &t->list[i];
    return NULL;
}

static const struct grammar_attribute *row_in(const struct grammar_attribute *const *groups,
                                              const char *name)
{
    for (; *groups != NULL; groups++) {
        const struct grammar_attribute *row = grammar_attribute_of(*groups, name);
        if (row != NULL)
            return row;
    }
    return NULL;
}

static void report_unknown(struct configuration_build *b, const struct xml_element *x,
                           const struct xml_attribute *attribute,
                           const struct grammar_attribute *const *groups)
{
    struct arena *a = b->to.arena;
    const char *allowed = names_of_attributes(a, groups);
    const char *advice = advice_for(attribute->name);
    problem_add(&b->to, attribute->at, ERR_CONFIGURATION_NAME,
                "<%s> has no attribute '%s'.%s%s%s Allowed here: %s.", problem_excerpt(a, x->name),
                problem_excerpt(a, attribute->name),
                advice[0] == '\0' ? names_did_you_mean(a, allowed, attribute->name) : "",
                advice[0] == '\0' ? "" : " ", advice, names_spoken(a, allowed, false));
}

/* Are all variables of the template known and allowed there? */
static bool check_variables(struct configuration_build *b, const struct grammar_attribute *row,
                            const struct template *t)
{
    struct arena *a = b->to.arena;
    bool right = true;
    for (size_t i = 0; i < t->count; i++) {
        const struct template_piece *piece = &t->pieces[i];
        if (piece->kind == TEMPLATE_FILE_NAME && (row->flags & ATTRIBUTE_PER_FILE) == 0) {
            problem_add(&b->to, t->at, ERR_CONFIGURATION_VALUE,
                        "${file.name} cannot be used in '%s'.", row->name);
            right = false;
        }
        if (piece->kind != TEMPLATE_PARAMETER ||
            parameter_index(b->configuration, piece->text) != SIZE_MAX)
            continue;
        problem_add(&b->to, t->at, ERR_CONFIGURATION_VALUE,
                    "The parameter '%s' is not defined.%s Defined in <parameters>: %s.",
                    problem_excerpt(a, piece->text),
                    parameter_did_you_mean(a, b->configuration, piece->text),
                    parameter_names_spoken(a, b->configuration));
        right = false;
    }
    return right;
}

/* *kept is false when the value was reported. */
static bool read_value(struct configuration_build *b, const struct grammar_attribute *row,
                       const struct xml_attribute *attribute, struct template *ret, bool *kept)
{
    struct arena *a = b->to.arena;
    const char *problem = NULL;
    bool plain = (row->flags & ATTRIBUTE_PLAIN) != 0;
    bool read = plain ? template_literal(a, attribute->value, attribute->value_at, ret)
                      : template_parse(a, attribute->value, attribute->value_at, ret, &problem);
    if (!read && problem == NULL)
        return arena_err(b->e);
    if (problem != NULL)
        problem_add(&b->to, attribute->value_at, ERR_CONFIGURATION_VALUE,
                    "The value of '%s' cannot be read: %s", row->name, problem);
    *kept = read && (plain || check_variables(b, row, ret));
    return true;
}

static bool is_schema_hint(const struct xml_element *x, const struct xml_attribute *attribute)
{
    return x->parent == NULL && strcmp(attribute->space, xsi) == 0 &&
           strcmp(attribute->name, "schemaLocation") == 0;
}

static void report_missing(struct configuration_build *b, const struct xml_element *x,
                           const struct grammar_attribute *const *groups, const bool *seen)
{
    for (size_t n = 0; *groups != NULL; groups++)
        for (const struct grammar_attribute *row = *groups; row->name != NULL; row++, n++)
            if ((row->flags & ATTRIBUTE_REQUIRED) != 0 && !seen[n])
                problem_add(&b->to, x->at, ERR_CONFIGURATION_MISSING,
                            "<%s>: The required attribute '%s' is missing.", x->name, row->name);
}

/* Where the row is in all groups, counted through. */
static size_t row_number(const struct grammar_attribute *const *groups,
                         const struct grammar_attribute *wanted)
{
    size_t n = 0;
    for (; *groups != NULL; groups++)
        for (const struct grammar_attribute *row = *groups; row->name != NULL; row++, n++)
            if (row == wanted)
                return n;
    return n;
}

static bool take_one(struct configuration_build *b, const struct grammar_attribute *row,
                     const struct xml_attribute *attribute, struct taken *ret)
{
    struct taken_attribute *one = &ret->list[ret->count];
    bool kept = false;
    one->row = row;
    one->at = attribute->at;
    TRY(read_value(b, row, attribute, &one->value, &kept));
    ret->count += kept ? 1 : 0;
    return true;
}

bool build_attributes(struct configuration_build *b, const struct xml_element *x,
                      const struct grammar_attribute *const *groups, struct taken *ret)
{
    enum { ROWS_MAX = 32 };
    bool seen[ROWS_MAX] = {false};
    *ret = (struct taken){.list =
                              ARENA_ARRAY(b->to.arena, x->attribute_count, struct taken_attribute)};
    if (ret->list == NULL)
        return arena_err(b->e);
    for (size_t i = 0; i < x->attribute_count && !problems_full(b->to.problems); i++) {
        const struct xml_attribute *attribute = &x->attributes[i];
        if (is_schema_hint(x, attribute))
            continue;
        const struct grammar_attribute *row =
            attribute->space[0] == '\0' ? row_in(groups, attribute->name) : NULL;
        if (row == NULL) {
            report_unknown(b, x, attribute, groups);
            continue;
        }
        size_t n = row_number(groups, row);
        if (n >= ROWS_MAX)
            return err_set(b->e, ERR_INTERNAL, "more than %d attribute rows", ROWS_MAX);
        if (seen[n])
            problem_add(&b->to, attribute->at, ERR_CONFIGURATION_RULE,
                        "'%s' and its old spelling '%s' cannot both be given.", row->name,
                        row->old_name);
        else
            TRY(take_one(b, row, attribute, ret));
        seen[n] = true;
    }
    report_missing(b, x, groups, seen);
    return true;
}

/* --- elements in general --------------------------------------------------------------------- */
bool build_check_text(struct configuration_build *b, const struct xml_element *x)
{
    if (x->text == NULL)
        return true;
    problem_add(&b->to, x->text_at, ERR_CONFIGURATION_PLACE,
                "<%s> cannot contain text ('%s'). The language uses elements and attributes only.",
                problem_excerpt(b->to.arena, x->name), problem_excerpt(b->to.arena, x->text));
    return false;
}

bool build_in_language(struct configuration_build *b, const struct xml_element *x)
{
    if (problems_full(b->to.problems))
        return false; /* nobody reads more, and texts cost time */
    if (strcmp(x->space, GRAMMAR_NAMESPACE) == 0)
        return true;
    problem_add(&b->to, x->at, ERR_CONFIGURATION_NAME,
                "<%s> is %s%s%s. All elements must be in the namespace '" GRAMMAR_NAMESPACE "'.",
                problem_excerpt(b->to.arena, x->name),
                x->space[0] == '\0' ? "in no namespace" : "in the namespace '",
                problem_excerpt(b->to.arena, x->space), x->space[0] == '\0' ? "" : "'");
    return false;
}

void build_no_children(struct configuration_build *b, const struct xml_element *x)
{
    for (const struct xml_element *child = x->first; child != NULL; child = child->next)
        if (build_in_language(b, child))
            build_misplaced(b, child, "");
    (void)build_check_text(b, x);
}

static bool is_known(const char *name)
{
    bool is_set;
    return grammar_element_of(name, &is_set) != NULL || grammar_directive_of(name) != NULL ||
           grammar_lists("include for-each parameters parameter artifact-configuration", name);
}

static const char *where_directive_belongs(struct configuration_build *b, const char *name)
{
    const struct grammar_directive *directive = grammar_directive_of(name);
    if (directive == NULL)
        return "";
    struct arena *a = b->to.arena;
    bool at_root = strcmp(name, "create-provenance-file") == 0;
    const char *text =
        arena_format(a, " It belongs in %s%s.", names_spoken(a, names_around(a, directive), true),
                     at_root ? " as the root element" : "");
    return text == NULL ? "" : text;
}

void build_misplaced(struct configuration_build *b, const struct xml_element *x,
                     const char *allowed)
{
    struct arena *a = b->to.arena;
    bool is_set = false, known = is_known(x->name);
    const struct grammar_element *element = grammar_element_of(x->name, &is_set);
    const char *around = x->parent == NULL ? "the document" : x->parent->name;
    if (!known) {
        problem_add(&b->to, x->at, ERR_CONFIGURATION_NAME,
                    "There is no element <%s>.%s Allowed in <%s>: %s.", problem_excerpt(a, x->name),
                    names_did_you_mean(a, allowed, x->name), problem_excerpt(a, around),
                    names_spoken(a, allowed, true));
        return;
    }
    const char *why = where_directive_belongs(b, x->name);
    if (element != NULL && element->kind == GRAMMAR_FILE)
        why = " It must be in a <zip-file> (directories in between are fine), because its "
              "signature files are added beside it.";
    problem_add(&b->to, x->at, ERR_CONFIGURATION_PLACE,
                "<%s> is not allowed in <%s>.%s Allowed here: %s.", x->name, around, why,
                names_spoken(a, allowed, true));
}

/* --- the document ---------------------------------------------------------------------------- */
static bool build_file_element(struct configuration_build *b, const struct xml_element *x)
{
    bool is_set = false;
    const struct grammar_element *element = grammar_element_of(x->name, &is_set);
    if (element == NULL || is_set || !grammar_is_root(element)) {
        build_misplaced(b, x, names_in_element(b->to.arena, NULL, true, false));
        return true;
    }
    struct configuration_node *root = ARENA_NEW(b->to.arena, struct configuration_node);
    if (root == NULL)
        return arena_err(b->e);
    TRY(build_node(b, x, NULL, root));
    b->configuration->root = root;
    return true;
}

static bool build_document(struct configuration_build *b, const struct xml_element *top)
{
    struct taken none;
    static const struct grammar_attribute *const no_groups[] = {grammar_nothing, NULL};
    TRY(build_attributes(b, top, no_groups, &none));
    (void)build_check_text(b, top);
    const struct xml_element *child = top->first;
    if (child != NULL && strcmp(child->name, "parameters") == 0 &&
        strcmp(child->space, GRAMMAR_NAMESPACE) == 0) {
        TRY(build_parameters(b, child));
        child = child->next;
    }
    if (child == NULL)
        problem_add(
            &b->to, top->at, ERR_CONFIGURATION_MISSING,
            "<artifact-configuration> must contain exactly one file element. Allowed "
            "here: %s.",
            names_spoken(b->to.arena, names_in_element(b->to.arena, NULL, true, false), true));
    for (bool first = true; child != NULL; child = child->next, first = false) {
        if (!build_in_language(b, child))
            continue;
        if (!first)
            problem_add(&b->to, child->at, ERR_CONFIGURATION_PLACE,
                        "<artifact-configuration> must contain exactly one file element, and "
                        "<%s> is one more. To sign several files, put them into a <zip-file>.%s",
                        problem_excerpt(b->to.arena, child->name),
                        strcmp(child->name, "parameters") == 0 ? " <parameters> comes first." : "");
        else
            TRY(build_file_element(b, child));
    }
    return true;
}

bool configuration_build(struct problem_at to, struct configuration **ret, struct err *e)
{
    struct configuration_build b = {.to = to, .e = e};
    b.configuration = ARENA_NEW(to.arena, struct configuration);
    if (b.configuration == NULL)
        return arena_err(e);
    b.configuration->arena = to.arena;
    const struct xml_element *top = to.tree->root;
    *ret = NULL;
    if (!build_in_language(&b, top))
        return true;
    if (strcmp(top->name, "artifact-configuration") != 0) {
        problem_add(&b.to, top->at, ERR_CONFIGURATION_NAME,
                    "The document element must be <artifact-configuration>, not <%s>.",
                    problem_excerpt(to.arena, top->name));
        return true;
    }
    TRY(build_document(&b, top));
    *ret = b.configuration->root == NULL ? NULL : b.configuration;
    return true;
}
