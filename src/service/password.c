/* SPDX-License-Identifier: Apache-2.0 */
#include "service/password.h"
#include "base/file.h"
#include <argon2.h>
#include <pthread.h>

enum { PASSES = 2, MEMORY_KIB = 19 * 1024, LANES = 1, SALT = 16, HASH = 32 };

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

bool password_hash(struct reader password, char ret[PASSWORD_TEXT], struct err *e)
{
    uint8_t salt[SALT];
    if (password.left < 12 || password.left > 1000)
        return err_user(e, ERR_FIELD, "A password has at least 12 characters (and at most 1,000).");
    TRY(file_random(salt, sizeof salt, e));
    (void)pthread_mutex_lock(&one_at_a_time);
    int rc = argon2id_hash_encoded(PASSES, MEMORY_KIB, LANES, password.at, password.left, salt,
                                   sizeof salt, HASH, ret, PASSWORD_TEXT);
    (void)pthread_mutex_unlock(&one_at_a_time);
    return rc == ARGON2_OK || err_set(e, ERR_NO_MEMORY, "argon2: %s", argon2_error_message(rc));
}

bool password_matches(const char *encoded, struct reader password)
{
    /* A hash of nothing anybody typed: only its cost matters. */
    static const char nobody[] = "$argon2id$v=19$m=19456,t=2,p=1$bm90IGFuIGFjY291bnQh$"
                                 "Zm9yIHRoZSBjb3N0IG9mIGl0LCBubyBtYXRjaCBoZXI";
    (void)pthread_mutex_lock(&one_at_a_time);
    int rc = argon2id_verify(encoded == NULL ? nobody : encoded, password.at, password.left);
    (void)pthread_mutex_unlock(&one_at_a_time);
    return encoded != NULL && rc == ARGON2_OK;
}
