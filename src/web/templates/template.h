/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_TEMPLATES_TEMPLATE_H
#define WEB_TEMPLATES_TEMPLATE_H
#include "base/writer.h"
#include "web/templates/view.h"

/* A page as a table, made from html/NAME.html by tools/make-templates.py, which has the syntax in
 * its first lines and knows for every value in which place of the HTML it stands. */
enum template_place {
    TEMPLATE_IN_TEXT,
    TEMPLATE_IN_ATTRIBUTE,
    TEMPLATE_IN_URL,
    TEMPLATE_IN_URL_PART
};
enum template_kind {
    TEMPLATE_LITERAL,
    TEMPLATE_VALUE,
    TEMPLATE_IF,     /* text does not hold: go to `jump` */
    TEMPLATE_UNLESS, /* text holds: go to `jump` */
    TEMPLATE_JUMP,
    TEMPLATE_FOR,  /* text is an empty list: go to `jump` */
    TEMPLATE_NEXT, /* of the loop at `jump` */
};
struct template_op {
    enum template_kind kind;
    enum template_place place;
    unsigned line;
    uint32_t jump, len;
    const char *text, *variable;
};
struct template
{
    const char *name;
    const struct template_op *ops;
    size_t count;
};

/* Appends the page. A value that data does not have is an error of ours (ERR_INTERNAL) that names
 * template and line; in an #if it does not hold. */
MUST_CHECK bool template_run(const struct template *t, const struct view *data, struct writer *out,
                             struct err *e);
#endif
