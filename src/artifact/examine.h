/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_EXAMINE_H
#define ARTIFACT_EXAMINE_H
#include "artifact/tree.h"

/* The checks on one matched file that need its bytes. p->in and its elements are set; fills in
 * format, facts and steps. `a` lives as long as the job. */
MUST_CHECK bool examine_part(struct arena *a, const struct judging *judging, struct part *p,
                             struct refusal *r);

/* The format that a file has by its content, or by its extension where it has no magic number;
 * NULL: none that is built. */
const struct format *examine_detect(struct arena *a, const struct source *in, const char *name,
                                    struct err *e);
/* The next one that it is as well: an Office file is also an OPC package. */
const struct format *examine_detect_after(struct arena *a, const struct format *after,
                                          const struct source *in, const char *name, struct err *e);
#endif
