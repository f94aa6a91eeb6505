/* SPDX-License-Identifier: Apache-2.0 */
/* chancery-audit. Serves: `chancery audit verify` and `chancery audit export`, for whoever does not
 * want to believe the service. May: read a database, its settings and the files it is told to.
 * Never: change a database; see a key. */
#define _GNU_SOURCE
#include "base/file.h"
#include "base/settings.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "crypto/digest.h"
#include "store/audit_verify.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "usage: chancery audit verify (--data DIR | FILE) [--log-key BASE64] [--witness FILE]... "
    "[--json]\n"
    "       chancery audit export --data DIR -o FILE [--force]\n"
    "\n"
    "verify finds any edit, deletion, insertion, exchange, truncation or rollback and names the\n"
    "first bad entry. A witness is a file of signed heads that somebody else has kept; the one of\n"
    "the data folder (audit/heads.jsonl) is always taken.\n";

enum { CONFIGURATION_MOST = 1 << 20, WITNESS_MOST = 64 << 20, PROGRAM_MEMORY = 512 << 20 };

struct audit {
    struct cli *cli;
    const char *data, *log_key, *output, *file;
    struct option_list witnesses;
    bool force;
    char path[4096];
    struct db_settings database;
};

/* --- the database of a data folder ---------------------------------------------------------- */

/* Files that SQLite makes beside the database must belong to the service, not to root: as root we
 * are its user while it is open. */
static bool become_owner(const char *path, struct err *e)
{
    struct stat st;
    if (geteuid() != 0)
        return true;
    if (stat(path, &st) != 0)
        return err_user(e, ERR_USAGE, "There is no database \"%.200s\".", path);
    return (setegid(st.st_gid) == 0 && seteuid(st.st_uid) == 0) ||
           err_errno(e, "changing to the user of the database");
}

static bool become_ourselves(struct err *e)
{
    return (seteuid(getuid()) == 0 && setegid(getgid()) == 0) || err_errno(e, "changing back");
}

static bool read_password(struct audit *a, const struct settings *s, int folder, struct err *e)
{
    const char *where = settings_text(s, SET_database_password);
    struct reader text, line;
    if (*where == '\0')
        return true;
    if (!reader_starts_with(reader_text(where), "file:", 5))
        return err_user(e, ERR_SETTING,
                        "database_password is not a file: give the database by "
                        "CHANCERY_DATABASE with a user that needs no password.");
    TRY(file_read(folder, where + 5, 4096, a->cli->arena, &text, e));
    size_t n = reader_find(text, 0, "\n", 1);
    if (!reader_slice(text, 0, n == SIZE_MAX ? text.left : n, &line))
        return err_set(e, ERR_INTERNAL, "password");
    a->database.password = arena_text(a->cli->arena, line);
    return a->database.password != NULL || arena_err(e);
}

static bool find_database(struct audit *a, struct err *e)
{
    struct settings s;
    struct reader text = {0};
    CLEANUP(file_close) int folder = open(a->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return err_user(e, ERR_USAGE, "There is no data folder \"%.200s\".", a->data);
    TRY(settings_init(&s, a->cli->arena, e));
    const char *file = a->cli->settings != NULL ? a->cli->settings : "chancery.conf";
    int below = a->cli->settings != NULL ? AT_FDCWD : folder;
    if (a->cli->settings != NULL || faccessat(folder, file, F_OK, 0) == 0)
        TRY(file_read(below, file, CONFIGURATION_MOST, a->cli->arena, &text, e));
    TRY(settings_parse(&s, text, e) && settings_environment(&s, environ, e));
    a->database.read_only = true;
    a->database.readers = 1;
    if (strcmp(settings_text(&s, SET_database), "sqlite") != 0) {
        a->database.url = settings_text(&s, SET_database);
        return read_password(a, &s, folder, e);
    }
    if (snprintf(a->path, sizeof a->path, "%s/db/chancery.db", a->data) >= (int)sizeof a->path)
        return err_user(e, ERR_USAGE, "The path of the data folder is too long.");
    a->database.path = a->path;
    return become_owner(a->path, e);
}

/* --- verify --------------------------------------------------------------------------------- */

static bool add_witness(struct audit *a, struct writer *all, int folder, const char *path,
                        struct err *e)
{
    struct reader text;
    TRY(file_read(folder, path, WITNESS_MOST, a->cli->arena, &text, e));
    writer_reader(all, text);
    if (text.left > 0 && text.at[text.left - 1] != '\n')
        writer_u8(all, '\n');
    return true;
}

/* These may be files of whoever runs us. */
static bool read_witnesses(struct audit *a, struct writer *all, struct err *e)
{
    for (size_t i = 0; i < a->witnesses.count; i++)
        TRY(add_witness(a, all, AT_FDCWD, a->witnesses.values[i], e));
    if (a->data == NULL)
        return true;
    CLEANUP(file_close) int folder = open(a->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0 && faccessat(folder, "audit/heads.jsonl", F_OK, 0) == 0)
        TRY(add_witness(a, all, folder, "audit/heads.jsonl", e));
    return true;
}

static bool check(struct audit *a, const struct audit_check *with, struct audit_report *ret,
                  struct err *e)
{
    if (a->data == NULL) {
        CLEANUP(file_close) int fd = open(a->file, O_RDONLY | O_CLOEXEC);
        struct source file;
        if (fd < 0)
            return err_user(e, ERR_USAGE, "\"%.250s\" cannot be read: %.60s.", a->file,
                            strerror(errno));
        return source_file(fd, &file, e) && audit_verify_file(&file, with, ret, e);
    }
    struct db *db = NULL;
    TRY(find_database(a, e) && db_open(&a->database, &db, e));
    bool ok = audit_verify_db(db, with, ret, e);
    db_close(db);
    return ok && become_ourselves(e);
}

static void write_json(struct writer *w, const struct audit_report *r)
{
    struct json j = json_into(w);
    json_open_object(&j, NULL);
    json_bool(&j, "ok", !r->bad);
    json_u64(&j, "size", r->size);
    json_hex(&j, "root", r->root.bytes, sizeof r->root.bytes);
    json_u64(&j, "heads", r->heads);
    json_u64(&j, "witnesses", r->witnesses);
    json_u64(&j, "superseded", r->superseded);
    json_u64(&j, "unreadable", r->unreadable);
    json_u64(&j, "covered", r->covered);
    if (r->bad) {
        json_u64(&j, "badFirst", r->bad_first);
        json_u64(&j, "badLast", r->bad_last);
        json_text(&j, "what", r->what);
    }
    json_end_object(&j);
    writer_u8(w, '\n');
}

static void write_text(struct writer *w, const struct audit_report *r)
{
    if (r->bad) {
        writer_format(w, "BAD from entry %llu: %s\n", (unsigned long long)r->bad_first, r->what);
        return;
    }
    writer_format(w, "The log is whole: %llu entries, %llu signed heads, %llu witnesses.\n",
                  (unsigned long long)r->size, (unsigned long long)r->heads,
                  (unsigned long long)r->witnesses);
    writer_format(w, "%llu entries are under a signed head.\n", (unsigned long long)r->covered);
    if (r->unreadable > 0)
        writer_format(w, "%llu lines of the witnesses are not readable.\n",
                      (unsigned long long)r->unreadable);
    if (r->superseded > 0)
        writer_format(w, "%llu witnesses are from before a restore, over entries it took back.\n",
                      (unsigned long long)r->superseded);
}

static bool verify(struct audit *a, bool *ret_bad, struct err *e)
{
    struct audit_check with = {0};
    struct audit_report report = {0};
    CLEANUP(writer_done) struct writer witnesses = {0};
    CLEANUP(writer_done) struct writer out = {0};
    writer_init(&witnesses, WITNESS_MOST);
    writer_init(&out, 64 * 1024);
    if ((a->data == NULL) == (a->file == NULL))
        return err_user(e, ERR_USAGE, "verify needs --data DIR or one exported file.");
    if (a->log_key != NULL && !text_unbase64(a->cli->arena, reader_text(a->log_key), &with.log_key))
        return err_user(e, ERR_USAGE, "--log-key is not Base64.");
    TRY(read_witnesses(a, &witnesses, e) && writer_ok(&witnesses, e));
    with.witnesses = writer_view(&witnesses);
    TRY(check(a, &with, &report, e));
    if (a->cli->json)
        write_json(&out, &report);
    else
        write_text(&out, &report);
    *ret_bad = report.bad;
    return writer_ok(&out, e) && cli_print(a->cli, writer_view(&out), e);
}

/* --- export --------------------------------------------------------------------------------- */

static bool export(struct audit *a, struct err *e)
{
    CLEANUP(output_done) struct output output = {.fd = -1};
    struct db *db = NULL;
    if (a->data == NULL || a->output == NULL || a->file != NULL)
        return err_user(e, ERR_USAGE, "export needs --data DIR and -o FILE.");
    /* The file first: it belongs to whoever runs us. */
    TRY(output_open(a->cli->arena, a->output, a->force, 0600, &output, e));
    TRY(find_database(a, e) && db_open(&a->database, &db, e));
    struct sink to = sink_file(output.fd, 0, UINT64_MAX);
    bool ok = audit_export(db, &to, e);
    db_close(db);
    return ok && become_ourselves(e) && output_keep(&output, e);
}

/* For `chancery doctor`. That it opens says that it is of this version. */
static bool version(struct audit *a, struct err *e)
{
    struct db *db = NULL;
    CLEANUP(writer_done) struct writer out = {0};
    int64_t number = 0;
    writer_init(&out, 4096);
    if (a->data == NULL)
        return err_user(e, ERR_USAGE, "version needs --data DIR.");
    TRY(find_database(a, e) && db_open(&a->database, &db, e));
    bool ok = db_version(db, &number, e);
    writer_format(&out, "%s, version %lld as this program\n",
                  db_is_postgres(db) ? "PostgreSQL" : "SQLite", (long long)number);
    db_close(db);
    return ok && writer_ok(&out, e) && cli_print(a->cli, writer_view(&out), e);
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct cli c = {.arena = arena_new(PROGRAM_MEMORY)};
    struct audit a = {.cli = &c};
    const struct option_row rows[] = {
        {"--data", OPTION_VALUE, &a.data, "the data folder of the service"},
        {"--log-key", OPTION_VALUE, &a.log_key, "the public log key that init has printed"},
        {"--witness", OPTION_LIST, &a.witnesses, "signed heads kept elsewhere"},
        {"-o", OPTION_VALUE, &a.output, "where the export goes"},
        {"--force", OPTION_FLAG, &a.force, "write over an older export"},
        {0},
    };
    const char *rest[2] = {NULL, NULL};
    size_t count = 0;
    bool bad = false;
    if (c.arena == NULL || !crypto_start(&e))
        return CLI_INTERNAL;
    if (cli_help(argc, argv, usage, rows))
        return CLI_OK;
    bool ok = cli_options(&c, argc, argv, rows, rest, 2, &count, &e);
    a.file = rest[1];
    if (ok && count > 0 && strcmp(rest[0], "verify") == 0)
        ok = verify(&a, &bad, &e);
    else if (ok && count > 0 && strcmp(rest[0], "export") == 0)
        ok = export(&a, &e);
    else if (ok && count > 0 && strcmp(rest[0], "version") == 0)
        ok = version(&a, &e);
    else if (ok)
        ok = err_user(&e, ERR_USAGE, "audit wants verify or export.");
    int status = !ok ? cli_fail(&c, NULL, &e) : bad ? CLI_NO : CLI_OK;
    arena_free(c.arena);
    return status;
}
