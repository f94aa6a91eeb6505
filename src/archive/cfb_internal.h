/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_CFB_INTERNAL_H
#define ARCHIVE_CFB_INTERNAL_H
#include "archive/cfb.h"

/* What the cfb_*.c files share; nobody else includes this. */
#define SECTOR_DIFAT UINT32_C(0xfffffffc)
#define SECTOR_FAT   UINT32_C(0xfffffffd)
#define SECTOR_END   UINT32_C(0xfffffffe)
#define SECTOR_FREE  UINT32_C(0xffffffff)
#define NO_ENTRY     UINT32_C(0xffffffff)
enum {
    HEADER_SIZE = 512,
    HEADER_DIFATS = 109,
    ENTRY_SIZE = 128,
    NAME_BYTES = 64,
    MINI_SECTOR = 64,
    MINI_CUTOFF = 4096,
    BUFFER = 64 * 1024,
};
#define SECTOR_MAX UINT32_C(0xfffffff9)
/* [MS-CFB] 2.8: the sector that holds this offset is given to nobody. */
#define RANGE_LOCK UINT64_C(0x7fffff00)

/* [MS-CFB] 2.6.4: the shorter name first, then by code units in upper case. */
int cfb_name_order(struct reader a, struct reader b);
/* Fills c->by_name; false when two entries have one name, or memory is out. */
MUST_CHECK bool cfb_sort_names(struct arena *a, struct cfb *c, struct err *e);
MUST_CHECK bool cfb_bad(struct err *e, const char *fmt, ...) PRINTF(2, 3);
#endif
