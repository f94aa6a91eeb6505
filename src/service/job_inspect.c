/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/file.h"
#include "service/events.h"
#include "service/job_steps.h"
#include <string.h>

struct planned {
    struct job_context *context;
    struct blob plan;
    const struct worker_run *run;
    const char *scan;
};

/* D06: the plan, the next state, the leaf, the next job. */
static bool store_plan(struct db_tx *tx, void *ctx, struct err *e)
{
    struct planned *p = ctx;
    struct job_context *c = p->context;
    struct db_value id = DB_TEXT(c->request);
    struct db_value plan = DB_BLOB(p->plan.sha256, sizeof p->plan.sha256);
    TRY(queue_complete(tx, &c->job, e));
    TRY(tx_run(tx, QUERY_request_set_plan,
               DB_ARGS(id, plan, DB_INT(p->run->items), DB_INT(p->run->found_slots),
                       DB_TEXT(p->scan), DB_TEXT("InProgress"), DB_TEXT("QueuedForProcessing")),
               e));
    TRY(tx_run(tx, QUERY_request_step_add,
               DB_ARGS(id, DB_TEXT("QueuedForProcessing"), DB_INT(clock_wall_ms()),
                       DB_TEXT(arena_format(tx_arena(tx), "%u files to work on, %u signatures",
                                            p->run->items, p->run->found_slots))),
               e));
    struct event event = {.type = "SigningRequest.Planned",
                          .kind = "SigningRequest",
                          .object = c->request,
                          .request = c->request};
    event_add_bytes(&event, "artifactSha256", p->run->sha256);
    event_add_bytes(&event, "planSha256", reader_over(p->plan.sha256, sizeof p->plan.sha256));
    event_add(&event, "malwareScan", p->scan);
    TRY(event_append(tx, &event, NULL, e));
    struct job next = {
        .lane = "worker", .kind = "sign", .subject = c->request, .project = c->job.project};
    return queue_add(tx, &next, clock_wall_ms(), e);
}

/* What is known of a scan: never more than was done. */
static const char *scan_verdict(const struct job_context *c)
{
    return strcmp(row_text(&c->row, "scan_mode"), "off") == 0
               ? "skipped: switched off by the signing policy"
               : "skipped: none configured";
}

static bool run_worker(struct job_context *c, struct worker_run *run, struct blob_writer *plan,
                       struct err *e)
{
    CLEANUP(file_close) int artifact = -1;
    CLEANUP(file_close) int configuration = -1;
    TRY(job_open_inputs(c, &artifact, &configuration, e) && job_roots(c, &run->roots, e));
    run->input = artifact;
    run->configuration = configuration;
    run->plan = blob_fd(plan);
    return worker_run(run, e);
}

/* What a grant will be wide is counted here, not taken from the worker's word: a plan says for
 * every file how many slots it fills, one after the other. */
static bool check_plan(struct job_context *c, const struct worker_run *run, struct reader plan,
                       struct err *e)
{
    struct record_PLAN_ITEM item;
    uint64_t items = 0, slots = 0;
    for (; plan.left > 0; items++) {
        if (!record_PLAN_ITEM_next(&plan, &item))
            return err_set(e, ERR_ATTEMPT, "the plan of %s is not well-formed", c->request);
        if (item.slots > 0 && item.slot != slots)
            return err_set(e, ERR_ATTEMPT, "slot %u of the plan stands at %llu", item.slot,
                           (unsigned long long)slots);
        slots += item.slots;
    }
    return (items == run->items && slots == run->found_slots) ||
           err_set(e, ERR_ATTEMPT, "a plan of %llu files and %llu slots; said were %u and %u",
                   (unsigned long long)items, (unsigned long long)slots, run->items,
                   run->found_slots);
}

static bool keep_plan(struct job_context *c, struct worker_run *run, struct blob_writer *plan,
                      struct err *e)
{
    struct planned p = {.context = c, .run = run, .scan = scan_verdict(c)};
    struct reader bytes;
    TRY(blob_finish(plan, &p.plan, e) &&
        blob_load(c->service->blobs, p.plan.sha256, PLAN_MAX, c->arena, &bytes, e) &&
        check_plan(c, run, bytes, e));
    if (!reader_equal(run->sha256, row_bytes(&c->row, "artifact")))
        return err_set(e, ERR_BLOB_DAMAGED, "the worker read other bytes than were uploaded");
    return db_write(c->service->db, CRASH_D06, store_plan, &p, e);
}

bool job_inspect(struct job_context *c, struct err *e)
{
    static const struct blob_steps steps = {CRASH_D05, CRASH_D05};
    static const uint8_t no_seed[32];
    struct blob_writer *plan;
    struct worker_run run = {.service = c->service,
                             .arena = c->arena,
                             .kind = JOB_INSPECT,
                             .request = c->request,
                             .name = row_text(&c->row, "file_name"),
                             .parameters = row_bytes(&c->row, "parameters"),
                             .certificates = row_bytes(&c->row, "certificate_records"),
                             .time = row_int(&c->row, "created") / 1000,
                             .seed = reader_over(no_seed, sizeof no_seed),
                             .output = -1};
    TRY(blob_begin(c->service->blobs, steps, PLAN_MAX, &plan, e));
    bool ok = run_worker(c, &run, plan, e);
    writer_done(&run.found);
    if (ok && !run.refused && !run.canceled)
        return keep_plan(c, &run, plan, e);
    blob_abandon(plan);
    if (!ok)
        return false;
    return run.canceled ? job_cancel(c, e) : job_refuse_artifact(c, &run.refusal, e);
}
