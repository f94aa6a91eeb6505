/* SPDX-License-Identifier: Apache-2.0 */
#include "store/queue.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

bool queue_add(struct db_tx *tx, const struct job *job, int64_t not_before, struct err *e)
{
    uint8_t random[16];
    char id[37];
    TRY(file_random(random, sizeof random, e));
    text_uuid(random, id);
    TRY(tx_run(tx, QUERY_job_add,
               DB_ARGS(DB_TEXT(id), DB_TEXT(job->lane), DB_TEXT(job->kind), DB_TEXT(job->subject),
                       DB_TEXT(job->project == NULL ? "" : job->project), DB_INT(not_before),
                       DB_INT(clock_wall_ms())),
               e));
    return tx_run(tx, QUERY_job_turn_add,
                  DB_ARGS(DB_TEXT(job->lane), DB_TEXT(job->project == NULL ? "" : job->project)),
                  e);
}

static struct job job_of(const struct db_rows *row)
{
    return (struct job){.id = row_text(row, "id"),
                        .lane = row_text(row, "lane"),
                        .kind = row_text(row, "kind"),
                        .subject = row_text(row, "subject"),
                        .project = row_text(row, "project"),
                        .attempts = row_int(row, "attempts"),
                        .token = row_int(row, "token")};
}

bool queue_claim(struct db_tx *tx, const char *lane, const struct job_owner *owner, struct job *ret,
                 struct err *e)
{
    int64_t now = clock_wall_ms();
    struct db_rows turn, row;
    *ret = (struct job){0};
    TRY(tx_one(tx, QUERY_job_turn_next, DB_ARGS(DB_TEXT(lane), DB_INT(now)), &turn, e));
    if (turn.count == 0)
        return true;
    struct db_value project = DB_TEXT(row_text(&turn, "project"));
    TRY(tx_run(tx, QUERY_job_turn_take, DB_ARGS(DB_TEXT(lane), project), e));
    TRY(tx_one(
        tx, QUERY_job_claim,
        DB_ARGS(DB_TEXT(lane), project, DB_INT(now), DB_TEXT(owner->node), DB_TEXT(owner->boot)),
        &row, e));
    if (row.count == 0)
        return err_set(e, ERR_INTERNAL, "a due job of the project was there a moment ago");
    *ret = job_of(&row);
    return true;
}

bool queue_claim_of(struct db_tx *tx, const char *lane, const char *subject,
                    const struct job_owner *owner, struct job *ret, struct err *e)
{
    struct db_rows row;
    TRY(tx_one(tx, QUERY_job_claim_of,
               DB_ARGS(DB_TEXT(lane), DB_TEXT(subject), DB_INT(clock_wall_ms()),
                       DB_TEXT(owner->node), DB_TEXT(owner->boot)),
               &row, e));
    *ret = row.count == 0 ? (struct job){0} : job_of(&row);
    return true;
}

bool queue_held(struct db_tx *tx, const char *lane, const struct job_owner *owner, struct job *ret,
                struct err *e)
{
    struct db_rows row;
    TRY(tx_one(tx, QUERY_job_held,
               DB_ARGS(DB_TEXT(lane), DB_TEXT(owner->node), DB_TEXT(owner->boot)), &row, e));
    *ret = row.count == 0 ? (struct job){0} : job_of(&row);
    return true;
}

static bool lost(const struct job *job, struct err *e)
{
    return err_set(e, ERR_JOB_LOST, "job %s, token %lld", job->id, (long long)job->token);
}

bool queue_check(struct db_tx *tx, const struct job *job, struct err *e)
{
    struct db_rows row;
    TRY(tx_one(tx, QUERY_job_check, DB_ARGS(DB_TEXT(job->id), DB_INT(job->token)), &row, e));
    return row.count == 1 || lost(job, e);
}

bool queue_complete(struct db_tx *tx, const struct job *job, struct err *e)
{
    TRY(tx_run(tx, QUERY_job_complete, DB_ARGS(DB_TEXT(job->id), DB_INT(job->token)), e));
    return tx_changed(tx) == 1 || lost(job, e);
}

bool queue_retry(struct db_tx *tx, const struct job *job, int64_t not_before, struct err *e)
{
    TRY(tx_run(tx, QUERY_job_retry,
               DB_ARGS(DB_TEXT(job->id), DB_INT(job->token), DB_INT(not_before)), e));
    return tx_changed(tx) == 1 || lost(job, e);
}

bool queue_reclaim(struct db_tx *tx, const struct job_owner *owner, int64_t *ret_count,
                   struct err *e)
{
    TRY(tx_run(tx, QUERY_job_reclaim, DB_ARGS(DB_TEXT(owner->node), DB_TEXT(owner->boot)), e));
    *ret_count = tx_changed(tx);
    return true;
}

bool queue_next_due(struct db_tx *tx, const char *lane, int64_t *ret, struct err *e)
{
    struct db_rows row;
    TRY(tx_one(tx, QUERY_job_next_due, DB_ARGS(DB_TEXT(lane)), &row, e));
    *ret = row.count == 0 || row_null(&row, "due") ? INT64_MAX : row_int(&row, "due");
    return true;
}

bool queue_count(struct db_tx *tx, const char *lane, struct queue_counts *ret, struct err *e)
{
    struct db_rows rows;
    struct queue_counts counts = {0};
    TRY(tx_query(tx, QUERY_job_count, DB_ARGS(DB_TEXT(lane)), &rows, e));
    while (rows_next(&rows)) {
        bool ready = reader_equal_text(reader_text(row_text(&rows, "state")), "ready");
        *(ready ? &counts.ready : &counts.claimed) = row_int(&rows, "count");
        int64_t oldest = row_int(&rows, "oldest");
        if (counts.oldest_ms == 0 || oldest < counts.oldest_ms)
            counts.oldest_ms = oldest;
    }
    *ret = counts;
    return true;
}
