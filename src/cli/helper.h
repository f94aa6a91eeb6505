/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_HELPER_H
#define CLI_HELPER_H
#include "base/writer.h"

/* `chancery-remote` does what needs HTTP, so that `chancery` itself starts without libcurl. */

/* Runs the program beside ours with these arguments (NULL at the end), writes `input` to its
 * stdin and takes its stdout. False with the line that it said on stderr. */
MUST_CHECK bool helper_run(const char *const *arguments, struct reader input, struct writer *output,
                           struct err *e);
/* Posts a time-stamp request to a server; the answer is not judged. */
MUST_CHECK bool helper_stamp(const char *url, struct reader request, struct writer *answer,
                             struct err *e);
#endif
