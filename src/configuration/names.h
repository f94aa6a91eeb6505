/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIGURATION_NAMES_H
#define CONFIGURATION_NAMES_H
#include "base/arena.h"
#include "configuration/grammar.h"

/* Lists of names for error texts. A list is names separated by blanks, of the arena; a list that
 * memory did not suffice for is "". */

/* Elements, sets and directives that may stand in `element` (NULL: the document root). */
const char *names_in_element(struct arena *a, const struct grammar_element *element, bool is_root,
                             bool below_zip);
/* Directives that may stand in a directive; "" for most. */
const char *names_in_directive(struct arena *a, const struct grammar_directive *directive);
/* Elements that a directive may stand in. */
const char *names_around(struct arena *a, const struct grammar_directive *directive);
/* Attributes of up to three groups; a NULL ends them. */
const char *names_of_attributes(struct arena *a, const struct grammar_attribute *const *groups);

/* " Did you mean 'x'?" or "". */
const char *names_did_you_mean(struct arena *a, const char *list, const char *name);
/* "<a>, <b>" of a list, or "'a', 'b'" when not `elements`; "nothing" when the list is empty. */
const char *names_spoken(struct arena *a, const char *list, bool elements);
#endif
