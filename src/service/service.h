/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H
#include "ipc/calls.h"
#include "service/permissions.h"
#include "store/blobs.h"
#include "store/db.h"

struct authority;

struct service_tsa {
    const char *url, *hash; /* "sha256" ... */
    struct reader roots;    /* CERTIFICATE records; empty: none named */
};

/* What all rules work with. One per core process; fields do not change after start. */
struct service {
    struct db *db;
    struct blobs *blobs;
    int audit_folder; /* DATA/audit */
    struct calls *key;
    struct calls *fetch;
    struct authority *authority; /* service/authority.h */
    size_t tsa_count;            /* servers of setting tsa; index = what FETCH_STAMP names */
    const struct service_tsa *tsa;
    bool scanner_set;
    size_t max_upload;
    int64_t job_timeout_ms, tsa_budget_ms;
    struct reader job_limits; /* PAIRs for JOB */
    struct reader roots;      /* CERTIFICATEs of setting trusted_roots */
    const char *base_url;     /* without a slash at the end */
    int64_t session_idle_ms, session_max_ms;
    void (*wake)(void *ctx); /* new jobs are in the queue */
    void *wake_ctx;
    /* A worker for this job with `fd` as its channel (the descriptor stays the caller's); then its
     * end, waited for at most ms: false when it does not end. */
    bool (*spawn)(void *ctx, uint64_t job, int fd, struct err *e);
    bool (*await_exit)(void *ctx, uint64_t job, int64_t ms, uint32_t *ret_status);
    void *spawn_ctx;
    /* For the operator's log: the service itself never writes one. */
    void (*report)(void *ctx, const char *subject, const struct err *e);
    void *report_ctx;
};

/* Who is asking. Memory of the request's arena. */
struct actor {
    const char *user; /* id */
    const char *organization;
    const char *name;
    const char *kind; /* Interactive | CI */
    const char *role;
    const char *token_name; /* empty: by session */
    const char *address;
    const char *user_agent;
    const char *csrf; /* of the session; NULL with a token */
};

/* A fresh UUID in the arena. */
MUST_CHECK bool service_new_id(struct arena *a, const char **ret, struct err *e);
/* ASCII lower case, in the arena; NULL when memory is out. */
const char *service_fold(struct arena *a, const char *text);
/* ERR_FIELD: the sentence for the user, the field's published name in the detail. */
bool service_field_err(struct err *e, const char *field, const char *sentence);
/* In characters; the CR of a line end counts nothing, as in the forms of browsers. */
size_t service_length(const char *text);
/* product-spec 1.2; the error names the field. */
MUST_CHECK bool service_check_slug(const char *field, const char *slug, struct err *e);
MUST_CHECK bool service_check_name(const char *field, const char *name, struct err *e);

/* Rights of the actor on a project and, when not NULL, on one of its policies: the role's bit and
 * those of the lists. Adds RIGHT_OWN when owner is the actor. */
MUST_CHECK bool service_rights(struct db_tx *tx, const struct actor *actor, const char *project,
                               const char *policy, const char *owner, unsigned *ret, struct err *e);
#endif
