/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/refusal.h"
#include "base/text.h"
#include <stdio.h>

bool refusal_at(struct refusal *r, const char *path, uint32_t line, uint32_t column)
{
    if (r->path[0] == '\0' && path != NULL) {
        int n = snprintf(r->path, sizeof r->path, "%s", path);
        /* The path is sent as UTF-8 text, so it may not end in half a character. */
        while (n >= (int)sizeof r->path && r->path[0] != '\0' &&
               !text_is_utf8(reader_text(r->path)))
            r->path[reader_text(r->path).left - 1] = '\0';
    }
    if (r->line == 0) {
        r->line = line;
        r->column = column;
    }
    return false;
}

bool refusal_pass(struct refusal *to, const struct refusal *from)
{
    if (to->err.code == ERR_NONE)
        *to = *from;
    return false;
}
