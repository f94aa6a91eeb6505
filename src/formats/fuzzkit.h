/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_FUZZKIT_H
#define FORMATS_FUZZKIT_H
#include "formats/format.h"

/* For fuzz targets only. What breaks the contract of struct format ends the program: an answer
 * that does not agree with its error, a signature that neither holds nor says why. */

/* Inspects and verifies the bytes as a file of this name. */
void fuzz_format(const struct format *f, const char *file_name, struct reader bytes);
/* The same; the first byte chooses one of four names. */
void fuzz_names(const struct format *f, const char *const names[4], struct reader bytes);
/* Puts another content into the first entry of a container that opens; the result must be as
 * `compare` wants it: what is not touched is copied as it stands. */
void fuzz_change(const struct format *f, struct reader bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#endif
