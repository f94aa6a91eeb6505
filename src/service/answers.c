/* SPDX-License-Identifier: Apache-2.0 */
#include "service/answers.h"
#include "base/clock.h"
#include "store/effects.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREADS = 4, QUESTIONS = 1024 };

struct question {
    struct question *next;
    bool stamp;
    uint32_t slot, attempt;
    sign_algorithm algorithm;
    struct writer bytes; /* digest or time-stamp request */
};

struct answers {
    struct worker_run *run;
    struct channel *worker;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t threads[THREADS];
    size_t started;
    struct question *waiting, **tail;
    size_t count;
    size_t *next_server; /* by slot: the first that has not answered this slot yet */
    int64_t stamp_end;   /* budget of the whole job, boot time */
    bool stopped, failed;
    struct err problem;
};

static void question_free(struct question *q)
{
    if (q == NULL)
        return;
    writer_done(&q->bytes);
    free(q);
}

static void fail(struct answers *a, const struct err *e)
{
    (void)pthread_mutex_lock(&a->lock);
    if (!a->failed)
        a->problem = *e;
    a->failed = true;
    (void)pthread_mutex_unlock(&a->lock);
}

bool answers_failed(struct answers *a, struct err *e)
{
    if (a == NULL)
        return false;
    (void)pthread_mutex_lock(&a->lock);
    bool failed = a->failed;
    if (failed)
        *e = a->problem;
    (void)pthread_mutex_unlock(&a->lock);
    return failed;
}

struct storing {
    struct answers *answers;
    const struct question *question;
    enum effect_kind kind;
    struct reader answer;
};

static bool store_effect(struct db_tx *tx, void *ctx, struct err *e)
{
    struct storing *s = ctx;
    const struct question *q = s->question;
    CLEANUP(writer_done) struct writer request = {0};
    writer_init(&request, MESSAGE_MAX);
    if (s->kind == EFFECT_SIGNATURE)
        writer_u32le(&request, q->algorithm);
    writer_reader(&request, writer_view(&q->bytes));
    TRY(writer_ok(&request, e));
    struct effect effect = {.grant = reader_over(s->answers->run->grant, GRANT_ID),
                            .slot = q->slot,
                            .kind = s->kind,
                            .attempt = q->attempt,
                            .request = writer_view(&request),
                            .answer = s->answer};
    return effect_put(tx, &effect, e);
}

static bool answer_sign(struct answers *a, struct question *q, struct err *e)
{
    struct service *s = a->run->service;
    CLEANUP(writer_done) struct writer signature = {0};
    writer_init(&signature, 4096);
    TRY(authority_sign(s, a->run->grant, q->slot, q->algorithm, writer_view(&q->bytes), &signature,
                       e));
    struct storing storing = {a, q, EFFECT_SIGNATURE, writer_view(&signature)};
    TRY(db_write(s->db, CRASH_D13, store_effect, &storing, e));
    struct msg_SIGNATURE m = {.slot = q->slot, .signature = writer_view(&signature)};
    return channel_send_SIGNATURE(a->worker, &m, NULL, 0, e);
}

static bool ask_server(struct service *s, size_t server, const struct question *q,
                       struct writer *answer, struct err *e)
{
    struct call call;
    struct msg_FETCHED fetched;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, MESSAGE_MAX);
    call_begin(s->fetch, &call);
    msg_FETCH_STAMP_write(&w, &(struct msg_FETCH_STAMP){.call = call.number,
                                                        .server = (uint32_t)server,
                                                        .request = writer_view(&q->bytes)});
    bool ok = writer_ok(&w, e) && call_ask(&call, MSG_FETCH_STAMP, writer_view(&w), MSG_FETCHED, e);
    if (ok && (!msg_FETCHED_read(writer_view(&call.answer), &fetched) || fetched.status != 200))
        ok = err_set(e, ERR_STAMP, "server %zu answered with another status than 200", server);
    if (ok)
        writer_reader(answer, fetched.answer);
    call_end(&call);
    return ok && writer_ok(answer, e);
}

static bool sleep_unless_stopped(struct answers *a, int64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    (void)pthread_mutex_lock(&a->lock);
    while (!a->stopped && pthread_cond_timedwait(&a->changed, &a->lock, &until) == 0)
        continue;
    bool go_on = !a->stopped;
    (void)pthread_mutex_unlock(&a->lock);
    return go_on;
}

/* The next server that answers: the worker has refused what the ones before gave for this slot.
 * Silent servers are asked again, in rounds, as long as the budget lasts. */
static bool find_stamp(struct answers *a, const struct question *q, size_t *ret_server,
                       struct writer *answer, struct err *e)
{
    struct service *s = a->run->service;
    int64_t pause = 1000;
    for (;;) {
        bool last_round = clock_boot_ms() + pause >= a->stamp_end;
        for (size_t i = *ret_server; i < s->tsa_count; i++) {
            struct err silent = {0};
            if (ask_server(s, i, q, answer, &silent)) {
                *ret_server = i;
                return true;
            }
            writer_reset(answer);
            if (last_round && i + 1 == s->tsa_count)
                return err_set(e, ERR_STAMP, "last server: %s", silent.detail);
        }
        if (!sleep_unless_stopped(a, pause))
            return err_set(e, ERR_ATTEMPT, "stopped");
        pause = pause < 30000 ? pause * 2 : pause;
    }
}

static bool store_and_send_stamp(struct answers *a, struct question *q, size_t server,
                                 struct reader answer, struct err *e)
{
    struct service *s = a->run->service;
    struct msg_STAMP m = {.slot = q->slot, .attempt = q->attempt, .answer = answer};
    if (server < s->tsa_count) {
        struct storing storing = {a, q, EFFECT_STAMP, answer};
        TRY(db_write(s->db, CRASH_D14, store_effect, &storing, e));
        m.server = reader_text(s->tsa[server].url);
        m.roots = s->tsa[server].roots;
    }
    return channel_send_STAMP(a->worker, &m, NULL, 0, e);
}

/* An honest worker has one question about a slot under way at a time. */
static bool answer_stamp(struct answers *a, struct question *q, struct err *e)
{
    (void)pthread_mutex_lock(&a->lock);
    size_t server = a->next_server[q->slot];
    (void)pthread_mutex_unlock(&a->lock);
    CLEANUP(writer_done) struct writer answer = {0};
    writer_init(&answer, MESSAGE_MAX);
    if (server < a->run->service->tsa_count)
        TRY(find_stamp(a, q, &server, &answer, e));
    (void)pthread_mutex_lock(&a->lock);
    a->next_server[q->slot] = server + 1;
    (void)pthread_mutex_unlock(&a->lock);
    return store_and_send_stamp(a, q, server, writer_view(&answer), e);
}

static struct question *next_question(struct answers *a)
{
    (void)pthread_mutex_lock(&a->lock);
    while (a->waiting == NULL && !a->stopped)
        (void)pthread_cond_wait(&a->changed, &a->lock);
    struct question *q = a->stopped ? NULL : a->waiting;
    if (q != NULL) {
        a->waiting = q->next;
        if (a->waiting == NULL)
            a->tail = &a->waiting;
        a->count--;
    }
    (void)pthread_mutex_unlock(&a->lock);
    return q;
}

/* A refused question is told to the worker, whose job then ends with that reason. */
static void tell_refusal(struct answers *a, const struct question *q, const struct err *e)
{
    struct err ignored = {0};
    struct msg_FAILED m = {.call = q->slot,
                           .code = reader_text(err_machine_code(e->code)),
                           .user = reader_text(e->user),
                           .detail = reader_text(e->detail)};
    if (!channel_send_FAILED(a->worker, &m, NULL, 0, &ignored))
        fail(a, e);
}

/* Trouble of ours that another attempt, which takes a new grant in place of one whose time is over,
 * may not meet; all else is an answer to the worker. */
static bool may_pass(const struct err *e)
{
    return err_is_ours(e) || e->code == ERR_GRANT_EXPIRED || e->code == ERR_DB ||
           err_http_status(e->code) == 503;
}

static void *answer_questions(void *ctx)
{
    struct answers *a = ctx;
    for (struct question *q; (q = next_question(a)) != NULL;) {
        struct err e = {0};
        bool ok = q->stamp ? answer_stamp(a, q, &e) : answer_sign(a, q, &e);
        if (!ok && may_pass(&e))
            fail(a, &e);
        else if (!ok)
            tell_refusal(a, q, &e);
        question_free(q);
    }
    return NULL;
}

bool answers_start(struct worker_run *run, struct channel *worker, struct answers **ret,
                   struct err *e)
{
    struct answers *a = calloc(1, sizeof *a);
    pthread_condattr_t clock;
    if (a == NULL)
        return err_set(e, ERR_NO_MEMORY, "answers");
    a->next_server = calloc((size_t)run->slots + 1, sizeof *a->next_server);
    if (a->next_server == NULL) {
        free(a);
        return err_set(e, ERR_NO_MEMORY, "answers");
    }
    a->run = run;
    a->worker = worker;
    a->tail = &a->waiting;
    a->stamp_end = clock_boot_ms() + run->service->tsa_budget_ms;
    (void)pthread_mutex_init(&a->lock, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&a->changed, &clock);
    (void)pthread_condattr_destroy(&clock);
    for (; a->started < THREADS; a->started++)
        if (pthread_create(&a->threads[a->started], NULL, answer_questions, a) != 0)
            break;
    if (a->started == 0) {
        answers_stop(a);
        return err_set(e, ERR_NO_MEMORY, "threads");
    }
    *ret = a;
    return true;
}

void answers_stop(struct answers *a)
{
    if (a == NULL)
        return;
    (void)pthread_mutex_lock(&a->lock);
    a->stopped = true;
    (void)pthread_cond_broadcast(&a->changed);
    (void)pthread_mutex_unlock(&a->lock);
    for (size_t i = 0; i < a->started; i++)
        (void)pthread_join(a->threads[i], NULL);
    while (a->waiting != NULL) {
        struct question *next = a->waiting->next;
        question_free(a->waiting);
        a->waiting = next;
    }
    free(a->next_server);
    (void)pthread_cond_destroy(&a->changed);
    (void)pthread_mutex_destroy(&a->lock);
    free(a);
}

static bool read_question(const struct message *m, struct question *q, struct err *e)
{
    struct msg_ASK_SIGN sign;
    struct msg_ASK_STAMP stamp;
    q->stamp = m->type == MSG_ASK_STAMP;
    if (q->stamp) {
        TRY(message_as_ASK_STAMP(m, &stamp, e));
        q->slot = stamp.slot;
        q->attempt = stamp.attempt;
        writer_reader(&q->bytes, stamp.request);
    } else {
        TRY(message_as_ASK_SIGN(m, &sign, e));
        q->slot = sign.slot;
        q->algorithm = sign.algorithm;
        writer_reader(&q->bytes, sign.digest);
    }
    return writer_ok(&q->bytes, e);
}

bool answers_add(struct answers *a, const struct message *m, struct err *e)
{
    struct question *q = calloc(1, sizeof *q);
    if (q == NULL)
        return err_set(e, ERR_NO_MEMORY, "question");
    writer_init(&q->bytes, MESSAGE_MAX);
    (void)pthread_mutex_lock(&a->lock);
    bool ok = a->count < QUESTIONS || err_set(e, ERR_IPC_MESSAGE, "too many questions at once");
    ok = ok && read_question(m, q, e);
    ok = ok && (q->slot < a->run->slots || err_set(e, ERR_IPC_MESSAGE, "slot %u", q->slot));
    if (ok) {
        *a->tail = q;
        a->tail = &q->next;
        a->count++;
        (void)pthread_cond_broadcast(&a->changed);
    }
    (void)pthread_mutex_unlock(&a->lock);
    if (!ok)
        question_free(q);
    return ok;
}

struct page {
    struct effect after;
    struct writer *records; /* EFFECTs; empty: that was all */
};

static bool read_page(struct db_tx *tx, void *ctx, struct err *e)
{
    struct page *p = ctx;
    struct db_rows rows;
    writer_reset(p->records);
    TRY(effects_next(tx, &p->after, &rows, e));
    while (rows_next(&rows))
        record_EFFECT_write(p->records,
                            &(struct record_EFFECT){.slot = (uint32_t)row_int(&rows, "slot"),
                                                    .kind = (uint8_t)row_int(&rows, "kind"),
                                                    .request = row_bytes(&rows, "request"),
                                                    .answer = row_bytes(&rows, "answer")});
    return writer_ok(p->records, e);
}

static bool send_page(struct channel *worker, struct reader records, struct err *e)
{
    while (records.left > 0) {
        struct record_EFFECT effect;
        struct reader at = records, whole;
        if (!record_EFFECT_next(&records, &effect) ||
            !reader_take(&at, at.left - records.left, &whole))
            return err_set(e, ERR_INTERNAL, "effects");
        TRY(channel_send_JOB_EFFECT(worker, &(struct msg_JOB_EFFECT){.effect = whole}, NULL, 0, e));
    }
    return true;
}

bool answers_repeat(struct worker_run *run, struct channel *worker, struct err *e)
{
    CLEANUP(writer_done) struct writer records = {0};
    struct page p = {.after.grant = reader_over(run->grant, GRANT_ID), .records = &records};
    writer_init(&records, 64 << 20);
    do
        TRY(db_read(run->service->db, read_page, &p, e) &&
            send_page(worker, writer_view(&records), e));
    while (records.len > 0);
    return true;
}
