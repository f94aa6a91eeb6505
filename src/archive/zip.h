/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_ZIP_H
#define ARCHIVE_ZIP_H
#include "archive/deflate.h"
#include "base/arena.h"

/* ZIP files (APPNOTE 6.3.10) under a strict profile: every byte belongs to exactly one entry, the
 * directory or the end record; what is said twice is said equally; every name is safe and unique.
 * Also the ground of NuGet, OPC, APPX, JAR and APK. */
enum {
    ZIP_STORED = 0,
    ZIP_DEFLATED = 8,
};
enum { /* general purpose flags */
       ZIP_FLAG_ENCRYPTED = 1 << 0,
       ZIP_FLAG_DESCRIPTOR = 1 << 3,
       ZIP_FLAG_UTF8 = 1 << 11,
};
enum {                                 /* profile */
       ZIP_UNIQUE_FOLDED = 1,          /* names that differ only by case are refused as well */
       ZIP_BLOCK_BEFORE_DIRECTORY = 2, /* bytes between the last entry and the directory (APK) */
};

struct zip_entry {
    const char *path;     /* UTF-8, '/' between segments, none at the end, no leading "./" */
    struct reader record; /* its record of the central directory, as it stands */
    uint64_t header;      /* offset of the local header */
    uint64_t data;        /* offset of the stored bytes; ends at data + compressed */
    uint64_t compressed, size;
    uint32_t crc;
    uint32_t external;            /* attributes; Unix mode in the upper half */
    uint16_t name_len, extra_len; /* of the record; the comment is the rest */
    uint16_t made_by, flags, method, time, date, internal;
    uint8_t
        descriptor; /* length behind the data: 0 none, 12, 16 with signature, 20 and 24 64-bit */
    bool folder;
};

struct zip {
    struct source in;
    struct zip_entry *entries; /* in the order of the directory */
    const uint32_t *order;     /* entries by offset */
    size_t count;
    struct source block;      /* ZIP_BLOCK_BEFORE_DIRECTORY; else empty */
    uint64_t directory;       /* offset */
    struct reader end, end64; /* the end records as they stand; end64 may be empty */
    struct reader comment;    /* of the archive */
    struct budget *budget;    /* may be NULL */
};

/* Checks the whole structure and pays for the entries. Memory of the arena. */
MUST_CHECK bool zip_open(struct arena *a, const struct source *in, unsigned profile,
                         struct budget *budget, struct zip **ret, struct err *e);
/* Quick look for probes: does a ZIP file start here? */
bool zip_starts(struct reader head);
/* The expanded bytes of an entry; size and CRC-32 are checked. Any number of threads. */
MUST_CHECK bool zip_extract(const struct zip *z, size_t index, struct sink *out, struct err *e);

struct reader zip_raw_name(const struct zip_entry *x);
struct reader zip_extra(const struct zip_entry *x); /* of the central directory */
struct reader zip_comment(const struct zip_entry *x);
struct source zip_stored_bytes(const struct zip *z, const struct zip_entry *x);
/* The local header with its name and extra fields, as it stands. */
MUST_CHECK bool zip_local_header(struct arena *a, const struct zip *z, const struct zip_entry *x,
                                 struct reader *ret, struct err *e);
/* Payload of the first extra field with this id. */
MUST_CHECK bool zip_extra_find(struct reader extra, uint16_t id, struct reader *ret);

/* --- putting entries in ---------------------------------------------------------------------- */
/* Content ready to be written: stored bytes and what the headers say of them. */
struct zip_packed {
    struct source data;
    uint64_t size; /* expanded */
    uint32_t crc;
    uint16_t method;
};
/* Compresses content to the end of scratch. ZIP_STORED: borrows content, scratch is not used. In a
 * memory sink *ret is valid until the next write to it. */
MUST_CHECK bool zip_pack(const struct source *content, uint16_t method, struct sink *scratch,
                         struct zip_packed *ret, struct err *e);
/* The same for the new content of an entry that is there, by its method. Where content up to
 * DEFLATE_WHOLE differs in few places, the old stream is edited (archive/splice.h). */
MUST_CHECK bool zip_pack_again(const struct zip *z, size_t index, const struct source *content,
                               struct sink *scratch, struct zip_packed *ret, struct err *e);

enum zip_action { ZIP_REPLACE, ZIP_ADD, ZIP_REMOVE };
struct zip_change {
    enum zip_action action;
    size_t index;     /* REPLACE, REMOVE; ADD: whose time and attributes it takes, SIZE_MAX none */
    const char *path; /* ADD: UTF-8, '/' between segments; at the end means a folder */
    bool first;       /* ADD: in front of all others instead of behind them */
    struct zip_packed packed; /* method: of a replaced entry it may differ from the old one */
};
/* Changes by ascending index, added ones in any place, kept in their order. Untouched entries are
 * copied as they stand; replaced ones keep place, name, time, attributes and extra fields. The same
 * input and changes give the same bytes. block: put before the directory, NULL for none. */
MUST_CHECK bool zip_repack(const struct zip *z, const struct zip_change *changes, size_t count,
                           const struct source *block, struct sink *out, struct err *e);
/* Where the entries stand in the file that zip_repack makes of the same changes, by index; those
 * that are added count as behind all others. */
struct zip_place {
    uint64_t header, data; /* both the same: removed */
};
MUST_CHECK bool zip_layout(struct arena *a, const struct zip *z, const struct zip_change *changes,
                           size_t count, struct zip_place **ret, struct err *e);
/* ERR_ZIP_CHANGED unless `after` is `before` with other contents of the entries that are marked in
 * `changed` and with entries behind them. */
MUST_CHECK bool zip_compare(const struct zip *before, const struct zip *after, const bool *changed,
                            struct err *e);

/* --- a new file ------------------------------------------------------------------------------ */
struct zip_meta {
    const char *path; /* UTF-8, '/' between segments; at the end means a folder */
    uint16_t time, date;
    uint16_t made_by;
    uint32_t external;
};
enum { ZIP_DATE_FIXED = 0x21 }; /* 1 January 1980, with time 0 */
struct zip_writer {
    struct sink *out;
    struct writer directory;
    uint64_t start, count;
};
void zip_writer_init(struct zip_writer *w, struct sink *out);
void zip_writer_done(struct zip_writer *w);
MUST_CHECK bool zip_writer_add(struct zip_writer *w, const struct zip_meta *meta,
                               const struct zip_packed *packed, struct err *e);
/* Directory and end records. */
MUST_CHECK bool zip_writer_finish(struct zip_writer *w, struct reader comment, struct err *e);
#endif
