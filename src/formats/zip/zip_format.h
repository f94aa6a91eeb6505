/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_ZIP_FORMAT_H
#define FORMATS_ZIP_FORMAT_H
#include "archive/zip.h"
#include "formats/format.h"

/* For formats that are ZIP files inside: container->own is a struct zip. */
MUST_CHECK bool zip_format_open(struct arena *a, const struct source *in,
                                const struct format *format, unsigned profile,
                                struct budget *budget, struct container **ret, struct err *e);
/* `extract` and `prepare` of struct format. */
MUST_CHECK bool zip_format_extract(const struct container *c, size_t index, struct sink *out,
                                   struct err *e);
MUST_CHECK bool zip_format_prepare(const struct container *c, struct arena *a,
                                   struct change *change, struct sink *scratch, struct err *e);
/* The same changes for zip_repack, compressed in the arena where nobody prepared them, with room
 * for more behind. An arena for that needs zip_format_room(count). */
MUST_CHECK bool zip_format_changes(const struct container *c, struct arena *a,
                                   const struct change *changes, size_t count, size_t room,
                                   struct zip_change **ret, struct err *e);
size_t zip_format_room(size_t count);
/* The same directory without one entry (SIZE_MAX: the whole), for zip_compare. */
MUST_CHECK bool zip_format_without(struct arena *a, const struct zip *z, size_t index,
                                   struct zip *ret, struct err *e);
/* The same without the marked entries. */
MUST_CHECK bool zip_format_keep(struct arena *a, const struct zip *z, const bool *drop,
                                struct zip *ret, struct err *e);
#endif
