/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/text.h"
#include "service/listings.h"
#include "web/api/api.h"
#include "web/assets.h"
#include "web/pages/frame.h"
#include "web/pages/pages.h"
#include <string.h>

/* The form as it is shown: chosen policy and configuration, and what was wrong with it. */
struct form {
    struct web_call *call;
    const char *policy, *configuration; /* ids; "" before anything is chosen */
    const struct err *problem;          /* NULL at first */
};

static bool add_policies(struct sheet *s, struct form *f, struct err *e)
{
    struct web_call *c = s->call;
    struct db_rows rows;
    TRY(listing(c->service, QUERY_policies_for_submitter,
                DB_ARGS(DB_TEXT(c->actor.user), DB_TEXT(c->actor.organization)), c->arena, &rows,
                e));
    struct view *list = view_list(s->root, "policies");
    const char *chosen = "", *first = "";
    while (rows_next(&rows)) {
        const char *id = row_text(&rows, "id");
        first = first[0] == '\0' ? id : first;
        if (strcmp(id, f->policy) == 0)
            chosen = id;
        struct view *p = view_item(list);
        view_text(p, "id", id);
        view_text(p, "name", row_text(&rows, "name"));
        view_text(p, "projectName", row_text(&rows, "project_name"));
        view_bool(p, "selected", strcmp(id, f->policy) == 0);
    }
    f->policy = chosen[0] == '\0' ? first : chosen;
    return true;
}

/* The chosen configuration, else the project's default, else the first. */
static bool add_configurations(struct sheet *s, struct form *f, int64_t *ret_version, struct err *e)
{
    struct web_call *c = s->call;
    struct db_rows rows;
    struct db_args args = DB_ARGS(DB_TEXT(c->actor.organization), DB_TEXT(f->policy));
    const char *chosen = "", *standard = "";
    TRY(listing(c->service, QUERY_configurations_of_policy, args, c->arena, &rows, e));
    struct db_rows again = rows;
    while (rows_next(&rows)) {
        const char *id = row_text(&rows, "id"), *usual = row_text(&rows, "default_configuration");
        if (strcmp(id, f->configuration) == 0)
            chosen = id;
        if (standard[0] == '\0' || (usual != NULL && strcmp(id, usual) == 0))
            standard = id;
    }
    f->configuration = chosen[0] == '\0' ? standard : chosen;
    struct view *list = view_list(s->root, "configurations");
    while (rows_next(&again)) {
        struct view *v = view_item(list);
        bool selected = strcmp(row_text(&again, "id"), f->configuration) == 0;
        view_text(v, "id", row_text(&again, "id"));
        view_text(v, "name", row_text(&again, "name"));
        view_number(v, "version", row_int(&again, "version"));
        view_bool(v, "selected", selected);
        if (selected)
            *ret_version = row_int(&again, "version");
    }
    return true;
}

static bool add_parameters(struct sheet *s, struct form *f, int64_t version, struct err *e)
{
    struct web_call *c = s->call;
    struct listing_parameters all;
    TRY(listing_parameters(c->service, f->configuration, version, c->arena, &all, e));
    struct view *list = view_list(s->root, "parameters");
    for (size_t i = 0; i < all.count; i++) {
        const struct listing_parameter *p = &all.list[i];
        const char *field = arena_format(c->arena, "parameters.%s", p->name);
        const char *typed = field == NULL || f->problem == NULL ? "" : web_field(c, field);
        struct view *v = view_item(list);
        view_number(v, "number", (int64_t)i);
        view_text(v, "name", p->name);
        view_bool(v, "required", p->required);
        view_text(v, "value", typed[0] != '\0' ? typed : p->default_value);
        if (field != NULL && f->problem != NULL && f->problem->code == ERR_PARAMETER &&
            text_equal_ascii_fold(f->problem->detail, field))
            view_text(v, "error", "See the message above.");
    }
    return true;
}

/* One form is one submission, however often its button is pressed. */
static bool add_nonce(struct sheet *s, struct err *e)
{
    uint8_t random[16];
    TRY(file_random(random, sizeof random, e));
    view_hex(s->call->arena, s->root, "nonce", reader_over(random, sizeof random));
    return true;
}

static void add_problem(struct sheet *s, const struct form *f)
{
    const struct err *why = f->problem;
    view_text(s->root, "problem", why == NULL ? "" : why->user);
    view_text(s->root, "description", why == NULL ? "" : web_field(s->call, "description"));
    if (why == NULL || why->code != ERR_FIELD)
        return;
    if (text_equal_ascii_fold(why->detail, "artifact"))
        view_text(s->root, "artifactError", why->user);
    if (text_equal_ascii_fold(why->detail, "description"))
        view_text(s->root, "descriptionError", why->user);
}

static bool reply_form(struct form *f, unsigned status, struct err *e)
{
    int64_t version = 0;
    struct sheet s =
        sheet_new(f->call, "/requests", f->problem == NULL ? "Sign a file" : "Error · Sign a file",
                  "Sign a file");
    sheet_crumb(&s, "/requests", "Signing requests");
    sheet_script(&s, assets[ASSET_UPLOAD_JS].url);
    TRY(add_policies(&s, f, e));
    if (f->policy[0] != '\0') {
        TRY(add_configurations(&s, f, &version, e));
        view_text(s.root, "policyId", f->policy);
        view_text(s.root, "configurationId", f->configuration);
        if (f->configuration[0] != '\0')
            TRY(add_parameters(&s, f, version, e) && add_nonce(&s, e));
        add_problem(&s, f);
    }
    return sheet_send(&s, PAGE_SUBMIT, status, e);
}

bool page_submit(struct web_call *c, struct err *e)
{
    struct form f = {.call = c,
                     .policy = web_query(c, "policy"),
                     .configuration = web_query(c, "configuration")};
    return reply_form(&f, 200, e);
}

static bool submit(struct web_call *c, struct submitted *ret, struct err *e)
{
    struct submission in;
    const char *nonce = web_field(c, "nonce");
    TRY(submission_from_form(c, &in, e));
    if (nonce[0] != '\0')
        in.idempotency_key = arena_format(c->arena, "form-%s", nonce);
    return request_submit(c->service, &c->actor, &in, c->arena, ret, e);
}

static bool reply_json(struct web_call *c, const char *url, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 4096);
    struct json j = json_into(&w);
    json_open_object(&j, NULL);
    json_text(&j, "location", url);
    json_end_object(&j);
    TRY(writer_ok(&w, e));
    web_reply_json(c, 201, writer_view(&w));
    return true;
}

bool page_submit_do(struct web_call *c, struct err *e)
{
    struct submitted made;
    struct err why = {0};
    if (!submit(c, &made, &why)) {
        int status = err_http_status(why.code);
        if (page_wants_json(c) || status >= 500) {
            *e = why;
            return false;
        }
        struct form f = {.call = c,
                         .policy = web_field(c, "signingPolicyId"),
                         .configuration = web_field(c, "artifactConfigurationId"),
                         .problem = &why};
        return reply_form(&f, (unsigned)status, e);
    }
    const char *url = arena_format(c->arena, "/requests/%s?notice=submitted", made.id);
    if (url == NULL)
        return arena_err(e);
    if (page_wants_json(c))
        return reply_json(c, url, e);
    web_redirect(c, url);
    return true;
}
