/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_HELPER_H
#define CLI_HELPER_H
#include "base/writer.h"

/* Runs a program beside ours with these arguments (NULL at the end), writes `input` to its stdin
 * and takes its stdout. False when it could not run, or failed without a word on stdout: then with
 * the first line of its stderr. */
MUST_CHECK bool helper_program(const char *program, const char *const *arguments,
                               struct reader input, struct writer *output, int *ret_status,
                               struct err *e);

/* Posts a time-stamp request to a server by `chancery-remote`, so that `chancery` itself starts
 * without libcurl; the answer is not judged. */
MUST_CHECK bool helper_stamp(const char *url, struct reader request, struct writer *answer,
                             struct err *e);
#endif
