/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_RUNNER_H
#define ARTIFACT_RUNNER_H
#include "artifact/pool.h"
#include "ipc/channel.h"

/* One job of a worker, from JOB to JOB_DONE or JOB_REFUSED (rows of ipc/messages.h).
 *
 * Names of the PAIRs of a JOB. options: "stamps" = "yes" | "no" (time stamps wherever a directive
 * takes one), "roots" (SHA-256, hexadecimal, of the last descriptor). limits, each a decimal
 * number, each may be left out: "entries", "expanded_bytes", "nesting", "ratio", "scratch_bytes",
 * "output_bytes", "memory". parameters: those of the artifact configuration.
 *
 * inspect  writes the plan; JOB_DONE.size is its length
 * sign     builds the plan again, refuses when it is another one, signs, writes the output
 * verify   compares the output with the artifact, sends FOUND_SLOT for every slot of the plan
 *
 * False: the channel broke or core broke the protocol; a refusal is not false. */
MUST_CHECK bool runner_run(struct channel *core, struct pool *pool, struct err *e);
#endif
