/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_EVENTS_H
#define SERVICE_EVENTS_H
#include "service/service.h"

/* One audit event under construction, on the caller's stack. Texts are borrowed until it is
 * appended. Never put a secret in: events are exported. */
enum { EVENT_DETAILS = 24 };
struct event {
    const char *type;       /* "SigningRequest.Submitted" */
    const struct actor *by; /* NULL: the system */
    const char *kind;       /* "SigningRequest", "User" ... */
    const char *object;     /* its id */
    const char *request;    /* id, when it belongs to one */
    struct event_detail {
        const char *name, *value;
        struct reader bytes; /* when value is NULL: shown in hexadecimal */
    } details[EVENT_DETAILS];
    size_t count;
    struct reader body; /* bytes that the key process checks (an INTENT's grant); may be empty */
};

void event_add(struct event *event, const char *name, const char *value);
void event_add_bytes(struct event *event, const char *name, struct reader bytes);
/* Numbers and stores it in the caller's transaction. ret_index may be NULL. */
MUST_CHECK bool event_append(struct db_tx *tx, const struct event *event, uint64_t *ret_index,
                             struct err *e);
#endif
