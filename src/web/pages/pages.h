/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_PAGES_PAGES_H
#define WEB_PAGES_PAGES_H
#include "web/routes.h"

/* clang-format off */
#define PAGE_ROUTES
/* clang-format on */

/* An error as a page: of a handler, or before it (no session: to the sign-in page). */
void page_error(struct web_call *c, const struct err *e);
void page_refuse(struct web_call *c, const struct err *e);
#endif
