/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_CAB_CAB_SAMPLE_H
#define FORMATS_CAB_CAB_SAMPLE_H
#include "archive/cab.h"

/* Small cabinets for tests. */
struct cab_sample_file {
    const char *name;
    struct reader content;
    uint16_t folder;
};
struct cab_sample {
    const struct cab_sample_file *files; /* by folder */
    size_t file_count;
    const uint16_t *kinds; /* of the folders */
    size_t folder_count;
    struct reader reserve; /* of the header; .at NULL: none */
};
/* Aborts when it cannot be made. */
void cab_sample(struct writer *w, const struct cab_sample *s);
#endif
