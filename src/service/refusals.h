/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_REFUSALS_H
#define SERVICE_REFUSALS_H
#include "service/service.h"

/* Refusals that belong into the audit log although anybody can cause as many as they like (failed
 * sign-ins, refused submissions). The first of a kind is an event at once; those that follow within
 * a minute are counted and become one event with their number. No more than REFUSAL_KINDS are told
 * apart, all others are one more event a minute: a flood cannot fill the log. */
enum { REFUSAL_KINDS = 16 };

struct refusal {
    const char *type;         /* of the event; a literal */
    const char *organization; /* id */
    const struct actor *by;   /* NULL: nobody has proved who they are */
    const char *user;         /* id of the account that was tried; NULL: there is no such account */
    const char *address;      /* of the client */
    const char *reason;       /* a literal, or a text of the error table */
    const char *sentence;     /* what they were told, for the first event; NULL: nothing more */
    const char *project, *policy; /* as written in a submission, for the first event; may be NULL */
};

/* Never fails: what cannot be written is reported to the operator, and the refusal stands. */
void refusal_note(struct service *s, const struct refusal *r);
/* Writes what was counted and is a minute old at `now` (boot time); called every second or so, and
 * with INT64_MAX at the end. */
void refusals_write(struct service *s, int64_t now);
#endif
