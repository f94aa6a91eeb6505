/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_ROUTES_H
#define WEB_ROUTES_H
#include "web/call.h"

/* How a request proves that it is meant: a bearer token, or a session whose forms carry its token
 * and whose Origin is ours. Value 0 is no guard, so a forgotten cell fails in the test. */
enum guard {
    GUARD_MISSING,
    GUARD_TOKEN,   /* API: bearer token only */
    GUARD_SESSION, /* pages: session; unsafe methods also need the form token */
    GUARD_OPEN,    /* no credential (health, sign-in page) */
    GUARD_FORM,    /* no session yet, but an unsafe method: Origin must be ours */
};

/* What the body may be. */
enum body { BODY_NONE, BODY_SMALL, BODY_FORM, BODY_UPLOAD };

struct route {
    const char *method;
    const char *path;      /* segments; {} captures one, {org} the organisation. API: any case */
    enum permission needs; /* role rights are checked here; object rights in service/ */
    enum guard guard;
    enum body body;
    bool (*handle)(struct web_call *c, struct err *e);
};
extern const struct route routes[]; /* ended by a row without method */

/* The row for method and path. Without one, *ret_allowed: what header Allow says when the path
 * exists with other methods, else NULL. */
const struct route *route_find(struct web_call *c, const char **ret_allowed);
/* Credential, organisation, permission, guard: everything that can be judged before the body. */
MUST_CHECK bool route_admit(const struct route *r, struct web_call *c, struct err *e);
/* After the body: the form token of sessions, then the handler. Always leaves a reply. */
void route_serve(const struct route *r, struct web_call *c);
/* Security headers: sent with every answer, also when no route took the call. */
void route_headers(struct web_call *c);
#endif
