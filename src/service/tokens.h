/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_TOKENS_H
#define SERVICE_TOKENS_H
#include "service/authentication.h"

/* The tokens of one's own account. *ret is the only copy of the token: wipe it. days: 0 for a
 * token that does not expire. */
MUST_CHECK bool token_issue(struct service *s, const struct actor *actor, const char *name,
                            uint64_t days, char ret[TOKEN_TEXT], struct err *e);
/* ERR_NOT_FOUND for tokens of others; again is fine. */
MUST_CHECK bool token_revoke(struct service *s, const struct actor *actor, const char *id,
                             struct err *e);
#endif
