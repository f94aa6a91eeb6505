/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_OVBA_H
#define ARCHIVE_OVBA_H
#include "base/writer.h"

/* Compressed containers of VBA projects ([MS-OVBA] 2.4.1). Appends the plain bytes to `to`, whose
 * limit bounds them. False with ERR_VBA: malformed, or more than the limit. */
MUST_CHECK bool ovba_expand(struct reader container, struct writer *to, struct err *e);
#endif
