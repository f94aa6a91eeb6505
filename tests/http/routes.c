/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the route table, one route a line: METHOD PATH PERMISSION GUARD BODY.
 * tests/stories/rights.py calls each of them as everybody. */
#include "web/routes.h"
#include <stdio.h>

int main(void)
{
    static const char *const guards[] = {"missing", "token", "session", "open", "form"};
    static const char *const bodies[] = {"none", "small", "form", "upload"};
    for (const struct route *r = routes; r->method != NULL; r++)
        (void)printf("%s %s %s %s %s\n", r->method, r->path, permission_name(r->needs),
                     guards[r->guard], bodies[r->body]);
    return 0;
}
