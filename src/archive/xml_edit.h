/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_XML_EDIT_H
#define ARCHIVE_XML_EDIT_H
#include "archive/xml.h"
#include "base/writer.h"

/* Changes a few places of a document and leaves all its other bytes as they stand. */

/* An element and where it stands in the text. */
struct xml_span {
    const char *name, *space;
    const struct xml_attribute *attributes; /* value_from, value_to: what stands in the text */
    size_t attribute_count;
    uint32_t depth;         /* the root has 1 */
    bool empty;             /* <a/> */
    size_t from, to;        /* the whole element */
    size_t inside, outside; /* what is between its tags; inside == outside == to when empty */
};
struct xml_spans {
    struct reader text; /* UTF-8 without a mark; of the arena or the document's own */
    struct xml_span *list;
    size_t count;
};
/* All elements down to a depth, in document order; the first one is the root. */
MUST_CHECK bool xml_spans_load(struct arena *a, struct reader document,
                               const struct xml_limits *limits, uint32_t depth,
                               struct xml_spans *ret, struct err *e);
/* Of an attribute without namespace; NULL: there is none. */
const struct xml_attribute *xml_span_attribute(const struct xml_span *s, const char *name);
const char *xml_span_value(const struct xml_span *s, const char *name);

/* The name in the tag, with its prefix. */
struct reader xml_span_raw_name(struct reader text, const struct xml_span *s);

/* text[from, to) becomes `with`. */
struct xml_cut {
    size_t from, to;
    struct reader with;
};
/* The text after cuts that are in order and do not overlap; false when they do. */
MUST_CHECK bool xml_cuts_apply(struct reader text, const struct xml_cut *cuts, size_t count,
                               struct writer *out);
/* Text as an attribute value between double quotes, or between tags. */
void xml_put_text(struct writer *w, const char *text);
#endif
