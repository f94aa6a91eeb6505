/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIGURATION_VALUE_H
#define CONFIGURATION_VALUE_H
#include "configuration/configuration.h"
#include "configuration/grammar.h"

/* Checks of single values. All give NULL when the value is right, else a sentence for the author
 * ("" without memory). `text` is the expanded value. */
const char *value_problem(struct arena *a, const struct grammar_attribute *row, const char *text);
/* A file name for the output: product-spec 6.10. `text` without blanks around it. */
const char *output_name_problem(const char *text);
/* Without the blanks (space, tab, line ends) around it; NULL without memory. */
const char *value_trim(struct arena *a, const char *text);
/* A parameter name, and a parameter value. */
bool value_is_parameter_name(const char *text);
const char *parameter_value_problem(const char *value);
/* Right values only. */
bool value_boolean(const char *text);
uint32_t value_count(const char *text); /* VALUE_MIN, VALUE_MAX, VALUE_NUMBER */
#endif
