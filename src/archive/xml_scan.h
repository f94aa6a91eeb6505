/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_XML_SCAN_H
#define ARCHIVE_XML_SCAN_H
#include "archive/xml.h"

/* Finds the tags of a document and says where they and their attributes stand. libxml2 decides
 * what the document means; its reader cannot tell columns or attribute positions, so this walks
 * the same text in step with it. Only right as far as the document is well-formed. */
struct xml_scan {
    struct reader text; /* UTF-8 without a mark */
    size_t offset;
    struct xml_position at; /* of offset */
};

struct xml_scan_attribute {
    struct reader name; /* with prefix */
    struct xml_position at, value_at;
    size_t value_from, value_to; /* offsets of the value, without quotes */
};

/* Reused from tag to tag; `attributes` grows in the arena. */
struct xml_scan_tag {
    struct xml_position at;      /* of the '<' */
    struct xml_position text_at; /* of the first visible text before the tag; line 0: none */
    struct reader name;          /* with prefix */
    bool end, empty;             /* </a>, <a/> */
    size_t from, to;             /* offsets of the '<' and behind the '>' */
    struct xml_scan_attribute *attributes;
    size_t count, room;
};

struct xml_scan xml_scan_over(struct reader text);
/* Over white space, comments, processing instructions and the declaration, to the first thing
 * that is none of them. */
void xml_scan_prolog(struct xml_scan *s);
MUST_CHECK bool xml_scan_starts_with(const struct xml_scan *s, const char *what);
/* Value of encoding="" in the declaration at the start of the text; empty when there is none. */
struct reader xml_scan_encoding(struct reader text);
/* *found is false at the end of the text or where it is not well-formed. At most max_attributes
 * are kept; one more makes `count` max_attributes + 1. False only without memory. */
MUST_CHECK bool xml_scan_tag(struct xml_scan *s, struct arena *a, size_t max_attributes,
                             struct xml_scan_tag *tag, bool *found, struct err *e);
/* The line with that number, without its end. */
struct reader xml_scan_line(struct reader text, uint32_t line);
#endif
