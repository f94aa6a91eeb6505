/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"
#include "store/backend.h"
#include "store/sqlite_faults.h"
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

struct sqlite {
    struct conn conn;
    sqlite3 *db;
    sqlite3_stmt *statements[QUERY__COUNT];
};

static struct sqlite *of(struct conn *c)
{
    return (struct sqlite *)c;
}

static bool failed(struct sqlite *s, const char *what, struct err *e)
{
    int code = sqlite3_extended_errcode(s->db);
    enum err_code as = ERR_DB;
    switch (code & 0xff) {
    case SQLITE_FULL:
        as = ERR_STORAGE_FULL;
        break;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        as = sqlite3_system_errno(s->db) == ENOSPC || sqlite3_system_errno(s->db) == EDQUOT
                 ? ERR_STORAGE_FULL
                 : ERR_IO;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        as = ERR_DB_DAMAGED;
        break;
    case SQLITE_NOMEM:
        as = ERR_NO_MEMORY;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        as = ERR_DB_AWAY;
        break;
    case SQLITE_CONSTRAINT:
        if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY)
            as = ERR_DB_CONFLICT;
        break;
    }
    return err_set(e, as, "sqlite %s: %s (%d)", what, sqlite3_errmsg(s->db), code);
}

static bool script(struct conn *c, const char *sql, struct err *e)
{
    struct sqlite *s = of(c);
    if (fault_now())
        return err_set(e, ERR_IO, "sqlite: injected");
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return failed(s, sql, e);
    return true;
}

static void close_conn(struct conn *c)
{
    struct sqlite *s = of(c);
    for (size_t i = 0; i < QUERY__COUNT; i++)
        (void)sqlite3_finalize(s->statements[i]);
    conn_names_free(c);
    (void)sqlite3_close_v2(s->db);
    free(s);
}

static bool check(struct sqlite *s, struct err *e)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(s->db, "PRAGMA integrity_check(1)", -1, &st, NULL) != SQLITE_OK)
        return failed(s, "integrity_check", e);
    bool ok = sqlite3_step(st) == SQLITE_ROW;
    const char *said = ok ? (const char *)sqlite3_column_text(st, 0) : NULL;
    ok = ok && said != NULL && strcmp(said, "ok") == 0;
    if (!ok)
        (void)err_set(e, ERR_DB_DAMAGED, "integrity_check: %s",
                      said == NULL ? sqlite3_errmsg(s->db) : said);
    (void)sqlite3_finalize(st);
    return ok;
}

static bool set_up(struct sqlite *s, const struct db_settings *settings, bool writer, struct err *e)
{
    (void)sqlite3_extended_result_codes(s->db, 1);
    (void)sqlite3_busy_timeout(s->db, 10000);
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    /* Nobody else may move the log into the database, not even by closing last. */
    if (!writer && sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) != SQLITE_OK)
        return failed(s, "no checkpoint on close", e);
    if (writer)
        TRY(script(&s->conn, "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 2000", e));
    else
        TRY(script(&s->conn, "PRAGMA query_only = ON; PRAGMA wal_autocheckpoint = 0", e));
    TRY(script(&s->conn,
               "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"
               "PRAGMA journal_size_limit = 67108864; PRAGMA cell_size_check = ON",
               e));
    return !writer || !settings->check || check(s, e);
}

/* Counting memory costs two locks an allocation. Too late when SQLite is in use already: fine. */
static void configure(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static bool open_conn(const struct db_settings *settings, bool writer, struct conn **ret,
                      struct err *e)
{
    struct sqlite *s = calloc(1, sizeof *s);
    if (s == NULL)
        return err_set(e, ERR_NO_MEMORY, "connection");
    s->conn.with = &backend_sqlite;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, configure);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
                (writer ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(settings->path, &s->db, flags, sqlite_faults_vfs()) != SQLITE_OK)
        (void)failed(s, settings->path, e);
    else if (set_up(s, settings, writer, e)) {
        *ret = &s->conn;
        return true;
    }
    close_conn(&s->conn);
    return false;
}

static bool ready(struct conn *c, struct err *e)
{
    (void)c;
    (void)e;
    return true;
}

static bool begin(struct conn *c, bool writer, struct err *e)
{
    return script(c, writer ? "BEGIN IMMEDIATE" : "BEGIN", e);
}

static bool commit(struct conn *c, struct err *e)
{
    struct sqlite *s = of(c);
    if (fault_now())
        return err_set(e, ERR_IO, "sqlite: injected");
    if (sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        return true;
    /* Everything was written and only the sync failed: a crash now could bring it back. */
    if (sqlite3_extended_errcode(s->db) == SQLITE_IOERR_FSYNC)
        return err_set(e, ERR_DB_UNKNOWN, "sqlite COMMIT: %s", sqlite3_errmsg(s->db));
    return failed(s, "COMMIT", e);
}

static bool in_transaction(struct conn *c)
{
    return sqlite3_get_autocommit(of(c)->db) == 0;
}

static bool prepare(struct conn *c, enum query q, struct err *e)
{
    struct sqlite *s = of(c);
    if (s->statements[q] != NULL)
        return true;
    const char *rest = NULL;
    if (sqlite3_prepare_v3(s->db, query_rows[q].sqlite, -1, SQLITE_PREPARE_PERSISTENT,
                           &s->statements[q], &rest) != SQLITE_OK)
        return failed(s, query_rows[q].name, e);
    if (rest != NULL && rest[strspn(rest, "; \n")] != '\0')
        return err_set(e, ERR_DB, "%s: more than one statement", query_rows[q].name);
    return true;
}

static bool bind(struct sqlite *s, sqlite3_stmt *st, struct db_args args, struct err *e)
{
    for (size_t i = 0; i < args.count; i++) {
        const struct db_value *v = &args.at[i];
        const void *bytes = v->bytes.at == NULL ? (const void *)"" : v->bytes.at;
        int at = (int)i + 1, code = SQLITE_OK;
        switch (v->type) {
        case DB_TYPE_NULL:
            code = sqlite3_bind_null(st, at);
            break;
        case DB_TYPE_INT:
            code = sqlite3_bind_int64(st, at, v->number);
            break;
        case DB_TYPE_TEXT:
            code = sqlite3_bind_text64(st, at, bytes, v->bytes.left, SQLITE_STATIC, SQLITE_UTF8);
            break;
        case DB_TYPE_BYTES:
            code = sqlite3_bind_blob64(st, at, bytes, v->bytes.left, SQLITE_STATIC);
            break;
        }
        if (code != SQLITE_OK)
            return failed(s, "bind", e);
    }
    return true;
}

static bool column(sqlite3_stmt *st, int i, struct cells *into, struct err *e)
{
    struct db_value v = DB_NULL;
    int type = sqlite3_column_type(st, i);
    if (type == SQLITE_INTEGER) {
        v = DB_INT(sqlite3_column_int64(st, i));
    } else if (type == SQLITE_TEXT || type == SQLITE_BLOB) {
        const void *data = type == SQLITE_TEXT ? (const void *)sqlite3_column_text(st, i)
                                               : sqlite3_column_blob(st, i);
        int n = sqlite3_column_bytes(st, i);
        v.type = type == SQLITE_TEXT ? DB_TYPE_TEXT : DB_TYPE_BYTES;
        char *copy = arena_text(into->a, reader_over(data, (size_t)n));
        if (copy == NULL)
            return arena_err(e);
        v.bytes = reader_over(copy, (size_t)n);
    } else if (type != SQLITE_NULL) {
        return err_set(e, ERR_DB, "column %s is a fraction", sqlite3_column_name(st, i));
    }
    return cells_add(into, v, e);
}

static const char *name_of(void *st, size_t i)
{
    return sqlite3_column_name(st, (int)i);
}

static bool step_all(struct sqlite *s, enum query q, struct run_result *r, struct err *e)
{
    sqlite3_stmt *st = s->statements[q];
    struct cells cells = {.a = r->a};
    size_t rows = 0;
    for (;;) {
        if (fault_now())
            return err_set(e, ERR_IO, "sqlite: injected");
        int code = sqlite3_step(st);
        if (code == SQLITE_DONE)
            break;
        if (code != SQLITE_ROW)
            return failed(s, query_rows[q].name, e);
        for (int i = 0; r->a != NULL && i < sqlite3_column_count(st); i++)
            TRY(column(st, i, &cells, e));
        rows++;
    }
    r->changed = sqlite3_changes64(s->db);
    if (r->a == NULL)
        return true;
    /* After the last step: a changed schema may have given the statement other columns. */
    if (s->conn.names[q] == NULL &&
        !conn_names(&s->conn, q, (size_t)sqlite3_column_count(st), name_of, st))
        return err_set(e, ERR_NO_MEMORY, "names");
    *r->rows = (struct db_rows){.names = (const char *const *)s->conn.names[q],
                                .columns = s->conn.columns[q],
                                .cells = cells.at,
                                .count = rows};
    return true;
}

static bool run(struct conn *c, enum query q, struct db_args args, struct run_result *r,
                struct err *e)
{
    struct sqlite *s = of(c);
    TRY(prepare(c, q, e));
    sqlite3_stmt *st = s->statements[q];
    bool ok = bind(s, st, args, e) && step_all(s, q, r, e);
    (void)sqlite3_reset(st);
    (void)sqlite3_clear_bindings(st);
    return ok;
}

const struct backend backend_sqlite = {
    .postgres = false,
    .open = open_conn,
    .close = close_conn,
    .ready = ready,
    .script = script,
    .begin = begin,
    .commit = commit,
    .in_transaction = in_transaction,
    .run = run,
    .prepare = prepare,
};
