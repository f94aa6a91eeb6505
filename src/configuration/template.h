/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIGURATION_TEMPLATE_H
#define CONFIGURATION_TEMPLATE_H
#include "archive/xml.h"

/* Text with ${name} in it. After configuration_resolve no TEMPLATE_PARAMETER is left. */
enum template_kind {
    TEMPLATE_LITERAL,   /* as the author wrote it */
    TEMPLATE_PARAMETER, /* ${name}, not resolved yet: `text` is the name */
    TEMPLATE_VALUE,     /* what a parameter gave: literal wherever it stands */
    TEMPLATE_FILE_NAME, /* ${file.name} */
};
struct template_piece {
    enum template_kind kind;
    const char *text; /* TEMPLATE_FILE_NAME: "" */
};
struct template
{
    const char *source; /* as written, "" when absent */
    const struct template_piece *pieces;
    size_t count;           /* 0 for an absent attribute; an empty one has an empty literal piece */
    struct xml_position at; /* of the value */
};

/* The text of a resolved template for one file. `file_name`: stored name of the file without its
 * directory, for ${file.name}; NULL where there is no file, then ${file.name} is ERR_INTERNAL. */
MUST_CHECK bool template_expand(struct arena *a, const struct template *t, const char *file_name,
                                const char **ret, struct err *e);

/* --- for the parser -------------------------------------------------------------------------- */
/* $${ is a literal ${. False: *problem is a sentence about what is wrong, NULL without memory. */
MUST_CHECK bool template_parse(struct arena *a, const char *text, struct xml_position at,
                               struct template *ret, const char **problem);
/* One literal piece. */
MUST_CHECK bool template_literal(struct arena *a, const char *text, struct xml_position at,
                                 struct template *ret);
MUST_CHECK bool template_has(const struct template *t, enum template_kind kind);
/* All pieces in a row, with stand-ins for what is not known yet. NULL without memory. */
const char *template_join(struct arena *a, const struct template *t, const char *parameter,
                          const char *file_name);
#endif
