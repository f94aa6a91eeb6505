/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "archive/cab_internal.h"
#include "base/text.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_HEADER = 16, NAME_MAX_BYTES = 256, ATTRIBUTE_UTF8 = 0x80, SIGNATURE_MAX = 16 << 20 };

bool cab_bad(struct err *e, const char *fmt, ...)
{
    char what[200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return err_user(e, ERR_CAB, "The cabinet file is malformed: %s. Build it again.", what);
}

bool cab_starts(struct reader head)
{
    return reader_starts_with(head, "MSCF", 4);
}

struct parse {
    struct arena *a;
    struct cab *c;
    uint32_t size, files_at; /* cbCabinet, coffFiles */
    uint16_t flags;
    uint16_t *folder_of;
};

static bool truncated(struct err *e, const char *what)
{
    return cab_bad(e, "it ends inside its %s", what);
}

/* The two blocks of the header reserve that Windows knows: two lengths, a first block of anybody's,
 * and 16 bytes that say where the signature is. A reserve of zeros is one with two empty blocks. */
static bool read_reserve(struct parse *p, uint32_t *ret_at, uint32_t *ret_length)
{
    struct reader r = p->c->reserve, place;
    uint16_t first, second;
    uint32_t filler;
    *ret_at = *ret_length = 0;
    if (!p->c->has_reserve || r.left == 0)
        return true;
    if (!reader_u16le(&r, &first) || !reader_u16le(&r, &second) ||
        !reader_take(&r, first, &p->c->first) || !reader_take(&r, second, &place))
        return false;
    for (uint8_t zero; reader_u8(&r, &zero);)
        if (zero != 0)
            return false;
    if (second == 0)
        return true;
    return second == CAB_SIGNATURE && reader_u32le(&place, ret_at) &&
           reader_u32le(&place, ret_length) && reader_u32le(&place, &filler) && filler == 0 &&
           reader_u32le(&place, &filler) && filler == 0;
}

static bool read_signature(struct parse *p, struct err *e)
{
    struct cab *c = p->c;
    uint32_t at, length;
    c->can_sign = read_reserve(p, &at, &length);
    if (!c->can_sign) {
        c->first = (struct reader){0};
        at = length = 0;
    }
    if (length == 0 && at == 0 && c->in.size != c->end)
        return cab_bad(e, "there are %llu bytes behind its end",
                       (unsigned long long)(c->in.size - c->end));
    if (length == 0 && at == 0)
        return true;
    if (at != c->end || length != c->in.size - c->end || length > SIGNATURE_MAX)
        return cab_bad(e, "the signature is not the last thing in it");
    return source_load(p->a, &c->in, at, length, &c->signature, e);
}

static bool read_header(struct parse *p, uint16_t *ret_folders, uint16_t *ret_files, struct err *e)
{
    struct cab *c = p->c;
    struct reader r, version;
    uint32_t zero1, zero2, zero3;
    uint16_t set, number;
    if (c->in.size < CAB_HEADER)
        return truncated(e, "header");
    TRY(source_load(p->a, &c->in, 0, CAB_HEADER, &c->header, e));
    r = c->header;
    if (!reader_skip(&r, 4) || !reader_u32le(&r, &zero1) || !reader_u32le(&r, &p->size) ||
        !reader_u32le(&r, &zero2) || !reader_u32le(&r, &p->files_at) || !reader_u32le(&r, &zero3) ||
        !reader_take(&r, 2, &version) || !reader_u16le(&r, ret_folders) ||
        !reader_u16le(&r, ret_files) || !reader_u16le(&r, &p->flags) || !reader_u16le(&r, &set) ||
        !reader_u16le(&r, &number))
        return truncated(e, "header");
    if (!cab_starts(c->header) || !reader_equal(version, reader_over("\3\1", 2)))
        return cab_bad(e, "it is not of version 1.3");
    if ((zero1 | zero2 | zero3) != 0)
        return cab_bad(e, "reserved fields are not zero");
    if ((p->flags & (CAB_FLAG_PREVIOUS | CAB_FLAG_NEXT)) != 0 || number != 0)
        return err_user(e, ERR_CAB_SET,
                        "The cabinet is one part of a set of several files. Such sets cannot be "
                        "signed; build one cabinet without a size limit.");
    if ((p->flags & ~CAB_FLAG_RESERVE) != 0)
        return cab_bad(e, "it has unknown flags 0x%x", p->flags);
    if (p->size > c->in.size)
        return truncated(e, "data");
    c->end = p->size;
    return true;
}

static bool read_sizes(struct parse *p, struct err *e)
{
    struct cab *c = p->c;
    struct reader r;
    uint16_t header;
    c->tables = CAB_HEADER;
    if ((p->flags & CAB_FLAG_RESERVE) == 0)
        return true;
    TRY(source_load(p->a, &c->in, CAB_HEADER, 4, &r, e));
    if (!reader_u16le(&r, &header) || !reader_u8(&r, &c->folder_reserve) ||
        !reader_u8(&r, &c->data_reserve))
        return truncated(e, "header");
    c->has_reserve = true;
    c->tables = CAB_HEADER + 4 + (uint64_t)header;
    return source_load(p->a, &c->in, CAB_HEADER + 4, header, &c->reserve, e);
}

static bool read_folders(struct parse *p, uint16_t count, struct err *e)
{
    struct cab *c = p->c;
    struct reader r;
    size_t record = CAB_FOLDER + (size_t)c->folder_reserve;
    if (count == 0)
        return cab_bad(e, "it has no folders");
    if (c->tables + count * record != p->files_at)
        return cab_bad(e, "the file table does not follow the folder table");
    TRY(source_load(p->a, &c->in, c->tables, count * record, &r, e));
    c->folders = ARENA_ARRAY(p->a, count, struct cab_folder);
    c->folder_count = count;
    if (c->folders == NULL)
        return arena_err(e);
    for (size_t i = 0; i < count; i++) {
        struct cab_folder *f = &c->folders[i];
        uint32_t at;
        if (!reader_u32le(&r, &at) || !reader_u16le(&r, &f->blocks) ||
            !reader_u16le(&r, &f->kind) || !reader_take(&r, c->folder_reserve, &f->reserve))
            return truncated(e, "folder table");
        f->data = at;
        if ((f->kind & 15) > CAB_LZX)
            return cab_bad(e, "folder %zu has an unknown compression 0x%x", i, f->kind);
    }
    return true;
}

/* Names without the flag are in the code page of whoever made the cabinet: UTF-8 by what they look
 * like, else taken for Latin-1. */
static bool decode_name(struct arena *a, struct reader raw, uint16_t attributes, char **ret,
                        struct err *e)
{
    struct writer w;
    if (text_is_utf8(raw)) {
        *ret = arena_text(a, raw);
        return *ret != NULL || arena_err(e);
    }
    if ((attributes & ATTRIBUTE_UTF8) != 0)
        return cab_bad(e, "a file name is not in the encoding that its flag states");
    writer_init(&w, 4 * NAME_MAX_BYTES);
    for (uint8_t byte; reader_u8(&raw, &byte);)
        text_put(&w, byte);
    *ret = arena_text(a, writer_view(&w));
    writer_done(&w);
    return *ret != NULL || arena_err(e);
}

static bool check_path(char *path, struct err *e)
{
    size_t segment = 0;
    for (size_t i = 0;; i++) {
        if (path[i] == '\\')
            path[i] = '/';
        if (path[i] != '/' && path[i] != '\0')
            continue;
        size_t n = i - segment;
        if (n == 0 || (n == 1 && path[segment] == '.') ||
            (n == 2 && path[segment] == '.' && path[segment + 1] == '.'))
            return cab_bad(e, "the name \"%.80s\" is not a relative path", path);
        segment = i + 1;
        if (path[i] == '\0')
            break;
    }
    if (strchr(path, ':') != NULL || !text_is_printable(reader_text(path)))
        return cab_bad(e, "the name \"%.80s\" cannot be used", path);
    return true;
}

static bool read_file(struct parse *p, struct reader *r, struct cab_file *f, struct err *e)
{
    struct reader at = *r, raw;
    uint16_t attributes;
    char *path;
    if (!reader_u32le(r, &f->size) || !reader_u32le(r, &f->offset) ||
        !reader_u16le(r, &f->folder) || !reader_skip(r, 4) || !reader_u16le(r, &attributes))
        return truncated(e, "file table");
    size_t n = reader_find(*r, 0, "", 1);
    if (n == SIZE_MAX || n > NAME_MAX_BYTES || !reader_take(r, n, &raw) || !reader_skip(r, 1))
        return truncated(e, "file table");
    if (f->folder >= 0xfffd)
        return err_user(e, ERR_CAB_SET,
                        "A file of the cabinet goes on in another cabinet. Such sets cannot be "
                        "signed; build one cabinet without a size limit.");
    if (f->folder >= p->c->folder_count)
        return cab_bad(e, "a file lies in folder %u, which is not there", f->folder);
    TRY(reader_take(&at, FILE_HEADER + n + 1, &f->record));
    TRY(decode_name(p->a, raw, attributes, &path, e) && check_path(path, e));
    f->path = path;
    return true;
}

static int by_place(const void *a, const void *b, void *ctx)
{
    const struct cab *c = ctx;
    const uint32_t *i = a, *k = b;
    const struct cab_file *x = &c->files[*i], *y = &c->files[*k];
    if (x->folder != y->folder)
        return x->folder < y->folder ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    if ((x->size == 0) != (y->size == 0))
        return x->size == 0 ? -1 : 1;
    return *i < *k ? -1 : *i > *k;
}

/* The table ends where the first block begins; a file is 17 bytes or more of it. */
static bool read_files(struct parse *p, uint16_t count, struct err *e)
{
    struct cab *c = p->c;
    struct reader r;
    uint64_t limit = c->folders[0].data;
    c->names = p->files_at;
    if (limit < c->names || limit > c->end)
        return cab_bad(e, "the first folder does not begin behind the file table");
    TRY(source_load(p->a, &c->in, c->names, (size_t)(limit - c->names), &r, e));
    c->data = limit;
    c->files = ARENA_ARRAY(p->a, count, struct cab_file);
    c->order = ARENA_ARRAY(p->a, count, uint32_t);
    c->file_count = count;
    if (c->files == NULL || c->order == NULL)
        return arena_err(e);
    for (uint32_t i = 0; i < count; i++) {
        TRY(read_file(p, &r, &c->files[i], e));
        c->order[i] = i;
    }
    if (!reader_at_end(&r))
        return cab_bad(e, "there are %zu bytes between the file table and the first block", r.left);
    if (count > 1)
        qsort_r(c->order, count, sizeof *c->order, by_place, c);
    return true;
}

/* Block headers of one folder; sizes of all but the last block are fixed for what is compressed. */
static bool read_blocks(struct parse *p, struct cab_folder *f, uint64_t *at, struct err *e)
{
    const struct cab *c = p->c;
    if (f->data != *at)
        return cab_bad(e, "a folder does not begin where the one before ends");
    f->end = *at;
    if (f->blocks == 1 && *at == c->end) /* how gcab writes a folder of empty files */
        return true;
    for (uint32_t i = 0; i < f->blocks; i++) {
        uint8_t bytes[CAB_BLOCK_HEADER];
        struct reader r = reader_over(bytes, sizeof bytes);
        uint16_t packed, size;
        uint64_t next = *at + CAB_BLOCK_HEADER + c->data_reserve;
        if (next > c->end)
            return truncated(e, "blocks");
        TRY(source_read(&c->in, *at, bytes, sizeof bytes, e));
        TRY(reader_skip(&r, 4) && reader_u16le(&r, &packed) && reader_u16le(&r, &size));
        if (packed == 0 || packed > CAB_PACKED_MAX || size == 0 || size > CAB_BLOCK)
            return cab_bad(e, "a block has impossible sizes (%u, %u)", packed, size);
        if ((f->kind & 15) == CAB_STORED && packed != size)
            return cab_bad(e, "a stored block has two sizes");
        if ((f->kind & 15) != CAB_STORED && size != CAB_BLOCK && i + 1u != f->blocks)
            return cab_bad(e, "a block inside a compressed folder is short");
        if (packed > c->end - next)
            return truncated(e, "blocks");
        f->size += size;
        *at = next + packed;
    }
    f->end = *at;
    return true;
}

/* The files of a folder tile it: no byte is in two files, none in no file. */
static bool check_tiles(struct cab *c, struct err *e)
{
    size_t next = 0;
    for (size_t i = 0; i < c->folder_count; i++) {
        struct cab_folder *f = &c->folders[i];
        uint64_t at = 0;
        f->first = next;
        for (; next < c->file_count && c->files[c->order[next]].folder == i; next++) {
            const struct cab_file *x = &c->files[c->order[next]];
            if (x->offset != at)
                return cab_bad(e, "the file \"%.80s\" does not begin where the one before ends",
                               x->path);
            at += x->size;
        }
        f->count = next - f->first;
        if (at != f->size)
            return cab_bad(e, "folder %zu expands to %llu bytes, its files have %llu", i,
                           (unsigned long long)f->size, (unsigned long long)at);
    }
    return true;
}

bool cab_open(struct arena *a, const struct source *in, struct budget *budget, struct cab **ret,
              struct err *e)
{
    uint16_t folders, files;
    struct cab *c = ARENA_NEW(a, struct cab);
    if (c == NULL)
        return arena_err(e);
    c->in = *in;
    c->budget = budget;
    struct parse p = {.a = a, .c = c};
    TRY(read_header(&p, &folders, &files, e) && read_sizes(&p, e));
    if (budget != NULL)
        TRY(budget_entries(budget, files, e));
    TRY(read_folders(&p, folders, e) && read_files(&p, files, e));
    uint64_t at = c->data;
    for (size_t i = 0; i < c->folder_count; i++)
        TRY(read_blocks(&p, &c->folders[i], &at, e));
    if (at != c->end)
        return cab_bad(e, "its blocks end at %llu, but it says %llu", (unsigned long long)at,
                       (unsigned long long)c->end);
    TRY(check_tiles(c, e) && read_signature(&p, e));
    *ret = c;
    return true;
}
