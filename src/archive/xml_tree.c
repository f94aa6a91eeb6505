/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/xml_tree.h"
#include "archive/xml_scan.h"

static bool open_element(struct arena *a, const struct xml_event *event, struct xml_tree *t,
                         struct xml_element **at, struct err *e)
{
    struct xml_element *one = ARENA_NEW(a, struct xml_element);
    if (one == NULL)
        return arena_err(e);
    *one = (struct xml_element){.name = event->name,
                                .space = event->space,
                                .at = event->at,
                                .attributes = event->attributes,
                                .attribute_count = event->attribute_count,
                                .parent = *at};
    if (*at == NULL)
        t->root = one;
    else if ((*at)->last == NULL)
        (*at)->first = one;
    else
        (*at)->last->next = one;
    if (*at != NULL)
        (*at)->last = one;
    *at = one;
    return true;
}

static bool load(struct arena *a, struct xml_reader *x, struct xml_tree *ret, struct err *e)
{
    struct xml_element *at = NULL;
    struct xml_event event = {.kind = XML_TEXT};
    while (event.kind != XML_DONE) {
        TRY(xml_next(x, &event, e));
        if (event.kind == XML_START) {
            TRY(open_element(a, &event, ret, &at, e));
        } else if (event.kind == XML_END && at != NULL) {
            at = at->parent;
        } else if (event.kind == XML_TEXT && !event.blank && at != NULL && at->text == NULL) {
            at->text = event.text;
            at->text_at = event.at;
        }
    }
    return true;
}

bool xml_tree_load(struct arena *a, struct reader document, const struct xml_limits *limits,
                   struct xml_tree *ret, struct err *e)
{
    *ret = (struct xml_tree){.text = reader_text("")};
    struct xml_reader *x CLEANUP(xml_reader_cleanup) = NULL;
    bool loaded = xml_reader_new(a, document, limits, &x, e) && load(a, x, ret, e);
    if (x != NULL) {
        ret->text = xml_text(x);
        ret->error_at = xml_error_at(x);
    }
    return loaded;
}

const char *xml_tree_line(struct arena *a, const struct xml_tree *t, uint32_t line)
{
    const char *text = arena_text(a, xml_scan_line(t->text, line));
    return text == NULL ? "" : text;
}
