/* SPDX-License-Identifier: Apache-2.0 */
#include "service/listings.h"
#include "web/pages/frame.h"
#include "web/pages/pages.h"

enum { SHOWN = 10 };

static void add_check(struct view *list, bool done, const char *text, const char *url,
                      const char *link)
{
    struct view *check = view_item(list);
    view_text(check, "tone", done ? "ok" : "warn");
    view_text(check, "state", done ? "Done" : "To do");
    view_text(check, "text", text);
    view_text(check, "url", done ? "" : url);
    view_text(check, "link", link);
}

/* Ticks come from what is there, so a list that has been worked through cannot lie. */
static bool add_checks(struct sheet *s, struct err *e)
{
    struct web_call *c = s->call;
    struct db_rows row;
    TRY(listing_one(c->service, QUERY_setup_progress, DB_ARGS(DB_TEXT(c->actor.organization)),
                    "organization", c->arena, &row, e));
    bool certificate = row_int(&row, "certificates") > 0, project = row_int(&row, "projects") > 0;
    bool submitter = row_int(&row, "submitters") > 0, signed_once = row_int(&row, "completed") > 0;
    struct view *list = view_list(s->root, "checks");
    add_check(list, certificate, "A certificate to sign with.", "/certificates", "Certificates");
    add_check(list, project, "A project with a signing policy and an artifact configuration.",
              "/projects", "Projects");
    add_check(list, submitter, "A submitter on a signing policy.", "/projects", "Projects");
    add_check(list, signed_once, "The first signed file.", "/requests/new", "Sign a file");
    view_bool(s->root, "ready", certificate && project && submitter && signed_once);
    return true;
}

static bool add_lists(struct sheet *s, struct err *e)
{
    struct web_call *c = s->call;
    struct request_list list;
    struct request_filter all = {.most = SHOWN};
    static const char *const open[] = {"WaitingForApproval", "InProgress"};
    struct view *waiting = view_list(s->root, "waiting");
    for (size_t k = 0; k < COUNT_OF(open); k++) {
        struct request_filter filter = {.status = open[k], .most = SHOWN};
        TRY(request_list(c->service, &c->actor, &filter, c->arena, &list, e));
        for (size_t i = 0; i < list.count; i++)
            view_request(view_item(waiting), &list.items[i]);
    }
    struct view *recent = view_list(s->root, "requests");
    TRY(request_list(c->service, &c->actor, &all, c->arena, &list, e));
    for (size_t i = 0; i < list.count; i++)
        view_request(view_item(recent), &list.items[i]);
    view_text(s->root, "tableCaption", "Recent signing requests");
    return true;
}

bool page_dashboard(struct web_call *c, struct err *e)
{
    struct db_rows organization, policies;
    struct sheet s = sheet_new(c, "/", "Dashboard", "Dashboard");
    struct db_value id = DB_TEXT(c->actor.organization);
    TRY(listing_one(c->service, QUERY_organization_by_id, DB_ARGS(id), "organization", c->arena,
                    &organization, e));
    TRY(listing(c->service, QUERY_policies_for_submitter, DB_ARGS(DB_TEXT(c->actor.user), id),
                c->arena, &policies, e));
    view_text(s.root, "organizationName", row_text(&organization, "name"));
    view_bool(s.root, "maySubmit", policies.count > 0);
    view_text(s.root, "noSubmit",
              policies.count > 0 ? ""
                                 : "You are not a submitter of any signing policy yet. A Project "
                                   "Administrator can make you one.");
    TRY(add_checks(&s, e) && add_lists(&s, e));
    return sheet_send(&s, PAGE_DASHBOARD, 200, e);
}
