/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/text.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int status;
    const char *code;
    const char *text;
} rows[] = {
#define E(name, status, code, text) {status, code, text},
    ERR_TABLE(E)
#undef E
};

/* Texts quote names of files, cut to a length; they go into messages and pages as UTF-8, so half a
 * character or a byte that is none becomes a question mark. */
static void keep_utf8(char *text)
{
    struct reader r = reader_text(text);
    uint32_t c;
    while (r.left > 0) {
        if (text_next(&r, &c))
            continue;
        text[strlen(text) - r.left] = '?';
        r = reader_text(text + (strlen(text) - r.left) + 1);
    }
}

bool err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    if (e->code != ERR_NONE)
        return false;
    e->code = code;
    (void)snprintf(e->user, sizeof e->user, "%s", rows[code].text);
    if (fmt != NULL) {
        va_list ap;
        va_start(ap, fmt);
        (void)vsnprintf(e->detail, sizeof e->detail, fmt, ap);
        va_end(ap);
        keep_utf8(e->detail);
    }
    return false;
}

bool err_user(struct err *e, enum err_code code, const char *fmt, ...)
{
    if (e->code != ERR_NONE)
        return false;
    e->code = code;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(e->user, sizeof e->user, fmt, ap);
    va_end(ap);
    keep_utf8(e->user);
    return false;
}

bool err_errno(struct err *e, const char *what)
{
    int number = errno;
    bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
    return err_set(e, full ? ERR_STORAGE_FULL : ERR_IO, "%s: %s", what, strerror(number));
}

bool err_from(struct err *e, const char *machine_code, const char *user, const char *detail)
{
    if (e->code != ERR_NONE)
        return false;
    e->code = ERR_INTERNAL;
    for (size_t i = 1; i < ERR__COUNT; i++)
        if (strcmp(rows[i].code, machine_code) == 0)
            e->code = (enum err_code)i;
    (void)snprintf(e->user, sizeof e->user, "%s", user);
    (void)snprintf(e->detail, sizeof e->detail, "%s", detail);
    keep_utf8(e->user);
    keep_utf8(e->detail);
    return false;
}

bool err_is_ours(const struct err *e)
{
    return e->code == ERR_NO_MEMORY || e->code == ERR_INTERNAL || e->code == ERR_IO ||
           e->code == ERR_STORAGE_FULL || e->code == ERR_CRYPTO;
}

bool err_theirs(const struct err *why, struct err *e)
{
    if (!err_is_ours(why))
        return true;
    *e = *why;
    return false;
}

const char *err_machine_code(enum err_code code)
{
    return rows[code].code;
}

int err_http_status(enum err_code code)
{
    return rows[code].status;
}

const char *err_default_text(enum err_code code)
{
    return rows[code].text;
}
