/* SPDX-License-Identifier: Apache-2.0 */
#include "service/listings.h"
#include "configuration/configuration.h"
#include "store/audit.h"

struct listing {
    enum query query;
    struct db_args args;
    struct arena *arena;
    struct db_rows *rows;
};

static bool read_rows(struct db_tx *tx, void *ctx, struct err *e)
{
    struct listing *l = ctx;
    tx_into(tx, l->arena);
    return tx_query(tx, l->query, l->args, l->rows, e);
}

bool listing(struct service *s, enum query query, struct db_args args, struct arena *a,
             struct db_rows *ret, struct err *e)
{
    struct db_rows rows;
    struct listing l = {query, args, a, &rows};
    TRY(db_read(s->db, read_rows, &l, e));
    *ret = rows;
    return true;
}

bool listing_one(struct service *s, enum query query, struct db_args args, const char *what,
                 struct arena *a, struct db_rows *ret, struct err *e)
{
    struct db_rows rows;
    TRY(listing(s, query, args, a, &rows, e));
    if (!rows_next(&rows))
        return err_user(e, ERR_NOT_FOUND, "There is no such %s in the organization.", what);
    *ret = rows;
    return true;
}

static bool decode_events(struct db_rows *rows, struct arena *a, struct listing_events *ret,
                          struct err *e)
{
    struct listing_events made = {.list = ARENA_ARRAY(a, rows->count + 1, struct listing_event)};
    if (made.list == NULL)
        return arena_err(e);
    while (rows_next(rows)) {
        struct audit_fields f;
        if (!audit_decode(row_bytes(rows, "leaf"), &f))
            return err_set(e, ERR_AUDIT, "leaf %lld", (long long)row_int(rows, "position"));
        made.list[made.count++] = (struct listing_event){.number = row_int(rows, "position"),
                                                         .time_ms = (int64_t)f.time_ms,
                                                         .kind = f.kind,
                                                         .actor = f.actor,
                                                         .object = f.object,
                                                         .request = f.request,
                                                         .detail = f.detail};
    }
    *ret = made;
    return true;
}

bool listing_events(struct service *s, const struct actor *actor, const char *request,
                    int64_t below, struct arena *a, struct listing_events *ret, struct err *e)
{
    struct db_rows rows;
    struct db_value first = DB_INT(below == 0 ? INT64_MAX : below), count = DB_INT(LISTING_EVENTS);
    TRY(permission_check(PERM_READ_AUDIT, permission_role_bit(actor->role), e));
    if (request == NULL)
        TRY(listing(s, QUERY_audit_newest, DB_ARGS(first, count), a, &rows, e));
    else
        TRY(listing(s, QUERY_audit_newest_of_request, DB_ARGS(first, count, DB_TEXT(request)), a,
                    &rows, e));
    return decode_events(&rows, a, ret, e);
}

bool listing_parameters(struct service *s, const char *configuration, int64_t version,
                        struct arena *a, struct listing_parameters *ret, struct err *e)
{
    struct db_rows row;
    struct configuration *parsed;
    struct configuration_problems problems = {0};
    TRY(listing_one(s, QUERY_configuration_version,
                    DB_ARGS(DB_TEXT(configuration), DB_INT(version)), "artifact configuration", a,
                    &row, e));
    TRY(configuration_parse(a, row_bytes(&row, "xml"), &parsed, &problems, e));
    size_t n = parsed->parameter_count;
    struct listing_parameter *list = ARENA_ARRAY(a, n + 1, struct listing_parameter);
    if (list == NULL)
        return arena_err(e);
    for (size_t i = 0; i < n; i++)
        list[i] = (struct listing_parameter){.name = parsed->parameters[i].name,
                                             .default_value = parsed->parameters[i].default_value,
                                             .required = parsed->parameters[i].required};
    *ret = (struct listing_parameters){list, n};
    return true;
}
