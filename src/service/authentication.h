/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_AUTHENTICATION_H
#define SERVICE_AUTHENTICATION_H
#include "service/service.h"

/* Tokens: "chy_" and 43 base64url characters (256 random bits); stored as SHA-256 only. */
enum { TOKEN_TEXT = 4 + 43 + 1 };

/* Makes a token for a user inside a transaction. *ret holds the only copy of its text: wipe it.
 * expires: milliseconds, 0 for never. Audited. */
MUST_CHECK bool token_create(struct db_tx *tx, const struct actor *by, const char *user,
                             const char *name, int64_t expires, char ret[TOKEN_TEXT],
                             struct err *e);

/* The actor behind a bearer token ("TOKEN" or "TOKEN:BUILD-SYSTEM-TOKEN"). ERR_UNAUTHENTICATED
 * for unknown, expired and revoked ones and inactive users alike. */
MUST_CHECK bool authenticate_token(struct service *s, struct reader bearer, struct arena *a,
                                   struct actor *ret, struct err *e);
/* The actor behind a session cookie; also keeps the session alive. */
MUST_CHECK bool authenticate_session(struct service *s, struct reader cookie, struct arena *a,
                                     struct actor *ret, struct err *e);

/* Sign-in by e-mail and password. The same answer and about the same time for an unknown address
 * and a wrong password; ERR_LIMIT after too many tries. Audited either way (failures as
 * service/refusals.h says). *ret is the new cookie value. */
MUST_CHECK bool session_sign_in(struct service *s, const char *organization, const char *email,
                                struct reader password, const char *address, char ret[TOKEN_TEXT],
                                struct err *e);
MUST_CHECK bool session_sign_out(struct service *s, struct reader cookie, struct err *e);

/* A one-time code that sets the first password of the account it was made for; expires: wall-clock
 * milliseconds. Codes made for the account before stop working. *ret is the only copy: wipe it. */
MUST_CHECK bool setup_code_create(struct db_tx *tx, const char *user, int64_t expires,
                                  char ret[TOKEN_TEXT], struct err *e);
/* ERR_NOT_FOUND for unknown, used, replaced and expired ones alike. */
MUST_CHECK bool setup_code_use(struct service *s, struct reader code, struct reader password,
                               struct err *e);
#endif
