/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_TESTDB_H
#define STORE_TESTDB_H
#include "base/test.h"
#include "store/db.h"

/* For tests: an empty database of either kind. PostgreSQL is started once per test program, on a
 * unix socket in a folder of its own, and stopped at its end. */
struct testdb {
    bool postgres;
    char folder[64], path[96];
    struct db_settings settings;
    struct db *db; /* NULL: PostgreSQL is not installed; the test skips */
};

/* Set-up and tear-down functions of cmocka; *state is a struct testdb. */
int testdb_sqlite(void **state);
int testdb_postgres(void **state);
int testdb_done(void **state);

/* The same test on both, as two rows of a table of tests. */
#define TEST_ON_BOTH(fn)                                                                           \
    {#fn "@sqlite", fn, testdb_sqlite, testdb_done, NULL},                                         \
    {                                                                                              \
#fn "@postgresql", fn, testdb_postgres, testdb_done, NULL                                  \
    }

/* Begins each test: skips it without a database. */
struct testdb *testdb_of(void **state);
/* SQL past the program, as somebody who tampers would use it. `postgres` NULL: the same text. */
void testdb_sql(struct testdb *t, const char *sqlite, const char *postgres);
/* Closes and opens again. */
void testdb_reopen(struct testdb *t);
/* Ends the PostgreSQL server at once, without a checkpoint, and starts it again. */
void testdb_postgres_crash(void);
#endif
