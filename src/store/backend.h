/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_BACKEND_H
#define STORE_BACKEND_H
#include "crypto/merkle.h"
#include "store/db.h"

/* What sqlite.c and postgres.c are to db.c: one connection, used by one thread at a time. */
struct conn {
    const struct backend *with;
    char **names[QUERY__COUNT]; /* column names, known after the first run */
    size_t columns[QUERY__COUNT];
    struct merkle_edge edge; /* of the audit log, while known */
    bool edge_known;
};
struct conn *tx_conn(struct db_tx *tx);

struct run_result {
    struct arena *a;      /* NULL: no rows wanted */
    struct db_rows *rows; /* filled when a is not NULL */
    int64_t changed;
};

struct backend {
    bool postgres;
    bool (*open)(const struct db_settings *s, bool writer, struct conn **ret, struct err *e);
    void (*close)(struct conn *c);
    /* Puts a lost connection up again; true at once when it is fine. */
    bool (*ready)(struct conn *c, struct err *e);
    /* Fixed SQL without parameters or result: BEGIN, migrations. */
    bool (*script)(struct conn *c, const char *sql, struct err *e);
    bool (*begin)(struct conn *c, bool writer, struct err *e);
    bool (*commit)(struct conn *c, struct err *e);
    /* False when the database has undone the whole transaction by itself (disk full). */
    bool (*in_transaction)(struct conn *c);
    /* One statement; rows into `a` when ret is not NULL. */
    bool (*run)(struct conn *c, enum query q, struct db_args args, struct run_result *r,
                struct err *e);
    bool (*prepare)(struct conn *c, enum query q, struct err *e);
};

extern const struct backend backend_sqlite, backend_postgres;

/* Keeps the names of a query's columns with the connection. */
bool conn_names(struct conn *c, enum query q, size_t columns,
                const char *(*name)(void *of, size_t i), void *of);
void conn_names_free(struct conn *c);

/* For cells that are being filled: the arrays double. */
struct cells {
    struct arena *a;
    struct db_value *at;
    size_t used, room;
};
bool cells_add(struct cells *c, struct db_value v, struct err *e);

/* Brings the schema to MIGRATION__COUNT, each migration one transaction. */
bool migrate(struct conn *c, struct err *e);
/* The number of the last migration, 0 in an empty database. */
bool migrate_version(struct conn *c, int64_t *ret, struct err *e);
#endif
