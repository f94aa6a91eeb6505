/* SPDX-License-Identifier: Apache-2.0 */
#include "service/requests.h"
#include "base/clock.h"
#include "service/events.h"
#include <string.h>

struct reading {
    struct service *service;
    const struct actor *actor;
    const char *id, *reason;
    struct arena *arena;
    const struct request_filter *filter;
    struct request_view *view;
    struct request_list *list;
};

/* What lists show. Results live in the arena already (tx_into). */
static void fill_summary(struct request_view *v, struct db_rows *row)
{
    v->id = row_text(row, "id");
    v->status = row_text(row, "status");
    v->workflow_status = row_text(row, "workflow_status");
    v->description = row_text(row, "description");
    v->project = row_text(row, "project");
    v->project_slug = row_text(row, "project_slug");
    v->project_name = row_text(row, "project_name");
    v->policy = row_text(row, "policy");
    v->policy_slug = row_text(row, "policy_slug");
    v->policy_name = row_text(row, "policy_name");
    v->configuration_slug = row_text(row, "configuration_slug");
    v->submitter = row_text(row, "submitter");
    v->submitter_name = row_text(row, "submitter_name");
    v->file_name = row_text(row, "file_name");
    v->created = row_int(row, "created");
    v->finished = row_int(row, "finished");
    v->final = !row_null(row, "finished");
}

static void fill_details(struct request_view *v, struct db_rows *row)
{
    v->configuration = row_text(row, "configuration");
    v->configuration_name = row_text(row, "configuration_name");
    v->configuration_version = row_int(row, "configuration_version");
    v->token_name = row_text(row, "token_name");
    v->original = row_text(row, "original");
    v->reason = row_text(row, "reason");
    v->scan = row_text(row, "scan");
    v->parameters = row_bytes(row, "parameters");
    v->artifact = row_bytes(row, "artifact");
    v->artifact_size = row_int(row, "artifact_size");
    v->artifact_deleted = row_int(row, "artifact_deleted") != 0;
    v->plan = row_bytes(row, "plan");
    v->plan_items = row_int(row, "plan_items");
    v->slots = row_int(row, "slots");
    v->subject = row_bytes(row, "subject");
    v->output = row_bytes(row, "output");
    v->output_size = row_int(row, "output_size");
    v->receipt = row_bytes(row, "receipt");
    v->error_code = row_text(row, "error_code");
    v->error_user = row_text(row, "error_user");
    v->error_detail = row_text(row, "error_detail");
    v->error_path = row_text(row, "error_path");
    v->error_line = row_int(row, "error_line");
    v->error_column = row_int(row, "error_column");
}

static bool fill_rights(struct db_tx *tx, struct reading *r, struct request_view *v, struct err *e)
{
    unsigned rights;
    TRY(service_rights(tx, r->actor, v->project, v->policy, v->submitter, &rights, e));
    v->may_read_artifacts = permission_granted(PERM_READ_ARTIFACTS, rights);
    v->may_cancel = permission_granted(PERM_CANCEL, rights) && !v->final;
    return true;
}

static bool fill_steps(struct db_tx *tx, struct reading *r, struct request_view *v, struct err *e)
{
    struct db_rows rows;
    TRY(tx_query(tx, QUERY_request_steps, DB_ARGS(DB_TEXT(v->id)), &rows, e));
    v->steps = ARENA_ARRAY(r->arena, rows.count + 1, struct request_step);
    if (v->steps == NULL)
        return arena_err(e);
    while (rows_next(&rows))
        v->steps[v->step_count++] = (struct request_step){.name = row_text(&rows, "name"),
                                                          .note = row_text(&rows, "note"),
                                                          .started = row_int(&rows, "started")};
    return true;
}

static bool load_request(struct db_tx *tx, struct reading *r, struct request_view **ret,
                         struct err *e)
{
    struct db_rows row;
    const char *id = service_fold(r->arena, r->id); /* paths are matched without case */
    if (id == NULL)
        return arena_err(e);
    tx_into(tx, r->arena);
    TRY(tx_one(tx, QUERY_request_by_id, DB_ARGS(DB_TEXT(r->actor->organization), DB_TEXT(id)), &row,
               e));
    if (row.count == 0)
        return err_user(e, ERR_NOT_FOUND,
                        "There is no signing request with this id in the organization.");
    struct request_view *v = ARENA_NEW(r->arena, struct request_view);
    if (v == NULL)
        return arena_err(e);
    fill_summary(v, &row);
    fill_details(v, &row);
    *ret = v;
    return fill_rights(tx, r, v, e);
}

static bool read_request(struct db_tx *tx, void *ctx, struct err *e)
{
    struct reading *r = ctx;
    return load_request(tx, r, &r->view, e) && fill_steps(tx, r, r->view, e);
}

bool request_read(struct service *s, const struct actor *actor, const char *id, struct arena *a,
                  struct request_view **ret, struct err *e)
{
    struct reading r = {.service = s, .actor = actor, .id = id, .arena = a};
    TRY(db_read(s->db, read_request, &r, e));
    *ret = r.view;
    return true;
}

static bool given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* Each filter has its own query, so that each can use its index. */
static bool find_list(struct db_tx *tx, struct reading *r, struct db_rows *rows, struct err *e)
{
    const struct request_filter *f = r->filter;
    struct db_rows project;
    struct db_value organization = DB_TEXT(r->actor->organization), status = DB_TEXT(f->status);
    struct db_value below = DB_INT(f->below == 0 ? INT64_MAX : f->below), most = DB_INT(f->most);
    if (!given(f->project) && !given(f->status))
        return tx_query(tx, QUERY_requests_list, DB_ARGS(organization, below, most), rows, e);
    if (!given(f->project))
        return tx_query(tx, QUERY_requests_list_of_status,
                        DB_ARGS(organization, below, most, status), rows, e);
    TRY(tx_one(tx, QUERY_project_by_slug,
               DB_ARGS(organization, DB_TEXT(service_fold(r->arena, f->project))), &project, e));
    if (project.count == 0)
        return err_user(e, ERR_NOT_FOUND, "There is no project with this slug.");
    struct db_value id = DB_TEXT(row_text(&project, "id"));
    if (!given(f->status))
        return tx_query(tx, QUERY_requests_list_of_project, DB_ARGS(organization, below, most, id),
                        rows, e);
    return tx_query(tx, QUERY_requests_list_of_project_status,
                    DB_ARGS(organization, below, most, id, status), rows, e);
}

static bool read_list(struct db_tx *tx, void *ctx, struct err *e)
{
    struct reading *r = ctx;
    struct db_rows rows;
    tx_into(tx, r->arena);
    TRY(find_list(tx, r, &rows, e));
    r->list->items = ARENA_ARRAY(r->arena, rows.count + 1, struct request_view);
    if (r->list->items == NULL)
        return arena_err(e);
    while (rows_next(&rows)) {
        fill_summary(&r->list->items[r->list->count++], &rows);
        if (r->list->count == r->filter->most)
            r->list->next = row_int(&rows, "number");
    }
    return true;
}

bool request_list(struct service *s, const struct actor *actor, const struct request_filter *filter,
                  struct arena *a, struct request_list *ret, struct err *e)
{
    struct request_list list = {0};
    struct reading r = {.service = s, .actor = actor, .filter = filter, .arena = a, .list = &list};
    TRY(db_read(s->db, read_list, &r, e));
    *ret = list;
    return true;
}

/* A job ends the request, because its grant is closed first. */
static bool cancel_request(struct db_tx *tx, void *ctx, struct err *e)
{
    struct reading *r = ctx;
    struct request_view *v;
    TRY(load_request(tx, r, &v, e));
    unsigned rights;
    TRY(service_rights(tx, r->actor, v->project, v->policy, v->submitter, &rights, e));
    TRY(permission_check(PERM_CANCEL, rights, e));
    if (v->final)
        return err_user(e, ERR_CONFLICT, "The request is %s already and cannot be canceled.",
                        v->status);
    TRY(tx_run(tx, QUERY_request_want_cancel, DB_ARGS(DB_TEXT(v->id), DB_TEXT(r->reason)), e));
    struct event event = {.type = "SigningRequest.CancelWanted",
                          .by = r->actor,
                          .kind = "SigningRequest",
                          .object = v->id,
                          .request = v->id};
    event_add(&event, "reason", r->reason);
    return event_append(tx, &event, NULL, e);
}

bool request_cancel(struct service *s, const struct actor *actor, const char *id,
                    const char *reason, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(4 << 20);
    if (a == NULL)
        return arena_err(e);
    if (reason == NULL || reason[0] == '\0')
        reason = "canceled by a user";
    if (service_length(reason) > 2000)
        return service_field_err(e, "Reason", "A reason has at most 2000 characters.");
    struct reading r = {.service = s, .actor = actor, .id = id, .arena = a, .reason = reason};
    TRY(db_write(s->db, CRASH_S01, cancel_request, &r, e));
    s->wake(s->wake_ctx);
    return true;
}

bool request_open_file(struct service *s, const struct actor *actor, const char *id,
                       enum request_file which, struct arena *a, struct request_download *ret,
                       struct err *e)
{
    struct request_view *v;
    TRY(request_read(s, actor, id, a, &v, e));
    if (!v->may_read_artifacts)
        return err_user(e, ERR_FORBIDDEN,
                        "You may not see the artifacts of this request: that takes the project's "
                        "reader or configurator list, the policy's submitter or approver list, or "
                        "a role that reads everything.");
    struct reader digest = which == REQUEST_SIGNED ? v->output : v->artifact;
    if (which == REQUEST_SIGNED && strcmp(v->status, "Completed") != 0)
        return err_user(e, ERR_WRONG_STATE, "There is no signed artifact: the request is %s (%s).",
                        v->status, v->workflow_status);
    if (v->artifact_deleted || digest.left != 32)
        return err_user(e, ERR_WRONG_STATE,
                        "The artifacts of this request have been deleted (retention).");
    struct request_download d = {.name = v->file_name, .sha256 = digest};
    TRY(blob_check(s->blobs, digest.at, e) && blob_open(s->blobs, digest.at, &d.fd, &d.size, e));
    *ret = d;
    return true;
}

bool request_plan(struct service *s, const struct request_view *view, struct arena *a,
                  struct reader *ret, struct err *e)
{
    *ret = reader_over(NULL, 0);
    if (view->plan.left != 32)
        return true;
    return blob_load(s->blobs, view->plan.at, PLAN_MAX, a, ret, e);
}
