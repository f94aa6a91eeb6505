/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_JOBS_H
#define SERVICE_JOBS_H
#include "service/service.h"

/* The threads that take requests from submitted to final: each claims one job, works on it, claims
 * the next. Also the clock of deadlines, and the sealer of log heads. */
struct jobs;

/* What this node had claimed before is free again. */
MUST_CHECK bool jobs_new(struct service *s, struct jobs **ret, struct err *e);
/* From here on work is done. */
MUST_CHECK bool jobs_start(struct jobs *j, unsigned threads, struct err *e);
void jobs_wake(struct jobs *j);
/* No new jobs; those that run may finish within ms, then what is left stays for the next start.
 * Whether all threads have ended: else the database is in use, and only _exit may follow. */
bool jobs_stop(struct jobs *j, int64_t ms);
#endif
