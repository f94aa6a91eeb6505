/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/xml_edit.h"
#include "base/writer.h"
#include <string.h>

struct loading {
    struct arena *arena;
    struct xml_spans *spans;
    size_t room;
    size_t *open; /* span of each open element, by depth */
    uint32_t depth;
};

static bool open_span(struct loading *l, const struct xml_event *event, struct err *e)
{
    struct xml_spans *s = l->spans;
    if (s->count == l->room) {
        size_t room = 2 * l->room + 64;
        struct xml_span *more = arena_grow(l->arena, s->list, s->count, room, sizeof *more);
        if (more == NULL)
            return arena_err(e);
        s->list = more;
        l->room = room;
    }
    l->open[event->depth - 1] = s->count;
    s->list[s->count++] = (struct xml_span){.name = event->name,
                                            .space = event->space,
                                            .attributes = event->attributes,
                                            .attribute_count = event->attribute_count,
                                            .depth = event->depth,
                                            .from = event->from,
                                            .inside = event->to};
    return true;
}

static void close_span(struct loading *l, const struct xml_event *event)
{
    struct xml_span *s = &l->spans->list[l->open[event->depth - 1]];
    s->outside = event->from;
    s->to = event->to;
    s->empty = event->from == event->to;
}

static bool load(struct loading *l, struct xml_reader *x, struct err *e)
{
    struct xml_event event = {.kind = XML_TEXT};
    while (event.kind != XML_DONE) {
        TRY(xml_next(x, &event, e));
        if (event.depth > l->depth)
            continue;
        if (event.kind == XML_START)
            TRY(open_span(l, &event, e));
        else if (event.kind == XML_END)
            close_span(l, &event);
    }
    return true;
}

bool xml_spans_load(struct arena *a, struct reader document, const struct xml_limits *limits,
                    uint32_t depth, struct xml_spans *ret, struct err *e)
{
    struct xml_spans spans = {.count = 0};
    struct loading l = {.arena = a, .spans = &spans, .depth = depth};
    struct xml_reader *x CLEANUP(xml_reader_cleanup) = NULL;
    l.open = ARENA_ARRAY(a, depth, size_t);
    if (l.open == NULL)
        return arena_err(e);
    TRY(xml_reader_new(a, document, limits, &x, e) && load(&l, x, e));
    spans.text = xml_text(x);
    *ret = spans;
    return true;
}

const struct xml_attribute *xml_span_attribute(const struct xml_span *s, const char *name)
{
    for (size_t i = 0; i < s->attribute_count; i++)
        if (s->attributes[i].space[0] == '\0' && strcmp(s->attributes[i].name, name) == 0)
            return &s->attributes[i];
    return NULL;
}

const char *xml_span_value(const struct xml_span *s, const char *name)
{
    const struct xml_attribute *one = xml_span_attribute(s, name);
    return one == NULL ? NULL : one->value;
}

struct reader xml_span_raw_name(struct reader text, const struct xml_span *s)
{
    struct reader rest = text, name;
    size_t n = 0;
    if (!reader_skip(&rest, s->from + 1))
        return reader_text("");
    while (n < rest.left && strchr(" \t\r\n/>", rest.at[n]) == NULL)
        n++;
    return reader_slice(rest, 0, n, &name) ? name : reader_text("");
}

bool xml_cuts_apply(struct reader text, const struct xml_cut *cuts, size_t count,
                    struct writer *out)
{
    size_t at = 0;
    struct reader kept;
    for (size_t i = 0; i < count; i++) {
        TRY(cuts[i].from >= at && cuts[i].to >= cuts[i].from);
        TRY(reader_slice(text, at, cuts[i].from - at, &kept));
        writer_reader(out, kept);
        writer_reader(out, cuts[i].with);
        at = cuts[i].to;
    }
    TRY(at <= text.left && reader_slice(text, at, text.left - at, &kept));
    writer_reader(out, kept);
    return !out->failed;
}

void xml_put_text(struct writer *w, const char *text)
{
    struct reader r = reader_text(text);
    for (uint8_t c; reader_u8(&r, &c);) {
        if (c == '&')
            writer_text(w, "&amp;");
        else if (c == '<')
            writer_text(w, "&lt;");
        else if (c == '>')
            writer_text(w, "&gt;");
        else if (c == '"')
            writer_text(w, "&quot;");
        else if (c == '\t' || c == '\n' || c == '\r')
            writer_format(w, "&#x%X;", c);
        else
            writer_u8(w, c);
    }
}
