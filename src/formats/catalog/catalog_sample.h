/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_CATALOG_SAMPLE_H
#define FORMATS_CATALOG_SAMPLE_H
#include "base/writer.h"
#include "crypto/oid.h"

/* For tests: an unsigned catalog of one file (OID_CTL, true), or what looks a little like one. */
void catalog_sample(struct writer *w, enum oid type, bool with_content);
#endif
