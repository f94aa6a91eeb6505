/* SPDX-License-Identifier: Apache-2.0 */
#include "web/routes.h"
#include "base/text.h"
#include "service/authentication.h"
#include "service/requests.h"
#include "web/api/api.h"
#include "web/body.h"
#include "web/pages/pages.h"
#include <string.h>

/* Every route of the service. needs: PERM_MEMBER where the object decides (service/ checks it). */
/* clang-format off */
const struct route routes[] = {
    {"GET",  "/healthz",                                                PERM_PUBLIC, GUARD_OPEN,  BODY_NONE,   api_healthz},
    {"GET",  "/readyz",                                                 PERM_PUBLIC, GUARD_OPEN,  BODY_NONE,   api_readyz},
    {"GET",  "/API/healthz",                                            PERM_PUBLIC, GUARD_OPEN,  BODY_NONE,   api_healthz},
    {"GET",  "/API/healthzd",                                           PERM_PUBLIC, GUARD_OPEN,  BODY_NONE,   api_readyz},
    {"GET",  "/API/v1/artifact-configuration/v1.xsd",                   PERM_PUBLIC, GUARD_OPEN,  BODY_NONE,   api_schema},
    {"GET",  "/API/v1/{org}/SigningRequests",                           PERM_READ_CONFIGURATION, GUARD_TOKEN, BODY_NONE, api_requests_list},
    {"POST", "/API/v1/{org}/SigningRequests",                           PERM_MEMBER, GUARD_TOKEN, BODY_UPLOAD, api_submit},
    {"POST", "/API/v1/{org}/SigningRequests/SubmitWithArtifact",        PERM_MEMBER, GUARD_TOKEN, BODY_UPLOAD, api_submit},
    {"POST", "/API/v1/{org}/SigningRequests/Resubmit",                  PERM_MEMBER, GUARD_TOKEN, BODY_FORM,   api_resubmit},
    {"GET",  "/API/v1/{org}/SigningRequests/{}",                        PERM_READ_CONFIGURATION, GUARD_TOKEN, BODY_NONE, api_request},
    {"GET",  "/API/v1/{org}/SigningRequests/{}/Status",                 PERM_READ_CONFIGURATION, GUARD_TOKEN, BODY_NONE, api_status},
    {"GET",  "/API/v1/{org}/SigningRequests/{}/SignedArtifact",         PERM_MEMBER, GUARD_TOKEN, BODY_NONE,   api_signed_artifact},
    {"GET",  "/API/v1/{org}/SigningRequests/{}/UnsignedArtifact",       PERM_MEMBER, GUARD_TOKEN, BODY_NONE,   api_unsigned_artifact},
    {"GET",  "/API/v1/{org}/SigningRequests/{}/Receipt",                PERM_MEMBER, GUARD_TOKEN, BODY_NONE,   api_receipt},
    {"POST", "/API/v1/{org}/SigningRequests/{}/Cancel",                 PERM_MEMBER, GUARD_TOKEN, BODY_FORM,   api_cancel},
    {"GET",  "/API/v1/{org}/Certificates/{}/X509Certificate",           PERM_READ_CONFIGURATION, GUARD_TOKEN, BODY_NONE, api_certificate},
    {"POST", "/API/v1/{org}/InteractiveUsers/{}/Reinvite",              PERM_MANAGE_USERS, GUARD_TOKEN, BODY_FORM, api_reinvite},
    {"POST", "/API/v1/{org}/Configuration/Apply",                       PERM_EDIT_CONFIGURATION, GUARD_TOKEN, BODY_SMALL, api_apply},
    PAGE_ROUTES
    {NULL, NULL, PERMISSION_NONE, GUARD_MISSING, BODY_NONE, NULL},
};
/* clang-format on */

static struct reader next_segment(struct reader *path)
{
    struct reader segment = *path, skipped;
    size_t at = reader_find(*path, 0, "/", 1);
    if (!reader_take(path, at == SIZE_MAX ? path->left : at, &segment) ||
        (path->left > 0 && !reader_take(path, 1, &skipped)))
        path->left = 0;
    return segment;
}

static bool segment_matches(struct web_call *c, struct reader want, struct reader got,
                            size_t *captured)
{
    if (want.left == 0 || want.at[0] != '{') {
        const char *a = arena_text(c->arena, want), *b = arena_text(c->arena, got);
        return a != NULL && b != NULL && text_equal_ascii_fold(a, b);
    }
    if (got.left == 0 || *captured == COUNT_OF(c->captures))
        return false;
    c->captures[*captured] = arena_text(c->arena, got);
    return c->captures[(*captured)++] != NULL;
}

static bool path_matches(struct web_call *c, const char *pattern)
{
    struct reader want = reader_text(pattern), got = reader_text(c->path);
    size_t captured = 0;
    if (strchr(pattern, '{') == NULL)
        return text_equal_ascii_fold(pattern, c->path);
    while (want.left > 0 && got.left > 0)
        if (!segment_matches(c, next_segment(&want), next_segment(&got), &captured))
            return false;
    return want.left == 0 && got.left == 0;
}

const struct route *route_find(struct web_call *c, const char **ret_allowed)
{
    bool get = false, post = false;
    const char *method = strcmp(c->method, "HEAD") == 0 ? "GET" : c->method;
    for (const struct route *r = routes; r->method != NULL; r++) {
        if (!path_matches(c, r->path))
            continue;
        if (strcmp(r->method, method) == 0)
            return r;
        get = get || strcmp(r->method, "GET") == 0;
        post = post || strcmp(r->method, "POST") == 0;
    }
    *ret_allowed = get && post ? "GET, HEAD, POST" : get ? "GET, HEAD" : post ? "POST" : NULL;
    return NULL;
}

static bool take_bearer(struct web_call *c, struct err *e)
{
    const char *header = web_header(c, "authorization");
    struct reader text = reader_text(header), scheme;
    if (!reader_take(&text, 7, &scheme))
        return err_set(e, ERR_UNAUTHENTICATED, "no credential");
    const char *word = arena_text(c->arena, scheme);
    if (word == NULL || !text_equal_ascii_fold(word, "bearer "))
        return err_set(e, ERR_UNAUTHENTICATED, "not a bearer credential");
    TRY(authenticate_token(c->service, text, c->arena, &c->actor, e));
    c->authenticated = true;
    return true;
}

bool web_cookies_are_secure(struct web_call *c)
{
    const char *host = web_header(c, "host");
    return c->tls || strcmp(host, "localhost") == 0 || strncmp(host, "localhost:", 10) == 0;
}

const char *web_session_cookie(struct web_call *c)
{
    return web_cookie(c, web_cookies_are_secure(c) ? "__Host-sid" : "sid");
}

static bool take_session(struct web_call *c, struct err *e)
{
    const char *cookie = web_session_cookie(c);
    if (cookie[0] == '\0')
        return err_set(e, ERR_UNAUTHENTICATED, "no session");
    TRY(authenticate_session(c->service, reader_text(cookie), c->arena, &c->actor, e));
    c->authenticated = c->by_session = true;
    return true;
}

/* base_url may have a path, an Origin has none (RFC 6454). */
static bool is_public_origin(const struct service *s, const char *origin)
{
    const char *host = strstr(s->base_url, "://");
    size_t n = host == NULL ? 0 : (size_t)(host - s->base_url) + 3 + strcspn(host + 3, "/");
    return n > 0 && strlen(origin) == n && strncasecmp(origin, s->base_url, n) == 0;
}

/* A browser says where a form came from; anything else than our own pages is refused (T9). */
static bool check_origin(struct web_call *c, struct err *e)
{
    const char *origin = web_header(c, "origin"), *site = web_header(c, "sec-fetch-site");
    const char *host = web_header(c, "host");
    if (site[0] != '\0' && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return err_user(e, ERR_FORBIDDEN, "This form was sent from another site.");
    if (origin[0] == '\0')
        return true;
    const char *behind = strstr(origin, "://");
    bool ours = behind != NULL && strcmp(behind + 3, host) == 0 &&
                (!c->tls || strncmp(origin, "https://", 8) == 0);
    /* A proxy may ask under another name than the browser. */
    return ours || is_public_origin(c->service, origin) ||
           err_user(e, ERR_FORBIDDEN, "This form was sent from another site.");
}

static bool is_safe(const struct web_call *c)
{
    return strcmp(c->method, "GET") == 0 || strcmp(c->method, "HEAD") == 0;
}

/* The organisation in the path must be the credential's: the same answer whether it exists. */
static bool check_organization(const struct route *r, struct web_call *c, struct err *e)
{
    if (strstr(r->path, "{org}") == NULL)
        return true;
    return (c->captures[0] != NULL &&
            text_equal_ascii_fold(c->captures[0], c->actor.organization)) ||
           err_user(e, ERR_FORBIDDEN, "This credential is not for that organization.");
}

bool route_admit(const struct route *r, struct web_call *c, struct err *e)
{
    switch (r->guard) {
    case GUARD_OPEN:
        return true;
    case GUARD_FORM:
        return check_origin(c, e);
    case GUARD_TOKEN:
        TRY(take_bearer(c, e));
        break;
    case GUARD_SESSION:
        TRY(take_session(c, e));
        TRY(is_safe(c) || check_origin(c, e));
        break;
    case GUARD_MISSING:
        return err_set(e, ERR_INTERNAL, "route without a guard");
    }
    c->actor.address = c->peer;
    c->actor.user_agent = web_header(c, "user-agent");
    TRY(check_organization(r, c, e));
    if (r->body == BODY_UPLOAD && c->length > BODY_SHORT)
        TRY(request_check_submitter(c->service, &c->actor, e));
    if (r->needs == PERM_MEMBER || r->needs == PERM_PUBLIC)
        return true;
    return permission_check(r->needs, permission_role_bit(c->actor.role), e);
}

static bool check_form_token(struct web_call *c, struct err *e)
{
    if (!c->by_session || is_safe(c))
        return true;
    return reader_equal_secret(reader_text(web_field(c, "csrf")), reader_text(c->actor.csrf)) ||
           err_user(e, ERR_FORBIDDEN, "The form is too old. Load the page again and repeat.");
}

void route_headers(struct web_call *c)
{
    web_add_header(c, "X-Content-Type-Options", "nosniff");
    web_add_header(c, "Referrer-Policy", "same-origin");
    web_add_header(c, "X-Frame-Options", "DENY");
    web_add_header(c, "Cross-Origin-Opener-Policy", "same-origin");
    web_add_header(c, "Cross-Origin-Resource-Policy", "same-origin");
    web_add_header(
        c, "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'");
    web_add_header(c, "Permissions-Policy", "camera=(), geolocation=(), microphone=(), usb=()");
    if (c->tls)
        web_add_header(c, "Strict-Transport-Security", "max-age=31536000");
}

void route_serve(const struct route *r, struct web_call *c)
{
    struct err e = {0};
    if (!check_form_token(c, &e) || !r->handle(c, &e)) {
        web_report(c, &e);
        page_error(c, &e);
    }
    route_headers(c);
}
