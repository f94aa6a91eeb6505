/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_JOB_STEPS_H
#define SERVICE_JOB_STEPS_H
#include "service/requests.h"
#include "service/worker_run.h"
#include "store/queue.h"

/* One claimed job and the request it is for. */
struct job_context {
    struct service *service;
    struct arena *arena;
    struct job job;
    struct db_rows row; /* request_for_job */
    const char *request;
};

/* The steps (ARCHITECTURE.md, D04 to D17). False: a failure of the system's own, tried again later
 * unless it has failed too often; true: the request has moved on, or is final. */
MUST_CHECK bool job_inspect(struct job_context *c, struct err *e);
MUST_CHECK bool job_sign(struct job_context *c, struct err *e);

/* The endings: one transaction each, while the fencing token is ours. */
MUST_CHECK bool job_refuse(struct job_context *c, const struct refusal_text *why, struct err *e);
/* The same for what a worker says of the artifact: of other bytes than were uploaded it is not told
 * to the submitter. */
MUST_CHECK bool job_refuse_artifact(struct job_context *c, const struct refusal_text *why,
                                    struct err *e);
MUST_CHECK bool job_cancel(struct job_context *c, struct err *e);
/* D16: nothing more is signed under the grant; uses gets what was, as USE records. A grant that the
 * key process has never seen (core stopped between D10 and D11) is closed already. */
MUST_CHECK bool job_close_grant(struct service *s, const uint8_t *grant, struct writer *uses,
                                struct err *e);
/* How many slots the USE records fill. */
uint32_t job_count_uses(struct reader uses);
/* For failures: counts it and queues the job again, or refuses when it was one too many. */
MUST_CHECK bool job_retry(struct job_context *c, const struct err *why, struct err *e);

/* Whom verify directives of this request trust: the roots that the operator names, and for a
 * policy of purpose Test the organisation's own test certificates. CERTIFICATE records. */
MUST_CHECK bool job_roots(struct job_context *c, struct reader *ret, struct err *e);

/* Shared by the steps: descriptors of blobs and of the configuration text. */
MUST_CHECK bool job_open_inputs(struct job_context *c, int *ret_artifact, int *ret_configuration,
                                struct err *e);
/* The plan as it was stored: PLAN_ITEM records. */
MUST_CHECK bool job_plan(struct job_context *c, struct reader *ret, struct err *e);
#endif
