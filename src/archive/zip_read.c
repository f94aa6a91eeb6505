/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/zip_internal.h"
#include <string.h>

/* Far more than max_entries records of usual length. */
enum { DIRECTORY_MAX = 64 * 1024 * 1024, COMMENT_MAX = 65535 };

bool zip_starts(struct reader head)
{
    uint32_t signature;
    return reader_u32le(&head, &signature) && (signature == SIG_LOCAL || signature == SIG_END);
}

/* The records were measured by read_entry, so these cannot fail. */
static struct reader part(const struct zip_entry *x, size_t offset, size_t n)
{
    struct reader r = {0};
    return reader_slice(x->record, offset, n, &r) ? r : (struct reader){0};
}

struct reader zip_raw_name(const struct zip_entry *x)
{
    return part(x, SIZE_CENTRAL, x->name_len);
}

struct reader zip_extra(const struct zip_entry *x)
{
    return part(x, (size_t)SIZE_CENTRAL + x->name_len, x->extra_len);
}

struct reader zip_comment(const struct zip_entry *x)
{
    size_t before = (size_t)SIZE_CENTRAL + x->name_len + x->extra_len;
    return part(x, before, x->record.left - before);
}

bool zip_extra_find(struct reader extra, uint16_t id, struct reader *ret)
{
    uint16_t this_id, len;
    struct reader field;
    while (reader_u16le(&extra, &this_id) && reader_u16le(&extra, &len) &&
           reader_take(&extra, len, &field))
        if (this_id == id) {
            *ret = field;
            return true;
        }
    return false;
}

bool zip_extra_ok(struct reader extra)
{
    uint16_t id, len;
    bool zip64 = false;
    while (extra.left >= 4) {
        if (!reader_u16le(&extra, &id) || !reader_u16le(&extra, &len) || !reader_skip(&extra, len))
            return false;
        if (id == EXTRA_ZIP64 && zip64)
            return false; /* readers differ in which of the two counts */
        zip64 = zip64 || id == EXTRA_ZIP64;
    }
    for (uint8_t byte; reader_u8(&extra, &byte);)
        if (byte != 0)
            return false;
    return true;
}

void zip_extra_without(struct writer *w, struct reader extra, uint16_t id)
{
    while (extra.left >= 4) {
        struct reader rest = extra, field;
        uint16_t this_id, len;
        if (!reader_u16le(&rest, &this_id) || !reader_u16le(&rest, &len) ||
            !reader_take(&extra, (size_t)len + 4, &field))
            break;
        if (this_id != id)
            writer_reader(w, field);
    }
    writer_reader(w, extra);
}

/* --- end records ------------------------------------------------------------------------------ */
struct end {
    uint64_t at; /* offset of the first end record: the directory ends here */
    uint64_t disk, directory_disk, disk_count, count, size, offset;
    struct reader record, record64, comment;
};

static bool read_end(struct reader record, struct end *end, struct err *e)
{
    struct reader r = record;
    uint32_t signature, size, offset;
    uint16_t disk, directory_disk, disk_count, count, comment_len;
    if (!reader_u32le(&r, &signature) || !reader_u16le(&r, &disk) ||
        !reader_u16le(&r, &directory_disk) || !reader_u16le(&r, &disk_count) ||
        !reader_u16le(&r, &count) || !reader_u32le(&r, &size) || !reader_u32le(&r, &offset) ||
        !reader_u16le(&r, &comment_len))
        return err_set(e, ERR_ZIP_TRUNCATED, "end record");
    end->disk = disk;
    end->directory_disk = directory_disk;
    end->disk_count = disk_count;
    end->count = count;
    end->size = size;
    end->offset = offset;
    end->comment = r;
    end->record = record;
    return true;
}

static uint16_t comment_length(struct reader tail, size_t at)
{
    struct reader field;
    uint16_t len = 0;
    bool ok = reader_slice(tail, at + SIZE_END - 2, 2, &field) && reader_u16le(&field, &len);
    return ok ? len : 0;
}

/* Position in the tail of the end record whose comment reaches exactly to the end of the file. */
static bool find_end(struct reader tail, bool starts, size_t *ret, struct err *e)
{
    static const uint8_t signature[4] = {'P', 'K', 5, 6};
    bool seen = false, longer = false;
    for (size_t from = tail.left < SIZE_END ? 0 : tail.left - SIZE_END + 1; from-- > 0;) {
        struct reader here;
        if (!reader_slice(tail, from, 4, &here) || !reader_starts_with(here, signature, 4))
            continue;
        size_t len = (size_t)SIZE_END + comment_length(tail, from);
        if (len != tail.left - from) {
            longer = !seen ? len > tail.left - from : longer;
            seen = true;
            continue;
        }
        if (reader_find(tail, from + 4, signature, 4) != SIZE_MAX)
            return err_set(e, ERR_ZIP_COMMENT, "end record inside of the comment");
        *ret = from;
        return true;
    }
    if (seen && longer)
        return err_user(e, ERR_ZIP_TRUNCATED,
                        "The ZIP file is cut off: its comment is not complete. Upload it again.");
    if (seen)
        return err_user(e, ERR_ZIP_TRAILING,
                        "The ZIP file has foreign data behind its end. Remove what was appended.");
    return starts ? err_user(e, ERR_ZIP_TRUNCATED,
                             "The ZIP file is cut off: its directory, which stands at the end, is "
                             "missing. Upload it again.")
                  : err_set(e, ERR_ZIP_NOT_ZIP, NULL);
}

static bool bad64(struct err *e, const char *detail)
{
    return err_user(e, ERR_ZIP_ZIP64,
                    "The ZIP file is damaged: its 64-bit end record %s. Build it again.", detail);
}

static bool agrees(uint64_t small, uint64_t saturated, uint64_t large)
{
    return small == saturated || small == large;
}

/* APPNOTE 4.3.14, version 1 without an extensible data sector. */
static bool read_end64(struct arena *a, const struct source *in, uint64_t at, struct end *end,
                       struct err *e)
{
    struct reader r, record;
    TRY(source_load(a, in, at, SIZE_END64, &record, e));
    r = record;
    uint32_t signature, disk, directory_disk;
    uint64_t len, disk_count, count, size, offset;
    if (!reader_u32le(&r, &signature) || !reader_u64le(&r, &len) || !reader_skip(&r, 4) ||
        !reader_u32le(&r, &disk) || !reader_u32le(&r, &directory_disk) ||
        !reader_u64le(&r, &disk_count) || !reader_u64le(&r, &count) || !reader_u64le(&r, &size) ||
        !reader_u64le(&r, &offset) || signature != SIG_END64)
        return bad64(e, "is not where it should be");
    if (len != SIZE_END64 - 12)
        return bad64(e, "has a length that is not known");
    if (!agrees(end->disk, 0xffff, disk) || !agrees(end->directory_disk, 0xffff, directory_disk) ||
        !agrees(end->disk_count, 0xffff, disk_count) || !agrees(end->count, 0xffff, count) ||
        !agrees(end->size, FULL32, size) || !agrees(end->offset, FULL32, offset))
        return bad64(e, "says something else than the 32-bit one");
    *end = (struct end){.at = at,
                        .disk = disk,
                        .directory_disk = directory_disk,
                        .disk_count = disk_count,
                        .count = count,
                        .size = size,
                        .offset = offset,
                        .record = end->record,
                        .record64 = record,
                        .comment = end->comment};
    return true;
}

/* The locator (4.3.15) stands directly in front of the end record, if there is one. */
static bool read_locator(struct arena *a, const struct source *in, struct end *end, struct err *e)
{
    uint8_t bytes[SIZE_LOCATOR];
    if (end->at < SIZE_LOCATOR)
        return true;
    TRY(source_read(in, end->at - SIZE_LOCATOR, bytes, sizeof bytes, e));
    struct reader r = reader_over(bytes, sizeof bytes);
    uint32_t signature, disk, disks;
    uint64_t at;
    if (!reader_u32le(&r, &signature) || signature != SIG_LOCATOR)
        return true;
    if (!reader_u32le(&r, &disk) || !reader_u64le(&r, &at) || !reader_u32le(&r, &disks))
        return bad64(e, "is cut off");
    if (disk != 0 || disks > 1)
        return err_set(e, ERR_ZIP_DISKS, "locator: disk %u of %u", disk, disks);
    uint64_t here = end->at - SIZE_LOCATOR;
    if (here < SIZE_END64 || at != here - SIZE_END64) {
        uint8_t there[4];
        bool moved = at < here && here >= SIZE_END64 &&
                     source_read(in, here - SIZE_END64, there, 4, e) && there[0] == 'P' &&
                     there[1] == 'K' && there[2] == 6 && there[3] == 6;
        return moved ? err_set(e, ERR_ZIP_PREPENDED, "64-bit end record")
                     : bad64(e, "is not where it should be");
    }
    return read_end64(a, in, at, end, e);
}

static bool starts_zip(const struct source *in)
{
    uint8_t bytes[4];
    struct err ignored = {0};
    return source_read(in, 0, bytes, 4, &ignored) && zip_starts(reader_over(bytes, 4));
}

static bool locate_end(struct arena *a, const struct source *in, struct end *end, struct err *e)
{
    bool starts = starts_zip(in);
    if (in->size < SIZE_END)
        return starts ? err_set(e, ERR_ZIP_TRUNCATED, "%llu bytes", (unsigned long long)in->size)
                      : err_set(e, ERR_ZIP_NOT_ZIP, NULL);
    struct reader tail, record = {0};
    TRY(source_load(a, in, in->size - SIZE_END, SIZE_END, &tail, e));
    size_t at = 0;
    bool plain = reader_starts_with(tail, "PK\5\6", 4) && comment_length(tail, 0) == 0;
    if (!plain) {
        size_t most = (size_t)SIZE_END + COMMENT_MAX;
        size_t n = in->size < most ? (size_t)in->size : most;
        TRY(source_load(a, in, in->size - n, n, &tail, e) && find_end(tail, starts, &at, e));
    }
    end->at = in->size - (tail.left - at);
    if (!reader_slice(tail, at, tail.left - at, &record))
        return err_set(e, ERR_INTERNAL, "end record");
    TRY(read_end(record, end, e) && read_locator(a, in, end, e));
    if (end->disk != 0 || end->directory_disk != 0 || end->disk_count != end->count)
        return err_set(e, ERR_ZIP_DISKS, "disk %llu, directory on %llu",
                       (unsigned long long)end->disk, (unsigned long long)end->directory_disk);
    if (end->offset > end->at || end->size != end->at - end->offset) {
        bool moved = end->offset < end->at && end->size < end->at - end->offset;
        return moved ? err_user(e, ERR_ZIP_PREPENDED,
                                "The ZIP file has foreign data in front of it or before its end. "
                                "Self-extracting files are not accepted; upload the plain ZIP.")
                     : err_set(e, ERR_ZIP_DIRECTORY, "%llu bytes at %llu, end at %llu",
                               (unsigned long long)end->size, (unsigned long long)end->offset,
                               (unsigned long long)end->at);
    }
    if (!starts && end->at > 0)
        return err_set(e, ERR_ZIP_PREPENDED, "no entry at offset 0");
    return true;
}

/* --- central directory ------------------------------------------------------------------------ */
static bool refuse(const struct zip_entry *x, enum err_code code, const char *why, struct err *e)
{
    char shown[ZIP_SHOWN];
    return err_user(e, code, "The entry \"%s\" %s.", zip_shown(zip_raw_name(x), shown), why);
}

struct wide {
    uint64_t *value;
    uint64_t full;
};

static bool take_wide(struct reader *field, const struct wide *v, struct err *e,
                      const struct zip_entry *x)
{
    uint64_t wide = 0;
    uint32_t half = 0;
    bool ok = v->full == 0xffff ? reader_u32le(field, &half) : reader_u64le(field, &wide);
    wide = v->full == 0xffff ? half : wide;
    if (!ok)
        return refuse(x, ERR_ZIP_ZIP64, "lacks a 64-bit size that it announces", e);
    if (*v->value != v->full && *v->value != wide)
        return refuse(x, ERR_ZIP_ZIP64, "states two different sizes or offsets", e);
    *v->value = wide;
    return true;
}

/* The zip64 field (4.5.3) holds what did not fit, in this order; some writers put all of it. */
static bool resolve_zip64(struct zip_entry *x, uint64_t *disk, struct err *e)
{
    const struct wide all[] = {
        {&x->size, FULL32}, {&x->compressed, FULL32}, {&x->header, FULL32}, {disk, 0xffff}};
    struct reader field = {0};
    bool there = zip_extra_find(zip_extra(x), EXTRA_ZIP64, &field);
    size_t needed = 0;
    for (size_t i = 0; i < COUNT_OF(all); i++)
        needed += *all[i].value != all[i].full ? 0 : all[i].full == 0xffff ? 4 : 8;
    if (!there)
        return needed == 0 || refuse(x, ERR_ZIP_ZIP64, "lacks a 64-bit size that it announces", e);
    bool minimal = field.left == needed;
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (*all[i].value == all[i].full || (!minimal && field.left > 0))
            TRY(take_wide(&field, &all[i], e, x));
    return field.left == 0 || refuse(x, ERR_ZIP_ZIP64, "has a 64-bit field of unknown form", e);
}

static bool check_method(const struct zip_entry *x, struct err *e)
{
    enum { METHOD_AES = 99, FLAG_PATCH = 1 << 5, FLAG_STRONG = 1 << 6, FLAG_MASKED = 1 << 13 };
    if ((x->flags & (ZIP_FLAG_ENCRYPTED | FLAG_STRONG | FLAG_MASKED)) != 0 ||
        x->method == METHOD_AES)
        return refuse(x, ERR_ZIP_ENCRYPTED, "is encrypted. Upload a ZIP file without a password",
                      e);
    char shown[ZIP_SHOWN];
    if (x->method != ZIP_STORED && x->method != ZIP_DEFLATED)
        return err_user(e, ERR_ZIP_METHOD,
                        "The entry \"%s\" is compressed by method %u, which is not supported. Use "
                        "deflate or no compression.",
                        zip_shown(zip_raw_name(x), shown), x->method);
    if ((x->flags & FLAG_PATCH) != 0)
        return refuse(x, ERR_ZIP_METHOD, "is a patch, not a file", e);
    if (x->method == ZIP_STORED && x->compressed != x->size)
        return refuse(x, ERR_ZIP_SIZE, "is not compressed, but states two different sizes", e);
    return true;
}

static bool check_kind(const struct zip_entry *x, struct err *e)
{
    enum { TYPE = 0170000, REGULAR = 0100000, FOLDER = 0040000, LINK = 0120000, NONE = 0xffff };
    uint32_t mode = x->external >> 16; /* NONE: -1, as Maven writes it for folders */
    uint32_t type = mode == NONE ? 0 : mode & TYPE;
    if (type == LINK)
        return refuse(x, ERR_ZIP_LINK, "is a symbolic link. Put the file itself into the ZIP file",
                      e);
    if (type != 0 && type != REGULAR && type != FOLDER)
        return refuse(x, ERR_ZIP_DEVICE, "is neither a file nor a folder", e);
    if (x->folder && x->size != 0)
        return refuse(x, ERR_ZIP_FOLDER, "is a folder, but has content", e);
    return true;
}

static bool read_fields(struct reader *left, struct zip_entry *x, uint64_t *disk)
{
    struct reader r = *left;
    uint32_t signature, compressed, size, header;
    uint16_t version, comment_len, start_disk;
    if (!reader_u32le(&r, &signature) || signature != SIG_CENTRAL ||
        !reader_u16le(&r, &x->made_by) || !reader_u16le(&r, &version) ||
        !reader_u16le(&r, &x->flags) || !reader_u16le(&r, &x->method) ||
        !reader_u16le(&r, &x->time) || !reader_u16le(&r, &x->date) || !reader_u32le(&r, &x->crc) ||
        !reader_u32le(&r, &compressed) || !reader_u32le(&r, &size) ||
        !reader_u16le(&r, &x->name_len) || !reader_u16le(&r, &x->extra_len) ||
        !reader_u16le(&r, &comment_len) || !reader_u16le(&r, &start_disk) ||
        !reader_u16le(&r, &x->internal) || !reader_u32le(&r, &x->external) ||
        !reader_u32le(&r, &header))
        return false;
    x->compressed = compressed;
    x->size = size;
    x->header = header;
    *disk = start_disk;
    size_t len = (size_t)SIZE_CENTRAL + x->name_len + x->extra_len + comment_len;
    return reader_take(left, len, &x->record);
}

static bool read_entry(struct arena *a, struct reader *left, struct zip_entry *x, struct err *e)
{
    uint64_t disk;
    if (!read_fields(left, x, &disk))
        return err_set(e, ERR_ZIP_DIRECTORY, "%zu bytes left in the directory", left->left);
    if (!zip_extra_ok(zip_extra(x)))
        return refuse(x, ERR_ZIP_EXTRA, "has damaged extra fields", e);
    TRY(resolve_zip64(x, &disk, e));
    if (disk != 0)
        return err_set(e, ERR_ZIP_DISKS, "entry on disk %llu", (unsigned long long)disk);
    return check_method(x, e) && zip_name_read(a, x, e) && check_kind(x, e);
}

static bool read_directory(struct arena *a, struct zip *z, const struct end *end, struct err *e)
{
    if (end->size > DIRECTORY_MAX)
        return err_user(e, ERR_FILE_LIMIT, "The directory of the ZIP file is larger than %d MiB.",
                        DIRECTORY_MAX >> 20);
    if (end->count > end->size / SIZE_CENTRAL)
        return err_set(e, ERR_ZIP_DIRECTORY, "%llu entries in %llu bytes",
                       (unsigned long long)end->count, (unsigned long long)end->size);
    if (z->budget != NULL)
        TRY(budget_entries(z->budget, end->count, e));
    struct reader left;
    TRY(source_load(a, &z->in, end->offset, (size_t)end->size, &left, e));
    z->directory = end->offset;
    z->count = (size_t)end->count;
    z->entries = ARENA_ARRAY(a, z->count, struct zip_entry);
    if (z->entries == NULL)
        return arena_err(e);
    for (size_t i = 0; i < z->count; i++)
        TRY(read_entry(a, &left, &z->entries[i], e));
    if (!reader_at_end(&left))
        return err_set(e, ERR_ZIP_DIRECTORY, "%zu bytes behind the last record", left.left);
    return true;
}

static bool check_unique(struct arena *a, const struct zip *z, unsigned profile, struct err *e)
{
    const struct zip_entry **list = ARENA_ARRAY(a, z->count, const struct zip_entry *);
    if (list == NULL)
        return arena_err(e);
    for (size_t i = 0; i < z->count; i++)
        list[i] = &z->entries[i];
    return zip_names_unique(list, z->count, profile, e);
}

bool zip_open(struct arena *a, const struct source *in, unsigned profile, struct budget *budget,
              struct zip **ret, struct err *e)
{
    struct zip *z = ARENA_NEW(a, struct zip);
    if (z == NULL)
        return arena_err(e);
    struct end end = {0};
    z->in = *in;
    z->budget = budget;
    TRY(locate_end(a, in, &end, e));
    z->comment = end.comment;
    z->end = end.record;
    z->end64 = end.record64;
    TRY(read_directory(a, z, &end, e) && check_unique(a, z, profile, e));
    TRY(zip_local_check(a, z, profile, e));
    *ret = z;
    return true;
}
