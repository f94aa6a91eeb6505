/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"
#include "configuration/build.h"
#include "configuration/names.h"
#include "configuration/value.h"
#include <string.h>

size_t parameter_index(const struct configuration *c, const char *name)
{
    for (size_t i = 0; i < c->parameter_count; i++)
        if (strcmp(c->parameters[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

static const char *names_of(struct arena *a, const struct configuration *c)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 100000);
    for (size_t i = 0; i < c->parameter_count; i++)
        writer_format(&w, "%s%s", i == 0 ? "" : " ", c->parameters[i].name);
    const char *text = w.failed ? NULL : arena_text(a, writer_view(&w));
    return text == NULL ? "" : text;
}

const char *parameter_names_spoken(struct arena *a, const struct configuration *c)
{
    const char *names = names_of(a, c);
    return strlen(names) > 1000 ? "other names" : names_spoken(a, names, false);
}

const char *parameter_did_you_mean(struct arena *a, const struct configuration *c, const char *name)
{
    return names_did_you_mean(a, names_of(a, c), name);
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
    if (parameter_index(c, name) != SIZE_MAX) {
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
