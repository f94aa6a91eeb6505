/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_PE_PE_SAMPLE_H
#define FORMATS_PE_PE_SAMPLE_H
#include "base/writer.h"

/* Makes small well-formed programs for tests: headers, one code section, resources. */
struct pe_sample {
    bool plus;               /* PE32+ */
    unsigned languages;      /* version resources; 0: none */
    const char *product;     /* ProductName of each */
    const char *description; /* FileDescription */
    size_t overlay;          /* bytes behind the last section */
};
void pe_sample(struct writer *w, const struct pe_sample *sample);
#endif
