/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCS_LAUNCH_H
#define PROCS_LAUNCH_H
#include "base/err.h"
#include <sys/types.h>

enum { LAUNCH_PATH = 4096, CHILD_CHANNEL = 3 };

/* Path of a program of this installation: beside the running one (AT_EXECFN), else in the
 * compiled-in folder. Relative paths are resolved once, so call it before any chdir. */
MUST_CHECK bool launch_find(const char *program, char to[LAUNCH_PATH], struct err *e);
/* fork and exec with an empty environment, "/" as folder, default signals, stdin and stdout on
 * /dev/null, stderr as ours, `channel` as descriptor 3 and nothing else open. The child dies with
 * us. arguments: after argv[0], NULL at the end. Descriptors stay the caller's. */
MUST_CHECK bool launch(const char *path, const char *const *arguments, int channel, pid_t *ret,
                       struct err *e);
#endif
