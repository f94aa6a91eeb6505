/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/xml_scan.h"
#include <string.h>

struct xml_scan xml_scan_over(struct reader text)
{
    return (struct xml_scan){text, 0, {1, 1}};
}

/* 0 past the end: NUL never is in a document. */
static uint8_t peek(const struct xml_scan *s)
{
    return s->offset < s->text.left ? s->text.at[s->offset] : 0;
}

static void step(struct xml_scan *s)
{
    uint8_t c = peek(s);
    if (c == 0)
        return;
    s->offset++;
    if (c == '\r' && peek(s) == '\n')
        s->offset++;
    if (c == '\n' || c == '\r') {
        s->at.line++;
        s->at.column = 1;
        return;
    }
    while (peek(s) >> 6 == 2)
        s->offset++;
    s->at.column++;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_blanks(struct xml_scan *s)
{
    while (is_blank(peek(s)))
        step(s);
}

bool xml_scan_starts_with(const struct xml_scan *s, const char *what)
{
    struct reader rest = s->text, head;
    return reader_skip(&rest, s->offset) && reader_take(&rest, strlen(what), &head) &&
           reader_equal_text(head, what);
}

/* Behind the next `end`, or to the end of the text. */
static void skip_past(struct xml_scan *s, const char *end)
{
    size_t found = reader_find(s->text, s->offset, end, strlen(end));
    size_t stop = found == SIZE_MAX ? s->text.left : found + strlen(end);
    while (s->offset < stop)
        step(s);
}

/* A comment or processing instruction, whole. */
static bool skip_aside(struct xml_scan *s)
{
    bool comment = xml_scan_starts_with(s, "<!--");
    if (!comment && !xml_scan_starts_with(s, "<?"))
        return false;
    for (int i = 0; i < (comment ? 4 : 2); i++)
        step(s);
    skip_past(s, comment ? "-->" : "?>");
    return true;
}

void xml_scan_prolog(struct xml_scan *s)
{
    do
        skip_blanks(s);
    while (skip_aside(s));
}

struct reader xml_scan_encoding(struct reader text)
{
    struct xml_scan s = xml_scan_over(text);
    struct reader none = reader_text("");
    if (!xml_scan_starts_with(&s, "<?xml"))
        return none;
    size_t end = reader_find(text, 0, "?>", 2);
    struct reader declaration;
    if (end == SIZE_MAX || !reader_slice(text, 0, end, &declaration))
        return none;
    s.text = declaration;
    skip_past(&s, "encoding");
    skip_blanks(&s);
    if (peek(&s) != '=')
        return none;
    step(&s);
    skip_blanks(&s);
    uint8_t quote = peek(&s);
    if (quote != '"' && quote != '\'')
        return none;
    size_t from = s.offset + 1, to = reader_find(declaration, from, &quote, 1);
    struct reader value;
    return to != SIZE_MAX && reader_slice(declaration, from, to - from, &value) ? value : none;
}

static struct reader name_here(struct xml_scan *s)
{
    size_t from = s->offset;
    for (uint8_t c = peek(s); c != 0 && !is_blank(c) && strchr("=/><\"'", c) == NULL; c = peek(s))
        step(s);
    struct reader name = reader_text("");
    (void)!reader_slice(s->text, from, s->offset - from, &name);
    return name;
}

static bool keep(struct arena *a, struct xml_scan_tag *tag, const struct xml_scan_attribute *one,
                 struct err *e)
{
    if (tag->count == tag->room) {
        size_t room = tag->room == 0 ? 16 : tag->room * 2;
        void *larger = arena_grow(a, tag->attributes, tag->count, room, sizeof *one);
        if (larger == NULL)
            return arena_err(e);
        tag->attributes = larger;
        tag->room = room;
    }
    tag->attributes[tag->count++] = *one;
    return true;
}

/* One attribute; *found stays true when it was whole. */
static bool scan_attribute(struct xml_scan *s, struct xml_scan_attribute *ret)
{
    ret->at = s->at;
    ret->name = name_here(s);
    skip_blanks(s);
    if (ret->name.left == 0 || peek(s) != '=')
        return false;
    step(s);
    skip_blanks(s);
    uint8_t quote = peek(s);
    if (quote != '"' && quote != '\'')
        return false;
    step(s);
    ret->value_at = s->at;
    ret->value_from = s->offset;
    while (peek(s) != quote && peek(s) != 0)
        step(s);
    bool closed = peek(s) == quote;
    ret->value_to = s->offset;
    step(s);
    return closed;
}

/* To the next '<' that begins a tag. */
static void scan_text(struct xml_scan *s, struct xml_scan_tag *tag)
{
    for (;;) {
        bool section = xml_scan_starts_with(s, "<![CDATA[");
        if (!section && skip_aside(s))
            continue;
        uint8_t c = peek(s);
        if (c == 0 || (c == '<' && !section))
            return;
        if (!is_blank(c) && tag->text_at.line == 0)
            tag->text_at = s->at;
        if (section)
            skip_past(s, "]]>");
        else
            step(s);
    }
}

bool xml_scan_tag(struct xml_scan *s, struct arena *a, size_t max_attributes,
                  struct xml_scan_tag *tag, bool *found, struct err *e)
{
    *found = false;
    *tag = (struct xml_scan_tag){.attributes = tag->attributes, .room = tag->room};
    scan_text(s, tag);
    if (peek(s) != '<')
        return true;
    tag->at = s->at;
    tag->from = s->offset;
    step(s);
    tag->end = peek(s) == '/';
    if (tag->end)
        step(s);
    tag->name = name_here(s);
    for (;;) {
        skip_blanks(s);
        uint8_t c = peek(s);
        if (c == '/' || c == '>') {
            tag->empty = c == '/';
            step(s);
            if (tag->empty && peek(s) != '>')
                return true;
            if (tag->empty)
                step(s);
            tag->to = s->offset;
            *found = tag->name.left > 0;
            return true;
        }
        struct xml_scan_attribute one;
        if (!scan_attribute(s, &one))
            return true;
        if (tag->count <= max_attributes)
            TRY(keep(a, tag, &one, e));
    }
}

struct reader xml_scan_line(struct reader text, uint32_t line)
{
    struct xml_scan s = xml_scan_over(text);
    while (s.at.line < line && peek(&s) != 0)
        step(&s);
    size_t from = s.offset;
    while (s.at.line == line && peek(&s) != 0 && peek(&s) != '\n' && peek(&s) != '\r' &&
           s.at.column <= 200)
        step(&s);
    struct reader found = reader_text("");
    if (s.at.line == line)
        (void)!reader_slice(text, from, s.offset - from, &found);
    return found;
}
