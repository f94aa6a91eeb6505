/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_OFFICE_OXML_SAMPLE_H
#define FORMATS_OFFICE_OXML_SAMPLE_H
#include "archive/zip.h"
#include "formats/office_oxml/vba_sample.h"

/* For tests only: a small Word document. project.at NULL: without macros. */
struct office_oxml_part {
    const char *path;
    struct reader content;
};
void office_oxml_sample(struct writer *w, struct reader project,
                        const struct office_oxml_part *more, size_t more_count);
#endif
