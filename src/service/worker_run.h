/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_WORKER_RUN_H
#define SERVICE_WORKER_RUN_H
#include "service/authority.h"
#include "service/service.h"

/* What a worker said at its end that the uploader can read (JOB_REFUSED), or what happened. */
struct refusal_text {
    const char *code, *user, *detail, *path;
    uint32_t line, column;
};

/* One worker process for one step of a request: made, fed, answered, waited for. The descriptors
 * are borrowed. */
struct worker_run {
    struct service *service;
    struct arena *arena; /* of the results */
    enum job_kind kind;
    const char *request;
    const char *name; /* file name of the artifact */
    struct reader parameters, certificates;
    struct reader roots; /* CERTIFICATEs that verify directives trust; empty: none */
    bool stamps;
    int64_t time;
    struct reader seed;
    int input, plan, output, configuration; /* output -1: none (inspect) */
    const uint8_t *grant;                   /* sign: GRANT_ID bytes */
    uint32_t slots;                         /* sign and verify: of the plan */

    uint64_t job; /* number of the process; set by worker_run */
    /* results */
    bool refused, canceled;
    struct refusal_text refusal;
    uint64_t size;
    struct reader sha256;
    uint32_t items, found_slots;
    struct writer found; /* FOUND records; the caller calls writer_done */
};
/* False: a failure of the system's own (the worker died, hung, broke the protocol): try again.
 * True: refused, canceled, or done; the process has ended in every case. */
MUST_CHECK bool worker_run(struct worker_run *run, struct err *e);
#endif
