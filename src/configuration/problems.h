/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIGURATION_PROBLEMS_H
#define CONFIGURATION_PROBLEMS_H
#include "archive/xml_tree.h"

/* Everything that is wrong with a configuration or with the values given to it. */
struct configuration_problem {
    enum err_code code;
    bool warning;           /* shown on save, refuses nothing */
    struct xml_position at; /* line 0: not in the document (a parameter of the request) */
    const char *text;       /* a sentence for the author, without the position */
    const char *quote;      /* the line of the document; "" when not known */
    const char *parameter;  /* of the request, when its value is the problem; else NULL */
};

/* Start with {0}. Memory of the configuration's arena. At most PROBLEMS_MAX are kept. */
enum { PROBLEMS_MAX = 100 };
struct configuration_problems {
    struct configuration_problem *list;
    size_t count, room;
    size_t errors; /* without warnings; may exceed what is kept */
};

/* Keeps one problem; the text is formatted into the arena. Errors are counted even when memory or
 * room is out. */
struct problem_at {
    struct arena *arena;
    struct configuration_problems *problems;
    const struct xml_tree *tree; /* to quote from; NULL: nothing to quote */
};
void problem_add(const struct problem_at *to, struct xml_position at, enum err_code code,
                 const char *fmt, ...) PRINTF(4, 5);
void problem_warn(const struct problem_at *to, struct xml_position at, enum err_code code,
                  const char *fmt, ...) PRINTF(4, 5);
/* The same about the value that a request gives to a parameter. */
void problem_add_value(const struct problem_at *to, const char *parameter, const char *fmt, ...)
    PRINTF(3, 4);
/* No room for more errors: stop looking. Warnings alone never end a check. */
bool problems_full(const struct configuration_problems *problems);
/* Into document order. */
void problems_sort(struct configuration_problems *problems);
/* The first error that is kept goes to *e, with its position; false when there is an error. */
MUST_CHECK bool problems_none(const struct configuration_problems *problems, struct err *e);

/* Text from outside for a sentence: cut after 60 characters, control characters replaced. */
const char *problem_excerpt(struct arena *a, const char *text);
#endif
