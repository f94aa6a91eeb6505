/* SPDX-License-Identifier: Apache-2.0 */
#include "web/assets.h"
#include "web/pages/pages.h"
#include <string.h>

/* The address holds a hash of the content, so what was fetched once is never asked for again. */
bool page_asset(struct web_call *c, struct err *e)
{
    for (size_t i = 0; i < ASSET__COUNT; i++) {
        if (strcmp(assets[i].url, c->path) != 0)
            continue;
        web_reply_text(c, 200, assets[i].type, reader_over(assets[i].bytes, assets[i].size));
        web_add_header(c, "Cache-Control", "public, max-age=31536000, immutable");
        return true;
    }
    return err_set(e, ERR_NOT_FOUND, "asset");
}
