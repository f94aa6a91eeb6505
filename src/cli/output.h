/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H
#include "base/arena.h"

/* A file that is written beside its place and renamed when it is whole. */
struct output {
    int fd;
    const char *path, *temporary;
    bool force;
};

/* ERR_USAGE when the path exists and !force. mode: permissions of the new file. */
MUST_CHECK bool output_open(struct arena *a, const char *path, bool force, unsigned mode,
                            struct output *ret, struct err *e);
/* Puts the file into its place; without force never over another file. */
MUST_CHECK bool output_keep(struct output *o, struct err *e);
/* Removes what was not kept; for CLEANUP. */
void output_done(struct output *o);
#endif
