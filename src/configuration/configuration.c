/* SPDX-License-Identifier: Apache-2.0 */
#include "configuration/configuration.h"
#include "base/text.h"
#include "configuration/build.h"
#include "configuration/value.h"
#include <string.h>

/* --- parse ----------------------------------------------------------------------------------- */
static bool is_of_document(const struct err *e)
{
    return e->code == ERR_XML || e->code == ERR_XML_LIMIT || e->code == ERR_XML_DOCTYPE;
}

/* The text without "line L, column C: ", which the problem says itself. */
static const char *bare(const char *text)
{
    const char *behind = strstr(text, ": ");
    return strncmp(text, "line ", 5) == 0 && behind != NULL ? &behind[2] : text;
}

static bool load(struct problem_at to, struct reader xml, struct xml_tree *tree, struct err *e)
{
    static const struct xml_limits limits = {.bytes = CONFIGURATION_MAX_BYTES,
                                             .elements = CONFIGURATION_MAX_ELEMENTS,
                                             .depth = CONFIGURATION_MAX_DEPTH,
                                             .attributes = 64};
    struct err mine = {0};
    if (xml_tree_load(to.arena, xml, &limits, tree, &mine))
        return true;
    to.tree = tree;
    if (is_of_document(&mine))
        problem_add(&to, tree->error_at, mine.code, "%s", bare(mine.user));
    return err_from(e, err_machine_code(mine.code), mine.user, mine.detail);
}

/* What turns the direction of text makes a line, a comment even, read as something that it is not
 * (CVE-2021-42574). As a character reference it can be seen. */
static void check_direction(const struct problem_at *to)
{
    struct reader rest = to->tree->text;
    struct xml_position at = {1, 1};
    uint32_t c;
    while (!problems_full(to->problems) && text_next(&rest, &c)) {
        if ((c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
            problem_add(to, at, ERR_CONFIGURATION_RULE,
                        "The invisible character U+%04X changes the direction of text, so that the "
                        "line does not read as what it says. Remove it, or write &#x%04X; if it is "
                        "meant.",
                        c, c);
        at.column = c == '\n' ? 1 : at.column + 1;
        at.line += c == '\n' ? 1 : 0;
    }
}

/* Checks that need the whole tree, only useful when its parts are right. */
static bool check_whole(struct problem_at to, const struct configuration *c, struct err *e)
{
    if (to.problems->errors > 0)
        return true;
    rules_check(to, c);
    return outputs_check(to, c, e);
}

static bool parse(struct problem_at to, struct reader xml, bool built_only,
                  struct configuration **ret, struct err *e)
{
    struct xml_tree *tree = ARENA_NEW(to.arena, struct xml_tree);
    struct configuration *raw = NULL, *settled = NULL;
    if (tree == NULL)
        return arena_err(e);
    TRY(load(to, xml, tree, e));
    to.tree = tree;
    check_direction(&to);
    TRY(configuration_build(to, &raw, e));
    if (raw != NULL) {
        struct settle s = {.to = to, .from = raw, .e = e};
        TRY(configuration_settle(&s, &settled));
        TRY(check_whole(to, settled, e));
        if (built_only)
            rules_check_built(to, settled);
    }
    problems_sort(to.problems);
    TRY(problems_none(to.problems, e));
    *ret = settled;
    return true;
}

bool configuration_parse(struct arena *a, struct reader xml, struct configuration **ret,
                         struct configuration_problems *problems, struct err *e)
{
    struct problem_at to = {.arena = a, .problems = problems};
    return parse(to, xml, true, ret, e);
}

bool configuration_parse_any(struct arena *a, struct reader xml, struct configuration **ret,
                             struct configuration_problems *problems, struct err *e)
{
    struct problem_at to = {.arena = a, .problems = problems};
    return parse(to, xml, false, ret, e);
}

/* --- resolve --------------------------------------------------------------------------------- */

static void take_given(const struct problem_at *to, const struct configuration *c,
                       const struct parameter_value *given, struct parameter_value *values)
{
    struct arena *a = to->arena;
    size_t i = parameter_index(c, given->name);
    if (i == SIZE_MAX) {
        const char *name = problem_excerpt(a, given->name);
        problem_add_value(to, name,
                          "The artifact configuration has no parameter '%s'.%s Defined: %s.", name,
                          parameter_did_you_mean(a, c, given->name), parameter_names_spoken(a, c));
        return;
    }
    const char *problem = parameter_value_problem(given->value);
    if (values[i].value != NULL)
        problem = "it is given twice.";
    if (problem != NULL)
        problem_add_value(to, given->name, "The value of the parameter '%s' is not usable: %s",
                          given->name, problem);
    values[i].value = given->value;
}

static void take_default(const struct problem_at *to, const struct configuration_parameter *p,
                         struct parameter_value *value)
{
    value->name = p->name;
    if (value->value == NULL)
        value->value = p->default_value == NULL ? "" : p->default_value;
    if (p->required && value->value[0] == '\0')
        problem_add_value(to, p->name, "The parameter '%s' is required: give it a value.", p->name);
}

static bool copy_values(struct arena *a, struct parameter_value *values, size_t count,
                        struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        values[i].value = arena_text(a, reader_text(values[i].value));
        if (values[i].value == NULL)
            return arena_err(e);
    }
    return true;
}

static bool resolve(struct problem_at to, const struct configuration *c,
                    const struct parameter_value *values, struct configuration **ret, struct err *e)
{
    struct settle s = {.to = to, .from = c, .values = values, .e = e};
    struct configuration *settled = NULL;
    TRY(configuration_settle(&s, &settled));
    TRY(check_whole(to, settled, e));
    problems_sort(to.problems);
    TRY(problems_none(to.problems, e));
    *ret = settled;
    return true;
}

bool configuration_resolve(const struct configuration *c, const struct parameter_value *values,
                           size_t count, struct configuration **ret,
                           struct configuration_problems *problems, struct err *e)
{
    struct problem_at to = {.arena = c->arena, .problems = problems};
    struct parameter_value *all =
        ARENA_ARRAY(c->arena, c->parameter_count + 1, struct parameter_value);
    if (all == NULL)
        return arena_err(e);
    for (size_t i = 0; i < count; i++)
        take_given(&to, c, &values[i], all);
    for (size_t i = 0; i < c->parameter_count; i++)
        take_default(&to, &c->parameters[i], &all[i]);
    TRY(problems_none(problems, e));
    TRY(copy_values(c->arena, all, c->parameter_count, e));
    return resolve(to, c, all, ret, e);
}

/* --- reading a configuration ----------------------------------------------------------------- */
const struct template *configuration_attribute(const struct configuration_directive *d,
                                               const char *name)
{
    for (size_t i = 0; i < d->attribute_count; i++)
        if (strcmp(d->attributes[i].name, name) == 0)
            return &d->attributes[i].value;
    return NULL;
}

bool configuration_output_name(struct arena *a, const struct configuration_directive *d,
                               const char *file_name, const char **ret, struct err *e)
{
    const struct template *t = configuration_attribute(d, "output-file-name");
    const char *whole = NULL;
    if (t == NULL)
        return err_set(e, ERR_INTERNAL, "%s makes no file", d->name);
    TRY(template_expand(a, t, file_name, &whole, e));
    const char *name = value_trim(a, whole);
    if (name == NULL)
        return arena_err(e);
    const char *problem = output_name_problem(name);
    if (problem != NULL)
        return err_user(e, ERR_CONFIGURATION_OUTPUT,
                        "line %u, column %u: The output name '%s' is not usable: %s", t->at.line,
                        t->at.column, problem_excerpt(a, name), problem);
    *ret = name;
    return true;
}

bool configuration_signs(const struct configuration_directive *d)
{
    const struct grammar_directive *row = grammar_directive_of(d->name);
    return row != NULL && (row->does & (GRAMMAR_SIGN | GRAMMAR_NEW_FILE)) != 0;
}

bool configuration_verifies(const struct configuration_directive *d)
{
    const struct grammar_directive *row = grammar_directive_of(d->name);
    return row != NULL && (row->does & GRAMMAR_VERIFY) != 0;
}
