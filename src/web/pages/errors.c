/* SPDX-License-Identifier: Apache-2.0 */
#include "web/pages/pages.h"

void page_error(struct web_call *c, const struct err *e)
{
    web_reply_err(c, e);
}

void page_refuse(struct web_call *c, const struct err *e)
{
    web_reply_err(c, e);
}
