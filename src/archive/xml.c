/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/xml.h"
#include "archive/xml_scan.h"
#include "base/text.h"
#include <libxml/xmlreader.h>
#include <string.h>

struct xml_reader {
    struct arena *arena;
    struct xml_limits limits;
    struct reader text; /* UTF-8 without a mark, in the arena or the caller's */
    struct xml_scan scan;
    struct xml_scan_tag tag;
    xmlTextReaderPtr reader;
    struct xml_position error_at;
    char problem[200]; /* libxml2's first complaint; "" is none */
    bool at_end;       /* it is about what comes after the document */
    bool unclosed;     /* tags are open at the end of the text, which is end_at */
    struct xml_position end_at;
    struct writer run; /* text that is being put together */
    bool has_run;
    bool has_next; /* `next` comes after a text */
    bool ended;
    uint32_t depth;
    struct xml_event next;
};

/* Line and column go in front of the sentence. */
static bool fail_at(struct xml_reader *x, struct xml_position at, enum err_code code,
                    const char *what, struct err *e)
{
    x->error_at = at;
    x->ended = true;
    return err_user(e, code, "line %u, column %u: %s", at.line, at.column, what);
}

/* The first complaint counts; warnings (a relative namespace name) do not. */
static void on_complaint(void *ctx, xmlErrorPtr error)
{
    struct xml_reader *x = ctx;
    if (error == NULL || error->level < XML_ERR_ERROR || x->problem[0] != '\0')
        return;
    const char *text = error->message == NULL ? "not well-formed" : error->message;
    struct reader r = reader_text(text);
    size_t n = strcspn(text, "\n");
    (void)snprintf(x->problem, sizeof x->problem, "The XML is not well-formed: %.*s",
                   (int)(n < r.left ? n : r.left), text);
    x->at_end = error->code == XML_ERR_DOCUMENT_END;
    x->error_at.line = error->line > 0 ? (uint32_t)error->line : 1;
    x->error_at.column = error->int2 > 0 ? (uint32_t)error->int2 : 1;
}

static bool complain(struct xml_reader *x, struct err *e)
{
    const char *what = x->problem[0] == '\0' ? "The XML is not well-formed." : x->problem;
    if (x->error_at.line == 0)
        x->error_at = x->scan.at;
    if (x->at_end && x->unclosed)
        return fail_at(x, x->end_at, ERR_XML,
                       "The XML is not well-formed: the document ends, but not all of its elements "
                       "are closed.",
                       e);
    return fail_at(x, x->error_at, ERR_XML, what, e);
}

/* --- before libxml2 sees anything ------------------------------------------------------------ */
static bool decode_utf16(struct xml_reader *x, struct reader document, bool big, struct err *e)
{
    struct writer swapped;
    writer_init(&swapped, x->limits.bytes + 1);
    struct reader rest = document;
    uint16_t unit;
    while (big ? reader_u16be(&rest, &unit) : reader_u16le(&rest, &unit))
        writer_u16le(&swapped, unit);
    char *utf8 = NULL;
    bool right = rest.left == 0 && text_from_utf16le(x->arena, writer_view(&swapped), &utf8);
    bool whole = writer_ok(&swapped, e);
    writer_done(&swapped);
    if (!whole)
        return false;
    if (!right && arena_failed(x->arena))
        return arena_err(e);
    if (!right)
        return fail_at(x, (struct xml_position){1, 1}, ERR_XML,
                       "The document is marked as UTF-16 but is not well-formed UTF-16.", e);
    x->text = reader_text(utf8);
    /* A NUL in the document would hide what is behind it. */
    if (x->text.left < (document.left / 2))
        return fail_at(x, (struct xml_position){1, 1}, ERR_XML,
                       "The document contains a NUL character.", e);
    return true;
}

/* Every byte is part of a character that XML could have here. */
static bool check_characters(struct xml_reader *x, struct err *e)
{
    struct reader rest = x->text;
    uint32_t c;
    struct xml_position at = {1, 1};
    while (text_next(&rest, &c)) {
        if (c == 0)
            return fail_at(x, at, ERR_XML, "The document contains a NUL character.", e);
        at.column = c == '\n' ? 1 : at.column + 1;
        at.line += c == '\n' ? 1 : 0;
    }
    if (rest.left > 0)
        return fail_at(x, at, ERR_XML,
                       "The document is not well-formed UTF-8. Save it as UTF-8, or as UTF-16 with "
                       "a byte order mark.",
                       e);
    return true;
}

static bool decode(struct xml_reader *x, struct reader document, struct err *e)
{
    bool little = reader_starts_with(document, "\xff\xfe", 2);
    bool big = reader_starts_with(document, "\xfe\xff", 2);
    x->text = document;
    if (little || big) {
        TRY(reader_skip(&document, 2) && decode_utf16(x, document, big, e));
    } else if (reader_starts_with(document, "\xef\xbb\xbf", 3)) {
        TRY(reader_skip(&x->text, 3));
    }
    TRY(check_characters(x, e));
    if (x->text.left == 0)
        return fail_at(x, (struct xml_position){1, 1}, ERR_XML, "The document is empty.", e);
    struct reader encoding = xml_scan_encoding(x->text);
    const char *name = arena_text(x->arena, encoding);
    if (name == NULL)
        return arena_err(e);
    bool wide = little || big;
    if (encoding.left > 0 &&
        !(wide ? text_equal_ascii_fold(name, "UTF-16") : text_equal_ascii_fold(name, "UTF-8")))
        return fail_at(x, (struct xml_position){1, 1}, ERR_XML,
                       wide ? "The XML declaration must say encoding=\"UTF-16\", as the document "
                              "begins with a UTF-16 mark."
                            : "The XML declaration must say encoding=\"UTF-8\": other encodings "
                              "are not accepted.",
                       e);
    return true;
}

/* Counted before libxml2 builds anything: it compares attributes pairwise. */
static bool check_limits(struct xml_reader *x, struct err *e)
{
    struct xml_scan s = xml_scan_over(x->text);
    xml_scan_prolog(&s);
    if (xml_scan_starts_with(&s, "<!"))
        return fail_at(x, s.at, ERR_XML_DOCTYPE,
                       "A DOCTYPE is never accepted. Remove it; entities other than &amp; &lt; "
                       "&gt; &quot; &apos; do not exist here.",
                       e);
    if (!xml_scan_starts_with(&s, "<"))
        return fail_at(x, s.at, ERR_XML, "The XML is not well-formed: a start tag is expected.", e);
    uint32_t elements = 0, depth = 0;
    char text[100];
    for (bool found = true;;) {
        TRY(xml_scan_tag(&s, x->arena, x->limits.attributes, &x->tag, &found, e));
        if (x->tag.count > x->limits.attributes) {
            (void)snprintf(text, sizeof text, "An element has more than %u attributes.",
                           x->limits.attributes);
            return fail_at(x, x->tag.at, ERR_XML_LIMIT, text, e);
        }
        if (!found) {
            x->unclosed = depth > 0;
            x->end_at = s.at;
            return true;
        }
        if (x->tag.end) {
            depth -= depth > 0 ? 1 : 0;
            continue;
        }
        if (++elements > x->limits.elements || depth + 1 > x->limits.depth) {
            bool deep = elements <= x->limits.elements;
            (void)snprintf(text, sizeof text,
                           deep ? "Elements are nested more than %u deep."
                                : "The document has more than %u elements.",
                           deep ? x->limits.depth : x->limits.elements);
            return fail_at(x, x->tag.at, ERR_XML_LIMIT, text, e);
        }
        depth += x->tag.empty ? 0 : 1;
    }
}

static bool start(struct xml_reader *x, struct reader document, struct err *e)
{
    if (document.left > x->limits.bytes || document.left > INT32_MAX) {
        char text[100];
        (void)snprintf(text, sizeof text, "The document has %zu bytes; the limit is %zu.",
                       document.left, x->limits.bytes);
        return fail_at(x, (struct xml_position){1, 1}, ERR_XML_LIMIT, text, e);
    }
    if (!decode(x, document, e)) {
        x->text = reader_text("");
        return false;
    }
    TRY(check_limits(x, e));
    x->scan = xml_scan_over(x->text);
    xmlInitParser();
    int options = XML_PARSE_NONET | XML_PARSE_IGNORE_ENC | XML_PARSE_BIG_LINES;
    x->reader =
        xmlReaderForMemory((const char *)x->text.at, (int)x->text.left, NULL, NULL, options);
    if (x->reader == NULL)
        return err_set(e, ERR_NO_MEMORY, "xmlReaderForMemory");
    xmlTextReaderSetStructuredErrorHandler(x->reader, (xmlStructuredErrorFunc)on_complaint, x);
    return true;
}

bool xml_reader_new(struct arena *a, struct reader document, const struct xml_limits *limits,
                    struct xml_reader **ret, struct err *e)
{
    struct xml_reader *x = ARENA_NEW(a, struct xml_reader);
    if (x == NULL)
        return arena_err(e);
    x->arena = a;
    x->limits = *limits;
    *ret = x;
    return start(x, document, e);
}

void xml_reader_free(struct xml_reader *x)
{
    if (x == NULL)
        return;
    xmlFreeTextReader(x->reader);
    x->reader = NULL;
    x->ended = true;
    writer_done(&x->run);
}

void xml_reader_cleanup(struct xml_reader **x)
{
    xml_reader_free(*x);
}

/* --- events ---------------------------------------------------------------------------------- */
static bool copy(struct xml_reader *x, const xmlChar *from, const char **ret, struct err *e)
{
    *ret = arena_text(x->arena, reader_text((const char *)from));
    return *ret != NULL || arena_err(e);
}

static bool is_declaration(struct reader name)
{
    return reader_equal_text(name, "xmlns") || reader_starts_with(name, "xmlns:", 6);
}

static bool take_attributes(struct xml_reader *x, struct xml_event *event, struct err *e)
{
    struct xml_attribute *list = ARENA_ARRAY(x->arena, x->tag.count + 1, struct xml_attribute);
    if (list == NULL)
        return arena_err(e);
    size_t count = 0, scanned = 0;
    while (xmlTextReaderMoveToNextAttribute(x->reader) == 1) {
        if (xmlTextReaderIsNamespaceDecl(x->reader) == 1)
            continue;
        while (scanned < x->tag.count && is_declaration(x->tag.attributes[scanned].name))
            scanned++;
        const xmlChar *name = xmlTextReaderConstName(x->reader);
        if (scanned == x->tag.count || name == NULL ||
            !reader_equal_text(x->tag.attributes[scanned].name, (const char *)name))
            return err_set(e, ERR_INTERNAL, "xml: attributes out of step");
        struct xml_attribute *one = &list[count++];
        one->at = x->tag.attributes[scanned].at;
        one->value_at = x->tag.attributes[scanned].value_at;
        one->value_from = x->tag.attributes[scanned].value_from;
        one->value_to = x->tag.attributes[scanned++].value_to;
        TRY(copy(x, xmlTextReaderConstLocalName(x->reader), &one->name, e));
        TRY(copy(x, xmlTextReaderConstNamespaceUri(x->reader), &one->space, e));
        TRY(copy(x, xmlTextReaderConstValue(x->reader), &one->value, e));
    }
    (void)xmlTextReaderMoveToElement(x->reader);
    event->attributes = list;
    event->attribute_count = count;
    return true;
}

static bool take_tag(struct xml_reader *x, bool end, struct xml_event *event, struct err *e)
{
    bool found = false;
    TRY(xml_scan_tag(&x->scan, x->arena, x->limits.attributes, &x->tag, &found, e));
    const xmlChar *name = xmlTextReaderConstName(x->reader);
    if (!found || x->tag.end != end || name == NULL ||
        !reader_equal_text(x->tag.name, (const char *)name))
        return err_set(e, ERR_INTERNAL, "xml: tags out of step");
    *event = (struct xml_event){
        .kind = end ? XML_END : XML_START, .at = x->tag.at, .from = x->tag.from, .to = x->tag.to};
    event->depth = end ? x->depth-- : ++x->depth;
    TRY(copy(x, xmlTextReaderConstLocalName(x->reader), &event->name, e));
    TRY(copy(x, xmlTextReaderConstNamespaceUri(x->reader), &event->space, e));
    return end || take_attributes(x, event, e);
}

/* libxml2 has no end event for <a/>. */
static void end_empty(struct xml_reader *x)
{
    x->next.kind = XML_END;
    x->next.from = x->next.to;
    x->next.attributes = NULL;
    x->next.attribute_count = 0;
    x->depth--;
    x->has_next = true;
}

/* The text before the event in x->next, or that event. */
static bool emit(struct xml_reader *x, struct xml_event *ret, struct err *e)
{
    if (!x->has_run) {
        *ret = x->next;
        x->has_next = false;
        if (ret->kind == XML_START && x->tag.empty)
            end_empty(x);
        return true;
    }
    struct reader text = writer_view(&x->run);
    TRY(writer_ok(&x->run, e));
    struct xml_event event = {.kind = XML_TEXT, .at = x->tag.text_at, .depth = x->depth};
    event.depth = x->next.kind == XML_END ? x->next.depth : x->next.depth - 1;
    event.text = arena_text(x->arena, text);
    if (event.text == NULL)
        return arena_err(e);
    event.blank = strspn(event.text, " \t\r\n") == text.left;
    if (event.at.line == 0)
        event.at = x->tag.at;
    writer_done(&x->run);
    x->has_run = false;
    *ret = event;
    return true;
}

static void add_text(struct xml_reader *x)
{
    if (!x->has_run)
        writer_init(&x->run, x->limits.bytes * 2);
    x->has_run = true;
    const xmlChar *value = xmlTextReaderConstValue(x->reader);
    writer_text(&x->run, (const char *)value);
}

/* One node of libxml2; *done when x->next is filled. */
static bool pull(struct xml_reader *x, bool *done, struct err *e)
{
    int got = xmlTextReaderRead(x->reader);
    if (got < 0 || x->problem[0] != '\0')
        return complain(x, e);
    if (got == 0) {
        x->ended = true;
        x->next = (struct xml_event){.kind = XML_DONE, .at = x->scan.at};
        *done = true;
        return true;
    }
    switch (xmlTextReaderNodeType(x->reader)) {
    case XML_READER_TYPE_ELEMENT:
        *done = true;
        return take_tag(x, false, &x->next, e);
    case XML_READER_TYPE_END_ELEMENT:
        *done = true;
        return take_tag(x, true, &x->next, e);
    case XML_READER_TYPE_TEXT:
    case XML_READER_TYPE_CDATA:
    case XML_READER_TYPE_WHITESPACE:
    case XML_READER_TYPE_SIGNIFICANT_WHITESPACE:
        add_text(x);
        return true;
    case XML_READER_TYPE_COMMENT:
    case XML_READER_TYPE_PROCESSING_INSTRUCTION:
        return true;
    default: /* a DOCTYPE or an entity reference got past libxml2 and check_limits */
        return fail_at(x, x->scan.at, ERR_XML, "The XML uses a construct that is not accepted.", e);
    }
}

bool xml_next(struct xml_reader *x, struct xml_event *ret, struct err *e)
{
    if (x->has_next)
        return emit(x, ret, e);
    if (x->ended || x->reader == NULL)
        return err_set(e, ERR_INTERNAL, "xml: read past the end");
    bool done = false;
    while (!done) {
        if (!pull(x, &done, e)) {
            x->ended = true;
            return false;
        }
    }
    x->has_next = true;
    return emit(x, ret, e);
}

struct xml_position xml_error_at(const struct xml_reader *x)
{
    return x->error_at;
}

struct reader xml_text(const struct xml_reader *x)
{
    return x->text;
}
