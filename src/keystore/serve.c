/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/serve.h"
#include "base/clock.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    BATCH = 256,            /* answers that wait for one sync */
    BATCH_BYTES = 4 << 20,  /* journal entries likewise */
    QUEUE = 1024,           /* signatures under way */
    USES_BYTES = 96 * 1024, /* of one KEY_CLOSED */
    HEAD_ROOM = 256,
    THREADS_MOST = 64,
};

/* What goes out once the journal is on the disk. */
struct answer {
    uint64_t call;
    enum message_type type; /* of the request */
    bool refused;
    struct err e;
    struct sign_order order;
    const struct held_key *held;
    struct pin pin;
    const struct grant *grant;
    uint32_t from;
};

struct task {
    struct channel channel;
    uint64_t call;
    bool once; /* KEY_HASHED, with the head */
    struct sign_order order;
    uint8_t head[HEAD_ROOM];
    size_t head_len;
};

struct serve {
    struct keystore *keystore;
    serve_note_fn note;
    struct message message;
    struct answer answers[BATCH];
    size_t count;
    pthread_mutex_t lock;
    pthread_cond_t filled, drained;
    struct task queue[QUEUE]; /* a ring */
    size_t first, waiting, running;
    bool stop;
    unsigned threads;
    pthread_t thread[THREADS_MOST];
};

static struct instant now(void)
{
    return (struct instant){clock_wall_ms(), clock_boot_ms()};
}

static void say_failed(struct channel *c, uint64_t call, const struct err *why)
{
    struct err e = {0};
    struct msg_FAILED m = {.call = call,
                           .code = reader_text(err_machine_code(why->code)),
                           .user = reader_text(why->user),
                           .detail = reader_text(why->detail)};
    /* A core that has gone is noticed by the reader of its channel. */
    bool sent = channel_send_FAILED(c, &m, NULL, 0, &e);
    (void)sent;
}

/* --- signing threads ----------------------------------------------------------------------- */

static void carry_out(struct task *t)
{
    CLEANUP(writer_done) struct writer signature = {0};
    struct err e = {0};
    bool sent;
    writer_init(&signature, 4096);
    if (!key_sign_digest(t->order.key, t->order.algorithm,
                         reader_over(t->order.digest, t->order.length), &signature, &e) ||
        !writer_ok(&signature, &e)) {
        say_failed(&t->channel, t->call, &e);
        return;
    }
    struct msg_KEY_HASHED once = {t->call, reader_over(t->head, t->head_len),
                                  writer_view(&signature)};
    struct msg_KEY_SIGNED slot = {t->call, writer_view(&signature)};
    sent = t->once ? channel_send_KEY_HASHED(&t->channel, &once, NULL, 0, &e)
                   : channel_send_KEY_SIGNED(&t->channel, &slot, NULL, 0, &e);
    (void)sent; /* as above */
}

static void *sign_thread(void *ctx)
{
    struct serve *s = ctx;
    (void)pthread_mutex_lock(&s->lock);
    for (;;) {
        while (s->waiting == 0 && !s->stop)
            (void)pthread_cond_wait(&s->filled, &s->lock);
        if (s->waiting == 0)
            break;
        struct task t = s->queue[s->first];
        s->first = (s->first + 1) % QUEUE;
        s->waiting--;
        s->running++;
        (void)pthread_mutex_unlock(&s->lock);
        carry_out(&t);
        (void)pthread_mutex_lock(&s->lock);
        s->running--;
        (void)pthread_cond_broadcast(&s->drained);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void enqueue(struct serve *s, const struct task *t)
{
    (void)pthread_mutex_lock(&s->lock);
    while (s->waiting == QUEUE)
        (void)pthread_cond_wait(&s->drained, &s->lock);
    s->queue[(s->first + s->waiting) % QUEUE] = *t;
    s->waiting++;
    (void)pthread_cond_signal(&s->filled);
    (void)pthread_mutex_unlock(&s->lock);
}

static void drain(struct serve *s)
{
    (void)pthread_mutex_lock(&s->lock);
    while (s->waiting + s->running > 0)
        (void)pthread_cond_wait(&s->drained, &s->lock);
    (void)pthread_mutex_unlock(&s->lock);
}

bool serve_new(struct keystore *k, unsigned threads, serve_note_fn note, struct serve **ret,
               struct err *e)
{
    struct serve *s = calloc(1, sizeof *s);
    if (s == NULL)
        return err_set(e, ERR_NO_MEMORY, "serve");
    s->keystore = k;
    s->note = note;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->filled, NULL);
    (void)pthread_cond_init(&s->drained, NULL);
    threads = threads == 0 ? 1 : threads > THREADS_MOST ? THREADS_MOST : threads;
    for (; s->threads < threads; s->threads++) {
        errno = pthread_create(&s->thread[s->threads], NULL, sign_thread, s);
        if (errno != 0) {
            (void)err_errno(e, "thread");
            serve_free(s);
            return false;
        }
    }
    *ret = s;
    return true;
}

void serve_free(struct serve *s)
{
    if (s == NULL)
        return;
    (void)pthread_mutex_lock(&s->lock);
    s->stop = true;
    (void)pthread_cond_broadcast(&s->filled);
    (void)pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->threads; i++)
        (void)pthread_join(s->thread[i], NULL);
    message_done(&s->message);
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_cond_destroy(&s->filled);
    (void)pthread_cond_destroy(&s->drained);
    free(s);
}

/* --- requests ------------------------------------------------------------------------------ */

/* Judges one message into *a. False: the message breaks the rules and ends the channel; a refusal
 * is not that. */
static bool take(struct serve *s, const struct message *m, struct answer *a, struct err *e)
{
    struct keystore *k = s->keystore;
    struct instant at = now();
    *a = (struct answer){.type = m->type};
#define REQUEST(name)                                                                              \
    struct msg_##name r;                                                                           \
    TRY(message_as_##name(m, &r, e));                                                              \
    a->call = r.call;                                                                              \
    if (channel_refuses(m->type)) {                                                                \
        a->refused = !err_set(&a->e, ERR_KEY_FROZEN, "by a test");                                 \
        return true;                                                                               \
    }
    switch ((int)m->type) {
    case MSG_KEY_ASK: {
        REQUEST(KEY_ASK)
        return true;
    }
    case MSG_KEY_LOG: {
        REQUEST(KEY_LOG)
        a->refused = !keystore_log(k, at, &r, &a->e);
        return true;
    }
    case MSG_KEY_NEW: {
        struct held_key *held = NULL;
        REQUEST(KEY_NEW)
        a->refused = !keystore_new_key(k, at, &r, &held, &a->e);
        a->held = held;
        return true;
    }
    case MSG_KEY_DROP: {
        REQUEST(KEY_DROP)
        a->refused = !keystore_drop_key(k, at, r.key, &a->e);
        return true;
    }
    case MSG_KEY_PIN: {
        REQUEST(KEY_PIN)
        a->refused = !keystore_pin(k, at, &r, &a->pin, &a->e);
        return true;
    }
    case MSG_KEY_FREEZE: {
        REQUEST(KEY_FREEZE)
        a->refused = !keystore_freeze(k, at, r.key, &a->e);
        return true;
    }
    case MSG_KEY_GRANT: {
        REQUEST(KEY_GRANT)
        a->refused = !keystore_grant(k, at, &r, &a->e);
        return true;
    }
    case MSG_KEY_SIGN: {
        REQUEST(KEY_SIGN)
        a->refused = !keystore_sign(k, at, &r, &a->order, &a->e);
        return true;
    }
    case MSG_KEY_HASH: {
        REQUEST(KEY_HASH)
        a->refused = !keystore_hash(k, at, &r, &a->order, &a->e);
        return true;
    }
    case MSG_KEY_CLOSE: {
        REQUEST(KEY_CLOSE)
        a->from = r.from;
        a->refused = !keystore_close(k, at, r.grant, &a->grant, &a->e);
        return true;
    }
    default:
        return err_set(e, ERR_IPC_MESSAGE, "%s is not a request", message_name(m->type));
    }
#undef REQUEST
}

/* --- answers ------------------------------------------------------------------------------- */

static bool answer_state(struct serve *s, struct channel *c, uint64_t call, struct err *e)
{
    const struct state *st = &s->keystore->state;
    struct msg_KEY_STATE m = {.call = call,
                              .node = reader_text(st->node),
                              .public_key = reader_over(st->log_key, st->log_key_len),
                              .epoch = st->epoch,
                              .journal = s->keystore->journal.next - 1,
                              .size = st->head_size,
                              .root = merkle_view(&st->head_root)};
    return channel_send_KEY_STATE(c, &m, NULL, 0, e);
}

static bool answer_pin(struct serve *s, struct channel *c, const struct answer *a, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 4096);
    pin_write(&w, &a->pin);
    struct msg_KEY_PINNED m = {a->call, writer_view(&w), s->keystore->journal.next - 1};
    return writer_ok(&w, e) && channel_send_KEY_PINNED(c, &m, NULL, 0, e);
}

static bool answer_closed(struct channel *c, const struct answer *a, struct reader head,
                          struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, MESSAGE_MAX);
    for (uint32_t i = a->from; i < a->grant->use_count && w.len < USES_BYTES; i++) {
        const struct use *u = &a->grant->uses[i];
        record_USE_write(
            &w, &(struct record_USE){u->slot, u->algorithm, reader_over(u->digest, u->length)});
    }
    struct msg_KEY_CLOSED m = {a->call, writer_view(&w), a->grant->use_count, head};
    return writer_ok(&w, e) && channel_send_KEY_CLOSED(c, &m, NULL, 0, e);
}

static bool answer_sign(struct serve *s, struct channel *c, const struct answer *a,
                        struct reader head, struct err *e)
{
    struct task t = {
        .channel = *c, .call = a->call, .once = a->type == MSG_KEY_HASH, .order = a->order};
    t.head_len = head.left;
    if (head.left > sizeof t.head || !reader_copy(&head, t.head, t.head_len))
        return err_set(e, ERR_INTERNAL, "head");
    enqueue(s, &t);
    return true;
}

static bool answer_one(struct serve *s, struct channel *c, const struct answer *a,
                       struct reader head, struct err *e)
{
    uint64_t call = a->call, last = s->keystore->journal.next - 1;
    switch ((int)a->type) {
    case MSG_KEY_ASK:
        return answer_state(s, c, call, e);
    case MSG_KEY_LOG:
        return channel_send_KEY_LOGGED(c, &(struct msg_KEY_LOGGED){call, head}, NULL, 0, e);
    case MSG_KEY_NEW:
        return channel_send_KEY_MADE(c, &(struct msg_KEY_MADE){call, a->held->spki}, NULL, 0, e);
    case MSG_KEY_DROP:
        return channel_send_KEY_DROPPED(c, &(struct msg_KEY_DROPPED){call}, NULL, 0, e);
    case MSG_KEY_PIN:
        return answer_pin(s, c, a, e);
    case MSG_KEY_FREEZE:
        return channel_send_KEY_FROZEN(c, &(struct msg_KEY_FROZEN){call, last}, NULL, 0, e);
    case MSG_KEY_GRANT:
        return channel_send_KEY_GRANTED(c, &(struct msg_KEY_GRANTED){call, head}, NULL, 0, e);
    case MSG_KEY_CLOSE:
        return answer_closed(c, a, head, e);
    default:
        return answer_sign(s, c, a, head, e);
    }
}

/* False: the journal could not be written, and everybody was told no. */
static bool finish(struct serve *s, struct channel *c, struct err *e)
{
    struct reader head = {0};
    bool durable =
        keystore_commit(s->keystore, e) && (s->count == 0 || keystore_head(s->keystore, &head, e));
    for (size_t i = 0; i < s->count; i++) {
        const struct answer *a = &s->answers[i];
        struct err gone = {0};
        if (!durable || a->refused)
            say_failed(c, a->call, durable ? &a->e : e);
        else if (!answer_one(s, c, a, head, &gone) && gone.code != ERR_IPC_CLOSED)
            say_failed(c, a->call, &gone);
        if (s->keystore->alarm && a->e.code == ERR_GRANT_BROKEN)
            s->note("a second digest was presented; the grant is broken", &a->e);
    }
    s->keystore->alarm = false;
    s->count = 0;
    if (s->keystore->dropped)
        drain(s); /* a signature may be under way with the key that goes */
    return durable && keystore_tidy(s->keystore, now(), e);
}

static bool readable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) > 0;
}

static bool hello(struct channel *c, const struct message *m, struct err *e)
{
    struct msg_HELLO theirs;
    TRY(message_as_HELLO(m, &theirs, e));
    if (!reader_equal_text(theirs.build, channel_build_id()))
        return err_set(e, ERR_IPC_MESSAGE, "core is of another build");
    return channel_send_HELLO(c, &(struct msg_HELLO){reader_text(channel_build_id())}, NULL, 0, e);
}

/* Takes what waits. False: the channel ended or broke the rules. */
static bool take_batch(struct serve *s, struct channel *c, struct err *e)
{
    do {
        TRY(channel_receive(c, &s->message, e));
        if (s->message.type == MSG_HELLO) {
            TRY(hello(c, &s->message, e));
            continue;
        }
        TRY(take(s, &s->message, &s->answers[s->count], e));
        s->count++;
    } while (s->count < BATCH && s->keystore->journal.group.len < BATCH_BYTES &&
             readable(c->fd, 0));
    return true;
}

bool serve_core(struct serve *s, struct channel *core, bool fresh, int control_fd,
                enum serve_end *ret, struct err *e)
{
    if (fresh) {
        drain(s); /* for the channel before, whose number the next one may get */
        s->keystore->log_checked = false;
    }
    for (;;) {
        struct pollfd p[2] = {{.fd = core->fd, .events = POLLIN},
                              {.fd = control_fd, .events = POLLIN}};
        int n = poll(p, 2, -1);
        if (n < 0 && errno != EINTR)
            return err_errno(e, "poll");
        if (n > 0 && p[1].revents != 0) {
            *ret = SERVE_CONTROL;
            return true;
        }
        if (n <= 0)
            continue;
        struct err why = {0};
        bool goes_on = take_batch(s, core, &why);
        TRY(finish(s, core, e));
        if (goes_on)
            continue;
        if (why.code != ERR_IPC_CLOSED)
            s->note("the channel to core was closed", &why);
        drain(s);
        *ret = SERVE_CLOSED;
        return true;
    }
}
