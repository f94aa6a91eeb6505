/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_ANSWERS_H
#define SERVICE_ANSWERS_H
#include "service/worker_run.h"

/* Answers a sign worker's questions, several at once, by a few threads: SIGN goes to the key
 * process, STAMP to the time-stamp servers. Every answer that counts is stored as an effect before
 * the worker can build on it (D13, D14), so that a repeated run gets the same bytes. */
struct answers;

MUST_CHECK bool answers_start(struct worker_run *run, struct channel *worker, struct answers **ret,
                              struct err *e);
void answers_stop(struct answers *a); /* waits for its threads; NULL is fine */
MUST_CHECK bool answers_add(struct answers *a, const struct message *m, struct err *e);
/* Whether a thread met a failure that ends the run. NULL has none. */
bool answers_failed(struct answers *a, struct err *e);

/* Sends the worker what earlier runs under the same grant were answered. */
MUST_CHECK bool answers_repeat(struct worker_run *run, struct channel *worker, struct err *e);
#endif
