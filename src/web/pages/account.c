/* SPDX-License-Identifier: Apache-2.0 */
#include "service/authentication.h"
#include "service/listings.h"
#include "web/pages/frame.h"
#include "web/pages/pages.h"
#include <string.h>

/* Only a path of this server, in characters that need no encoding in a header. */
static bool is_local(const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/-._~?=&%+";
    return path[0] == '/' && path[1] != '/' && strlen(path) < 2000 &&
           path[strspn(path, plain)] == '\0';
}

static bool reply_sign_in(struct web_call *c, unsigned status, const char *problem, struct err *e)
{
    bool again = strcmp(c->method, "POST") == 0;
    const char *back = again ? web_field(c, "return") : web_query(c, "return");
    struct sheet s = sheet_new(c, "", "Sign in", "Sign in");
    view_text(s.root, "return", is_local(back) ? back : "/");
    view_text(s.root, "email", web_field(c, "email"));
    view_text(s.root, "problem", problem);
    return sheet_send(&s, PAGE_SIGNIN, status, e);
}

bool page_sign_in(struct web_call *c, struct err *e)
{
    return reply_sign_in(c, 200, "", e);
}

static void set_cookie(struct web_call *c, const char *value, const char *age)
{
    const char *cookie =
        web_cookies_are_secure(c)
            ? arena_format(c->arena,
                           "__Host-sid=%s; Secure; HttpOnly; SameSite=Lax; "
                           "Path=/%s",
                           value, age)
            : arena_format(c->arena, "sid=%s; HttpOnly; SameSite=Lax; Path=/%s", value, age);
    if (cookie != NULL)
        web_add_header(c, "Set-Cookie", cookie);
}

bool page_sign_in_do(struct web_call *c, struct err *e)
{
    struct db_rows organization;
    struct err why = {0};
    char session[TOKEN_TEXT];
    TRY(listing_one(c->service, QUERY_organization_any, DB_NO_ARGS, "organization", c->arena,
                    &organization, e));
    if (!session_sign_in(c->service, row_text(&organization, "id"), web_field(c, "email"),
                         reader_text(web_field(c, "password")), c->peer, session, &why)) {
        bool theirs = why.code == ERR_UNAUTHENTICATED || why.code == ERR_LIMIT;
        if (!theirs) {
            *e = why;
            return false;
        }
        if (why.code == ERR_LIMIT)
            web_add_header(c, "Retry-After", "900");
        return reply_sign_in(c, why.code == ERR_LIMIT ? 429 : 403, why.user, e);
    }
    const char *back = web_field(c, "return");
    set_cookie(c, session, "");
    explicit_bzero(session, sizeof session);
    web_redirect(c, is_local(back) ? back : "/");
    return true;
}

bool page_sign_out_do(struct web_call *c, struct err *e)
{
    TRY(session_sign_out(c->service, reader_text(web_session_cookie(c)), e));
    set_cookie(c, "", "; Max-Age=0");
    web_redirect(c, "/signin?notice=signed-out");
    return true;
}

static bool reply_setup(struct web_call *c, unsigned status, const char *code, const char *problem,
                        struct err *e)
{
    struct sheet s = sheet_new(c, "", "Set your password", "Set your password");
    view_text(s.root, "code", code);
    view_text(s.root, "problem", problem);
    return sheet_send(&s, PAGE_SETUP, status, e);
}

bool page_setup(struct web_call *c, struct err *e)
{
    return reply_setup(c, 200, web_query(c, "code"), "", e);
}

bool page_setup_do(struct web_call *c, struct err *e)
{
    struct err why = {0};
    const char *code = web_field(c, "code"), *password = web_field(c, "password");
    if (strcmp(password, web_field(c, "again")) != 0)
        return reply_setup(c, 400, code, "The two passwords differ.", e);
    if (setup_code_use(c->service, reader_text(code), reader_text(password), &why)) {
        web_redirect(c, "/signin?notice=password");
        return true;
    }
    if (why.code == ERR_FIELD || why.code == ERR_NOT_FOUND)
        return reply_setup(c, (unsigned)err_http_status(why.code), code, why.user, e);
    *e = why;
    return false;
}
