/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_XML_H
#define ARCHIVE_XML_H
#include "base/arena.h"

/* A pull reader for small documents from outside: configurations, manifests. Namespaces are
 * resolved, entities other than the five predefined ones and character references are errors, a
 * DOCTYPE is refused where it starts, nothing is ever fetched. UTF-8 (with or without a mark) and
 * UTF-16 with a mark; an encoding declaration that says something else is an error. Comments and
 * processing instructions are skipped. */
struct xml_reader;

struct xml_limits {
    size_t bytes;        /* of the document */
    uint32_t elements;   /* in all */
    uint32_t depth;      /* the root has depth 1 */
    uint32_t attributes; /* of one element, namespace declarations included */
};

/* Both from 1; columns count characters, a tab is one. */
struct xml_position {
    uint32_t line, column;
};

struct xml_attribute {
    const char *name;             /* local name */
    const char *space;            /* namespace, "" for none */
    const char *value;            /* normalised as XML 1.0 section 3.3.3 says for CDATA */
    struct xml_position at;       /* of the name */
    struct xml_position value_at; /* of the first character between the quotes */
    size_t value_from, value_to;  /* what is between the quotes, as offsets in xml_text */
};

enum xml_kind { XML_START, XML_END, XML_TEXT, XML_DONE };

/* Strings are of the arena. An empty element is a start and an end. Neighbouring text and CDATA
 * is one event; text that is blank only is reported too, with `blank`. */
struct xml_event {
    enum xml_kind kind;
    struct xml_position at;
    const char *name;  /* XML_START, XML_END: local name */
    const char *space; /* namespace, "" for none */
    const char *text;  /* XML_TEXT */
    bool blank;
    size_t from,
        to; /* XML_START, XML_END: the tag, as offsets in xml_text; from == to: <a/> ended */
    uint32_t depth; /* of the element, or of the element the text is in; the root has 1 */
    const struct xml_attribute *attributes; /* XML_START, in document order, without xmlns */
    size_t attribute_count;
};

/* Checks size and encoding; `document` must stay until the last xml_next. False: ERR_XML,
 * ERR_XML_LIMIT or ERR_XML_DOCTYPE; *ret is then set too (NULL without memory) and xml_error_at
 * says where. Memory is of the arena, but libxml2's part is freed by xml_reader_free, which accepts
 * NULL. */
MUST_CHECK bool xml_reader_new(struct arena *a, struct reader document,
                               const struct xml_limits *limits, struct xml_reader **ret,
                               struct err *e);
void xml_reader_free(struct xml_reader *x);
/* The next event; XML_DONE after the root has ended and nothing is left. After false the reader
 * gives nothing more. User texts of errors begin with "line L, column C: ". */
MUST_CHECK bool xml_next(struct xml_reader *x, struct xml_event *ret, struct err *e);
/* Where the last error was. */
struct xml_position xml_error_at(const struct xml_reader *x);
/* The document as UTF-8 without a mark: the caller's bytes or of the arena. Empty when it could not
 * be decoded. */
struct reader xml_text(const struct xml_reader *x);
/* For CLEANUP(xml_reader_cleanup). */
void xml_reader_cleanup(struct xml_reader **x);
#endif
