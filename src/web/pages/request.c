/* SPDX-License-Identifier: Apache-2.0 */
#include "service/listings.h"
#include "service/receipts.h"
#include "service/requests.h"
#include "web/assets.h"
#include "web/pages/frame.h"
#include "web/pages/pages.h"
#include "web/pages/tree.h"
#include <string.h>

static void add_facts(struct sheet *s, const struct request_view *v)
{
    struct view *root = s->root;
    view_text(root, "id", v->id);
    view_text(root, "tone", state_tone(v->status));
    view_text(root, "label", state_label(v->status));
    view_text(root, "sentenceText", step_sentence(v->workflow_status));
    view_bool(root, "final", v->final);
    view_text(root, "description", v->description);
    view_text(root, "projectSlug", v->project_slug);
    view_text(root, "projectName", v->project_name);
    view_text(root, "policySlug",
              strcmp(v->policy_slug, v->policy_name) == 0 ? "" : v->policy_slug);
    view_text(root, "policyName", v->policy_name);
    view_text(root, "configurationSlug", v->configuration_slug);
    view_text(root, "configurationName", v->configuration_name);
    view_number(root, "configurationVersion", v->configuration_version);
    view_text(root, "submitter", v->submitter_name);
    view_text(root, "tokenName", v->token_name);
    view_text(root, "original", v->original);
    view_text(root, "reason", strcmp(v->status, "Completed") == 0 ? "" : v->reason);
    view_time(root, "created", v->created);
    if (v->final)
        view_time(root, "finished", v->finished);
    view_bool(root, "mayCancel", v->may_cancel);
    view_hex(s->call->arena, root, "artifactHash", v->artifact);
    view_hex(s->call->arena, root, "outputHash", v->output);
}

static void add_error(struct sheet *s, const struct request_view *v)
{
    if (v->error_code == NULL || v->error_code[0] == '\0')
        return;
    struct view *error = view_object(s->root, "error");
    view_text(error, "code", v->error_code);
    view_text(error, "user", v->error_user);
    view_text(error, "detail", v->error_detail);
    view_text(error, "path", v->error_path);
    view_number(error, "line", v->error_line);
    view_number(error, "column", v->error_column);
    view_text(error, "who", error_mender(v->error_code));
}

static void add_steps(struct sheet *s, const struct request_view *v)
{
    struct view *steps = view_list(s->root, "steps");
    for (size_t i = 0; i < v->step_count; i++) {
        struct view *step = view_item(steps);
        view_text(step, "name", step_label(v->steps[i].name));
        view_text(step, "note", v->steps[i].note);
        view_time(step, "time", v->steps[i].started);
    }
    struct view *parameters = view_list(s->root, "parameters");
    struct reader list = v->parameters;
    struct record_PAIR pair;
    while (list.left > 0 && record_PAIR_next(&list, &pair)) {
        struct view *p = view_item(parameters);
        view_bytes(p, "name", pair.name);
        view_bytes(p, "value", pair.value);
    }
}

static struct view *add_download(struct sheet *s, struct view *list, const char *name,
                                 const char *path, const char *why_not)
{
    struct view *d = view_item(list);
    view_text(d, "name", name);
    view_text(d, "url",
              why_not[0] != '\0' ? "" : arena_format(s->call->arena, "/requests/%s", path));
    return d;
}

/* A control that may not be used is shown with the reason, not left away (ui-map 4.6). */
static void add_downloads(struct sheet *s, const struct request_view *v)
{
    struct arena *a = s->call->arena;
    struct view *list = view_list(s->root, "downloads"), *d;
    bool done = strcmp(v->status, "Completed") == 0;
    const char *all = v->artifact_deleted ? "Deleted by retention." : "";
    if (!v->may_read_artifacts)
        all = "You may not see artifacts of this project: a Project Administrator can put you on "
              "its reader list.";
    const char *later = all[0] != '\0' || done ? all
                        : v->final             ? "There is none: nothing was released."
                                               : "Not there yet.";
    d = add_download(s, list, "Signed artifact", arena_format(a, "%s/signed", v->id), later);
    view_text(d, "note",
              later[0] != '\0' ? later : arena_format(a, "%lld bytes", (long long)v->output_size));
    view_bool(d, "first", true);
    d = add_download(s, list, "Receipt (JSON)", arena_format(a, "%s/receipt", v->id), later);
    view_text(d, "note",
              later[0] != '\0' ? later : "What was signed, with which key, and the proof.");
    d = add_download(s, list, "Unsigned artifact", arena_format(a, "%s/unsigned", v->id), all);
    view_text(d, "note",
              all[0] != '\0' ? all : arena_format(a, "%lld bytes", (long long)v->artifact_size));
}

static bool add_proof(struct sheet *s, const struct request_view *v, struct err *e)
{
    struct receipt_place place;
    if (strcmp(v->status, "Completed") != 0)
        return true;
    TRY(receipt_place(s->call->service, v->id, &place, e));
    const char *text = !place.recorded ? "Not in the audit log."
                                       : arena_format(s->call->arena, "Audit log: entry %llu, %s.",
                                                      (unsigned long long)place.leaf,
                                                      place.sealed ? "covered by a signed head"
                                                                   : "the signed head is pending");
    view_text(s->root, "proof", text);
    return true;
}

/* Policies of the same project under which the reader may submit it again. */
static bool add_policies(struct sheet *s, const struct request_view *v, struct err *e)
{
    struct web_call *c = s->call;
    struct db_rows rows;
    bool failed = strcmp(v->status, "Failed") == 0;
    if ((!failed && strcmp(v->status, "Completed") != 0) || v->artifact_deleted)
        return true;
    TRY(listing(c->service, QUERY_policies_for_submitter,
                DB_ARGS(DB_TEXT(c->actor.user), DB_TEXT(c->actor.organization)), c->arena, &rows,
                e));
    struct view *policies = view_list(s->root, "policies");
    bool any = false;
    while (rows_next(&rows)) {
        if (strcmp(row_text(&rows, "project_slug"), v->project_slug) != 0)
            continue;
        struct view *p = view_item(policies);
        view_text(p, "id", row_text(&rows, "id"));
        view_text(p, "name", row_text(&rows, "name"));
        view_bool(p, "selected", strcmp(row_text(&rows, "id"), v->policy) == 0);
        any = true;
    }
    view_bool(s->root, "failed", failed);
    view_bool(s->root, "mayResubmit", any);
    return true;
}

bool page_request(struct web_call *c, struct err *e)
{
    struct request_view *v;
    TRY(request_read(c->service, &c->actor, c->captures[0], c->arena, &v, e));
    const char *title = arena_format(c->arena, "%s · %s", state_label(v->status), v->file_name);
    struct sheet s = sheet_new(c, "/requests", title, v->file_name);
    sheet_crumb(&s, "/requests", "Signing requests");
    sheet_script(&s, assets[ASSET_COPY_JS].url);
    if (!v->final)
        sheet_script(&s, assets[ASSET_LIVE_JS].url);
    add_facts(&s, v);
    add_error(&s, v);
    add_steps(&s, v);
    add_downloads(&s, v);
    TRY(add_proof(&s, v, e) && add_policies(&s, v, e) && tree_add(&s, v, e));
    return sheet_send(&s, PAGE_REQUEST, 200, e);
}
