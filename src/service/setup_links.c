/* SPDX-License-Identifier: Apache-2.0 */
#include "service/setup_links.h"
#include "base/clock.h"
#include "base/text.h"
#include "service/events.h"
#include <string.h>

struct issuing {
    const struct actor *actor;
    const char *who;
    struct arena *arena;
    struct setup_link *link;
};

static bool find_person(struct db_tx *tx, struct issuing *in, struct db_rows *ret, struct err *e)
{
    struct db_value organization = DB_TEXT(in->actor->organization);
    bool id = text_is_uuid(reader_text(in->who));
    const char *key = service_fold(in->arena, in->who);
    if (key == NULL)
        return arena_err(e);
    TRY(tx_one(tx, id ? QUERY_user_by_id : QUERY_user_by_email, DB_ARGS(organization, DB_TEXT(key)),
               ret, e));
    return ret->count == 1 ||
           err_user(e, ERR_NOT_FOUND,
                    "There is no user with this id or e-mail address in the organization.");
}

static bool check_person(const struct issuing *in, const struct db_rows *row, struct err *e)
{
    const char *role = row_text(row, "role"), *status = row_text(row, "status");
    if (strcmp(row_text(row, "kind"), "Interactive") != 0)
        return err_user(e, ERR_CONFLICT,
                        "CI users have API tokens and do not sign in: there is no set-up link for "
                        "them.");
    if (strcmp(status, "Invited") != 0)
        return err_user(e, ERR_CONFLICT,
                        "A set-up link is for people who have not set a password yet; this user "
                        "is %s.",
                        status);
    /* Whoever has the link can become that user. */
    return permission_may_grant(in->actor->role, role) ||
           err_user(e, ERR_FORBIDDEN,
                    "Only a Global Administrator can issue a set-up link for the role %s: the link "
                    "gives its rights to whoever opens it.",
                    role);
}

static bool issue(struct db_tx *tx, void *ctx, struct err *e)
{
    enum { DAY_MS = 24 * 3600 * 1000, DAYS = 14 }; /* product-spec 1.3 */
    struct issuing *in = ctx;
    struct db_rows row;
    char until[25];
    tx_into(tx, in->arena);
    TRY(find_person(tx, in, &row, e) && check_person(in, &row, e));
    struct setup_link *l = in->link;
    l->user = row_text(&row, "id");
    l->name = row_text(&row, "name");
    l->email = row_text(&row, "email");
    l->expires = clock_wall_ms() + (int64_t)DAYS * DAY_MS;
    TRY(setup_code_create(tx, l->user, l->expires, l->code, e));
    clock_iso(l->expires, until);
    struct event event = {
        .type = "User.SetupLinkIssued", .by = in->actor, .kind = "User", .object = l->user};
    event_add(&event, "email", l->email);
    event_add(&event, "expires", until);
    return event_append(tx, &event, NULL, e);
}

bool setup_link_issue(struct service *s, const struct actor *actor, const char *who,
                      struct arena *a, struct setup_link *ret, struct err *e)
{
    struct setup_link link = {0};
    struct issuing in = {.actor = actor, .who = who, .arena = a, .link = &link};
    TRY(permission_check(PERM_MANAGE_USERS, permission_role_bit(actor->role), e));
    bool ok = db_write(s->db, CRASH_S01, issue, &in, e);
    if (ok)
        *ret = link;
    explicit_bzero(link.code, sizeof link.code);
    return ok;
}
