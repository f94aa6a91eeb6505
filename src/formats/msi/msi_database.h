/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_MSI_MSI_DATABASE_H
#define FORMATS_MSI_MSI_DATABASE_H
#include "archive/cfb.h"

/* The tables of an installer database. Texts are numbers into one pool of strings; a table is a
 * stream that holds its columns one after the other. */
struct msi_column {
    const char *name;
    bool text;      /* a number of the pool; else an integer */
    unsigned width; /* bytes: 2, 3 or 4 */
    size_t before;  /* width of the columns before it */
};
struct msi_table {
    const struct cfb_entry *entry; /* NULL: the table is empty or not there */
    struct reader data;
    struct msi_column *columns; /* NULL: no such table */
    size_t column_count, row_count;
};
struct msi_database {
    struct reader *strings; /* by number; [0] is the empty text */
    uint32_t *first;        /* by number: the smallest number with the same text */
    uint32_t string_count;
    uint16_t code_page;
    unsigned width; /* bytes of a number of the pool */
    struct msi_table columns;
};

/* Name of a stream, as the directory of the compound file holds it. */
struct reader msi_stream_name(struct arena *a, const char *name, bool table);
/* Bytes of a code page to UTF-8. Where we do not know the page, bytes above 127 become U+FFFD, or
 * "%8A" when distinct names have to stay distinct. */
MUST_CHECK bool msi_text(struct arena *a, struct reader text, uint16_t page, bool distinct,
                         char **ret, struct err *e);

MUST_CHECK bool msi_bad(struct err *e, const char *fmt, ...) PRINTF(2, 3);
/* A file without a pool is a database without tables. */
MUST_CHECK bool msi_database_open(struct arena *a, const struct cfb *c, struct msi_database *ret,
                                  struct err *e);
/* A table that is not there has no rows. */
MUST_CHECK bool msi_table_open(struct arena *a, const struct cfb *c, const struct msi_database *d,
                               const char *name, struct msi_table *ret, struct err *e);
/* The column of that name; ERR_MSI when the table has rows, but no such column of that kind. */
MUST_CHECK bool msi_table_column(const struct msi_table *t, const char *name, bool text,
                                 size_t *ret, struct err *e);
/* Text cells: the first number with this text, 0 for none. */
MUST_CHECK bool msi_cell_text(const struct msi_database *d, const struct msi_table *t, size_t row,
                              size_t column, uint32_t *ret, struct err *e);
/* Integer cells; empty ones are 0. */
int32_t msi_cell_number(const struct msi_table *t, size_t row, size_t column);
/* Puts a value into a copy of the table's bytes. False: it does not fit the column. */
MUST_CHECK bool msi_cell_put(const struct msi_table *t, struct writer *copy, size_t row,
                             size_t column, int32_t value);
#endif
