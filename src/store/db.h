/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DB_H
#define STORE_DB_H
#include "base/arena.h"
#include "base/crashpoints.h"
#include "store/queries.h"

/* One interface to SQLite and PostgreSQL.
 *
 * A query: put `-- name: request_by_id` and SQL with $1, $2 ... into queries/<topic>.sql (a new
 * file also into meson.build); use it as QUERY_request_by_id. The same text runs on both
 * databases; where it cannot, add `-- name: request_by_id postgres`. Never make SQL in C.
 * A migration: migrations/NNNN_word.sql with the next number, listed in meson.build; a comment at
 * each column; types TEXT, BIGINT, BYTES (booleans are BIGINT 0/1, times BIGINT milliseconds,
 * ids TEXT); every CREATE TABLE ends in a line `);`. One that is on main is never edited again.
 * The unit test prepares every query and runs every migration on both.
 *
 * Portable: INSERT ... ON CONFLICT (columns) DO NOTHING | DO UPDATE, RETURNING, CTEs, IS NOT
 * DISTINCT FROM only in variants. Not: implicit ids, LIKE (case differs), NULL order. */
struct db;
struct db_tx; /* a transaction, valid inside the closure it was handed to */

struct db_settings {
    const char *path;     /* SQLite: the file, made when absent; NULL for PostgreSQL */
    const char *url;      /* PostgreSQL: postgresql://... or key=value text */
    const char *password; /* PostgreSQL, may be NULL; not kept after db_open */
    unsigned readers;     /* read connections; 0 = 4 */
    bool check;           /* SQLite: integrity check while opening */
    bool read_only;       /* no db_write, no migrations: an older database is ERR_DB_OLDER */
};

/* Opens, runs missing migrations, starts the writer thread. ERR_DB_NEWER: made by a newer
 * program; nothing was touched. The caller closes, when no call is under way. */
MUST_CHECK bool db_open(const struct db_settings *s, struct db **ret, struct err *e);
void db_close(struct db *db); /* NULL is fine */

/* Work of one transaction. False with *e set undoes all of it. After a failed call on tx the
 * closure must return false too (PostgreSQL would refuse everything that follows). It must not
 * call db_write or db_read, wait for others, or remember anything before db_write is true. */
typedef bool (*db_fn)(struct db_tx *tx, void *ctx, struct err *e);

/* Runs fn on the one writer thread, in order of arrival, several callers to a commit; returns
 * when its group is durable (or fn was undone). crash rows around the commit: `at`. On false
 * nothing of fn is in the database, but for ERR_DB_UNKNOWN: PostgreSQL went away during COMMIT, or
 * the disk took all of it but failed to sync. */
MUST_CHECK bool db_write(struct db *db, enum crashpoint at, db_fn fn, void *ctx, struct err *e);
/* Runs fn on this thread over one consistent snapshot; writing fails. */
MUST_CHECK bool db_read(struct db *db, db_fn fn, void *ctx, struct err *e);

enum db_type { DB_TYPE_NULL, DB_TYPE_INT, DB_TYPE_TEXT, DB_TYPE_BYTES };
struct db_value {
    enum db_type type;
    int64_t number;
    struct reader bytes; /* text (a NUL follows it in results) or bytes */
};
struct db_args {
    const struct db_value *at;
    size_t count;
};
#define DB_NULL ((struct db_value){.type = DB_TYPE_NULL})
/* + 0: a plain cast of a call is a warning. */
#define DB_INT(n)   ((struct db_value){.type = DB_TYPE_INT, .number = (int64_t)((n) + 0)})
#define DB_BYTES(r) ((struct db_value){.type = DB_TYPE_BYTES, .bytes = (r)})
struct db_value db_text(const char *text);           /* NULL becomes SQL NULL */
struct db_value db_utf8(struct reader text);         /* UTF-8 without NUL */
struct db_value db_blob(const void *data, size_t n); /* NULL becomes SQL NULL */
#define DB_TEXT(text)    db_text(text)
#define DB_BLOB(data, n) db_blob((data), (n))
/* tx_run(tx, QUERY_token_touch, DB_ARGS(DB_TEXT(id), DB_INT(now)), e) */
#define DB_ARGS(...)                                                                               \
    ((struct db_args){(const struct db_value[]){__VA_ARGS__},                                      \
                      sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value)})
#define DB_NO_ARGS ((struct db_args){NULL, 0})

/* A whole result, in memory: bound it with LIMIT. */
struct db_rows {
    const char *const *names;
    const struct db_value *cells;
    size_t columns, count;
    size_t next; /* rows handed out so far; the current row is next - 1 */
};

/* A statement without a result. ERR_DB_CONFLICT: a unique row is there already. */
MUST_CHECK bool tx_run(struct db_tx *tx, enum query q, struct db_args args, struct err *e);
int64_t tx_changed(const struct db_tx *tx); /* rows that the last statement changed */
/* Rows before the first: while (rows_next(&rows)) ... */
MUST_CHECK bool tx_query(struct db_tx *tx, enum query q, struct db_args args, struct db_rows *ret,
                         struct err *e);
/* At most one row, already current: if (row.count == 0) there is none; two are ERR_DB. */
MUST_CHECK bool tx_one(struct db_tx *tx, enum query q, struct db_args args, struct db_rows *ret,
                       struct err *e);
/* Results of later queries live in `a`; before, they die with the closure. */
void tx_into(struct db_tx *tx, struct arena *a);
/* Memory that dies with the closure, for results and whatever else. NULL: out of memory. */
struct arena *tx_arena(struct db_tx *tx);

/* Of the current row. The column must exist with that type or be NULL (checked by assert): NULL
 * gives 0, NULL, an empty reader. Memory: that of the result. */
bool rows_next(struct db_rows *r);
bool row_null(const struct db_rows *r, const char *column);
int64_t row_int(const struct db_rows *r, const char *column);
const char *row_text(const struct db_rows *r, const char *column);
struct reader row_bytes(const struct db_rows *r, const char *column);

/* Latest migration that ran. */
MUST_CHECK bool db_version(struct db *db, int64_t *ret, struct err *e);
bool db_is_postgres(const struct db *db);
/* Every named query against this database; for tests and `doctor`. */
MUST_CHECK bool db_prepare_all(struct db *db, struct err *e);
#endif
