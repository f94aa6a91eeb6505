/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "store/testdb.h"
#include <dirent.h>
#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct server {
    char folder[32]; /* short: a socket path has at most 108 bytes */
    char bin[64];
    char url[160];
    bool tried, runs;
} server;

static int shell(const char *fmt, ...) PRINTF(1, 2);
static int shell(const char *fmt, ...)
{
    char command[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(command, sizeof command, fmt, ap);
    va_end(ap);
    return system(command);
}

/* PostgreSQL refuses to run as root. */
static const char *as_postgres(void)
{
    return geteuid() == 0 ? "setpriv --reuid postgres --regid postgres --clear-groups" : "";
}

static bool find_postgres(void)
{
    for (int version = 20; version >= 13; version--) {
        snprintf(server.bin, sizeof server.bin, "/usr/lib/postgresql/%d/bin", version);
        char path[96];
        snprintf(path, sizeof path, "%s/initdb", server.bin);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

static int start(void)
{
    return shell(
        "cd / && %s %s/pg_ctl -D %s/d -w -t 60 -l %s/log -o \"-k %s -c listen_addresses='' "
        "-c max_connections=40\" start >/dev/null",
        as_postgres(), server.bin, server.folder, server.folder, server.folder);
}

static void stop(void)
{
    shell("cd / && %s %s/pg_ctl -D %s/d -m immediate -w stop >/dev/null 2>&1; rm -rf %s",
          as_postgres(), server.bin, server.folder, server.folder);
}

static bool run_server(void)
{
    if (server.tried)
        return server.runs;
    server.tried = true;
    snprintf(server.folder, sizeof server.folder, "/tmp/chypgXXXXXX");
    if (!find_postgres() || mkdtemp(server.folder) == NULL)
        return false;
    if (geteuid() == 0)
        shell("chown postgres: %s", server.folder);
    atexit(stop);
    if (shell("cd / && %s %s/initdb -D %s/d -A trust -U chancery -E UTF8 --no-locale >/dev/null",
              as_postgres(), server.bin, server.folder) != 0 ||
        start() != 0)
        fail_msg("PostgreSQL is installed but does not start");
    snprintf(server.url, sizeof server.url, "host=%s user=chancery dbname=postgres", server.folder);
    server.runs = true;
    return true;
}

void testdb_postgres_crash(void)
{
    assert_int_equal(shell("cd / && %s %s/pg_ctl -D %s/d -m immediate -w stop >/dev/null",
                           as_postgres(), server.bin, server.folder),
                     0);
    assert_int_equal(start(), 0);
}

static void open_db(struct testdb *t)
{
    struct err e = {0};
    if (!db_open(&t->settings, &t->db, &e))
        fail_msg("%s", e.detail);
}

static struct testdb *new_testdb(bool postgres)
{
    struct testdb *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->postgres = postgres;
    snprintf(t->folder, sizeof t->folder, "/tmp/chydbXXXXXX");
    assert_non_null(mkdtemp(t->folder));
    snprintf(t->path, sizeof t->path, "%s/test.db", t->folder);
    return t;
}

int testdb_sqlite(void **state)
{
    struct testdb *t = new_testdb(false);
    t->settings = (struct db_settings){.path = t->path, .readers = 2, .check = true};
    open_db(t);
    *state = t;
    return 0;
}

int testdb_postgres(void **state)
{
    struct testdb *t = new_testdb(true);
    *state = t;
    if (!run_server())
        return 0;
    t->settings = (struct db_settings){.url = server.url, .readers = 2};
    testdb_sql(t, NULL,
               "SET client_min_messages = warning; DROP SCHEMA IF EXISTS public CASCADE; CREATE "
               "SCHEMA public");
    open_db(t);
    return 0;
}

int testdb_done(void **state)
{
    struct testdb *t = *state;
    db_close(t->db);
    int code = shell("rm -rf %s", t->folder);
    free(t);
    return code;
}

struct testdb *testdb_of(void **state)
{
    struct testdb *t = *state;
    if (t->db == NULL) {
        print_message("PostgreSQL is not installed\n");
        skip();
    }
    return t;
}

static void postgres_sql(const char *sql)
{
    PGconn *c = PQconnectdb(server.url);
    PGresult *r = PQexec(c, sql);
    ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(c));
    PQclear(r);
    PQfinish(c);
}

void testdb_sql(struct testdb *t, const char *sqlite, const char *postgres)
{
    if (t->postgres) {
        postgres_sql(postgres == NULL ? sqlite : postgres);
        return;
    }
    sqlite3 *c = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(t->path, &c), SQLITE_OK);
    sqlite3_busy_timeout(c, 5000);
    if (sqlite3_exec(c, sqlite, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sqlite, message);
    sqlite3_close(c);
}

void testdb_reopen(struct testdb *t)
{
    db_close(t->db);
    t->db = NULL;
    open_db(t);
}
