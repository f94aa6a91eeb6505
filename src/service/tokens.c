/* SPDX-License-Identifier: Apache-2.0 */
#include "service/tokens.h"
#include "base/clock.h"
#include "service/events.h"

struct change {
    const struct actor *actor;
    const char *name, *id;
    int64_t expires;
    char *text;
};

static bool add_token(struct db_tx *tx, void *ctx, struct err *e)
{
    struct change *c = ctx;
    struct db_rows row;
    TRY(tx_one(tx, QUERY_token_by_name, DB_ARGS(DB_TEXT(c->actor->user), DB_TEXT(c->name)), &row,
               e));
    if (row.count > 0)
        return service_field_err(e, "name", "You have a token of this name already.");
    return token_create(tx, c->actor, c->actor->user, c->name, c->expires, c->text, e);
}

bool token_issue(struct service *s, const struct actor *actor, const char *name, uint64_t days,
                 char ret[TOKEN_TEXT], struct err *e)
{
    enum { DAY_MS = 24 * 3600 * 1000, MOST_DAYS = 3660 };
    if (days > MOST_DAYS)
        return service_field_err(e, "days", "A token lives ten years at most.");
    struct change c = {.actor = actor, .name = name, .text = ret};
    c.expires = days == 0 ? 0 : clock_wall_ms() + (int64_t)days * DAY_MS;
    return db_write(s->db, CRASH_S01, add_token, &c, e);
}

static bool end_token(struct db_tx *tx, void *ctx, struct err *e)
{
    struct change *c = ctx;
    struct db_rows row;
    const struct actor *by = c->actor;
    TRY(tx_one(tx, QUERY_token_of_owner, DB_ARGS(DB_TEXT(by->user), DB_TEXT(c->id)), &row, e));
    if (row.count == 0)
        return err_user(e, ERR_NOT_FOUND, "You have no such token.");
    if (!row_null(&row, "revoked"))
        return true;
    TRY(tx_run(tx, QUERY_token_revoke,
               DB_ARGS(DB_TEXT(by->user), DB_TEXT(c->id), DB_INT(clock_wall_ms())), e));
    struct event event = {.type = "Token.Revoked", .by = by, .kind = "User", .object = by->user};
    event_add(&event, "token", row_text(&row, "name"));
    return event_append(tx, &event, NULL, e);
}

bool token_revoke(struct service *s, const struct actor *actor, const char *id, struct err *e)
{
    struct change c = {.actor = actor, .id = id};
    return db_write(s->db, CRASH_S01, end_token, &c, e);
}
