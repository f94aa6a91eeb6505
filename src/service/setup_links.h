/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_SETUP_LINKS_H
#define SERVICE_SETUP_LINKS_H
#include "service/authentication.h"

/* The way of an invited person to a first password: a link that works once, for two weeks. It is
 * shown to the administrator who asked for it and stored as a hash only. */
struct setup_link {
    const char *user, *name, *email; /* whose it is */
    int64_t expires;
    char code[TOKEN_TEXT]; /* the only copy, for BASE/setup?code=CODE: wipe it */
};

/* `who`: id or e-mail address of an Invited person. Links issued before stop working.
 * ERR_FORBIDDEN without the right or for a role above one's own, ERR_NOT_FOUND for unknown ones,
 * ERR_CONFLICT for CI users and for people who have a password. Audited. */
MUST_CHECK bool setup_link_issue(struct service *s, const struct actor *actor, const char *who,
                                 struct arena *a, struct setup_link *ret, struct err *e);
#endif
