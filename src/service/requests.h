/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_REQUESTS_H
#define SERVICE_REQUESTS_H
#include "base/json.h"
#include "service/service.h"

/* What a submitter says about a request: the fields of wire-contract 1.1, spelling and case
 * settled by the caller. NULL or empty means not given. */
struct submission {
    const char *project, *policy, *configuration; /* slugs */
    const char *policy_id, *configuration_id;     /* instead of slugs, never mixed */
    const char *description;
    const char *idempotency_key;
    struct reader parameters; /* PAIR records as given */
    const char *file_name;
    uint64_t cancel_seconds; /* 0: no deadline */
    bool has_origin;         /* origin fields came: refused without a trusted build system */
    struct reader artifact;  /* SHA-256 of a stored blob */
    uint64_t artifact_size;
    const char *original; /* set by request_resubmit */
};

/* Whether the actor submits under any policy at all: ERR_FORBIDDEN. Asked before a large artifact
 * is taken in, which stays on the disk for a day whatever becomes of it. */
MUST_CHECK bool request_check_submitter(struct service *s, const struct actor *actor,
                                        struct err *e);

struct submitted {
    const char *id;
    bool replayed; /* the same Idempotency-Key and content came before */
};
/* Validates in the order of product-spec 5.2 and, when all is well, stores request, key, audit
 * leaf and inspect job in one transaction (D03). */
MUST_CHECK bool request_submit(struct service *s, const struct actor *actor,
                               const struct submission *in, struct arena *a, struct submitted *ret,
                               struct err *e);
/* A new request for the same artifact and parameters under a policy of the project (product-spec
 * 5.6): of a completed one with its configuration version; of a failed one with the current one. */
struct resubmission {
    const char *original, *policy, *policy_id, *description;
    struct reader parameters; /* PAIR records: replace the original's when not empty */
    const char *idempotency_key;
    bool current_settings; /* "Resubmit with current settings": of failed requests only */
};
MUST_CHECK bool request_resubmit(struct service *s, const struct actor *actor,
                                 const struct resubmission *in, struct arena *a,
                                 struct submitted *ret, struct err *e);
/* Asks for it: a request that waits ends at once, one that a job works on at its next step. */
MUST_CHECK bool request_cancel(struct service *s, const struct actor *actor, const char *id,
                               const char *reason, struct err *e);

/* One request as pages and API show it. Memory of the arena. */
struct request_view {
    const char *id, *status, *workflow_status, *description;
    const char *project, *project_slug, *project_name;
    const char *policy, *policy_slug, *policy_name;
    const char *configuration, *configuration_slug, *configuration_name;
    int64_t configuration_version;
    const char *submitter, *submitter_name, *token_name;
    const char *file_name, *original, *reason, *scan;
    struct reader parameters; /* PAIR records */
    struct reader artifact, plan, output, subject, receipt;
    int64_t artifact_size, output_size, plan_items, slots;
    bool artifact_deleted, final, may_read_artifacts, may_cancel;
    const char *error_code, *error_user, *error_detail, *error_path;
    int64_t error_line, error_column;
    int64_t created, finished;
    struct request_step {
        const char *name, *note;
        int64_t started;
    } * steps;
    size_t step_count;
};
MUST_CHECK bool request_read(struct service *s, const struct actor *actor, const char *id,
                             struct arena *a, struct request_view **ret, struct err *e);
/* Newest first, before `below` (0: from the newest). */
struct request_filter {
    const char *project, *status; /* slug and published status; NULL or empty: all */
    int64_t below;
    size_t most;
};
struct request_list {
    struct request_view *items; /* only what lists show is filled */
    size_t count;
    int64_t next; /* `below` of the next page; 0: this was the last */
};
MUST_CHECK bool request_list(struct service *s, const struct actor *actor,
                             const struct request_filter *filter, struct arena *a,
                             struct request_list *ret, struct err *e);

enum request_file { REQUEST_UNSIGNED, REQUEST_SIGNED };
struct request_download {
    int fd; /* read-only; the caller closes it */
    uint64_t size;
    const char *name;
    struct reader sha256;
};
/* An artifact, read once and found to be what was uploaded or released: ERR_BLOB_DAMAGED. */
MUST_CHECK bool request_open_file(struct service *s, const struct actor *actor, const char *id,
                                  enum request_file which, struct arena *a,
                                  struct request_download *ret, struct err *e);
enum { PLAN_MAX = 256 << 20 };
/* The PLAN_ITEM records of the request's plan; empty before there is one. */
MUST_CHECK bool request_plan(struct service *s, const struct request_view *view, struct arena *a,
                             struct reader *ret, struct err *e);

/* The documents of wire-contract 2.1 and 2.2. */
void request_json(struct json *j, const struct service *s, const char *organization,
                  const struct request_view *view);
/* Members of an item in a list. */
void request_summary_json(struct json *j, const struct service *s, const struct request_view *view);
void request_status_json(struct json *j, const struct service *s, const struct request_view *view);
#endif
