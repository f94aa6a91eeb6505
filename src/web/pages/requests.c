/* SPDX-License-Identifier: Apache-2.0 */
#include "service/requests.h"
#include "base/text.h"
#include "service/listings.h"
#include "service/receipts.h"
#include "web/pages/frame.h"
#include "web/pages/pages.h"
#include "web/templates/escape.h"
#include <string.h>

static bool add_filters(struct sheet *s, const struct request_filter *f, struct err *e)
{
    struct web_call *c = s->call;
    struct db_rows rows;
    TRY(listing(c->service, QUERY_projects_list, DB_ARGS(DB_TEXT(c->actor.organization)), c->arena,
                &rows, e));
    struct view *projects = view_list(s->root, "projects");
    while (rows_next(&rows)) {
        struct view *p = view_item(projects);
        view_text(p, "slug", row_text(&rows, "slug"));
        view_text(p, "name", row_text(&rows, "name"));
        view_bool(p, "selected", text_equal_ascii_fold(row_text(&rows, "slug"), f->project));
    }
    struct view *statuses = view_list(s->root, "statuses");
    for (size_t i = 0; i < state_count(); i++) {
        struct view *status = view_item(statuses);
        view_text(status, "value", state_name(i));
        view_text(status, "label", state_label(state_name(i)));
        view_bool(status, "selected", strcmp(state_name(i), f->status) == 0);
    }
    view_bool(s->root, "filtered", f->project[0] != '\0' || f->status[0] != '\0');
    return true;
}

/* The address of the list with the same filter; after: 0 for its first page. */
static const char *list_url(struct web_call *c, const struct request_filter *f, int64_t after)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 16 * 1024);
    writer_text(&w, "/requests?project=");
    escape_url_part(&w, reader_text(f->project));
    writer_text(&w, "&status=");
    escape_url_part(&w, reader_text(f->status));
    if (web_query(c, "pageSize")[0] != '\0')
        writer_format(&w, "&pageSize=%zu", f->most);
    if (after > 0)
        writer_format(&w, "&after=%lld", (long long)after);
    return w.failed ? NULL : arena_text(c->arena, writer_view(&w));
}

bool page_requests(struct web_call *c, struct err *e)
{
    struct request_list list;
    struct list_place place;
    TRY(web_list_place(c, &place, e));
    struct request_filter filter = {.project = web_query(c, "project"),
                                    .status = web_query(c, "status"),
                                    .below = place.below,
                                    .most = place.most};
    struct sheet s = sheet_new(c, "/requests", "Signing requests", "Signing requests");
    TRY(request_list(c->service, &c->actor, &filter, c->arena, &list, e));
    TRY(add_filters(&s, &filter, e));
    struct view *rows = view_list(s.root, "requests");
    for (size_t i = 0; i < list.count; i++)
        view_request(view_item(rows), &list.items[i]);
    view_text(s.root, "tableCaption", "Signing requests, newest first");
    view_bool(s.root, "paged", place.below > 0);
    view_text(s.root, "newest", list_url(c, &filter, 0));
    view_text(s.root, "next", list.next == 0 ? "" : list_url(c, &filter, list.next));
    return sheet_send(&s, PAGE_REQUESTS, 200, e);
}

/* For the script of the page: texts to put where they stand, nothing more. */
bool page_request_status(struct web_call *c, struct err *e)
{
    struct request_view *v;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 256 * 1024);
    TRY(request_read(c->service, &c->actor, c->captures[0], c->arena, &v, e));
    struct json j = json_into(&w);
    json_open_object(&j, NULL);
    json_text(&j, "label", state_label(v->status));
    json_text(&j, "tone", state_tone(v->status));
    json_text(&j, "sentence", step_sentence(v->workflow_status));
    json_bool(&j, "final", v->final);
    json_open_array(&j, "steps");
    for (size_t i = 0; i < v->step_count; i++) {
        json_open_object(&j, NULL);
        json_text(&j, "name", step_label(v->steps[i].name));
        json_text(&j, "time", page_time(c->arena, v->steps[i].started));
        json_text(&j, "iso", page_iso(c->arena, v->steps[i].started));
        json_end_object(&j);
    }
    json_end_array(&j);
    json_end_object(&j);
    TRY(writer_ok(&w, e));
    web_reply_json(c, 200, writer_view(&w));
    return true;
}

bool page_request_signed(struct web_call *c, struct err *e)
{
    return web_reply_artifact(c, c->captures[0], REQUEST_SIGNED, e);
}

bool page_request_unsigned(struct web_call *c, struct err *e)
{
    return web_reply_artifact(c, c->captures[0], REQUEST_UNSIGNED, e);
}

bool page_request_receipt(struct web_call *c, struct err *e)
{
    enum { RECEIPT_MAX = 256 << 20 };
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, RECEIPT_MAX);
    TRY(receipt_read(c->service, &c->actor, c->captures[0], c->arena, &w, e));
    web_reply_json(c, 200, writer_view(&w));
    web_add_header(c, "Content-Disposition", "attachment; filename=\"receipt.json\"");
    return true;
}

static bool to_request(struct web_call *c, const char *id, const char *notice, struct err *e)
{
    const char *url = arena_format(c->arena, "/requests/%s?notice=%s", id, notice);
    if (url == NULL)
        return arena_err(e);
    web_redirect(c, url);
    return true;
}

bool page_request_cancel_do(struct web_call *c, struct err *e)
{
    TRY(request_cancel(c->service, &c->actor, c->captures[0], web_field(c, "reason"), e));
    return to_request(c, c->captures[0], "canceled", e);
}

bool page_request_resubmit_do(struct web_call *c, struct err *e)
{
    struct submitted made;
    struct resubmission in = {.original = c->captures[0],
                              .policy_id = web_field(c, "signingPolicyId"),
                              .current_settings = web_field(c, "currentSettings")[0] != '\0'};
    TRY(request_resubmit(c->service, &c->actor, &in, c->arena, &made, e));
    return to_request(c, made.id, "submitted", e);
}

/* The address that clients of the API print (wire-contract 0.1). */
bool page_old_link(struct web_call *c, struct err *e)
{
    if (!text_is_uuid(reader_text(c->captures[1])))
        return err_set(e, ERR_NOT_FOUND, "not an id");
    const char *url = arena_format(c->arena, "/requests/%s", c->captures[1]);
    if (url == NULL)
        return arena_err(e);
    web_redirect(c, url);
    return true;
}
