/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"
#include "base/text.h"
#include "store/backend.h"
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Type numbers of pg_type.dat; fixed since PostgreSQL began. */
enum { OID_BOOL = 16, OID_BYTEA = 17, OID_INT8 = 20, OID_INT2 = 21, OID_TEXT = 25, OID_INT4 = 23 };
enum { OID_NUMERIC = 1700, OID_VARCHAR = 1043, OID_NAME = 19 };
enum { MOST_ARGS = 64, INT_TEXT = 24 };
/* All writers of one database take turns: this is the one sequencer of audit leaves. */
#define WRITER_LOCK "SELECT pg_advisory_xact_lock(4846231190)"

struct postgres {
    struct conn conn;
    PGconn *db;
    bool writer;
    bool lost; /* the server has said good-bye; libpq notices only with the next call */
    bool prepared[QUERY__COUNT];
};

static struct postgres *of(struct conn *c)
{
    return (struct postgres *)c;
}

static enum err_code code_of(const char *state)
{
    if (state == NULL || strncmp(state, "08", 2) == 0 || strncmp(state, "57P", 3) == 0)
        return ERR_DB_AWAY;
    if (strcmp(state, "23505") == 0) /* unique_violation */
        return ERR_DB_CONFLICT;
    if (strcmp(state, "53100") == 0) /* disk_full */
        return ERR_STORAGE_FULL;
    if (strcmp(state, "53200") == 0) /* out_of_memory */
        return ERR_NO_MEMORY;
    if (strncmp(state, "53", 2) == 0 || strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0)
        return ERR_DB_AWAY; /* no connections left, serialisation failure, deadlock: try again */
    if (strncmp(state, "58", 2) == 0) /* system error, I/O */
        return ERR_IO;
    return ERR_DB;
}

static bool failed(struct postgres *p, const char *what, const PGresult *r, struct err *e)
{
    const char *state = r == NULL ? NULL : PQresultErrorField(r, PG_DIAG_SQLSTATE);
    enum err_code code = PQstatus(p->db) == CONNECTION_BAD ? ERR_DB_AWAY : code_of(state);
    /* No state: the error is libpq's own, which may still call the connection fine. */
    p->lost = p->lost || state == NULL || strncmp(state, "57P", 3) == 0;
    return err_set(e, code, "postgresql %s: %s (%s)", what, PQerrorMessage(p->db),
                   state == NULL ? "no state" : state);
}

static bool script(struct conn *c, const char *sql, struct err *e)
{
    struct postgres *p = of(c);
    if (fault_now())
        return err_set(e, ERR_IO, "postgresql: injected");
    PGresult *r = PQexec(p->db, sql);
    ExecStatusType status = PQresultStatus(r);
    bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || failed(p, sql, r, e);
    PQclear(r);
    return ok;
}

static void close_conn(struct conn *c)
{
    conn_names_free(c);
    PQfinish(of(c)->db);
    free(of(c));
}

static void be_quiet(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

/* Settings of the session; again after each reconnection. */
static bool set_up(struct postgres *p, struct err *e)
{
    (void)PQsetNoticeProcessor(p->db, be_quiet, NULL);
    if (PQserverVersion(p->db) < 130000)
        return err_set(e, ERR_DB, "PostgreSQL 13 or newer is needed, this is %d",
                       PQserverVersion(p->db));
    return script(&p->conn,
                  "SET client_encoding = 'UTF8'; SET synchronous_commit = on;"
                  "SET statement_timeout = 60000; SET lock_timeout = 30000;"
                  "SET idle_in_transaction_session_timeout = 120000; SET bytea_output = 'hex'",
                  e);
}

static bool open_conn(const struct db_settings *settings, bool writer, struct conn **ret,
                      struct err *e)
{
    struct postgres *p = calloc(1, sizeof *p);
    if (p == NULL)
        return err_set(e, ERR_NO_MEMORY, "connection");
    p->conn.with = &backend_postgres;
    p->writer = writer;
    /* The url may hold everything; what follows it wins, the password only when given. */
    const char *names[] = {"dbname",
                           "application_name",
                           "connect_timeout",
                           "keepalives_idle",
                           settings->password == NULL ? NULL : "password",
                           NULL};
    const char *values[] = {settings->url, "chancery", "10", "30", settings->password, NULL};
    p->db = PQconnectdbParams(names, values, 1);
    if (p->db == NULL || PQstatus(p->db) != CONNECTION_OK)
        (void)err_set(e, ERR_DB_AWAY, "postgresql: %s", PQerrorMessage(p->db));
    else if (set_up(p, e)) {
        *ret = &p->conn;
        return true;
    }
    close_conn(&p->conn);
    return false;
}

static bool ready(struct conn *c, struct err *e)
{
    struct postgres *p = of(c);
    if (!p->lost && PQstatus(p->db) == CONNECTION_OK && PQtransactionStatus(p->db) == PQTRANS_IDLE)
        return true;
    memset(p->prepared, 0, sizeof p->prepared);
    PQreset(p->db);
    if (PQstatus(p->db) != CONNECTION_OK)
        return err_set(e, ERR_DB_AWAY, "postgresql: %s", PQerrorMessage(p->db));
    p->lost = false;
    return set_up(p, e);
}

static bool begin(struct conn *c, bool writer, struct err *e)
{
    const char *sql = writer ? "BEGIN ISOLATION LEVEL READ COMMITTED"
                             : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    struct err first = {0};
    /* The server may have been restarted since the last call: nothing is lost by a second try. */
    if (!script(c, sql, &first)) {
        if (first.code != ERR_DB_AWAY) {
            *e = first;
            return false;
        }
        TRY(ready(c, e) && script(c, sql, e));
    }
    /* The lock first, in its own statement: all later ones then see what others committed. */
    return !writer || script(c, WRITER_LOCK, e);
}

static bool commit(struct conn *c, struct err *e)
{
    struct postgres *p = of(c);
    if (fault_now())
        return err_set(e, ERR_IO, "postgresql: injected");
    PGresult *r = PQexec(p->db, "COMMIT");
    bool sent = PQresultStatus(r) == PGRES_COMMAND_OK;
    bool ok = sent && strcmp(PQcmdStatus(r), "COMMIT") == 0;
    struct err why = {0};
    if (!ok && sent)
        (void)err_set(e, ERR_DB, "postgresql: COMMIT became %s", PQcmdStatus(r));
    else if (!ok && !failed(p, "COMMIT", r, &why))
        (void)err_set(e, p->lost || why.code == ERR_DB_AWAY ? ERR_DB_UNKNOWN : why.code, "%s",
                      why.detail);
    PQclear(r);
    return ok;
}

static bool in_transaction(struct conn *c)
{
    PGTransactionStatusType status = PQtransactionStatus(of(c)->db);
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

static bool prepare(struct conn *c, enum query q, struct err *e)
{
    struct postgres *p = of(c);
    if (p->prepared[q])
        return true;
    PGresult *r = PQprepare(p->db, query_rows[q].name, query_rows[q].postgres, 0, NULL);
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK || failed(p, query_rows[q].name, r, e);
    PQclear(r);
    p->prepared[q] = ok;
    return ok;
}

/* Arguments as libpq wants them: numbers and text as text, bytes as they are. */
struct wire {
    const char *values[MOST_ARGS];
    int lengths[MOST_ARGS], formats[MOST_ARGS];
    char numbers[MOST_ARGS][INT_TEXT];
};

static bool to_wire(struct db_args args, struct arena *a, struct wire *w, struct err *e)
{
    if (args.count > MOST_ARGS)
        return err_set(e, ERR_DB, "%zu arguments", args.count);
    for (size_t i = 0; i < args.count; i++) {
        const struct db_value *v = &args.at[i];
        if (v->bytes.left > INT32_MAX / 2)
            return err_set(e, ERR_DB, "argument %zu is too large", i + 1);
        w->lengths[i] = (int)v->bytes.left;
        if (v->type == DB_TYPE_INT) {
            (void)snprintf(w->numbers[i], INT_TEXT, "%lld", (long long)v->number);
            w->values[i] = w->numbers[i];
        } else if (v->type == DB_TYPE_TEXT) {
            if (memchr(v->bytes.at == NULL ? "" : (const char *)v->bytes.at, 0, v->bytes.left))
                return err_set(e, ERR_DB, "argument %zu is text with a NUL", i + 1);
            if ((w->values[i] = arena_text(a, v->bytes)) == NULL)
                return arena_err(e);
        } else if (v->type == DB_TYPE_BYTES) {
            w->values[i] = v->bytes.at == NULL ? "" : (const char *)v->bytes.at;
            w->formats[i] = 1;
        }
    }
    return true;
}

static bool number_of(const char *text, int64_t *ret, struct err *e)
{
    char *end = NULL;
    long long n = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0')
        return err_set(e, ERR_DB, "\"%s\" is not a whole number", text);
    *ret = n;
    return true;
}

/* "\x0123", as bytea_output says. */
static bool bytes_of(struct arena *a, struct reader text, struct reader *ret, struct err *e)
{
    struct reader prefix;
    if (!reader_take(&text, 2, &prefix) || !reader_equal_text(prefix, "\\x"))
        return err_set(e, ERR_DB, "bytes are not in hexadecimal form");
    uint8_t *to = arena_alloc(a, text.left / 2 + 1);
    if (to == NULL)
        return arena_err(e);
    if (!text_unhex(text, to, text.left / 2))
        return err_set(e, ERR_DB, "bytes are not in hexadecimal form");
    *ret = reader_over(to, text.left / 2);
    return true;
}

static bool cell(const PGresult *r, int row, int i, struct cells *into, struct err *e)
{
    struct db_value v = DB_NULL;
    if (PQgetisnull(r, row, i))
        return cells_add(into, v, e);
    struct reader text = reader_over(PQgetvalue(r, row, i), (size_t)PQgetlength(r, row, i));
    switch (PQftype(r, i)) {
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_NUMERIC: /* sum() of BIGINT */
        v.type = DB_TYPE_INT;
        TRY(number_of((const char *)text.at, &v.number, e));
        break;
    case OID_BOOL:
        v = DB_INT(reader_equal_text(text, "t"));
        break;
    case OID_BYTEA:
        v.type = DB_TYPE_BYTES;
        TRY(bytes_of(into->a, text, &v.bytes, e));
        break;
    case OID_TEXT:
    case OID_VARCHAR:
    case OID_NAME: {
        char *copy = arena_text(into->a, text);
        if (copy == NULL)
            return arena_err(e);
        v = db_utf8(reader_over(copy, text.left));
        break;
    }
    default:
        return err_set(e, ERR_DB, "column %s has type %u", PQfname(r, i), PQftype(r, i));
    }
    return cells_add(into, v, e);
}

static const char *name_of(void *r, size_t i)
{
    return PQfname(r, (int)i);
}

static bool result(struct postgres *p, enum query q, PGresult *pg, struct run_result *r,
                   struct err *e)
{
    ExecStatusType status = PQresultStatus(pg);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        return failed(p, query_rows[q].name, pg, e);
    const char *changed = PQcmdTuples(pg);
    r->changed = *changed == '\0' ? 0 : strtoll(changed, NULL, 10);
    if (r->a == NULL)
        return true;
    size_t columns = (size_t)PQnfields(pg);
    if (p->conn.names[q] == NULL && !conn_names(&p->conn, q, columns, name_of, pg))
        return err_set(e, ERR_NO_MEMORY, "names");
    struct cells cells = {.a = r->a};
    for (int row = 0; row < PQntuples(pg); row++)
        for (int i = 0; i < PQnfields(pg); i++)
            TRY(cell(pg, row, i, &cells, e));
    *r->rows = (struct db_rows){.names = (const char *const *)p->conn.names[q],
                                .columns = columns,
                                .cells = cells.at,
                                .count = (size_t)PQntuples(pg)};
    return true;
}

static bool run(struct conn *c, enum query q, struct db_args args, struct run_result *r,
                struct err *e)
{
    struct postgres *p = of(c);
    TRY(prepare(c, q, e));
    if (fault_now())
        return err_set(e, ERR_IO, "postgresql: injected");
    CLEANUP(arena_cleanup) struct arena *scratch = arena_new(SIZE_MAX / 2);
    if (scratch == NULL)
        return arena_err(e);
    struct wire *w = ARENA_NEW(scratch, struct wire);
    if (w == NULL)
        return arena_err(e);
    TRY(to_wire(args, scratch, w, e));
    PGresult *pg = PQexecPrepared(p->db, query_rows[q].name, (int)args.count, w->values, w->lengths,
                                  w->formats, 0);
    bool ok = result(p, q, pg, r, e);
    PQclear(pg);
    return ok;
}

const struct backend backend_postgres = {
    .postgres = true,
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
