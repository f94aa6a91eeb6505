/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCS_HANDOUT_H
#define PROCS_HANDOUT_H
#include "base/settings.h"
#include "ipc/messages.h"

/* What START carries to one program: its settings in plain form, and a sealed memfd for each
 * secret, named by a value "fd:N". Only the supervisor resolves secrets. */
struct handout {
    struct writer pairs;
    int fds[MESSAGE_FDS];
    size_t fd_count;
    size_t borrowed; /* the first descriptors belong to someone else */
};

struct handout_place {
    int data;                /* the data folder; relative paths start here */
    const char *credentials; /* $CREDENTIALS_DIRECTORY of systemd, or NULL */
};

void handout_init(struct handout *h);
/* Descriptors that stay the caller's; call it before handout_settings. */
MUST_CHECK bool handout_borrow(struct handout *h, const int *fds, size_t count, struct err *e);
void handout_pair(struct handout *h, const char *name, const char *value);
void handout_number(struct handout *h, const char *name, uint64_t value);
MUST_CHECK bool handout_settings(struct handout *h, enum role to, const struct settings *s,
                                 const struct handout_place *place, struct err *e);
void handout_done(struct handout *h); /* closes the memfds */

#endif
