/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/file.h"
#include "service/authority.h"
#include "service/events.h"
#include "service/job_steps.h"
#include "store/effects.h"
#include <string.h>

struct ending {
    struct job_context *context;
    const struct refusal_text *why; /* NULL: canceled */
    const char *reason;             /* of the cancelation; set in the transaction that ends it */
    struct reader uses;             /* of a grant that was closed */
    struct reader grant;
};

static bool append_outcome(struct db_tx *tx, const struct ending *end, const char *status,
                           struct err *e)
{
    struct job_context *c = end->context;
    struct event event = {.type = "SigningRequest.Ended",
                          .kind = "SigningRequest",
                          .object = c->request,
                          .request = c->request};
    event_add(&event, "status", status);
    event_add(&event, "reason", end->why != NULL ? end->why->user : end->reason);
    if (end->why != NULL)
        event_add(&event, "code", end->why->code);
    if (end->grant.left > 0)
        event_add(&event, "slotsUsedButNotReleased",
                  arena_format(tx_arena(tx), "%u", job_count_uses(end->uses)));
    return event_append(tx, &event, NULL, e);
}

/* The job's own row is from before somebody canceled it. */
static bool find_reason(struct db_tx *tx, struct ending *end, struct err *e)
{
    struct db_rows row;
    TRY(tx_one(tx, QUERY_request_for_job, DB_ARGS(DB_TEXT(end->context->request)), &row, e));
    end->reason = row.count == 1 ? row_text(&row, "reason") : "";
    return true;
}

static bool end_request(struct db_tx *tx, void *ctx, struct err *e)
{
    struct ending *end = ctx;
    struct job_context *c = end->context;
    const struct refusal_text *why = end->why;
    int64_t now = clock_wall_ms();
    struct db_value id = DB_TEXT(c->request);
    TRY(queue_complete(tx, &c->job, e));
    if (why == NULL)
        TRY(find_reason(tx, end, e) &&
            tx_run(tx, QUERY_request_cancel, DB_ARGS(id, DB_TEXT(end->reason), DB_INT(now)), e));
    else
        TRY(tx_run(tx, QUERY_request_fail,
                   DB_ARGS(id, DB_TEXT("ProcessingFailed"), DB_TEXT(why->code), DB_TEXT(why->user),
                           DB_TEXT(why->detail), DB_TEXT(why->path), DB_INT(why->line),
                           DB_INT(why->column), DB_INT(now)),
                   e));
    const char *status = why == NULL ? "Canceled" : "Failed";
    TRY(tx_run(tx, QUERY_request_step_add,
               DB_ARGS(id, DB_TEXT(why == NULL ? "Canceled" : "ProcessingFailed"), DB_INT(now),
                       DB_TEXT(why == NULL ? end->reason : why->user)),
               e));
    if (end->grant.left > 0)
        TRY(tx_run(tx, QUERY_grant_set_state,
                   DB_ARGS(DB_BYTES(end->grant), DB_TEXT("closed"), DB_BYTES(end->uses)), e) &&
            effects_drop(tx, end->grant, e));
    const char *outbox;
    TRY(service_new_id(tx_arena(tx), &outbox, e));
    TRY(tx_run(tx, QUERY_outbox_insert, DB_ARGS(DB_TEXT(outbox), DB_TEXT(status), id, DB_INT(now)),
               e));
    return append_outcome(tx, end, status, e);
}

/* The job's own row is from before this run opened its grant. */
static bool find_open_grant(struct db_tx *tx, void *ctx, struct err *e)
{
    struct ending *end = ctx;
    struct db_rows row;
    tx_into(tx, end->context->arena);
    TRY(tx_one(tx, QUERY_grant_open_of_request, DB_ARGS(DB_TEXT(end->context->request)), &row, e));
    if (row.count == 1)
        end->grant = row_bytes(&row, "id");
    return row.count == 0 || end->grant.left == GRANT_ID || err_set(e, ERR_DB_DAMAGED, "grant row");
}

uint32_t job_count_uses(struct reader uses)
{
    struct record_USE use;
    uint32_t n = 0;
    while (uses.left > 0 && record_USE_next(&uses, &use))
        n++;
    return n;
}

bool job_close_grant(struct service *s, const uint8_t *grant, struct writer *uses, struct err *e)
{
    struct err why = {0};
    if (authority_close(s, grant, uses, &why))
        return true;
    if (why.code != ERR_GRANT)
        return err_from(e, err_machine_code(why.code), why.user, why.detail);
    writer_reset(uses);
    return true;
}

/* Nothing more may be signed for a request that ends: D16 before the last transaction. */
static bool close_grant(struct job_context *c, struct ending *end, struct writer *uses,
                        struct err *e)
{
    TRY(db_read(c->service->db, find_open_grant, end, e));
    if (end->grant.left == 0)
        return true;
    TRY(job_close_grant(c->service, end->grant.at, uses, e));
    end->uses = writer_view(uses);
    return true;
}

static bool finish(struct job_context *c, struct ending *end, struct err *e)
{
    CLEANUP(writer_done) struct writer uses = {0};
    writer_init(&uses, 64 << 20);
    return close_grant(c, end, &uses, e) &&
           db_write(c->service->db, CRASH_D17, end_request, end, e);
}

bool job_refuse(struct job_context *c, const struct refusal_text *why, struct err *e)
{
    struct ending end = {.context = c, .why = why};
    return finish(c, &end, e);
}

bool job_refuse_artifact(struct job_context *c, const struct refusal_text *why, struct err *e)
{
    return blob_check(c->service->blobs, row_bytes(&c->row, "artifact").at, e) &&
           job_refuse(c, why, e);
}

bool job_cancel(struct job_context *c, struct err *e)
{
    struct ending end = {.context = c};
    return finish(c, &end, e);
}

struct again {
    struct job_context *context;
    int64_t not_before;
    const char *note;
};

static bool queue_again(struct db_tx *tx, void *ctx, struct err *e)
{
    struct again *a = ctx;
    struct job_context *c = a->context;
    TRY(queue_retry(tx, &c->job, a->not_before, e));
    TRY(tx_run(tx, QUERY_request_count_failure, DB_ARGS(DB_TEXT(c->request)), e));
    return tx_run(
        tx, QUERY_request_step_add,
        DB_ARGS(DB_TEXT(c->request), DB_TEXT("Retry"), DB_INT(clock_wall_ms()), DB_TEXT(a->note)),
        e);
}

bool job_retry(struct job_context *c, const struct err *why, struct err *e)
{
    enum { MOST_FAILURES = 6 };
    int64_t failures = row_int(&c->row, "attempts_failed");
    if (failures + 1 >= MOST_FAILURES) {
        struct refusal_text text = {
            .code = err_machine_code(why->code),
            .user = why->user,
            .detail = why->detail,
            .path = "",
        };
        return job_refuse(c, &text, e);
    }
    struct again again = {.context = c,
                          .not_before = clock_wall_ms() + (INT64_C(500) << failures),
                          .note = arena_format(c->arena, "%s (%s) Tried again.", why->user,
                                               err_machine_code(why->code))};
    return again.note == NULL ? arena_err(e)
                              : db_write(c->service->db, CRASH_S01, queue_again, &again, e);
}

struct trusting {
    struct job_context *context;
    struct writer *roots;
};

static bool add_test_certificates(struct db_tx *tx, void *ctx, struct err *e)
{
    struct trusting *t = ctx;
    struct db_rows rows;
    TRY(tx_query(tx, QUERY_certificates_of_purpose,
                 DB_ARGS(DB_TEXT(row_text(&t->context->row, "organization")), DB_TEXT("Test")),
                 &rows, e));
    while (rows_next(&rows))
        record_CERTIFICATE_write(t->roots,
                                 &(struct record_CERTIFICATE){.der = row_bytes(&rows, "der")});
    return true;
}

bool job_roots(struct job_context *c, struct reader *ret, struct err *e)
{
    enum { MOST = 16 << 20 };
    if (strcmp(row_text(&c->row, "purpose"), "Test") != 0) {
        *ret = c->service->roots;
        return true;
    }
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, MOST);
    writer_reader(&w, c->service->roots);
    struct trusting t = {c, &w};
    TRY(db_read(c->service->db, add_test_certificates, &t, e) && writer_ok(&w, e));
    *ret = arena_bytes(c->arena, writer_view(&w));
    return ret->at != NULL || arena_err(e);
}

bool job_open_inputs(struct job_context *c, int *ret_artifact, int *ret_configuration,
                     struct err *e)
{
    uint64_t size;
    struct reader digest = row_bytes(&c->row, "artifact");
    CLEANUP(file_close) int artifact = -1;
    if (digest.left != 32)
        return err_set(e, ERR_INTERNAL, "artifact digest");
    TRY(blob_open(c->service->blobs, digest.at, &artifact, &size, e));
    TRY(file_memfd("configuration", row_bytes(&c->row, "xml"), ret_configuration, e));
    *ret_artifact = artifact;
    artifact = -1;
    return true;
}

bool job_plan(struct job_context *c, struct reader *ret, struct err *e)
{
    struct reader digest = row_bytes(&c->row, "plan");
    if (digest.left != 32)
        return err_set(e, ERR_INTERNAL, "plan digest");
    return blob_load(c->service->blobs, digest.at, PLAN_MAX, c->arena, ret, e);
}
