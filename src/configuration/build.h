/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIGURATION_BUILD_H
#define CONFIGURATION_BUILD_H
#include "configuration/configuration.h"
#include "configuration/grammar.h"

/* The steps of configuration_parse and configuration_resolve. What is wrong with the document
 * goes to the problems; false is for memory and bugs only, unless said otherwise. */

/* XML to tree by the grammar: names, places, required attributes, references to parameters.
 * *ret is NULL when there is nothing to go on with. */
struct configuration_build {
    struct problem_at to;
    struct configuration *configuration;
    struct err *e;
};
MUST_CHECK bool configuration_build(struct problem_at to, struct configuration **ret,
                                    struct err *e);
/* Where a parameter is in the list of the configuration; SIZE_MAX: it is not defined. All their
 * names in words, for messages. (parameters.c) */
size_t parameter_index(const struct configuration *c, const char *name);
const char *parameter_names_spoken(struct arena *a, const struct configuration *c);
/* " Did you mean 'x'?" or "". */
const char *parameter_did_you_mean(struct arena *a, const struct configuration *c,
                                   const char *name);
/* The parameters of the document. */
MUST_CHECK bool build_parameters(struct configuration_build *b, const struct xml_element *x);
/* An element or set with all that is in it. (build_node.c) */
MUST_CHECK bool build_node(struct configuration_build *b, const struct xml_element *x,
                           const struct configuration_node *parent, struct configuration_node *ret);
/* A directive with what is nested in it. */
MUST_CHECK bool build_directive(struct configuration_build *b, const struct xml_element *x,
                                const struct configuration_node *node,
                                struct configuration_directive *ret);

/* Attributes of one element, by the rows of up to three groups; a NULL ends the groups. */
struct taken_attribute {
    const struct grammar_attribute *row;
    struct template value;
    struct xml_position at;
};
struct taken {
    struct taken_attribute *list;
    size_t count;
};
MUST_CHECK bool build_attributes(struct configuration_build *b, const struct xml_element *x,
                                 const struct grammar_attribute *const *groups, struct taken *ret);
const struct taken_attribute *taken_of(const struct taken *t, const char *name);
/* Reports text, and elements of another namespace; false when the element is to be skipped. */
bool build_check_text(struct configuration_build *b, const struct xml_element *x);
bool build_in_language(struct configuration_build *b, const struct xml_element *x);
/* Children that must not be there. */
void build_no_children(struct configuration_build *b, const struct xml_element *x);
/* A child whose name is not right here: says why and what is allowed. */
void build_misplaced(struct configuration_build *b, const struct xml_element *x,
                     const char *allowed);

/* Parameter values in, values checked, patterns compiled: a new tree. Without values the
 * parameters stay and only what holds none is checked. (settle.c) */
struct settle {
    struct problem_at to;
    const struct configuration *from;
    const struct parameter_value *values; /* one for each parameter of `from`; NULL: not known */
    size_t expanded;                      /* bytes of all values put in */
    struct err *e;
};
MUST_CHECK bool configuration_settle(struct settle *s, struct configuration **ret);

/* Rules that the grammar cannot express, on a settled tree. (rules.c, outputs.c) */
void rules_check(struct problem_at to, const struct configuration *c);
MUST_CHECK bool outputs_check(struct problem_at to, const struct configuration *c, struct err *e);
/* What this server cannot carry out. */
void rules_check_built(struct problem_at to, const struct configuration *c);

/* Every node, parents first; stops when `each` is false. */
typedef bool (*node_fn)(void *ctx, const struct configuration_node *node);
bool each_node(const struct configuration_node *node, node_fn each, void *ctx);
#endif
