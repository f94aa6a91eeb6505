/* SPDX-License-Identifier: Apache-2.0 */
#include "service/authority.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/logformat.h"
#include "crypto/digest.h"
#include "service/events.h"
#include "store/audit.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct authority {
    pthread_mutex_t lock; /* held while a head is shown: heads must come in order */
    pthread_cond_t opened;
    bool open;
    uint64_t size; /* of the head that the key process accepted last */
    /* What the key process said of itself; it never changes its name or log key at run time. */
    char node[128];
    uint8_t log_key[64];
    size_t log_key_size;
};

struct authority *authority_new(void)
{
    struct authority *a = calloc(1, sizeof *a);
    pthread_condattr_t clock;
    if (a == NULL)
        return NULL;
    (void)pthread_mutex_init(&a->lock, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&a->opened, &clock);
    (void)pthread_condattr_destroy(&clock);
    return a;
}

void authority_lost(struct service *s)
{
    (void)pthread_mutex_lock(&s->authority->lock);
    s->authority->open = false;
    (void)pthread_mutex_unlock(&s->authority->lock);
}

bool authority_is_open(const struct service *s)
{
    (void)pthread_mutex_lock(&s->authority->lock);
    bool open = s->authority->open;
    (void)pthread_mutex_unlock(&s->authority->lock);
    return open;
}

/* Takes the lock; a key process that is being restarted is waited for. */
static bool enter(struct authority *a, struct err *e)
{
    enum { RESTART_SECONDS = 20 };
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += RESTART_SECONDS;
    (void)pthread_mutex_lock(&a->lock);
    while (!a->open)
        if (pthread_cond_timedwait(&a->opened, &a->lock, &end) != 0)
            break;
    if (a->open)
        return true;
    (void)pthread_mutex_unlock(&a->lock);
    return err_set(e, ERR_IPC_CLOSED, "the key process is away");
}

static void leave(struct authority *a)
{
    (void)pthread_mutex_unlock(&a->lock);
}

/* What has to be shown: one leaf and the proofs of a tree that is at least as large as the last. */
struct showing {
    uint64_t intent; /* UINT64_MAX: no leaf, only the tree */
    uint64_t from;   /* size accepted last */
    uint64_t size;
    struct writer leaf, proof, head;
};

static void showing_init(struct showing *p, uint64_t intent, uint64_t from)
{
    *p = (struct showing){.intent = intent, .from = from};
    writer_init(&p->leaf, MESSAGE_MAX);
    writer_init(&p->proof, MESSAGE_MAX);
    writer_init(&p->head, 4096);
}

static void showing_done(struct showing *p)
{
    writer_done(&p->leaf);
    writer_done(&p->proof);
    writer_done(&p->head);
}

static bool prove(struct db_tx *tx, struct showing *p, struct writer *inclusion,
                  struct writer *consistency, struct err *e)
{
    struct merkle_hash root;
    struct reader leaf = {0};
    TRY(audit_size(tx, &p->size, e) && audit_root(tx, p->size, &root, e));
    TRY(audit_consistency(tx, p->from, p->size, consistency, e));
    if (p->intent != UINT64_MAX)
        TRY(audit_leaf(tx, p->intent, &leaf, e) &&
            audit_inclusion(tx, p->intent, p->size, inclusion, e));
    writer_reader(&p->leaf, leaf);
    record_PROOF_write(&p->proof,
                       &(struct record_PROOF){.index = p->intent == UINT64_MAX ? 0 : p->intent,
                                              .inclusion = writer_view(inclusion),
                                              .size = p->size,
                                              .root = merkle_view(&root),
                                              .consistency = writer_view(consistency)});
    return writer_ok(&p->leaf, e) && writer_ok(&p->proof, e);
}

static bool read_proofs(struct db_tx *tx, void *ctx, struct err *e)
{
    CLEANUP(writer_done) struct writer inclusion = {0};
    CLEANUP(writer_done) struct writer consistency = {0};
    writer_init(&inclusion, MERKLE_PROOF_MAX);
    writer_init(&consistency, MERKLE_PROOF_MAX);
    return prove(tx, ctx, &inclusion, &consistency, e);
}

static bool learn(struct authority *a, const struct msg_KEY_STATE *state, struct err *e)
{
    struct reader node = state->node, key = state->public_key;
    if (node.left >= sizeof a->node || key.left > sizeof a->log_key)
        return err_set(e, ERR_IPC_MESSAGE, "KEY_STATE");
    a->node[node.left] = '\0';
    a->log_key_size = key.left;
    return (reader_copy(&node, a->node, node.left) && reader_copy(&key, a->log_key, key.left)) ||
           err_set(e, ERR_INTERNAL, "KEY_STATE");
}

static bool ask_state(struct service *s, uint64_t *ret_size, struct err *e)
{
    struct call call;
    struct msg_KEY_STATE state;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 100);
    call_begin(s->key, &call);
    msg_KEY_ASK_write(&w, &(struct msg_KEY_ASK){.call = call.number});
    bool ok = call_ask(&call, MSG_KEY_ASK, writer_view(&w), MSG_KEY_STATE, e);
    if (ok && !msg_KEY_STATE_read(writer_view(&call.answer), &state))
        ok = err_set(e, ERR_IPC_MESSAGE, "KEY_STATE");
    if (ok) {
        *ret_size = state.size;
        ok = learn(s->authority, &state, e);
    }
    call_end(&call);
    return ok;
}

static bool store_head(struct db_tx *tx, void *ctx, struct err *e)
{
    return audit_head_store(tx, ctx, e);
}

/* A head may come twice: the same bytes are fine. */
static bool keep_head(struct service *s, struct reader bytes, enum crashpoint at, struct err *e)
{
    const struct authority *a = s->authority;
    struct record_HEAD head;
    struct audit_head row = {.node = a->node, .log_key = reader_over(a->log_key, a->log_key_size)};
    uint64_t size;
    struct reader start = bytes;
    if (reader_u64le(&start, &size) && size == 0)
        return true; /* an empty log has nothing to cover */
    if (!record_HEAD_next(&bytes, &head) ||
        !reader_copy(&head.root, row.head.root, sizeof row.head.root))
        return err_set(e, ERR_IPC_MESSAGE, "HEAD");
    row.head.size = head.size;
    row.head.epoch = head.epoch;
    row.head.journal = head.journal;
    row.signature = head.signature;
    return db_write(s->db, at, store_head, &row, e) && audit_head_keep(s->audit_folder, &row, e);
}

static bool latest_head(struct db_tx *tx, void *ctx, struct err *e)
{
    struct audit_head last;
    bool found;
    TRY(audit_head_last(tx, &last, &found, e));
    if (found)
        record_HEAD_write(
            ctx, &(struct record_HEAD){.size = last.head.size,
                                       .root = reader_over(last.head.root, sizeof last.head.root),
                                       .epoch = last.head.epoch,
                                       .journal = last.head.journal,
                                       .signature = last.signature});
    return true;
}

static bool show_log(struct service *s, struct showing *p, enum crashpoint at, struct err *e)
{
    struct call call;
    struct msg_KEY_LOGGED logged;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, MESSAGE_MAX);
    call_begin(s->key, &call);
    msg_KEY_LOG_write(&w, &(struct msg_KEY_LOG){.call = call.number,
                                                .head = writer_view(&p->head),
                                                .proof = writer_view(&p->proof)});
    bool ok = call_ask(&call, MSG_KEY_LOG, writer_view(&w), MSG_KEY_LOGGED, e);
    if (ok && !msg_KEY_LOGGED_read(writer_view(&call.answer), &logged))
        ok = err_set(e, ERR_IPC_MESSAGE, "KEY_LOGGED");
    if (ok) /* accepted there, whether or not the head can be stored here */
        s->authority->size = p->size;
    ok = ok && keep_head(s, logged.head, at, e);
    call_end(&call);
    return ok;
}

bool authority_open(struct service *s, struct err *e)
{
    struct authority *a = s->authority;
    struct showing p;
    uint64_t from = 0;
    (void)pthread_mutex_lock(&a->lock);
    bool ok = ask_state(s, &from, e);
    showing_init(&p, UINT64_MAX, from);
    ok = ok && db_read(s->db, latest_head, &p.head, e) && db_read(s->db, read_proofs, &p, e) &&
         show_log(s, &p, CRASH_S01, e);
    if (ok) {
        a->open = true;
        (void)pthread_cond_broadcast(&a->opened);
    }
    showing_done(&p);
    (void)pthread_mutex_unlock(&a->lock);
    return ok;
}

static bool write_grant(const struct service *s, const struct grant_wish *wish,
                        struct grant_made *made, struct writer *w, struct err *e)
{
    enum { LONGEST_MS = 24 * 60 * 60 * 1000 }; /* the key process grants no longer */
    CLEANUP(writer_done) struct writer algorithms = {0};
    struct digest_value none;
    int64_t lifetime = wish->lifetime_ms < LONGEST_MS ? wish->lifetime_ms : LONGEST_MS;
    writer_init(&algorithms, 4 * GRANT_ALGORITHMS);
    for (size_t i = 0; i < wish->algorithm_count; i++)
        record_ALGORITHM_write(&algorithms,
                               &(struct record_ALGORITHM){.algorithm = wish->algorithms[i]});
    TRY(file_random(made->id, sizeof made->id, e));
    TRY(digest_of(HASH_SHA256, reader_over(NULL, 0), &none, e)); /* an empty approval list */
    record_GRANT_write(w, &(struct record_GRANT){.id = reader_over(made->id, sizeof made->id),
                                                 .node = reader_text(s->authority->node),
                                                 .request = reader_text(wish->request),
                                                 .attempt = wish->attempt,
                                                 .subject = wish->subject,
                                                 .kind = (uint8_t)wish->kind,
                                                 .key = reader_text(wish->key),
                                                 .algorithms = writer_view(&algorithms),
                                                 .slots = wish->slots,
                                                 .known = wish->known,
                                                 .expires = (uint64_t)(clock_wall_ms() + lifetime),
                                                 .approvals = digest_view(&none)});
    return writer_ok(&algorithms, e) && writer_ok(w, e);
}

const char *authority_node(const struct service *s)
{
    return s->authority->node;
}

bool authority_intent(struct db_tx *tx, struct service *s, const struct actor *by,
                      const struct grant_wish *wish, struct grant_made *ret, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, MESSAGE_MAX / 2);
    TRY(write_grant(s, wish, ret, &w, e));
    ret->encoding = arena_bytes(tx_arena(tx), writer_view(&w));
    if (ret->encoding.at == NULL)
        return arena_err(e);
    struct event event = {.type = LOG_LEAF_INTENT,
                          .by = by,
                          .kind = "Key",
                          .object = wish->key,
                          .request = wish->request,
                          .body = ret->encoding};
    event_add_bytes(&event, "grant", reader_over(ret->id, sizeof ret->id));
    event_add_bytes(&event, "subject", wish->subject);
    return event_append(tx, &event, &ret->intent, e);
}

static bool write_intent(struct writer *w, const struct call *call, const struct showing *p,
                         bool hash, struct err *e)
{
    if (hash)
        msg_KEY_HASH_write(w, &(struct msg_KEY_HASH){.call = call->number,
                                                     .leaf = writer_view(&p->leaf),
                                                     .proof = writer_view(&p->proof)});
    else
        msg_KEY_GRANT_write(w, &(struct msg_KEY_GRANT){.call = call->number,
                                                       .leaf = writer_view(&p->leaf),
                                                       .proof = writer_view(&p->proof)});
    return writer_ok(w, e);
}

static bool read_granted(const struct call *call, struct writer *signature, struct reader *ret_head,
                         struct err *e)
{
    struct msg_KEY_HASHED hashed;
    struct msg_KEY_GRANTED granted;
    struct reader body = writer_view(&call->answer);
    if (signature == NULL) {
        if (!msg_KEY_GRANTED_read(body, &granted))
            return err_set(e, ERR_IPC_MESSAGE, "KEY_GRANTED");
        *ret_head = granted.head;
        return true;
    }
    if (!msg_KEY_HASHED_read(body, &hashed))
        return err_set(e, ERR_IPC_MESSAGE, "KEY_HASHED");
    writer_reader(signature, hashed.signature);
    *ret_head = hashed.head;
    return writer_ok(signature, e);
}

/* Shows an INTENT leaf with its proofs: for a grant, or (signature not NULL) for all in one. */
static bool show_intent(struct service *s, uint64_t intent, struct writer *signature, struct err *e)
{
    bool hash = signature != NULL;
    struct showing p;
    struct call call;
    struct reader head = {0};
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, MESSAGE_MAX);
    TRY(enter(s->authority, e));
    showing_init(&p, intent, s->authority->size);
    call_begin(s->key, &call);
    bool ok = db_read(s->db, read_proofs, &p, e) && write_intent(&w, &call, &p, hash, e) &&
              call_ask(&call, hash ? MSG_KEY_HASH : MSG_KEY_GRANT, writer_view(&w),
                       hash ? MSG_KEY_HASHED : MSG_KEY_GRANTED, e) &&
              read_granted(&call, signature, &head, e);
    if (ok)
        s->authority->size = p.size;
    leave(s->authority);
    ok = ok && keep_head(s, head, CRASH_S01, e);
    call_end(&call);
    showing_done(&p);
    return ok;
}

bool authority_grant(struct service *s, uint64_t intent, struct err *e)
{
    return show_intent(s, intent, NULL, e);
}

bool authority_hash(struct service *s, uint64_t intent, struct writer *signature, struct err *e)
{
    return show_intent(s, intent, signature, e);
}

bool authority_sign(struct service *s, const uint8_t grant[GRANT_ID], uint32_t slot,
                    sign_algorithm algorithm, struct reader digest, struct writer *signature,
                    struct err *e)
{
    struct call call;
    struct msg_KEY_SIGNED signed_answer;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 4096);
    TRY(enter(s->authority, e)); /* only waits until the key process is there */
    leave(s->authority);
    call_begin(s->key, &call);
    msg_KEY_SIGN_write(&w, &(struct msg_KEY_SIGN){.call = call.number,
                                                  .grant = reader_over(grant, GRANT_ID),
                                                  .slot = slot,
                                                  .algorithm = algorithm,
                                                  .digest = digest});
    bool ok = writer_ok(&w, e) && call_ask(&call, MSG_KEY_SIGN, writer_view(&w), MSG_KEY_SIGNED, e);
    if (ok && !msg_KEY_SIGNED_read(writer_view(&call.answer), &signed_answer))
        ok = err_set(e, ERR_IPC_MESSAGE, "KEY_SIGNED");
    if (ok)
        writer_reader(signature, signed_answer.signature);
    call_end(&call);
    return ok && writer_ok(signature, e);
}

static bool close_part(struct service *s, const uint8_t grant[GRANT_ID], uint32_t from,
                       struct writer *uses, uint32_t *ret_got, uint32_t *ret_total, struct err *e)
{
    struct call call;
    struct msg_KEY_CLOSED closed;
    struct record_USE use;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 4096);
    call_begin(s->key, &call);
    msg_KEY_CLOSE_write(&w, &(struct msg_KEY_CLOSE){.call = call.number,
                                                    .grant = reader_over(grant, GRANT_ID),
                                                    .from = from});
    bool ok = call_ask(&call, MSG_KEY_CLOSE, writer_view(&w), MSG_KEY_CLOSED, e);
    if (ok && !msg_KEY_CLOSED_read(writer_view(&call.answer), &closed))
        ok = err_set(e, ERR_IPC_MESSAGE, "KEY_CLOSED");
    if (ok) {
        writer_reader(uses, closed.uses);
        *ret_total = closed.total;
        *ret_got = 0;
        while (closed.uses.left > 0 && record_USE_next(&closed.uses, &use))
            ++*ret_got;
    }
    call_end(&call);
    return ok;
}

bool authority_close(struct service *s, const uint8_t grant[GRANT_ID], struct writer *uses,
                     struct err *e)
{
    uint32_t got = 0, total = 0;
    TRY(enter(s->authority, e));
    leave(s->authority);
    for (uint32_t from = 0;; from += got) {
        TRY(close_part(s, grant, from, uses, &got, &total, e));
        if (from + got >= total)
            return writer_ok(uses, e);
        if (got == 0)
            return err_set(e, ERR_IPC_MESSAGE, "KEY_CLOSED without uses");
    }
}

bool authority_seal(struct service *s, struct err *e)
{
    struct showing p;
    TRY(enter(s->authority, e));
    showing_init(&p, UINT64_MAX, s->authority->size);
    bool ok = db_read(s->db, read_proofs, &p, e) && show_log(s, &p, CRASH_D19, e);
    leave(s->authority);
    showing_done(&p);
    return ok;
}
