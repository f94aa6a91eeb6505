/* SPDX-License-Identifier: Apache-2.0 */
#include "service/events.h"
#include "base/json.h"
#include "store/audit.h"
#include <string.h>

void event_add(struct event *event, const char *name, const char *value)
{
    if (event->count < EVENT_DETAILS && value != NULL)
        event->details[event->count++] = (struct event_detail){.name = name, .value = value};
}

void event_add_bytes(struct event *event, const char *name, struct reader bytes)
{
    if (event->count < EVENT_DETAILS)
        event->details[event->count++] = (struct event_detail){.name = name, .bytes = bytes};
}

static void put_details(const struct event *event, struct writer *w)
{
    struct json j = json_into(w);
    json_open_object(&j, NULL);
    if (event->by != NULL) {
        json_text(&j, "actorName", event->by->name == NULL ? "" : event->by->name);
        if (event->by->token_name != NULL && event->by->token_name[0] != '\0')
            json_text(&j, "token", event->by->token_name);
        if (event->by->address != NULL && event->by->address[0] != '\0')
            json_text(&j, "address", event->by->address);
    }
    for (size_t i = 0; i < event->count; i++) {
        const struct event_detail *d = &event->details[i];
        if (d->value != NULL)
            json_text(&j, d->name, d->value);
        else
            json_hex(&j, d->name, d->bytes.at, d->bytes.left);
    }
    json_end_object(&j);
}

bool event_append(struct db_tx *tx, const struct event *event, uint64_t *ret_index, struct err *e)
{
    enum { DETAIL_MAX = 64 * 1024 };
    struct arena *a = tx_arena(tx);
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, DETAIL_MAX);
    put_details(event, &w);
    TRY(writer_ok(&w, e));
    const struct actor *by = event->by;
    bool ci = by != NULL && by->kind != NULL && strcmp(by->kind, "CI") == 0;
    const char *actor = by == NULL ? NULL : arena_format(a, "%s:%s", ci ? "ci" : "user", by->user);
    const char *object = arena_format(a, "%s:%s", event->kind, event->object);
    if (object == NULL || (by != NULL && actor == NULL))
        return arena_err(e);
    struct audit_event row = {.kind = event->type,
                              .actor = actor,
                              .object = object,
                              .request = event->request,
                              .detail = writer_view(&w),
                              .body = event->body};
    return audit_append(tx, &row, ret_index, e);
}
