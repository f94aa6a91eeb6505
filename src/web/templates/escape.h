/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_TEMPLATES_ESCAPE_H
#define WEB_TEMPLATES_ESCAPE_H
#include "base/writer.h"

/* One function per place in HTML. What is not UTF-8 becomes U+FFFD; control characters and those
 * that turn the direction of text are shown as [U+202E], for names are chosen by strangers. */

/* Element text and values of attributes in double quotes. */
void escape_html(struct writer *to, struct reader text);
/* A whole address for href, src, action, in double quotes: a path of this server, a query, a
 * fragment, or http, https, mailto. Anything else becomes "#". */
void escape_url(struct writer *to, struct reader text);
/* A segment or query value within an address: all but unreserved characters percent-encoded. */
void escape_url_part(struct writer *to, struct reader text);
#endif
