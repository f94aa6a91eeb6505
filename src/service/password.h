/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_PASSWORD_H
#define SERVICE_PASSWORD_H
#include "base/reader.h"

enum { PASSWORD_TEXT = 128 };

/* Argon2id, 19 MiB, 2 passes (OWASP's first choice), one at a time: a flood of sign-ins costs
 * memory once. Refuses less than 12 and more than 1,000 bytes. */
MUST_CHECK bool password_hash(struct reader password, char ret[PASSWORD_TEXT], struct err *e);
/* encoded NULL: no such account; takes as long as for a real one and is false. */
MUST_CHECK bool password_matches(const char *encoded, struct reader password);
#endif
