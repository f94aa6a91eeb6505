/* SPDX-License-Identifier: Apache-2.0 */
#include "service/listings.h"
#include "service/setup_links.h"
#include "web/assets.h"
#include "web/pages/frame.h"
#include "web/pages/pages.h"
#include <string.h>

/* Why the reader cannot issue a set-up link for this user; "" when they can. */
static const char *why_not(const struct actor *reader, const char *role)
{
    if (!permission_granted(PERM_MANAGE_USERS, permission_role_bit(reader->role)))
        return "A User Administrator can issue the link to set the password.";
    return permission_may_grant(reader->role, role)
               ? ""
               : "A Global Administrator can issue the link to set the password.";
}

bool page_users(struct web_call *c, struct err *e)
{
    struct db_rows rows;
    struct sheet s = sheet_new(c, "/users", "Users", "Users");
    TRY(listing(c->service, QUERY_users_list, DB_ARGS(DB_TEXT(c->actor.organization)), c->arena,
                &rows, e));
    struct view *list = view_list(s.root, "users");
    while (rows_next(&rows)) {
        struct view *u = view_item(list);
        bool person = strcmp(row_text(&rows, "kind"), "Interactive") == 0;
        bool invited = person && strcmp(row_text(&rows, "status"), "Invited") == 0;
        const char *reason = why_not(&c->actor, row_text(&rows, "role"));
        view_text(u, "id", row_text(&rows, "id"));
        view_text(u, "name", row_text(&rows, "name"));
        view_text(u, "kind", person ? "Person" : "CI user");
        view_text(u, "email", row_text(&rows, "email"));
        view_text(u, "role", row_text(&rows, "role"));
        view_text(u, "status", row_text(&rows, "status"));
        view_text(u, "tone", object_tone(row_text(&rows, "status")));
        view_bool(u, "mayInvite", invited && reason[0] == '\0');
        view_text(u, "whyNot", invited ? reason : "");
    }
    return sheet_send(&s, PAGE_USERS, 200, e);
}

/* The link stands in the answer to the form and nowhere else; asking again makes a new one, and the
 * one before stops working. */
bool page_setup_link_do(struct web_call *c, struct err *e)
{
    struct setup_link link;
    TRY(setup_link_issue(c->service, &c->actor, c->captures[0], c->arena, &link, e));
    struct sheet s = sheet_new(c, "/users", "Set-up link", "Set-up link");
    sheet_crumb(&s, "/users", "Users");
    sheet_script(&s, assets[ASSET_COPY_JS].url);
    view_text(s.root, "name", link.name);
    view_text(s.root, "email", link.email);
    view_text(s.root, "base", c->service->base_url);
    view_text(s.root, "code", link.code);
    view_time(s.root, "expires", link.expires);
    explicit_bzero(link.code, sizeof link.code);
    return sheet_send(&s, PAGE_SETUPLINK, 200, e);
}
