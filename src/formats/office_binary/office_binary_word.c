/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/office_binary/office_binary.h"
#include <string.h>

/* Word keeps the signatures as variables of the document in its table stream. */

enum {
    FLAGS_AT = 10,
    ENCRYPTED = 0x0100,
    SECOND_TABLE = 0x0200,
    PAIR = 60, /* StwUser among the pairs of offset and length */
    STREAM_MAX = 256 * 1024 * 1024,
    BLOB_HEAD = 8,
};

static const char *const names[VBA_KINDS] = {"Sign", "SigAgile", "SigV3"};

struct word {
    struct reader document, table;
    uint32_t document_index, table_index;
    size_t pair;                /* where offset and length stand in the document stream */
    struct reader before, user; /* of the table: what stays in front, and the variables */
};

static bool damaged(struct err *e)
{
    return err_user(e, ERR_VBA, "The Word document is damaged.");
}

/* FIB ([MS-DOC] 2.5.1): fixed part, then three arrays with their counts. */
static bool find_pair(struct reader document, size_t *ret)
{
    struct reader at = document;
    uint16_t words, longs, pairs;
    if (!reader_skip(&at, 32) || !reader_u16le(&at, &words) ||
        !reader_skip(&at, 2 * (size_t)words) || !reader_u16le(&at, &longs) ||
        !reader_skip(&at, 4 * (size_t)longs) || !reader_u16le(&at, &pairs) || pairs <= PAIR)
        return false;
    *ret = document.left - at.left + 8 * (size_t)PAIR;
    return true;
}

static bool open_word(struct arena *a, const struct office_binary *b, struct word *ret,
                      struct err *e)
{
    struct word w = {0};
    struct reader at;
    uint16_t flags;
    uint32_t offset, length;
    TRY(office_binary_stream(a, b, "WordDocument", &w.document, &w.document_index, e));
    at = w.document;
    if (!reader_skip(&at, FLAGS_AT) || !reader_u16le(&at, &flags))
        return damaged(e);
    if ((flags & ENCRYPTED) != 0)
        return err_user(e, ERR_FILE_TYPE, "The Word document is protected by a password.");
    TRY(office_binary_stream(a, b, (flags & SECOND_TABLE) != 0 ? "1Table" : "0Table", &w.table,
                             &w.table_index, e));
    if (w.table.at == NULL || !find_pair(w.document, &w.pair) ||
        !reader_slice(w.document, w.pair, 8, &at) || !reader_u32le(&at, &offset) ||
        !reader_u32le(&at, &length))
        return damaged(e);
    w.before = w.table;
    if (length > 0) {
        if (!reader_slice(w.table, offset, length, &w.user))
            return damaged(e);
        if (offset + (uint64_t)length == w.table.left) /* last of all: its place is free again */
            w.before.left = offset;
    }
    *ret = w;
    return true;
}

/* --- variables -------------------------------------------------------------------------------- */

struct variable {
    struct reader name, extra, value; /* UTF-16LE without counts */
};
struct variables {
    struct variable *list;
    size_t count;
};

static bool take_string(struct reader *at, struct reader *ret)
{
    uint16_t n;
    return reader_u16le(at, &n) && reader_take(at, 2 * (size_t)n, ret);
}

static bool read_variables(struct arena *a, struct reader user, struct variables *ret)
{
    uint16_t mark, count, extra;
    struct variables v = {0};
    *ret = v;
    if (user.left == 0)
        return true;
    if (!reader_u16le(&user, &mark) || mark != 0xffff || !reader_u16le(&user, &count) ||
        !reader_u16le(&user, &extra) ||
        (v.list = ARENA_ARRAY(a, (size_t)count + 1, struct variable)) == NULL)
        return false;
    for (; v.count < count; v.count++)
        if (!take_string(&user, &v.list[v.count].name) ||
            !reader_take(&user, extra, &v.list[v.count].extra) || extra != 4)
            return false;
    for (size_t i = 0; i < count; i++)
        if (!take_string(&user, &v.list[i].value))
            return false;
    *ret = v;
    return reader_at_end(&user);
}

static bool is_named(struct reader wide, const char *name)
{
    uint16_t c;
    while (*name != '\0' && reader_u16le(&wide, &c) && c == (uint8_t)*name)
        name++;
    return *name == '\0' && reader_at_end(&wide);
}

static bool kind_of(struct reader name, enum vba_kind *ret)
{
    for (enum vba_kind k = VBA_LEGACY; k < VBA_KINDS; k++)
        if (is_named(name, names[k])) {
            *ret = k;
            return true;
        }
    return false;
}

bool office_binary_word_read(struct arena *a, const struct office_binary *b,
                             struct office_binary_signatures *ret, struct err *e)
{
    struct word w;
    struct variables v;
    struct office_binary_signatures found = {0};
    TRY(open_word(a, b, &w, e));
    if (!read_variables(a, w.user, &v))
        return arena_failed(a) ? arena_err(e) : damaged(e);
    for (size_t i = 0; i < v.count; i++) {
        enum vba_kind kind;
        struct reader at = v.list[i].value;
        uint32_t length, offset;
        if (!kind_of(v.list[i].name, &kind))
            continue;
        if (!reader_u32le(&at, &length) || !reader_u32le(&at, &offset) || offset != BLOB_HEAD ||
            !reader_take(&at, length, &found.info[kind]))
            return damaged(e);
    }
    *ret = found;
    return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put_string(struct writer *w, struct reader wide)
{
    writer_u16le(w, (uint16_t)(wide.left / 2));
    writer_reader(w, wide);
}

static void put_name(struct writer *w, const char *name)
{
    writer_u16le(w, (uint16_t)strlen(name));
    for (; *name != '\0'; name++)
        writer_u16le(w, (uint8_t)*name);
    writer_zeros(w, 4);
}

/* WordSigBlob ([MS-OSHARED] 2.3.2.3). */
static bool put_blob(struct writer *w, struct reader info, struct err *e)
{
    size_t odd = info.left % 2, characters = (info.left + odd + BLOB_HEAD) / 2;
    if (characters > UINT16_MAX)
        return err_user(e, ERR_SIGNATURE,
                        "The signature is too large for a Word document: its certificate or time "
                        "stamp would have to be smaller.");
    writer_u16le(w, (uint16_t)characters);
    writer_u32le(w, (uint32_t)info.left);
    writer_u32le(w, BLOB_HEAD);
    writer_reader(w, info);
    writer_zeros(w, odd);
    return true;
}

static bool put_variables(struct writer *w, const struct variables *v,
                          const struct office_binary_signatures *s, struct err *e)
{
    enum vba_kind kind;
    size_t count = 0;
    for (size_t i = 0; i < v->count; i++)
        count += !kind_of(v->list[i].name, &kind);
    for (kind = VBA_LEGACY; kind < VBA_KINDS; kind++)
        count += s->info[kind].at != NULL;
    writer_u16le(w, 0xffff);
    writer_u16le(w, (uint16_t)count);
    writer_u16le(w, 4);
    for (size_t i = 0; i < v->count; i++) {
        if (kind_of(v->list[i].name, &kind))
            continue;
        put_string(w, v->list[i].name);
        writer_reader(w, v->list[i].extra);
    }
    for (kind = VBA_LEGACY; kind < VBA_KINDS; kind++)
        if (s->info[kind].at != NULL)
            put_name(w, names[kind]);
    for (size_t i = 0; i < v->count; i++)
        if (!kind_of(v->list[i].name, &kind))
            put_string(w, v->list[i].value);
    for (kind = VBA_LEGACY; kind < VBA_KINDS; kind++)
        if (s->info[kind].at != NULL)
            TRY(put_blob(w, s->info[kind], e));
    return writer_ok(w, e);
}

static bool keep(struct arena *a, const struct writer *w, uint32_t index, struct cfb_change *ret,
                 struct err *e)
{
    struct reader bytes = arena_bytes(a, writer_view(w));
    if (bytes.at == NULL)
        return arena_err(e);
    *ret =
        (struct cfb_change){.action = CFB_REPLACE, .index = index, .content = source_memory(bytes)};
    return writer_ok(w, e);
}

bool office_binary_word_changes(struct arena *a, const struct office_binary *b,
                                const struct office_binary_signatures *s,
                                struct cfb_change ret[OFFICE_BINARY_CHANGES], size_t *ret_count,
                                struct err *e)
{
    struct word w;
    struct variables v;
    CLEANUP(writer_done) struct writer table = {0};
    CLEANUP(writer_done) struct writer document = {0};
    writer_init(&table, STREAM_MAX);
    writer_init(&document, STREAM_MAX);
    TRY(open_word(a, b, &w, e));
    if (!read_variables(a, w.user, &v))
        return arena_failed(a) ? arena_err(e) : damaged(e);
    writer_reader(&table, w.before);
    TRY(put_variables(&table, &v, s, e));
    size_t length = table.len - w.before.left;
    const uint8_t pair[8] = {(uint8_t)w.before.left,
                             (uint8_t)(w.before.left >> 8),
                             (uint8_t)(w.before.left >> 16),
                             (uint8_t)(w.before.left >> 24),
                             (uint8_t)length,
                             (uint8_t)(length >> 8),
                             (uint8_t)(length >> 16),
                             (uint8_t)(length >> 24)};
    writer_reader(&document, w.document);
    writer_patch(&document, w.pair, pair, sizeof pair);
    bool table_first = w.table_index < w.document_index;
    *ret_count = 2;
    return keep(a, &document, w.document_index, &ret[table_first ? 1 : 0], e) &&
           keep(a, &table, w.table_index, &ret[table_first ? 0 : 1], e);
}
