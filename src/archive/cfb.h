/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_CFB_H
#define ARCHIVE_CFB_H
#include "base/source.h"

/* Compound files ([MS-CFB], "OLE2") under a strict profile: every sector belongs to exactly one
 * chain or is free, chains are as long as what they hold, the directory is a tree, and behind the
 * last sector in use there is nothing but zeros. */
enum { CFB_STORAGE = 1, CFB_STREAM = 2, CFB_ROOT = 5 };
enum { CFB_CLSID = 16, CFB_TIMES = 16 };

struct cfb_entry {
    struct reader name;                /* UTF-16LE without the terminator */
    struct reader clsid, state, times; /* 16, 4 and 16 bytes as they stand */
    uint8_t type;                      /* 0: unused */
    uint64_t size;
    struct source_piece *pieces; /* where the bytes of a stream are; `at` as in.offset counts */
    size_t piece_count;
    uint32_t parent; /* index */
    uint32_t left, right, child, start;
};
struct cfb {
    struct source in;
    uint32_t sector; /* 512 or 4096 */
    uint16_t minor, major;
    /* The last sector goes on with something behind the end of its stream, or the end of a ZIP file
     * is in the last part of the file, but in no stream. */
    bool loose;
    struct cfb_entry *entries; /* [0] is the root */
    uint32_t count;
    uint32_t *by_name; /* of those in use but the root: by parent, then in the order of names */
    uint32_t used;
};

bool cfb_starts(struct reader head);
/* CLSID of the root without looking further, for probes; false: no such file. */
bool cfb_root_clsid(const struct source *in, uint8_t ret[CFB_CLSID]);
MUST_CHECK bool cfb_open(struct arena *a, const struct source *in, struct cfb **ret, struct err *e);
/* Child of `parent` with this name (UTF-16LE), which has no case ([MS-CFB] 2.6.4); NULL: none. */
const struct cfb_entry *cfb_find(const struct cfb *c, uint32_t parent, struct reader name);
/* The same by an ASCII name. */
const struct cfb_entry *cfb_find_text(const struct cfb *c, uint32_t parent, const char *name);
uint32_t cfb_child_count(const struct cfb *c, uint32_t parent);
MUST_CHECK bool cfb_each(const struct cfb *c, const struct cfb_entry *x, source_each_fn each,
                         void *ctx, struct err *e);
/* The stream as one source, which borrows the file and the entry. Of a file in memory, when the
 * stream lies there in pieces, a copy in the arena. */
MUST_CHECK bool cfb_source(struct arena *a, const struct cfb *c, const struct cfb_entry *x,
                           struct source *ret, struct err *e);
/* The number of an entry. */
uint32_t cfb_index(const struct cfb *c, const struct cfb_entry *x);

/* What becomes of a stream; `added` ones lie in the root. */
struct cfb_change {
    enum { CFB_REPLACE, CFB_REMOVE, CFB_ADD } action;
    uint32_t index;     /* replaced or removed */
    struct reader name; /* added: UTF-16LE */
    struct source content;
    /* Of a replaced stream, instead of the content: appends it to `out`, which is not empty. */
    bool (*produce)(void *ctx, struct sink *out, struct err *e);
    void *ctx;
};
/* The file in one canonical layout with these changes, sorted by index, added ones last; entries
 * keep their order, class, state and times. The same input gives the same bytes. */
MUST_CHECK bool cfb_write(const struct cfb *c, const struct cfb_change *changes, size_t count,
                          struct sink *out, struct err *e);
/* Whether `after` is exactly what cfb_write makes of these changes, none of which is produced. */
MUST_CHECK bool cfb_is_written(const struct cfb *c, const struct cfb_change *changes, size_t count,
                               const struct source *after, bool *ret, struct err *e);
#endif
