/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_ZIP_INTERNAL_H
#define ARCHIVE_ZIP_INTERNAL_H
#include "archive/zip.h"

/* What the zip_*.c files share; nobody else includes this. */
enum {
    SIG_LOCAL = 0x04034b50,
    SIG_CENTRAL = 0x02014b50,
    SIG_DESCRIPTOR = 0x08074b50,
    SIG_END = 0x06054b50,
    SIG_END64 = 0x06064b50,
    SIG_LOCATOR = 0x07064b50,
    SIZE_LOCAL = 30,
    SIZE_CENTRAL = 46,
    SIZE_END = 22,
    SIZE_END64 = 56,
    SIZE_LOCATOR = 20,
    EXTRA_ZIP64 = 0x0001,
    EXTRA_UNICODE_PATH = 0x7075,
    VERSION_DEFLATE = 20,
    VERSION_ZIP64 = 45,
};
#define FULL32 UINT32_C(0xffffffff)

/* A name for error texts: what cannot be printed becomes '?', and it is cut. Returns `to`. */
enum { ZIP_SHOWN = 120 };
const char *zip_shown(struct reader name, char to[ZIP_SHOWN]);
/* Fills path and folder from the record; refuses what is unsafe. */
MUST_CHECK bool zip_name_read(struct arena *a, struct zip_entry *x, struct err *e);
/* The path checks alone; shifts a leading "./" and a trailing '/' off *path. */
MUST_CHECK bool zip_name_check(char **path, bool *ret_folder, struct err *e);
/* Refuses equal names and files that are used as folders. Sorts the list. */
MUST_CHECK bool zip_names_unique(const struct zip_entry **list, size_t count, unsigned profile,
                                 struct err *e);
/* Well-formed list of fields; fewer than four zero bytes of padding may end it (zipalign). */
bool zip_extra_ok(struct reader extra);
/* Same fields without those of this id. */
void zip_extra_without(struct writer *w, struct reader extra, uint16_t id);

/* Walks the local headers in file order: fills order, data and descriptor, compares with the
 * records. */
MUST_CHECK bool zip_local_check(struct arena *a, struct zip *z, unsigned profile, struct err *e);
/* Directory and end records, in the shape of the old file's (NULL: a new file). */
MUST_CHECK bool zip_write_end(struct sink *out, uint64_t start, uint64_t count,
                              const struct writer *directory, struct reader comment,
                              const struct zip *old, struct err *e);
#endif
