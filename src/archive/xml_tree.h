/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_XML_TREE_H
#define ARCHIVE_XML_TREE_H
#include "archive/xml.h"

/* A whole small document in an arena, for languages whose rules look back and forth. */
struct xml_element {
    const char *name, *space;
    struct xml_position at;
    const struct xml_attribute *attributes;
    size_t attribute_count;
    struct xml_element *parent;       /* NULL: root */
    struct xml_element *first, *next; /* child, sibling */
    struct xml_element *last;
    const char *text;            /* first text that is not blank, NULL: none */
    struct xml_position text_at; /* of its first visible character */
};

struct xml_tree {
    struct xml_element *root;
    struct reader text; /* the document as UTF-8 */
    struct xml_position error_at;
};
/* After false `text` and `error_at` of *ret are set, so that a page can quote the line. */
MUST_CHECK bool xml_tree_load(struct arena *a, struct reader document,
                              const struct xml_limits *limits, struct xml_tree *ret, struct err *e);
/* One line as UTF-8 without its end, cut after 200 characters; "" when it is not there. */
const char *xml_tree_line(struct arena *a, const struct xml_tree *t, uint32_t line);
#endif
