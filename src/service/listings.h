/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_LISTINGS_H
#define SERVICE_LISTINGS_H
#include "service/service.h"

/* What pages show of the configuration: rows of one named query, in the arena. Everybody who is
 * signed in may see it (READ_CONFIGURATION), and every query takes the organisation. */
MUST_CHECK bool listing(struct service *s, enum query query, struct db_args args, struct arena *a,
                        struct db_rows *ret, struct err *e);
/* The same for at most one row; ERR_NOT_FOUND without one, with a sentence that names `what`. */
MUST_CHECK bool listing_one(struct service *s, enum query query, struct db_args args,
                            const char *what, struct arena *a, struct db_rows *ret, struct err *e);

/* Events before number `below` (0: from the newest), newest first, of one request when `request` is
 * not NULL. Needs READ_AUDIT. */
struct listing_event {
    int64_t number, time_ms;
    struct reader kind, actor, object, request, detail; /* detail: a JSON object or empty */
};
struct listing_events {
    struct listing_event *list;
    size_t count;
};
MUST_CHECK bool listing_events(struct service *s, const struct actor *actor, const char *request,
                               int64_t below, struct arena *a, struct listing_events *ret,
                               struct err *e);
enum { LISTING_EVENTS = 50 }; /* at most so many */

/* The parameters that one version of an artifact configuration declares. */
struct listing_parameter {
    const char *name, *default_value; /* NULL: none */
    bool required;
};
struct listing_parameters {
    struct listing_parameter *list;
    size_t count;
};
MUST_CHECK bool listing_parameters(struct service *s, const char *configuration, int64_t version,
                                   struct arena *a, struct listing_parameters *ret, struct err *e);
#endif
