/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIGURATION_PROBLEMS_H
#define CONFIGURATION_PROBLEMS_H
#include "archive/xml.h"

/* Everything that is wrong with a configuration or with the values given to it. */
struct configuration_problem {
    enum err_code code;
    bool warning;           /* shown on save, refuses nothing */
    struct xml_position at; /* line 0: not in the document (a parameter of the request) */
    const char *text;       /* a sentence for the author, without the position */
    const char *quote;      /* the line of the document; "" when not known */
};

/* Start with {0}. Memory of the configuration's arena. At most PROBLEMS_MAX are kept. */
enum { PROBLEMS_MAX = 100 };
struct configuration_problems {
    struct configuration_problem *list;
    size_t count, room;
    size_t errors; /* without warnings; may exceed what is kept */
};
#endif
