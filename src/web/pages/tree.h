/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_PAGES_TREE_H
#define WEB_PAGES_TREE_H
#include "web/pages/frame.h"

/* The files that the plan of a request names, or, when it is completed, its receipt, as a tree:
 * "tree" and "treeNote" of the page. */
MUST_CHECK bool tree_add(struct sheet *s, const struct request_view *v, struct err *e);
#endif
