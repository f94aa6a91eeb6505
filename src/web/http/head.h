/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_HTTP_HEAD_H
#define WEB_HTTP_HEAD_H
#include "base/reader.h"

/* Checks on the head of a request, beyond what libmicrohttpd does: whatever two servers could
 * read in two ways (RFC 9112 11.2) is refused, so nothing can be smuggled past a proxy. */
enum { HEAD_MAX = 32 * 1024, HEAD_FIELDS = 100, HEAD_TARGET = 8 * 1024 };

struct head_field {
    struct reader name, value;
};

struct head {
    struct reader method, target;
    bool minor_0; /* HTTP/1.0 */
    struct head_field fields[HEAD_FIELDS];
    size_t count;
    /* From head_check: */
    bool chunked;
    uint64_t length; /* of the body; UINT64_MAX: chunked, not known yet */
    bool expects_continue;
};

/* Fields from the lines behind the request line as libmicrohttpd 0.9.75 leaves them in its
 * buffer: the first colon and the CR LF of every line have become NUL. Line folding, bare LF,
 * NUL bytes, blanks around names and other oddities no longer fit this form: ERR_HTTP_REQUEST. */
MUST_CHECK bool head_fields_in_place(struct reader lines, struct head *h, struct err *e);
/* Adds one field that someone else has cut out. */
MUST_CHECK bool head_add(struct head *h, struct reader name, struct reader value, struct err *e);
/* Method, target, version, framing, Host and Expect; fills the fields above. */
MUST_CHECK bool head_check(struct head *h, struct err *e);

/* Value of the only field of this name (ASCII case folded); false when there is none. */
MUST_CHECK bool head_find(const struct head *h, const char *name, struct reader *ret);
/* Fields that end at this hop or speak for a proxy; core does not see them. */
bool head_is_hop(struct reader name);
bool head_name_is(struct reader name, const char *lower);
/* What core wants in a reply: a token, a value without CR, LF and NUL. */
bool head_may_send(struct reader name, struct reader value);
bool head_is_token(struct reader text);      /* RFC 9110 5.6.2 */
struct reader head_trim(struct reader text); /* without blanks and tabs around */
#endif
