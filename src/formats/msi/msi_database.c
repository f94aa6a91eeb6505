/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "formats/msi/msi_database.h"
#include "base/text.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* There is no public specification of the tables. The layout is the one that all readers of them
 * agree on; what differs between them is refused or tried both ways. */
enum { TABLE_MAX = 128 << 20, COLUMNS_MAX = 255, LONG_REFERENCES = 0x8000 };
enum { TYPE_SIZE = 0xff, TYPE_VALID = 0x100, TYPE_STRING = 0x800, TYPE_NULLABLE = 0x1000 };

bool msi_bad(struct err *e, const char *fmt, ...)
{
    char what[300];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return err_user(e, ERR_MSI, "The database of the installer file is malformed: %s.", what);
}

/* --- names ------------------------------------------------------------------------------------ */
static int digit64(char c)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* Two letters go into one code unit of 0x3800..0x47ff, a single one into 0x4800..0x483f. */
struct reader msi_stream_name(struct arena *a, const char *name, bool table)
{
    CLEANUP(writer_done) struct writer w = {0};
    struct err ignored = {0};
    writer_init(&w, 4096);
    if (table)
        writer_u16le(&w, 0x4840);
    for (struct reader r = reader_text(name); r.left > 0;) {
        int one = digit64((char)r.at[0]), two = r.left > 1 ? digit64((char)r.at[1]) : -1;
        uint32_t c;
        if (one < 0) {
            if (!text_next(&r, &c))
                return (struct reader){0};
            if (c > 0xffff)
                writer_u16le(&w, (uint16_t)(0xd800 + ((c - 0x10000) >> 10)));
            writer_u16le(&w, (uint16_t)(c > 0xffff ? 0xdc00 + (c & 0x3ff) : c));
            continue;
        }
        writer_u16le(&w, (uint16_t)(two < 0 ? 0x4800 + one : 0x3800 + one + two * 64));
        if (!reader_skip(&r, two < 0 ? 1 : 2))
            return (struct reader){0};
    }
    return writer_ok(&w, &ignored) ? arena_bytes(a, writer_view(&w)) : (struct reader){0};
}

static uint32_t windows_1252(uint8_t byte)
{
    enum { REPLACEMENT = 0xfffd };
    static const uint16_t upper[32] = {
        0x20ac,      REPLACEMENT, 0x201a, 0x0192, 0x201e, 0x2026,      0x2020, 0x2021,
        0x02c6,      0x2030,      0x0160, 0x2039, 0x0152, REPLACEMENT, 0x017d, REPLACEMENT,
        REPLACEMENT, 0x2018,      0x2019, 0x201c, 0x201d, 0x2022,      0x2013, 0x2014,
        0x02dc,      0x2122,      0x0161, 0x203a, 0x0153, REPLACEMENT, 0x017e, 0x0178};
    return byte >= 0x80 && byte < 0xa0 ? upper[byte - 0x80] : byte;
}

/* The first byte of a letter that has two. The second one may look like a separator of names. */
static bool is_lead(uint16_t page, uint8_t byte)
{
    enum { CP_JAPANESE = 932, CP_CHINESE = 936, CP_KOREAN = 949, CP_TAIWAN = 950, CP_JOHAB = 1361 };
    if (page == CP_JAPANESE)
        return (byte >= 0x81 && byte <= 0x9f) || (byte >= 0xe0 && byte <= 0xfc);
    return (page == CP_CHINESE || page == CP_KOREAN || page == CP_TAIWAN || page == CP_JOHAB) &&
           byte >= 0x81 && byte <= 0xfe;
}

static bool is_alphanumeric(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z');
}

bool msi_text(struct arena *a, struct reader text, uint16_t page, bool distinct, char **ret,
              struct err *e)
{
    enum { CP_UTF8 = 65001, CP_LATIN1 = 28591, CP_1252 = 1252, REPLACEMENT = 0xfffd };
    bool second = false;
    CLEANUP(writer_done) struct writer w = {0};
    if (page == CP_UTF8 && text_is_utf8(text)) {
        *ret = arena_text(a, text);
        return *ret != NULL || arena_err(e);
    }
    writer_init(&w, 4 * text.left + 16);
    for (uint8_t byte; reader_u8(&text, &byte);) {
        const bool plain = byte < 0x80 && (!second || is_alphanumeric(byte));
        second = !second && is_lead(page, byte);
        if (plain || page == CP_LATIN1)
            text_put(&w, byte);
        else if (page == CP_1252 || page == 0)
            text_put(&w, windows_1252(byte));
        else if (distinct)
            writer_format(&w, "%%%02X", byte);
        else
            text_put(&w, REPLACEMENT);
    }
    TRY(writer_ok(&w, e));
    *ret = arena_text(a, writer_view(&w));
    return *ret != NULL || arena_err(e);
}

/* --- the pool of strings ---------------------------------------------------------------------- */
static bool load(struct arena *a, const struct cfb *c, const char *name,
                 const struct cfb_entry **ret_entry, struct reader *ret, struct err *e)
{
    struct reader wide = msi_stream_name(a, name, true);
    struct source s;
    *ret = (struct reader){0};
    if (wide.at == NULL)
        return arena_err(e);
    const struct cfb_entry *x = *ret_entry = cfb_find(c, 0, wide);
    if (x == NULL)
        return true;
    if (x->type != CFB_STREAM || x->size > TABLE_MAX)
        return msi_bad(e, "the table %s is not one that fits in memory", name);
    return cfb_source(a, c, x, &s, e) && source_load(a, &s, 0, (size_t)s.size, ret, e);
}

/* One text: length and number of references, 16 bits each. A length of 0 with references says
 * that the length follows in 32 bits; of its halves either order is found. */
static bool next_string(struct reader *pool, bool high_first, uint32_t *ret)
{
    uint16_t length, references, low, high;
    if (!reader_u16le(pool, &length) || !reader_u16le(pool, &references))
        return false;
    *ret = length;
    if (length != 0 || references == 0)
        return true;
    if (!reader_u16le(pool, &low) || !reader_u16le(pool, &high))
        return false;
    *ret = high_first ? (uint32_t)references << 16 | low : (uint32_t)high << 16 | low;
    return true;
}

static bool split_strings(struct reader pool, struct reader data, bool high_first,
                          struct msi_database *d)
{
    d->string_count = 1;
    while (pool.left > 0) {
        uint32_t length;
        if (!next_string(&pool, high_first, &length) ||
            !reader_take(&data, length, &d->strings[d->string_count]))
            return false;
        d->string_count++;
    }
    return data.left == 0;
}

/* Whether both ways to read long lengths give all of the data, but other texts. */
static bool ambiguous(struct reader pool, uint64_t size)
{
    struct reader low = pool, high = pool;
    uint32_t x, y;
    uint64_t sum = 0;
    bool differ = false;
    while (next_string(&low, false, &x) && next_string(&high, true, &y)) {
        differ |= x != y;
        sum += y;
    }
    return differ && sum == size;
}

static int by_text(const void *a, const void *b, void *ctx)
{
    const struct msi_database *d = ctx;
    const uint32_t *i = a, *k = b;
    int order = reader_order(d->strings[*i], d->strings[*k]);
    return order != 0 ? order : *i < *k ? -1 : *i > *k;
}

/* Some writers put one text into the pool twice: rows are joined by text, not by number. */
static bool join_strings(struct arena *a, struct msi_database *d, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *work = arena_new((size_t)d->string_count * 4 + 4096);
    uint32_t *sorted = work == NULL ? NULL : ARENA_ARRAY(work, d->string_count, uint32_t);
    d->first = ARENA_ARRAY(a, d->string_count, uint32_t);
    if (sorted == NULL || d->first == NULL)
        return arena_err(e);
    for (uint32_t i = 0; i < d->string_count; i++)
        sorted[i] = i;
    qsort_r(sorted, d->string_count, sizeof *sorted, by_text, d);
    for (uint32_t i = 0; i < d->string_count; i++) {
        bool same = i > 0 && reader_equal(d->strings[sorted[i]], d->strings[sorted[i - 1]]);
        d->first[sorted[i]] = same ? d->first[sorted[i - 1]] : sorted[i];
    }
    return true;
}

static bool read_strings(struct arena *a, const struct cfb *c, struct msi_database *d, bool *ret,
                         struct err *e)
{
    const struct cfb_entry *entry;
    struct reader pool, data;
    uint16_t flags;
    TRY(load(a, c, "_StringPool", &entry, &pool, e));
    *ret = entry != NULL && pool.left > 0;
    if (!*ret)
        return true;
    TRY(load(a, c, "_StringData", &entry, &data, e));
    if (!reader_u16le(&pool, &d->code_page) || !reader_u16le(&pool, &flags) || pool.left % 4 != 0)
        return msi_bad(e, "its pool of strings is cut");
    d->width = (flags & LONG_REFERENCES) != 0 ? 3 : 2;
    d->strings = ARENA_ARRAY(a, pool.left / 4 + 1, struct reader);
    if (d->strings == NULL)
        return arena_err(e);
    d->strings[0] = reader_text("");
    if (!split_strings(pool, data, false, d)) {
        if (!split_strings(pool, data, true, d))
            return msi_bad(e, "its pool of strings has another length than its texts");
    } else if (ambiguous(pool, data.left)) {
        return msi_bad(e, "its pool of strings can be read in two ways");
    }
    return join_strings(a, d, e);
}

/* --- tables ----------------------------------------------------------------------------------- */
static bool count_rows(struct msi_table *t, const char *name, struct err *e)
{
    const struct msi_column *last = &t->columns[t->column_count - 1];
    size_t width = last->before + last->width;
    if (t->data.left % width != 0)
        return msi_bad(e, "the table %.40s does not consist of whole rows", name);
    t->row_count = t->data.left / width;
    return true;
}

static bool put_column(struct msi_table *t, const char *name, bool text, unsigned width)
{
    size_t i = t->column_count++;
    t->columns[i] = (struct msi_column){.name = name, .text = text, .width = width};
    if (i > 0)
        t->columns[i].before = t->columns[i - 1].before + t->columns[i - 1].width;
    return true;
}

static bool open_columns(struct arena *a, const struct cfb *c, struct msi_database *d,
                         struct err *e)
{
    struct msi_table *t = &d->columns;
    TRY(load(a, c, "_Columns", &t->entry, &t->data, e));
    t->columns = ARENA_ARRAY(a, 4, struct msi_column);
    if (t->columns == NULL)
        return arena_err(e);
    return put_column(t, "Table", true, d->width) && put_column(t, "Number", false, 2) &&
           put_column(t, "Name", true, d->width) && put_column(t, "Type", false, 2) &&
           count_rows(t, "_Columns", e);
}

bool msi_database_open(struct arena *a, const struct cfb *c, struct msi_database *ret,
                       struct err *e)
{
    struct msi_database d = {0};
    bool there;
    TRY(read_strings(a, c, &d, &there, e));
    if (there)
        TRY(open_columns(a, c, &d, e));
    *ret = d;
    return true;
}

static unsigned width_of(const struct msi_database *d, uint32_t type)
{
    if ((type & ~(uint32_t)TYPE_NULLABLE) == (TYPE_STRING | TYPE_VALID))
        return 2; /* a stream of its own; here is only whether there is one */
    if ((type & TYPE_STRING) != 0)
        return d->width;
    return (type & TYPE_SIZE) <= 2 ? 2 : 4;
}

/* The columns of a table, by their numbers. */
static bool describe(struct arena *a, const struct msi_database *d, const char *name,
                     struct msi_table *t, struct err *e)
{
    uint32_t types[COLUMNS_MAX] = {0}, names[COLUMNS_MAX] = {0};
    size_t count = 0;
    for (size_t row = 0; row < d->columns.row_count; row++) {
        uint32_t table, column;
        TRY(msi_cell_text(d, &d->columns, row, 0, &table, e) &&
            msi_cell_text(d, &d->columns, row, 2, &column, e));
        if (!reader_equal_text(d->strings[table], name))
            continue;
        int32_t number = msi_cell_number(&d->columns, row, 1);
        if (number < 1 || number > COLUMNS_MAX || column == 0 || names[number - 1] != 0)
            return msi_bad(e, "the columns of the table %.40s are not numbered", name);
        names[number - 1] = column;
        types[number - 1] = (uint32_t)msi_cell_number(&d->columns, row, 3) & 0xffff;
        count++;
    }
    if (count == 0)
        return true;
    t->columns = ARENA_ARRAY(a, count, struct msi_column);
    if (t->columns == NULL)
        return arena_err(e);
    for (size_t i = 0; i < count; i++) {
        char *column = names[i] == 0 ? NULL : arena_text(a, d->strings[names[i]]);
        if (column == NULL)
            return msi_bad(e, "the columns of the table %.40s are not numbered", name);
        bool stream = (types[i] & ~(uint32_t)TYPE_NULLABLE) == (TYPE_STRING | TYPE_VALID);
        (void)put_column(t, column, (types[i] & TYPE_STRING) != 0 && !stream,
                         width_of(d, types[i]));
    }
    return true;
}

bool msi_table_open(struct arena *a, const struct cfb *c, const struct msi_database *d,
                    const char *name, struct msi_table *ret, struct err *e)
{
    struct msi_table t = {0};
    *ret = t;
    if (d->string_count == 0)
        return true;
    TRY(describe(a, d, name, &t, e));
    if (t.columns == NULL)
        return true;
    TRY(load(a, c, name, &t.entry, &t.data, e) && count_rows(&t, name, e));
    *ret = t;
    return true;
}

bool msi_table_column(const struct msi_table *t, const char *name, bool text, size_t *ret,
                      struct err *e)
{
    *ret = 0;
    if (t->row_count == 0)
        return true;
    for (size_t i = 0; i < t->column_count; i++)
        if (strcmp(t->columns[i].name, name) == 0 && t->columns[i].text == text) {
            *ret = i;
            return true;
        }
    return msi_bad(e, "a table lacks its column %s", name);
}

/* --- cells ------------------------------------------------------------------------------------ */
static size_t place(const struct msi_table *t, size_t row, size_t column)
{
    const struct msi_column *x = &t->columns[column];
    return x->before * t->row_count + row * x->width;
}

static uint32_t raw(const struct msi_table *t, size_t row, size_t column)
{
    struct reader r;
    uint32_t value = 0;
    unsigned shift = 0;
    if (!reader_slice(t->data, place(t, row, column), t->columns[column].width, &r))
        return 0;
    for (uint8_t byte; reader_u8(&r, &byte); shift += 8)
        value |= (uint32_t)byte << shift;
    return value;
}

bool msi_cell_text(const struct msi_database *d, const struct msi_table *t, size_t row,
                   size_t column, uint32_t *ret, struct err *e)
{
    uint32_t number = raw(t, row, column);
    if (number >= d->string_count)
        return msi_bad(e, "a row names text %u, but there are %u", number, d->string_count);
    *ret = d->first[number];
    return true;
}

/* Integers are stored with an offset, so that 0 can say "empty". */
int32_t msi_cell_number(const struct msi_table *t, size_t row, size_t column)
{
    uint32_t value = raw(t, row, column);
    if (value == 0)
        return 0;
    if (t->columns[column].width == 2)
        return (int32_t)value - 0x8000;
    return (int32_t)(value ^ UINT32_C(0x80000000));
}

bool msi_cell_put(const struct msi_table *t, struct writer *copy, size_t row, size_t column,
                  int32_t value)
{
    uint32_t stored = (uint32_t)value ^ UINT32_C(0x80000000);
    if (t->columns[column].width == 2) {
        if (value < -0x7fff || value > 0x7fff)
            return false;
        stored = (uint32_t)(value + 0x8000);
    }
    const uint8_t bytes[4] = {(uint8_t)stored, (uint8_t)(stored >> 8), (uint8_t)(stored >> 16),
                              (uint8_t)(stored >> 24)};
    writer_patch(copy, place(t, row, column), bytes, t->columns[column].width);
    return true;
}
