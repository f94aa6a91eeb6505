/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/text.h"
#include "service/apply_parts.h"
#include "service/authentication.h"
#include <string.h>

static const char *const roles[] = {
#define R(name) #name,
    ROLES(R)
#undef R
        NULL};

struct account {
    const char *kind, *name, *email, *role;
};

static bool insert_account(struct apply *a, const struct account *u, const char *id, struct err *e)
{
    const char *email = u->email == NULL ? NULL : service_fold(a->arena, u->email);
    return tx_run(a->tx, QUERY_user_insert,
                  DB_ARGS(DB_TEXT(id), DB_TEXT(a->by->organization), DB_TEXT(u->kind),
                          DB_TEXT(u->name), DB_TEXT(service_fold(a->arena, u->name)),
                          DB_TEXT(u->email), DB_TEXT(email), DB_TEXT(u->role),
                          DB_TEXT(u->email == NULL ? "Active" : "Invited"), DB_NULL,
                          DB_INT(clock_wall_ms())),
                  e);
}

/* A token with this name that is valid stays as it is: its text is shown once, at its birth. */
static bool apply_token(struct apply *a, const json_t *object, struct place at,
                        const struct account *u, const char *id, struct err *e)
{
    static const char *const keys[] = {"name", "expires", NULL};
    const char *name, *expires;
    struct db_rows row;
    int64_t end = 0;
    char token[TOKEN_TEXT];
    TRY(apply_keys(object, at, keys, e));
    TRY(apply_text(object, at, "name", NULL, &name, e) && apply_required(name, at, "name", e));
    TRY(apply_text(object, at, "expires", NULL, &expires, e));
    if (expires != NULL && !clock_from_iso(reader_text(expires), &end))
        return apply_err(e, at, "expires", "must be a date such as 2027-12-31.");
    if (expires != NULL && end <= clock_wall_ms())
        return apply_err(e, at, "expires", "lies in the past.");
    TRY(tx_one(a->tx, QUERY_token_by_name, DB_ARGS(DB_TEXT(id), DB_TEXT(name)), &row, e));
    if (row.count == 1)
        return true;
    TRY(token_create(a->tx, a->by, id, name, end, token, e));
    json_open_object(&a->tokens, NULL);
    json_text(&a->tokens, "user", u->name);
    json_text(&a->tokens, "token", name);
    json_text(&a->tokens, "value", a->dry_run ? NULL : token);
    json_end_object(&a->tokens);
    explicit_bzero(token, sizeof token);
    return true;
}

static bool apply_tokens(struct apply *a, const json_t *object, struct place at,
                         const struct account *u, const char *id, struct err *e)
{
    const json_t *list;
    TRY(apply_list(object, at, "tokens", &list, e));
    for (size_t i = 0; list != NULL && i < json_array_size(list); i++)
        TRY(apply_token(a, json_array_get(list, i), place_item(a, at, "tokens", i), u, id, e));
    return true;
}

static bool find_account(struct apply *a, const struct account *u, struct db_rows *row,
                         struct err *e)
{
    const char *name = service_fold(a->arena, u->email == NULL ? u->name : u->email);
    return tx_one(a->tx, u->email == NULL ? QUERY_ci_user_by_name : QUERY_user_by_email,
                  DB_ARGS(DB_TEXT(a->by->organization), DB_TEXT(name)), row, e);
}

static bool update_account(struct apply *a, const struct account *u, struct db_rows *row,
                           struct change_record *c, struct err *e)
{
    c->id = row_text(row, "id");
    if (u->role != NULL) {
        change_field(c, "role", row_text(row, "role"), u->role);
        TRY(tx_run(a->tx, QUERY_user_set_role, DB_ARGS(DB_TEXT(c->id), DB_TEXT(u->role)), e));
    }
    if (u->name != NULL && strcmp(u->name, row_text(row, "name")) != 0) {
        change_field(c, "name", row_text(row, "name"), u->name);
        TRY(tx_run(
            a->tx, QUERY_user_set_name,
            DB_ARGS(DB_TEXT(c->id), DB_TEXT(u->name), DB_TEXT(service_fold(a->arena, u->name))),
            e));
    }
    return true;
}

static bool apply_account(struct apply *a, const json_t *object, struct place at, bool person,
                          struct err *e)
{
    static const char *const ci_keys[] = {"name", "role", "tokens", NULL};
    static const char *const person_keys[] = {"email", "name", "role", NULL};
    struct account u = {.kind = person ? "Interactive" : "CI"};
    struct db_rows row;
    TRY(apply_keys(object, at, person ? person_keys : ci_keys, e));
    TRY(apply_text(object, at, "name", NULL, &u.name, e));
    TRY(apply_choice(object, at, "role", NULL, roles, &u.role, e));
    if (person)
        TRY(apply_text(object, at, "email", NULL, &u.email, e) &&
            apply_required(u.email, at, "email", e));
    if (u.email != NULL && strchr(u.email, '@') == NULL)
        return apply_err(e, at, "email", "is not an e-mail address.");
    if (u.email == NULL)
        TRY(apply_required(u.name, at, "name", e));
    if (u.name != NULL)
        TRY(service_check_name("name", u.name, e));
    TRY(find_account(a, &u, &row, e));
    struct change_record c = {.kind = person ? "User" : "CIUser",
                              .slug = person ? u.email : u.name,
                              .created = row.count == 0};
    if (c.created) {
        u.role = u.role == NULL ? "RegularUser" : u.role;
        u.name = u.name == NULL ? u.email : u.name;
        TRY(service_new_id(a->arena, &c.id, e) && insert_account(a, &u, c.id, e));
        change_field(&c, "role", NULL, u.role);
    } else {
        TRY(update_account(a, &u, &row, &c, e));
    }
    return change_done(a, &c, e) && apply_tokens(a, object, at, &u, c.id, e);
}

bool apply_users(struct apply *a, struct err *e)
{
    static const char *const lists[] = {"ciUsers", "users"};
    struct place top = {""};
    for (size_t which = 0; which < COUNT_OF(lists); which++) {
        const json_t *list;
        TRY(apply_list(a->document, top, lists[which], &list, e));
        for (size_t i = 0; list != NULL && i < json_array_size(list); i++)
            TRY(apply_account(a, json_array_get(list, i), place_item(a, top, lists[which], i),
                              which == 1, e));
    }
    return true;
}

static bool find_principal(struct apply *a, const char *text, struct place at, const char **ret,
                           struct err *e)
{
    struct account u = {0};
    struct db_rows row;
    if (strncmp(text, "ci:", 3) == 0)
        u.name = text + 3;
    else if (strncmp(text, "user:", 5) == 0)
        u.email = text + 5;
    else
        return apply_err(e, at, "", "must be \"ci:NAME\" or \"user:E-MAIL\".");
    TRY(find_account(a, &u, &row, e));
    if (row.count == 0)
        return err_user(e, ERR_FIELD, "%s: there is no user \"%.80s\" in the organization.",
                        at.text, text);
    *ret = row_text(&row, "id");
    return true;
}

bool apply_principals(struct apply *a, const json_t *list, struct place at, const char *object,
                      const char *which, const char **ret_text, struct err *e)
{
    const char *all = "";
    TRY(tx_run(a->tx, QUERY_principals_delete, DB_ARGS(DB_TEXT(object), DB_TEXT(which)), e));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        struct place here = place_item(a, at, which, i);
        const char *id;
        if (!json_is_string(item))
            return apply_err(e, here, "", "must be a text.");
        TRY(find_principal(a, json_string_value(item), here, &id, e));
        TRY(tx_run(a->tx, QUERY_principal_insert,
                   DB_ARGS(DB_TEXT(object), DB_TEXT(which), DB_TEXT(id)), e));
        all = arena_format(a->arena, "%s%s%s", all, all[0] == '\0' ? "" : " ",
                           json_string_value(item));
        if (all == NULL)
            return arena_err(e);
    }
    *ret_text = all;
    return true;
}
