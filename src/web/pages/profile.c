/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/text.h"
#include "service/listings.h"
#include "service/tokens.h"
#include "web/assets.h"
#include "web/pages/frame.h"
#include "web/pages/pages.h"
#include <string.h>

static bool add_tokens(struct sheet *s, struct err *e)
{
    struct web_call *c = s->call;
    struct db_rows rows;
    TRY(listing(c->service, QUERY_tokens_of_user, DB_ARGS(DB_TEXT(c->actor.user)), c->arena, &rows,
                e));
    struct view *list = view_list(s->root, "tokens");
    while (rows_next(&rows)) {
        bool revoked = !row_null(&rows, "revoked"), forever = row_null(&rows, "expires");
        bool over = !forever && row_int(&rows, "expires") <= clock_wall_ms();
        struct view *t = view_item(list);
        view_text(t, "id", row_text(&rows, "id"));
        view_text(t, "name", row_text(&rows, "name"));
        view_time(t, "created", row_int(&rows, "created"));
        view_text(t, "expires", forever ? "never" : page_time(c->arena, row_int(&rows, "expires")));
        view_text(t, "lastUsed",
                  row_null(&rows, "last_used") ? "never"
                                               : page_time(c->arena, row_int(&rows, "last_used")));
        view_bool(t, "valid", !revoked && !over);
        view_text(t, "state", revoked ? "Revoked" : "Expired");
    }
    return true;
}

static bool reply_profile(struct web_call *c, unsigned status, const char *problem, struct err *e)
{
    struct db_rows row;
    struct sheet s = sheet_new(c, "/me", "Your profile", "Your profile");
    TRY(listing_one(c->service, QUERY_user_by_id,
                    DB_ARGS(DB_TEXT(c->actor.organization), DB_TEXT(c->actor.user)), "user",
                    c->arena, &row, e));
    view_text(s.root, "name", row_text(&row, "name"));
    view_text(s.root, "email", row_text(&row, "email"));
    view_text(s.root, "role", row_text(&row, "role"));
    view_text(s.root, "problem", problem);
    view_text(s.root, "tokenName", problem[0] == '\0' ? "" : web_field(c, "name"));
    TRY(add_tokens(&s, e));
    return sheet_send(&s, PAGE_ME, status, e);
}

bool page_me(struct web_call *c, struct err *e)
{
    return reply_profile(c, 200, "", e);
}

/* The token stands in the answer to the form and nowhere else: loading the page again repeats the
 * form, which is refused because the name is taken. */
bool page_token_new_do(struct web_call *c, struct err *e)
{
    char token[TOKEN_TEXT];
    struct err why = {0};
    uint64_t days;
    if (!text_u64(reader_text(web_field(c, "days")), &days))
        return service_field_err(e, "days", "A whole number of days.");
    if (!token_issue(c->service, &c->actor, web_field(c, "name"), days, token, &why)) {
        if (why.code == ERR_FIELD)
            return reply_profile(c, 400, why.user, e);
        *e = why;
        return false;
    }
    struct sheet s = sheet_new(c, "/me", "New token", "Your new token");
    sheet_crumb(&s, "/me", "Your profile");
    sheet_script(&s, assets[ASSET_COPY_JS].url);
    view_text(s.root, "token", token);
    explicit_bzero(token, sizeof token);
    return sheet_send(&s, PAGE_TOKEN, 200, e);
}

bool page_token_revoke_do(struct web_call *c, struct err *e)
{
    TRY(token_revoke(c->service, &c->actor, c->captures[0], e));
    web_redirect(c, "/me?notice=revoked");
    return true;
}
