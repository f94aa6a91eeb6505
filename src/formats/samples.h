/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_SAMPLES_H
#define FORMATS_SAMPLES_H
#include "base/writer.h"

/* For tests only: one small unsigned file of each format, for the tests that run over all of them.
 * A new format adds its row. */
struct format_sample {
    const char *id;                        /* facts->id */
    const char *file_name;                 /* foreign verifiers go by its extension */
    bool foreign;                          /* osslsigncode verifies this format */
    void (*make)(struct writer *w);        /* aborts when it cannot be made */
    uint64_t (*covered)(struct reader in); /* offset of a byte that the signature covers */
};
extern const struct format_sample format_samples[];           /* ended by a row without id */
const struct format_sample *format_sample_of(const char *id); /* NULL: has no row */
#endif
