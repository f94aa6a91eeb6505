/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "service/worker_run.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "service/answers.h"
#include <stdatomic.h>
#include <sys/mman.h>

static atomic_uint_fast64_t last_job;

static bool canceled(struct db_tx *tx, void *ctx, struct err *e)
{
    struct worker_run *run = ctx;
    struct db_rows row;
    TRY(tx_one(tx, QUERY_request_wants_cancel, DB_ARGS(DB_TEXT(run->request)), &row, e));
    run->canceled = row.count == 0 || row_int(&row, "cancel_wanted") != 0;
    return true;
}

static bool send_job(struct worker_run *run, struct channel *worker, int scratch, struct err *e)
{
    struct service *s = run->service;
    int fds[6] = {run->input, scratch, run->plan, run->configuration};
    size_t fd_count = 4;
    CLEANUP(file_close) int roots = -1;
    CLEANUP(writer_done) struct writer options = {0};
    writer_init(&options, 1000);
    record_PAIR_write(&options,
                      &(struct record_PAIR){.name = reader_text("stamps"),
                                            .value = reader_text(run->stamps ? "yes" : "no")});
    if (run->output >= 0)
        fds[fd_count++] = run->output;
    if (run->roots.left > 0) {
        struct digest_value v;
        char hex[65];
        TRY(digest_of(HASH_SHA256, run->roots, &v, e));
        TRY(file_memfd("roots", run->roots, &roots, e));
        text_hex(v.bytes, v.len, hex);
        record_PAIR_write(&options, &(struct record_PAIR){.name = reader_text("roots"),
                                                          .value = reader_text(hex)});
        fds[fd_count++] = roots;
    }
    struct msg_JOB m = {.job = run->job,
                        .kind = (uint8_t)run->kind,
                        .name = reader_text(run->name),
                        .parameters = run->parameters,
                        .options = writer_view(&options),
                        .limits = s->job_limits,
                        .certificates = run->certificates,
                        .time = (uint64_t)run->time,
                        .seed = run->seed};
    return writer_ok(&options, e) && channel_send_JOB(worker, &m, fds, fd_count, e);
}

static bool check_number(const struct worker_run *run, uint64_t job, struct err *e)
{
    return job == run->job || err_set(e, ERR_IPC_MESSAGE, "the end of another job");
}

/* The words are an uploader's file as a worker saw it: a code that we know, texts that have an end.
 */
static bool take_refusal(struct worker_run *run, const struct message *m, struct err *e)
{
    enum { PATH_MOST = 16 * 1024 };
    struct msg_JOB_REFUSED r;
    struct err said = {0};
    struct arena *a = run->arena;
    TRY(message_as_JOB_REFUSED(m, &r, e) && check_number(run, r.job, e));
    if (r.path.left > PATH_MOST)
        return err_set(e, ERR_IPC_MESSAGE, "a path of %zu bytes", r.path.left);
    const char *code = arena_text(a, r.code), *path = arena_text(a, r.path);
    char *user = arena_text(a, r.user), *detail = arena_text(a, r.detail);
    if (code == NULL || path == NULL || user == NULL || detail == NULL)
        return arena_err(e);
    (void)err_from(&said, code, user, detail);
    run->refusal = (struct refusal_text){.code = err_machine_code(said.code),
                                         .user = arena_text(a, reader_text(said.user)),
                                         .detail = arena_text(a, reader_text(said.detail)),
                                         .path = path,
                                         .line = r.line,
                                         .column = r.column};
    run->refused = true;
    return (run->refusal.user != NULL && run->refusal.detail != NULL) || arena_err(e);
}

static bool take_done(struct worker_run *run, const struct message *m, struct err *e)
{
    struct msg_JOB_DONE done;
    TRY(message_as_JOB_DONE(m, &done, e) && check_number(run, done.job, e));
    run->size = done.size;
    run->items = done.items;
    run->found_slots = done.slots;
    run->sha256 = arena_bytes(run->arena, done.sha256);
    return run->sha256.at != NULL || arena_err(e);
}

static bool take_found(struct worker_run *run, const struct message *m, struct err *e)
{
    struct msg_FOUND_SLOT slot;
    TRY(message_as_FOUND_SLOT(m, &slot, e));
    writer_reader(&run->found, slot.found);
    return writer_ok(&run->found, e);
}

/* One message; *ret_end when it was the last. */
static bool handle(struct worker_run *run, struct answers *answers, const struct message *m,
                   bool *ret_end, struct err *e)
{
    bool signing = run->kind == JOB_SIGN;
    *ret_end = m->type == MSG_JOB_DONE || m->type == MSG_JOB_REFUSED;
    if (m->type == MSG_JOB_DONE)
        return take_done(run, m, e);
    if (m->type == MSG_JOB_REFUSED)
        return take_refusal(run, m, e);
    if (m->type == MSG_PROGRESS || (m->type == MSG_STAMP_GOOD && signing))
        return true;
    if (m->type == MSG_FOUND_SLOT && run->kind == JOB_VERIFY)
        return take_found(run, m, e);
    if (signing && (m->type == MSG_ASK_SIGN || m->type == MSG_ASK_STAMP))
        return answers_add(answers, m, e);
    return err_set(e, ERR_IPC_MESSAGE, "%s from a worker at the wrong time", message_name(m->type));
}

static bool converse(struct worker_run *run, struct channel *worker, struct answers *answers,
                     struct err *e)
{
    enum { LOOK_MS = 2000 };
    int64_t end = clock_boot_ms() + run->service->job_timeout_ms;
    struct message m = {0};
    bool ok = true, finished = false;
    while (ok && !finished && !run->canceled) {
        struct err waited = {0};
        bool timed_out;
        if (channel_receive_within(worker, &m, LOOK_MS, &timed_out, &waited))
            ok = handle(run, answers, &m, &finished, e);
        else if (timed_out)
            ok = db_read(run->service->db, canceled, run, e);
        else
            ok = err_set(e, ERR_ATTEMPT, "the worker ended early: %s", waited.detail);
        if (ok && clock_boot_ms() > end)
            ok = err_set(e, ERR_ATTEMPT, "job_timeout passed");
        ok = ok && !answers_failed(answers, e);
    }
    message_done(&m);
    return ok;
}

static bool run_on(struct worker_run *run, struct channel *worker, int scratch, struct err *e)
{
    struct message m = {0};
    bool hello = channel_hello(worker, &m, e);
    message_done(&m);
    TRY(hello && send_job(run, worker, scratch, e));
    if (run->grant != NULL)
        TRY(answers_repeat(run, worker, e));
    TRY(channel_send_JOB_BEGIN(worker, &(struct msg_JOB_BEGIN){.job = run->job}, NULL, 0, e));
    struct answers *answers = NULL;
    if (run->kind == JOB_SIGN)
        TRY(answers_start(run, worker, &answers, e));
    bool ok = converse(run, worker, answers, e);
    answers_stop(answers);
    return ok;
}

bool worker_run(struct worker_run *run, struct err *e)
{
    enum { GRACE_MS = 10000 };
    struct service *s = run->service;
    uint32_t status;
    int ends[2];
    CLEANUP(file_close) int scratch = -1;
    run->job = atomic_fetch_add(&last_job, 1) + 1;
    TRY(blobs_scratch(s->blobs, &scratch, e));
    TRY(channel_pair(ends, e));
    struct channel worker = {ends[0], ROLE_CORE, ROLE_WORKER};
    bool spawned = s->spawn(s->spawn_ctx, run->job, ends[1], e);
    file_close(&ends[1]);
    bool ok = spawned && run_on(run, &worker, scratch, e);
    channel_close(&worker); /* a worker without its channel ends */
    if (spawned && !s->await_exit(s->spawn_ctx, run->job, GRACE_MS, &status) && ok)
        return err_set(e, ERR_ATTEMPT, "the worker did not end");
    return ok;
}
