/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "store/backend.h"

bool migrate_version(struct conn *c, int64_t *ret, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(64 * 1024);
    if (a == NULL)
        return arena_err(e);
    struct db_rows row = {0};
    struct run_result r = {.a = a, .rows = &row};
    TRY(c->with->run(c, QUERY_store_version, DB_NO_ARGS, &r, e));
    *ret = rows_next(&row) ? row_int(&row, "number") : 0;
    return true;
}

static bool migrate_in(struct conn *c, bool *ret_done, struct err *e)
{
    /* Inside the lock of begin: another node may have been faster. */
    int64_t at = 0;
    TRY(c->with->script(
        c,
        "CREATE TABLE IF NOT EXISTS schema_migrations ("
        "number BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)",
        e));
    TRY(migrate_version(c, &at, e));
    *ret_done = at == MIGRATION__COUNT;
    if (at > MIGRATION__COUNT)
        return err_set(e, ERR_DB_NEWER, "database is at migration %lld, this program knows %d",
                       (long long)at, MIGRATION__COUNT);
    if (*ret_done)
        return true;
    const struct migration_row *m = &migration_rows[at];
    TRY(c->with->script(c, c->with->postgres ? m->postgres : m->sqlite, e));
    struct run_result r = {0};
    return c->with->run(c, QUERY_store_migrated,
                        DB_ARGS(DB_INT(at + 1), DB_TEXT(m->name), DB_INT(clock_wall_ms())), &r, e);
}

bool migrate(struct conn *c, struct err *e)
{
    for (bool done = false; !done;) {
        TRY(c->with->begin(c, true, e));
        if (!migrate_in(c, &done, e)) {
            struct err ignored = {0};
            (void)(c->with->in_transaction(c) && c->with->script(c, "ROLLBACK", &ignored));
            return false;
        }
        crash_before(CRASH_S01);
        TRY(c->with->commit(c, e));
        crash_after(CRASH_S01);
    }
    return true;
}
