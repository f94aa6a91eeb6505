/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/exchange.h"
#include "base/clock.h"
#include "crypto/digest.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { PROGRESS_EVERY_MS = 250, ROOTS_MAX = 32 };

/* One question in flight; lives on the asking thread's stack. */
struct question {
    struct question *next;
    enum message_type wanted;
    uint32_t slot, attempt;
    bool answered;
    struct err err; /* when the answer was FAILED, or the channel broke */
    struct writer *answer;
    struct stamp_answer *stamp;
};

/* Core sends the roots of a server with each of its stamps; they are kept once. */
struct kept_roots {
    struct kept_roots *next;
    const char *server;
    struct reader as_sent; /* the list of the message */
    struct reader *list;
    size_t count;
};

struct exchange {
    struct channel *core;
    struct message message;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct question *questions;
    bool reading;        /* a thread is in channel_receive */
    struct err broken;   /* once set, nobody gets an answer any more */
    struct arena *texts; /* of answers; guarded by lock, like what lies in it */
    struct kept_roots *kept;
    atomic_int_fast64_t last_progress;
};

bool exchange_new(struct channel *core, struct exchange **ret, struct err *e)
{
    struct exchange *x = calloc(1, sizeof *x);
    struct arena *texts = arena_new((size_t)64 * 1024 * 1024);
    if (x == NULL || texts == NULL) {
        free(x);
        arena_free(texts);
        return err_set(e, ERR_NO_MEMORY, "exchange");
    }
    x->core = core;
    x->texts = texts;
    (void)pthread_mutex_init(&x->lock, NULL);
    (void)pthread_cond_init(&x->changed, NULL);
    *ret = x;
    return true;
}

void exchange_free(struct exchange *x)
{
    if (x == NULL)
        return;
    message_done(&x->message);
    arena_free(x->texts);
    (void)pthread_cond_destroy(&x->changed);
    (void)pthread_mutex_destroy(&x->lock);
    free(x);
}

/* --- answers ---------------------------------------------------------------------------------- */

static struct question *find(struct exchange *x, enum message_type type, uint32_t slot,
                             uint32_t attempt)
{
    for (struct question *q = x->questions; q != NULL; q = q->next)
        if (!q->answered && q->slot == slot &&
            (type == MSG_FAILED || (q->wanted == type && q->attempt == attempt)))
            return q;
    return NULL;
}

static bool take_signature(struct exchange *x, struct err *e)
{
    struct msg_SIGNATURE m;
    TRY(message_as_SIGNATURE(&x->message, &m, e));
    struct question *q = find(x, MSG_SIGNATURE, m.slot, 0);
    if (q == NULL)
        return err_set(e, ERR_IPC_MESSAGE, "SIGNATURE for slot %u, which nobody asked", m.slot);
    writer_reader(q->answer, m.signature);
    q->answered = true;
    return true;
}

static bool keep_roots(struct exchange *x, const struct msg_STAMP *m, struct kept_roots **ret,
                       struct err *e)
{
    struct kept_roots *k = ARENA_NEW(x->texts, struct kept_roots);
    if (k == NULL || (k->list = ARENA_ARRAY(x->texts, ROOTS_MAX, struct reader)) == NULL)
        return arena_err(e);
    k->server = arena_text(x->texts, m->server);
    k->as_sent = arena_bytes(x->texts, m->roots);
    if (k->server == NULL || k->as_sent.at == NULL)
        return arena_err(e);
    for (struct reader rest = k->as_sent; rest.left > 0;) {
        struct record_CERTIFICATE c;
        if (k->count == ROOTS_MAX || !record_CERTIFICATE_next(&rest, &c))
            return err_set(e, ERR_IPC_MESSAGE, "roots");
        k->list[k->count++] = c.der;
    }
    k->next = x->kept;
    *ret = x->kept = k;
    return true;
}

static bool take_roots(struct exchange *x, const struct msg_STAMP *m, struct stamp_answer *to,
                       struct err *e)
{
    struct kept_roots *k = x->kept;
    while (k != NULL &&
           (!reader_equal_text(m->server, k->server) || !reader_equal(m->roots, k->as_sent)))
        k = k->next;
    if (k == NULL)
        TRY(keep_roots(x, m, &k, e));
    to->server = k->server;
    to->roots = k->list;
    to->root_count = k->count;
    return true;
}

static bool take_stamp(struct exchange *x, struct err *e)
{
    struct msg_STAMP m;
    TRY(message_as_STAMP(&x->message, &m, e));
    struct question *q = find(x, MSG_STAMP, m.slot, m.attempt);
    if (q == NULL)
        return err_set(e, ERR_IPC_MESSAGE, "STAMP for slot %u, which nobody asked", m.slot);
    TRY(take_roots(x, &m, q->stamp, e));
    writer_reader(&q->stamp->bytes, m.answer);
    q->answered = true;
    return true;
}

static bool take_failed(struct exchange *x, struct err *e)
{
    struct msg_FAILED m;
    TRY(message_as_FAILED(&x->message, &m, e));
    struct question *q = m.call > UINT32_MAX ? NULL : find(x, MSG_FAILED, (uint32_t)m.call, 0);
    if (q == NULL)
        return err_set(e, ERR_IPC_MESSAGE, "FAILED that belongs to no question");
    char *code = arena_text(x->texts, m.code), *user = arena_text(x->texts, m.user);
    char *detail = arena_text(x->texts, m.detail);
    if (code == NULL || user == NULL || detail == NULL)
        return arena_err(e);
    (void)err_from(&q->err, code, user, detail);
    q->answered = true;
    return true;
}

static bool take_answer(struct exchange *x, struct err *e)
{
    switch ((unsigned)x->message.type) {
    case MSG_SIGNATURE:
        return take_signature(x, e);
    case MSG_STAMP:
        return take_stamp(x, e);
    case MSG_FAILED:
        return take_failed(x, e);
    }
    return err_set(e, ERR_IPC_MESSAGE, "%s while signing", message_name(x->message.type));
}

/* Called and left with the lock held. */
static void read_one(struct exchange *x)
{
    struct err e = {0};
    x->reading = true;
    (void)pthread_mutex_unlock(&x->lock);
    bool ok = channel_receive(x->core, &x->message, &e);
    (void)pthread_mutex_lock(&x->lock);
    x->reading = false;
    if (!ok || !take_answer(x, &e))
        x->broken = e;
    (void)pthread_cond_broadcast(&x->changed);
}

static void drop(struct exchange *x, const struct question *q)
{
    struct question **at = &x->questions;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
}

static bool wait_for(struct exchange *x, struct question *q, struct err *e)
{
    while (!q->answered && x->broken.code == ERR_NONE) {
        if (x->reading)
            (void)pthread_cond_wait(&x->changed, &x->lock);
        else
            read_one(x);
    }
    drop(x, q);
    if (!q->answered)
        q->err = x->broken;
    if (q->err.code == ERR_NONE)
        return true;
    *e = q->err;
    return false;
}

static void add(struct exchange *x, struct question *q)
{
    (void)pthread_mutex_lock(&x->lock);
    q->next = x->questions;
    x->questions = q;
    (void)pthread_mutex_unlock(&x->lock);
}

static bool finish(struct exchange *x, struct question *q, bool sent, struct err *e)
{
    (void)pthread_mutex_lock(&x->lock);
    bool ok = sent;
    if (sent)
        ok = wait_for(x, q, e);
    else
        drop(x, q);
    (void)pthread_mutex_unlock(&x->lock);
    return ok;
}

static bool ask_sign(void *ctx, uint32_t slot, sign_algorithm algorithm, struct reader digest,
                     struct writer *signature, struct err *e)
{
    struct exchange *x = ctx;
    struct question q = {.wanted = MSG_SIGNATURE, .slot = slot, .answer = signature};
    add(x, &q);
    bool sent = channel_send_ASK_SIGN(
        x->core, &(struct msg_ASK_SIGN){.slot = slot, .algorithm = algorithm, .digest = digest},
        NULL, 0, e);
    return finish(x, &q, sent, e) && writer_ok(signature, e);
}

static bool ask_stamp(void *ctx, uint32_t slot, uint32_t attempt, enum hash hash,
                      struct reader request, struct stamp_answer *ret, struct err *e)
{
    struct exchange *x = ctx;
    struct question q = {.wanted = MSG_STAMP, .slot = slot, .attempt = attempt, .stamp = ret};
    add(x, &q);
    bool sent = channel_send_ASK_STAMP(x->core,
                                       &(struct msg_ASK_STAMP){.slot = slot,
                                                               .attempt = attempt,
                                                               .hash = reader_text(hash_name(hash)),
                                                               .request = request},
                                       NULL, 0, e);
    return finish(x, &q, sent, e) && writer_ok(&ret->bytes, e);
}

static void stamp_good(void *ctx, uint32_t slot, uint32_t attempt)
{
    struct exchange *x = ctx;
    struct err e = {0};
    /* A broken channel shows itself at the next question or at JOB_DONE. */
    if (!channel_send_STAMP_GOOD(
            x->core, &(struct msg_STAMP_GOOD){.slot = slot, .attempt = attempt}, NULL, 0, &e))
        return;
}

struct signing_source exchange_source(struct exchange *x)
{
    return (struct signing_source){
        .ctx = x, .sign = ask_sign, .stamp = ask_stamp, .stamp_good = stamp_good};
}

static void progress(void *ctx, uint32_t done, uint32_t total, const char *path)
{
    struct exchange *x = ctx;
    int_fast64_t now = clock_boot_ms(), last = atomic_load(&x->last_progress);
    if (now - last < PROGRESS_EVERY_MS ||
        !atomic_compare_exchange_strong(&x->last_progress, &last, now))
        return;
    struct err e = {0};
    if (!channel_send_PROGRESS(
            x->core,
            &(struct msg_PROGRESS){.done = done, .total = total, .path = reader_text(path)}, NULL,
            0, &e))
        return;
}

struct engine_progress exchange_progress(struct exchange *x)
{
    return (struct engine_progress){.ctx = x, .done = progress};
}
