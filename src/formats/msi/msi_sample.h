/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_MSI_MSI_SAMPLE_H
#define FORMATS_MSI_MSI_SAMPLE_H
#include "archive/cfb.h"

/* Small compound files with the class of an installer database, for tests. */
struct msi_sample_stream {
    const char *name; /* ASCII; the first byte may be 5 */
    struct reader content;
    const char *storage; /* NULL: in the root */
};
struct msi_sample {
    uint16_t major; /* 3 or 4 */
    const struct msi_sample_stream *streams;
    size_t count;
};
/* Aborts when it cannot be made. */
void msi_sample(struct writer *w, const struct msi_sample *s);
/* Summary information with these two texts in that code page; type 0x1e. */
void msi_sample_summary(struct writer *w, uint16_t page, const char *subject, const char *author);
#endif
