/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_REMOTE_SERVICE_STATE_H
#define CLI_REMOTE_SERVICE_STATE_H
#include "base/arena.h"

/* What a data folder says about its service. Changes nothing. */
struct service_state {
    bool running;    /* somebody holds the lock of run/pid */
    const char *url; /* run/url; "" when it does not serve yet */
};
MUST_CHECK bool service_state_read(struct arena *a, const char *data, struct service_state *ret,
                                   struct err *e);
#endif
