/* SPDX-License-Identifier: Apache-2.0 */
#include "configuration/build.h"
#include "configuration/names.h"
#include "configuration/value.h"
#include <string.h>

static const struct configuration_parameter *parameter_of(const struct configuration *c,
                                                          const char *name)
{
    for (size_t i = 0; i < c->parameter_count; i++)
        if (strcmp(c->parameters[i].name, name) == 0)
            return &c->parameters[i];
    return NULL;
}

/* The value of one attribute of <parameter>, checked; NULL when absent or wrong. */
static const char *plain_value(struct configuration_build *b, const struct taken *t,
                               const char *name)
{
    const struct taken_attribute *one = taken_of(t, name);
    if (one == NULL)
        return NULL;
    const char *problem = value_problem(b->to.arena, one->row, one->value.source);
    if (problem == NULL)
        return one->value.source;
    problem_add(&b->to, one->value.at, ERR_CONFIGURATION_VALUE,
                "The value '%s' of '%s' is not valid: %s",
                problem_excerpt(b->to.arena, one->value.source), name, problem);
    return NULL;
}

static bool build_parameter(struct configuration_build *b, const struct xml_element *x,
                            struct configuration_parameter *list)
{
    static const struct grammar_attribute *const groups[] = {grammar_parameter, NULL};
    struct configuration *c = b->configuration;
    struct taken taken;
    TRY(build_attributes(b, x, groups, &taken));
    build_no_children(b, x);
    const char *name = plain_value(b, &taken, "name"),
               *required = plain_value(b, &taken, "required");
    const char *by_default = plain_value(b, &taken, "default-value");
    if (name == NULL)
        return true;
    if (parameter_of(c, name) != NULL) {
        problem_add(&b->to, x->at, ERR_CONFIGURATION_RULE, "The parameter '%s' is defined twice.",
                    name);
        return true;
    }
    list[c->parameter_count++] = (struct configuration_parameter){
        .name = name,
        .default_value = by_default,
        .required = required != NULL && value_boolean(required),
        .at = x->at,
    };
    return true;
}

bool build_parameters(struct configuration_build *b, const struct xml_element *x)
{
    enum { PARAMETERS_MAX = 200 }; /* names are looked for one by one */
    static const struct grammar_attribute *const no_groups[] = {grammar_nothing, NULL};
    struct configuration_parameter *list =
        ARENA_ARRAY(b->to.arena, PARAMETERS_MAX, struct configuration_parameter);
    struct taken none;
    TRY(build_attributes(b, x, no_groups, &none));
    if (list == NULL)
        return arena_err(b->e);
    b->configuration->parameters = list;
    (void)build_check_text(b, x);
    for (const struct xml_element *child = x->first; child != NULL; child = child->next) {
        if (!build_in_language(b, child))
            continue;
        if (strcmp(child->name, "parameter") != 0) {
            build_misplaced(b, child, "parameter");
        } else if (b->configuration->parameter_count == PARAMETERS_MAX) {
            problem_add(&b->to, child->at, ERR_CONFIGURATION_RULE,
                        "There are more than %d parameters.", (int)PARAMETERS_MAX);
            return true;
        } else {
            TRY(build_parameter(b, child, list));
        }
    }
    return true;
}
