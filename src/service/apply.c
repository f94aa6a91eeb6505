/* SPDX-License-Identifier: Apache-2.0 */
#include "service/apply.h"
#include "base/text.h"
#include "service/apply_parts.h"
#include <string.h>

enum { DOCUMENT_MAX = 4 << 20, MEMORY = 64 << 20, ANSWER_MAX = 8 << 20 };

void change_field(struct change_record *c, const char *name, const char *before, const char *after)
{
    bool same = !c->created && before != NULL && after != NULL && strcmp(before, after) == 0;
    if (!same && c->count < COUNT_OF(c->fields))
        c->fields[c->count++] = (struct change_field){name, c->created ? NULL : before, after};
}

static bool audit_change(struct apply *a, const struct change_record *c, struct err *e)
{
    CLEANUP(writer_done) struct writer type = {0};
    writer_init(&type, 200);
    writer_format(&type, "%s.%s", c->kind, c->created ? "Created" : "Changed");
    writer_u8(&type, 0);
    TRY(writer_ok(&type, e));
    struct event event = {
        .type = (const char *)type.data, .by = a->by, .kind = c->kind, .object = c->id};
    event_add(&event, "slug", c->slug);
    for (size_t i = 0; i < c->count; i++) {
        const char *before = c->fields[i].before == NULL ? "" : c->fields[i].before;
        char *text = arena_format(a->arena, "%s -> %s", before,
                                  c->fields[i].after == NULL ? "" : c->fields[i].after);
        if (text == NULL)
            return arena_err(e);
        event_add(&event, c->fields[i].name, text);
    }
    return event_append(a->tx, &event, NULL, e);
}

bool change_done(struct apply *a, const struct change_record *c, struct err *e)
{
    struct json *j = &a->changes;
    json_open_object(j, NULL);
    json_text(j, "action", c->created ? "create" : c->count > 0 ? "change" : "none");
    json_text(j, "kind", c->kind);
    json_text(j, "slug", c->slug);
    json_open_object(j, "fields");
    for (size_t i = 0; i < c->count; i++) {
        json_open_array(j, c->fields[i].name);
        json_text(j, NULL, c->fields[i].before);
        json_text(j, NULL, c->fields[i].after);
        json_end_array(j);
    }
    json_end_object(j);
    json_end_object(j);
    return c->created || c->count > 0 ? audit_change(a, c, e) : true;
}

static bool check_shape(struct apply *a, struct err *e)
{
    static const char *const keys[] = {"apiVersion", "certificates", "ciUsers",
                                       "users",      "projects",     NULL};
    static const char *const versions[] = {"chancery/v1", NULL};
    struct place top = {""};
    const char *version;
    if (!json_is_object(a->document))
        return err_user(e, ERR_JSON, "The document must be one object.");
    TRY(apply_keys(a->document, top, keys, e));
    return apply_choice(a->document, top, "apiVersion", NULL, versions, &version, e) &&
           apply_required(version, top, "apiVersion", e);
}

static bool find_certificates(struct db_tx *tx, void *ctx, struct err *e)
{
    struct apply *a = ctx;
    a->tx = tx;
    return apply_certificates_find(a, e);
}

static bool apply_all(struct db_tx *tx, void *ctx, struct err *e)
{
    struct apply *a = ctx;
    a->tx = tx;
    TRY(apply_certificates(a, e) && apply_users(a, e) && apply_projects(a, e));
    /* A dry run ends like an error, so that the store undoes all of it. */
    return !a->dry_run || err_set(e, ERR_WRONG_STATE, "dry run");
}

static void answer(struct apply *a, struct writer *out)
{
    struct json j = json_into(out);
    json_end_array(&a->changes);
    json_end_array(&a->tokens);
    json_end_array(&a->warnings);
    json_open_object(&j, NULL);
    json_raw(&j, "changes", writer_view(&a->changes_text));
    json_raw(&j, "tokens", writer_view(&a->tokens_text));
    json_raw(&j, "warnings", writer_view(&a->warnings_text));
    json_end_object(&j);
}

static void discard_made(struct apply *a)
{
    for (size_t i = 0; i < a->made_count; i++)
        if (a->made[i].key_id != NULL)
            certificate_discard(a->service, &a->made[i]);
}

static bool make_certificates(struct apply *a, struct err *e)
{
    for (size_t i = 0; i < a->made_count && !a->dry_run; i++)
        TRY(certificate_make(a->service, a->by, &a->wishes[i], a->arena, &a->made[i], e));
    return true;
}

static bool run(struct apply *a, struct writer *out, struct err *e)
{
    struct err outcome = {0};
    TRY(check_shape(a, e));
    TRY(db_read(a->service->db, find_certificates, a, e));
    if (!make_certificates(a, e)) {
        discard_made(a);
        return false;
    }
    bool written = db_write(a->service->db, CRASH_S01, apply_all, a, &outcome);
    bool dry_end =
        a->dry_run && outcome.code == ERR_WRONG_STATE && strcmp(outcome.detail, "dry run") == 0;
    if (!written && !dry_end) {
        /* Rows that may be there after all must find their keys. */
        if (outcome.code != ERR_DB_UNKNOWN)
            discard_made(a);
        *e = outcome;
        return false;
    }
    answer(a, out);
    return writer_ok(out, e);
}

bool apply_document(struct service *s, const struct actor *by, struct reader document, bool dry_run,
                    struct writer *out, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *arena = arena_new(MEMORY);
    json_error_t problem;
    if (arena == NULL)
        return arena_err(e);
    TRY(permission_check(PERM_EDIT_CONFIGURATION, permission_role_bit(by->role), e));
    if (document.left > DOCUMENT_MAX)
        return err_set(e, ERR_FILE_LIMIT, "document of %zu bytes", document.left);
    json_t *json =
        json_loadb((const char *)document.at, document.left, JSON_REJECT_DUPLICATES, &problem);
    if (json == NULL)
        return err_user(e, ERR_JSON, "The document is not valid JSON: line %d, column %d: %s.",
                        problem.line, problem.column, problem.text);
    struct apply a = {.service = s, .by = by, .arena = arena, .document = json, .dry_run = dry_run};
    writer_init(&a.changes_text, ANSWER_MAX);
    writer_init(&a.tokens_text, ANSWER_MAX);
    writer_init(&a.warnings_text, ANSWER_MAX);
    a.changes = json_into(&a.changes_text);
    a.tokens = json_into(&a.tokens_text);
    json_open_array(&a.changes, NULL);
    a.warnings = json_into(&a.warnings_text);
    json_open_array(&a.tokens, NULL);
    json_open_array(&a.warnings, NULL);
    bool ok = run(&a, out, e);
    writer_done(&a.changes_text);
    writer_done(&a.tokens_text);
    writer_done(&a.warnings_text);
    json_decref(json);
    return ok;
}
