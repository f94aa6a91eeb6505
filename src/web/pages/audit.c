/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "service/listings.h"
#include "web/pages/frame.h"
#include "web/pages/pages.h"
#include "web/templates/escape.h"
#include <jansson.h>
#include <string.h>

/* Details are a flat object of texts (service/events.c); anything else is shown as JSON. */
static void add_details(struct web_call *c, struct view *event, struct reader detail)
{
    json_error_t problem;
    const char *key;
    json_t *value, *root = NULL;
    struct view *list = view_list(event, "details");
    if (detail.left > 0)
        root = json_loadb((const char *)detail.at, detail.left, 0, &problem);
    json_object_foreach(root, key, value)
    {
        const char *text = json_string_value(value);
        if (strcmp(key, "actorName") == 0 && text != NULL) {
            view_text(event, "name", arena_text(c->arena, reader_text(text)));
            continue;
        }
        struct view *d = view_item(list);
        view_text(d, "name", arena_text(c->arena, reader_text(key)));
        view_text(d, "value", text == NULL ? "" : text);
    }
    json_decref(root);
}

static void add_event(struct web_call *c, struct view *list, const struct listing_event *f)
{
    struct view *event = view_item(list);
    view_number(event, "number", f->number);
    view_time(event, "time", f->time_ms);
    view_bytes(event, "kind", f->kind);
    view_bytes(event, "actor", f->actor);
    view_bytes(event, "object", f->object);
    view_bytes(event, "request", f->request);
    add_details(c, event, f->detail);
}

static const char *next_url(struct web_call *c, const char *request, int64_t below)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 4096);
    writer_format(&w, "/audit?after=%lld&request=", (long long)below);
    escape_url_part(&w, reader_text(request));
    return w.failed ? "" : arena_text(c->arena, writer_view(&w));
}

bool page_audit(struct web_call *c, struct err *e)
{
    struct listing_events events;
    struct list_place place;
    const char *request = web_query(c, "request");
    TRY(web_list_place(c, &place, e));
    TRY(listing_events(c->service, &c->actor, request[0] == '\0' ? NULL : request, place.below,
                       c->arena, &events, e));
    struct sheet s = sheet_new(c, "/audit", "Audit log", "Audit log");
    struct view *list = view_list(s.root, "events");
    for (size_t i = 0; i < events.count; i++)
        add_event(c, list, &events.list[i]);
    int64_t last = events.count == LISTING_EVENTS ? events.list[events.count - 1].number : 0;
    view_text(s.root, "request", request);
    view_text(s.root, "next", last > 0 ? next_url(c, request, last) : "");
    return sheet_send(&s, PAGE_AUDIT, 200, e);
}
