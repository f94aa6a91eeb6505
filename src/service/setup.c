/* SPDX-License-Identifier: Apache-2.0 */
#include "service/setup.h"
#include "base/clock.h"
#include "base/json.h"
#include "service/apply.h"
#include "service/authentication.h"
#include "service/events.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct founding {
    struct arena *arena;
    const char *name, *email;
    const char *organization, *admin, *person;
    char token[TOKEN_TEXT], code[TOKEN_TEXT];
};

static bool insert_user(struct db_tx *tx, struct founding *f, const char *id, const char *kind,
                        const char *name, const char *email, struct err *e)
{
    return tx_run(tx, QUERY_user_insert,
                  DB_ARGS(DB_TEXT(id), DB_TEXT(f->organization), DB_TEXT(kind), DB_TEXT(name),
                          DB_TEXT(service_fold(f->arena, name)), DB_TEXT(email),
                          DB_TEXT(email == NULL ? NULL : service_fold(f->arena, email)),
                          DB_TEXT("GlobalAdministrator"),
                          DB_TEXT(email == NULL ? "Active" : "Invited"), DB_NULL,
                          DB_INT(clock_wall_ms())),
                  e);
}

static bool insert_person(struct db_tx *tx, struct founding *f, struct err *e)
{
    enum { DAY_MS = 24 * 3600 * 1000 };
    return insert_user(tx, f, f->person, "Interactive", f->email, f->email, e) &&
           setup_code_create(tx, f->person, clock_wall_ms() + DAY_MS, f->code, e);
}

static bool found(struct db_tx *tx, void *ctx, struct err *e)
{
    struct founding *f = ctx;
    struct db_rows row;
    TRY(tx_one(tx, QUERY_organization_any, DB_NO_ARGS, &row, e));
    if (row.count != 0)
        return err_user(e, ERR_CONFLICT, "This data folder has an organization already: %s.",
                        row_text(&row, "name"));
    TRY(service_new_id(f->arena, &f->organization, e) && service_new_id(f->arena, &f->admin, e) &&
        service_new_id(f->arena, &f->person, e));
    TRY(tx_run(tx, QUERY_organization_insert,
               DB_ARGS(DB_TEXT(f->organization), DB_TEXT(f->name), DB_INT(clock_wall_ms())), e));
    TRY(insert_user(tx, f, f->admin, "CI", "initial-ci", NULL, e));
    struct actor by = {.user = f->admin,
                       .organization = f->organization,
                       .name = "operator",
                       .kind = "CI",
                       .role = "GlobalAdministrator",
                       .token_name = ""};
    struct event event = {.type = "Organization.Created",
                          .by = &by,
                          .kind = "Organization",
                          .object = f->organization};
    event_add(&event, "name", f->name);
    TRY(event_append(tx, &event, NULL, e));
    TRY(token_create(tx, &by, f->admin, "initial", 0, f->token, e));
    return f->email == NULL || insert_person(tx, f, e);
}

static bool init(struct service *s, const json_t *task, struct arena *a, struct writer *out,
                 struct err *e)
{
    struct founding f = {.arena = a,
                         .name = json_string_value(json_object_get(task, "organizationName")),
                         .email = json_string_value(json_object_get(task, "adminEmail"))};
    if (f.name == NULL)
        f.name = "My organization";
    TRY(service_check_name("organizationName", f.name, e));
    if (f.email != NULL && strchr(f.email, '@') == NULL)
        return err_user(e, ERR_USAGE, "\"%.100s\" is not an e-mail address.", f.email);
    TRY(db_write(s->db, CRASH_S01, found, &f, e));
    struct json j = json_into(out);
    json_open_object(&j, NULL);
    json_text(&j, "organizationId", f.organization);
    json_text(&j, "organizationName", f.name);
    json_text(&j, "adminToken", f.token);
    json_text(&j, "setupCode", f.email == NULL ? NULL : f.code);
    json_end_object(&j);
    explicit_bzero(f.token, sizeof f.token);
    explicit_bzero(f.code, sizeof f.code);
    return writer_ok(out, e);
}

struct local {
    struct arena *arena;
    struct actor actor;
};

static bool find_organization(struct db_tx *tx, void *ctx, struct err *e)
{
    struct local *l = ctx;
    struct db_rows row;
    tx_into(tx, l->arena);
    TRY(tx_one(tx, QUERY_organization_any, DB_NO_ARGS, &row, e));
    if (row.count == 0)
        return err_user(e, ERR_NOT_FOUND,
                        "This data folder has no organization: chancery init makes one.");
    l->actor.organization = row_text(&row, "id");
    return true;
}

/* The operator holds the data folder, so nothing is gained by asking for a token. */
static bool apply(struct service *s, const json_t *task, struct arena *a, struct writer *out,
                  struct err *e)
{
    struct local l = {.arena = a,
                      .actor = {.user = "operator",
                                .name = "operator",
                                .kind = "Interactive",
                                .role = "GlobalAdministrator",
                                .token_name = "",
                                .address = "local",
                                .user_agent = "chancery apply --data"}};
    TRY(db_read(s->db, find_organization, &l, e));
    char *document = json_dumps(json_object_get(task, "document"), JSON_ENCODE_ANY);
    if (document == NULL)
        return err_user(e, ERR_JSON, "The task has no document.");
    bool dry = json_is_true(json_object_get(task, "dryRun"));
    bool ok = apply_document(s, &l.actor, reader_text(document), dry, out, e);
    free(document);
    return ok;
}

bool setup_task(struct service *s, struct reader in, struct writer *out, struct err *e)
{
    json_error_t problem;
    CLEANUP(arena_cleanup) struct arena *a = arena_new(16 << 20);
    if (a == NULL)
        return arena_err(e);
    json_t *task = json_loadb((const char *)in.at, in.left, JSON_REJECT_DUPLICATES, &problem);
    const char *name = json_string_value(json_object_get(task, "task"));
    bool ok = false;
    if (name != NULL && strcmp(name, "init") == 0)
        ok = init(s, task, a, out, e);
    else if (name != NULL && strcmp(name, "apply") == 0)
        ok = apply(s, task, a, out, e);
    else
        (void)err_user(e, ERR_USAGE, "This is not a task.");
    json_decref(task);
    return ok;
}
