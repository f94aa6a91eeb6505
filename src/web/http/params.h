/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_HTTP_PARAMS_H
#define WEB_HTTP_PARAMS_H
#include "base/writer.h"

/* Field values with parameters (RFC 9110 5.6.6): Content-Type, Content-Disposition. */
struct param {
    struct reader name, value; /* a quoted value without its quotes, escapes still in */
    bool quoted;
};

/* Cuts the part before the first semicolon off *r, without blanks around it. */
struct reader params_main(struct reader *r);
/* Cuts the next parameter off. Loop: while (r.left > 0) TRY(params_next(&r, &p, e)). False:
 * the form is broken. p->name is empty when only blanks or an empty parameter were left. */
MUST_CHECK bool params_next(struct reader *r, struct param *ret, struct err *e);
/* Appends the value. Only \" and \\ are escapes: old browsers send "C:\file" as it is. */
void params_value(const struct param *p, struct writer *to);
/* Appends the value of a parameter whose name ends in * (RFC 8187: charset'language'text) as
 * UTF-8. False: other charsets than UTF-8 and ISO-8859-1, or a broken form. */
MUST_CHECK bool params_extended(const struct param *p, struct writer *to);
#endif
