/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/keystore.h"
#include "base/logformat.h"
#include "keystore/rules.h"
#include <inttypes.h>
#include <stdlib.h>

enum {
    CHECKPOINT_MAX = 160 << 20,
    JOURNAL_FILE = 32 << 20, /* what a file grows by */
    BODY_MAX = MESSAGE_MAX,
    USE_MOST = 4 + 16 + 4 + 4 + 4 + HASH_MAX + 8 + 8 + 1 + 4 /* SPENT in its ENTRY */
};
/* A checkpoint that does not fit would end the key process for good: it begins with one. */
_Static_assert((int64_t)GRANT_SLOTS_OPEN *USE_MOST + (32 << 20) <= CHECKPOINT_MAX,
               "uses of all open grants, the grants, and those that are closed");

/* Journals an entry and lets the state follow, by the same code that replays it. What the state
 * does not take (memory is out) must not be read back at the next start either: it would not fit to
 * what comes after it. */
static bool put(struct keystore *k, struct instant now, enum entry_kind kind,
                const struct writer *body, enum crashpoint step, struct err *e)
{
    struct record_ENTRY entry;
    TRY(writer_ok(body, e));
    TRY(journal_add(&k->journal, (uint64_t)now.wall, (uint8_t)kind, writer_view(body), step, &entry,
                    e));
    if (state_apply(&k->state, &entry, e))
        return true;
    journal_take_back(&k->journal);
    return false;
}

#define PUT(k, now, kind, type, step, e, ...)                                                      \
    ({                                                                                             \
        CLEANUP(writer_done) struct writer body_ = {0};                                            \
        writer_init(&body_, BODY_MAX);                                                             \
        record_##type##_write(&body_, &(struct record_##type){__VA_ARGS__});                       \
        put(k, now, kind, &body_, step, e);                                                        \
    })

/* --- life ---------------------------------------------------------------------------------- */

void keystore_free(struct keystore *k)
{
    if (k == NULL)
        return;
    vault_done(&k->vault);
    journal_done(&k->journal);
    state_done(&k->state);
    writer_done(&k->head);
    free(k);
}

static void keystore_cleanup(struct keystore **k)
{
    keystore_free(*k);
}

static bool rotate(struct keystore *k, struct instant now, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, CHECKPOINT_MAX);
    TRY(state_checkpoint(&k->state, &w, e));
    return journal_rotate(&k->journal, (uint64_t)now.wall, writer_view(&w), e);
}

static bool start(struct instant now, struct keystore **ret, struct err *e)
{
    struct keystore *k = calloc(1, sizeof *k);
    if (k == NULL)
        return err_set(e, ERR_NO_MEMORY, "keystore");
    state_init(&k->state, now);
    journal_start(-1, &k->journal);
    writer_init(&k->head, 1024);
    *ret = k;
    return true;
}

static bool node_fits(struct reader node)
{
    return node.left <= NODE_ID && key_id_fits(node);
}

bool keystore_create(int folder, struct reader node, struct instant now, struct err *e)
{
    CLEANUP(keystore_cleanup) struct keystore *k = NULL;
    CLEANUP(writer_done) struct writer w = {0};
    CLEANUP(writer_done) struct writer body = {0};
    struct held_key *probe;
    static const uint8_t empty_root[32]; /* never compared: a tree of size 0 precedes all */
    writer_init(&w, 4096);
    writer_init(&body, 4096);
    if (!node_fits(node))
        return err_user(e, ERR_USAGE, "The name of a node is 1 to 64 of a-z, 0-9 and hyphen.");
    TRY(start(now, &k, e));
    TRY(vault_create(folder, &k->vault, e));
    record_EPOCH_write(&body, &(struct record_EPOCH){.epoch = 1,
                                                     .node = node,
                                                     .operator= reader_text("init"),
                                                     .log_key = key_spki(k->vault.log),
                                                     .root = reader_over(empty_root, 32)});
    struct record_ENTRY entry = {
        .wall = (uint64_t)now.wall, .kind = ENTRY_EPOCH, .body = writer_view(&body)};
    record_ENTRY_write(&w, &entry);
    TRY(writer_ok(&body, e) && writer_ok(&w, e) && state_apply(&k->state, &entry, e));
    journal_done(&k->journal);
    journal_start(folder, &k->journal);
    TRY(journal_rotate(&k->journal, (uint64_t)now.wall, writer_view(&w), e));
    k->log_checked = true; /* there is no log yet */
    TRY(keystore_new_key(
        k, now,
        &(struct msg_KEY_NEW){.key = reader_text(PROBE_KEY), .type = reader_text("ec-p256")},
        &probe, e));
    return keystore_commit(k, e);
}

bool keystore_open(int folder, int kek_fd, struct instant now, struct keystore **ret, struct err *e)
{
    CLEANUP(keystore_cleanup) struct keystore *k = NULL;
    TRY(start(now, &k, e));
    TRY(vault_open(folder, kek_fd, &k->vault, e));
    TRY(journal_replay(folder, state_apply, &k->state, &k->journal, e));
    k->state.replaying = false;
    if (!reader_equal(key_spki(k->vault.log), reader_over(k->state.log_key, k->state.log_key_len)))
        return err_set(e, ERR_KEY_FOLDER, "log.sealed holds another key than the journal says");
    TRY(rotate(k, now, e));
    *ret = k;
    k = NULL;
    return true;
}

bool keystore_commit(struct keystore *k, struct err *e)
{
    return journal_commit(&k->journal, e);
}

bool keystore_tidy(struct keystore *k, struct instant now, struct err *e)
{
    if (k->dropped)
        state_wipe_dropped(&k->state);
    k->dropped = false;
    return k->journal.size - k->journal.begun < JOURNAL_FILE || rotate(k, now, e);
}

/* --- heads --------------------------------------------------------------------------------- */

bool keystore_head(struct keystore *k, struct reader *ret, struct err *e)
{
    CLEANUP(writer_done) struct writer text = {0};
    CLEANUP(writer_done) struct writer signature = {0};
    const struct state *s = &k->state;
    uint64_t last = s->last;
    writer_init(&text, 1024);
    writer_init(&signature, 64);
    if (k->head.len == 0 || k->head_journal != last || k->head_size != s->head_size) {
        struct log_head head = {.size = s->head_size, .epoch = s->epoch, .journal = last};
        struct reader root = merkle_view(&s->head_root);
        TRY(reader_copy(&root, head.root, sizeof head.root));
        log_head_text(&text, reader_text(s->node), &head);
        TRY(writer_ok(&text, e));
        TRY(key_sign_message(k->vault.log, writer_view(&text), &signature, e));
        writer_reset(&k->head);
        record_HEAD_write(&k->head, &(struct record_HEAD){s->head_size, merkle_view(&s->head_root),
                                                          s->epoch, last, writer_view(&signature)});
        TRY(writer_ok(&k->head, e));
        k->head_journal = last;
        k->head_size = s->head_size;
    }
    *ret = writer_view(&k->head);
    return true;
}

/* A head that core has stored: ours, and not ahead of our journal. */
static bool check_stored_head(const struct keystore *k, struct reader bytes, uint64_t tree,
                              struct err *e)
{
    CLEANUP(writer_done) struct writer text = {0};
    const struct state *s = &k->state;
    struct record_HEAD h;
    struct log_head head;
    struct err inner = {0};
    writer_init(&text, 1024);
    if (!record_HEAD_next(&bytes, &h) || !reader_at_end(&bytes) || h.root.left != sizeof head.root)
        return err_set(e, ERR_KEY_LOG, "the stored head is not well-formed");
    struct reader root = h.root;
    head = (struct log_head){.size = h.size, .epoch = h.epoch, .journal = h.journal};
    TRY(reader_copy(&root, head.root, sizeof head.root));
    log_head_text(&text, reader_text(s->node), &head);
    TRY(writer_ok(&text, e));
    if (!key_verify_message(key_spki(k->vault.log), writer_view(&text), h.signature, &inner))
        return err_set(e, ERR_KEY_ROLLBACK,
                       "the stored log head was not signed by the log key of this key folder. Put "
                       "the database and the key folder together that belong together");
    if (h.epoch > s->epoch ||
        (h.epoch == s->epoch && (h.journal > s->last || h.size > s->head_size)))
        return err_set(e, ERR_KEY_ROLLBACK,
                       "the stored head knows journal record %" PRIu64
                       ", the journal ends at %" PRIu64
                       ": the key folder was rolled back. Put the newer key folder back, or run "
                       "'chancery-key restore'",
                       h.journal, s->last);
    if (h.epoch == s->epoch && h.size > tree)
        return err_set(
            e, ERR_KEY_ROLLBACK,
            "the stored head has %" PRIu64 " leaves, the log %" PRIu64
            ": the log was cut. Put the newer database back, or run 'chancery-key restore'",
            h.size, tree);
    if (h.epoch == s->epoch && h.size == s->head_size &&
        !reader_equal(h.root, merkle_view(&s->head_root)))
        return err_set(e, ERR_KEY_ROLLBACK,
                       "the stored head differs from the journal's at the "
                       "same size. Run 'chancery-key restore'");
    return true;
}

static bool read_proof(struct reader bytes, struct record_PROOF *ret, struct err *e)
{
    if (!record_PROOF_next(&bytes, ret) || !reader_at_end(&bytes))
        return err_set(e, ERR_KEY_LOG, "the proof is not well-formed");
    return true;
}

/* The last judgement: what came with a head is refused first, so that core, which hears only "no",
 * knows from which head its next proof must start. */
static bool accept_head(struct keystore *k, struct instant now, const struct record_PROOF *proof,
                        enum crashpoint step, struct err *e)
{
    TRY(rule_head(&k->state, proof, e));
    if (proof->size == k->state.head_size)
        return true;
    return PUT(k, now, ENTRY_HEAD, MARK, step, e, .size = proof->size, .root = proof->root);
}

bool keystore_log(struct keystore *k, struct instant now, const struct msg_KEY_LOG *m,
                  struct err *e)
{
    struct record_PROOF proof;
    TRY(read_proof(m->proof, &proof, e));
    if (m->head.left > 0)
        TRY(check_stored_head(k, m->head, proof.size, e));
    TRY(accept_head(k, now, &proof, CRASH_D18, e));
    k->log_checked = true;
    return true;
}

static bool checked(const struct keystore *k, struct err *e)
{
    return k->log_checked ? true
                          : err_set(e, ERR_KEY_LOG, "the log was not shown on this channel yet");
}

/* --- keys and pins ------------------------------------------------------------------------- */

static bool secret_of(struct keystore *k, struct held_key *held, struct err *e)
{
    if (held->secret != NULL)
        return true;
    return vault_unseal(&k->vault, reader_text(held->id), held->spki, &held->secret, e);
}

static bool make_key(struct keystore *k, struct instant now, struct reader id,
                     const char *type_name, struct key_type type, struct err *e)
{
    CLEANUP(key_cleanup) struct key *made = NULL;
    TRY(key_generate(type, &made, e));
    /* The sealed file first: one without its record is replaced by the next try. */
    TRY(vault_seal(&k->vault, id, made, e));
    TRY(PUT(k, now, ENTRY_KEY, KEYED, CRASH_S02, e, id, reader_text(type_name), key_spki(made)));
    struct held_key *held = state_key(&k->state, id);
    if (held != NULL) {
        held->secret = made;
        made = NULL;
    }
    return true;
}

bool keystore_new_key(struct keystore *k, struct instant now, const struct msg_KEY_NEW *m,
                      struct held_key **ret, struct err *e)
{
    struct key_type type;
    char name[16];
    struct reader given = m->type;
    TRY(checked(k, e));
    if (!key_id_fits(m->key) || reader_equal_text(m->key, "log"))
        return err_set(e, ERR_KEY_CONFLICT, "not usable as the id of a key");
    if (given.left >= sizeof name)
        return err_set(e, ERR_KEY_CONFLICT, "no such type of key");
    size_t n = given.left;
    TRY(reader_copy(&given, name, n));
    name[n] = '\0';
    if (!key_type_from_name(name, &type) || type.kind == KEY_ED25519)
        return err_set(e, ERR_KEY_CONFLICT, "no such type of key: %s", name);
    struct held_key *held = state_key(&k->state, m->key);
    if (held == NULL && state_key_ever(&k->state, m->key))
        return err_set(e, ERR_KEY_CONFLICT, "a key of this id was dropped; ids are used once");
    if (held == NULL)
        TRY(make_key(k, now, m->key, name, type, e));
    held = state_key(&k->state, m->key);
    if (held == NULL || !reader_equal_text(m->type, held->type_name))
        return err_set(e, ERR_KEY_CONFLICT, "key exists with another type");
    *ret = held;
    return true;
}

static bool find_key(const struct keystore *k, struct reader id, struct held_key **ret,
                     struct err *e)
{
    *ret = state_key(&k->state, id);
    return *ret != NULL
               ? true
               : err_set(e, ERR_KEY_UNKNOWN, "key %.*s", (int)(id.left & 127), (const char *)id.at);
}

bool keystore_drop_key(struct keystore *k, struct instant now, struct reader id, struct err *e)
{
    struct held_key *held;
    TRY(checked(k, e) && find_key(k, id, &held, e));
    if (reader_equal_text(id, PROBE_KEY))
        return err_set(e, ERR_KEY_CONFLICT, "the probe key stays");
    for (const struct grant *g = k->state.newest; g != NULL; g = g->older)
        if (g->open && g->key == held)
            return err_set(e, ERR_KEY_CONFLICT, "a grant of this key is open");
    TRY(PUT(k, now, ENTRY_DROP, DROPPED, CRASH_S02, e, id));
    TRY(keystore_commit(k, e));
    k->dropped = true;
    return vault_remove(&k->vault, id, e);
}

bool keystore_pin(struct keystore *k, struct instant now, const struct msg_KEY_PIN *m,
                  struct pin *ret, struct err *e)
{
    struct held_key *held;
    struct pin pin;
    TRY(checked(k, e) && find_key(k, m->key, &held, e));
    if (m->pin.left > 0) {
        TRY(pin_read(m->pin, &pin, e) && rule_tighter(&held->pin, &pin, e));
        if (pin.min_approvals != 0 || pin.no_self_approval)
            return err_set(e, ERR_KEY_PINNED, "a pin of approvals needs passkeys in the roster");
        TRY(PUT(k, now, ENTRY_PIN, PINNED, CRASH_S02, e, m->key, reader_text("core"), m->pin));
    }
    *ret = held->pin;
    return true;
}

bool keystore_freeze(struct keystore *k, struct instant now, struct reader key, struct err *e)
{
    struct held_key *held;
    TRY(checked(k, e));
    if (key.left > 0)
        TRY(find_key(k, key, &held, e));
    return PUT(k, now, ENTRY_FREEZE, FROZEN, CRASH_S02, e, key);
}

bool keystore_unpin(struct keystore *k, struct instant now, struct reader key,
                    struct reader operator_name, const struct pin *pin, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    struct held_key *held;
    writer_init(&w, 4096);
    TRY(find_key(k, key, &held, e));
    pin_write(&w, pin);
    TRY(writer_ok(&w, e));
    TRY(PUT(k, now, ENTRY_PIN, PINNED, CRASH_S02, e, key, operator_name, writer_view(&w)));
    return keystore_commit(k, e);
}

bool keystore_restore(struct keystore *k, struct instant now, struct reader operator_name,
                      uint64_t size, struct reader root, struct err *e)
{
    struct merkle_hash hash;
    if (!merkle_hash_from(root, &hash))
        return err_set(e, ERR_USAGE, "the root of a log is 32 bytes");
    TRY(PUT(k, now, ENTRY_EPOCH, EPOCH, CRASH_S02, e, .epoch = k->state.epoch + 1,
            .node = reader_text(k->state.node), .operator= operator_name,
            .log_key = key_spki(k->vault.log), .size = size, .root = root));
    return keystore_commit(k, e);
}

/* --- grants -------------------------------------------------------------------------------- */

/* The same bytes again get the same answer; other bytes under a known id are refused. */
static bool seen_before(const struct state *s, const struct record_GRANT *grant,
                        struct reader bytes, bool once, struct grant **ret, struct err *e)
{
    struct grant *g = state_grant(s, grant->id);
    if (g != NULL && (g->once != once || !reader_equal(g->bytes, bytes)))
        return err_set(e, ERR_GRANT, "the id of this grant was used before, with other contents");
    *ret = g;
    return true;
}

struct asked {
    struct record_PROOF proof;
    struct record_GRANT record;
    struct record_OPENED opened;
    struct grant *grant; /* given before; NULL: new, and may be given */
};

static bool judge(struct keystore *k, struct instant now, const struct msg_KEY_GRANT *m, bool once,
                  struct asked *ret, struct err *e)
{
    struct reader bytes;
    TRY(checked(k, e) && read_proof(m->proof, &ret->proof, e));
    TRY(rule_head(&k->state, &ret->proof, e));
    TRY(rule_leaf(&ret->proof, m->leaf, &ret->record, &bytes, e));
    TRY(seen_before(&k->state, &ret->record, bytes, once, &ret->grant, e));
    if (ret->grant == NULL)
        TRY(rule_grant(&k->state, now, &ret->record, ret->proof.index, m->approvals, e));
    ret->opened = (struct record_OPENED){ret->proof.index, (uint64_t)now.boot, bytes};
    return true;
}

bool keystore_grant(struct keystore *k, struct instant now, const struct msg_KEY_GRANT *m,
                    struct err *e)
{
    struct asked q = {0};
    TRY(judge(k, now, m, false, &q, e));
    if (q.grant == NULL)
        TRY(secret_of(k, state_key(&k->state, q.record.key), e));
    TRY(accept_head(k, now, &q.proof, CRASH_D11, e));
    if (q.grant != NULL)
        return true;
    return PUT(k, now, ENTRY_GRANT, OPENED, CRASH_D11, e, q.opened.index, q.opened.boot,
               q.opened.grant);
}

static bool order(const struct held_key *key, sign_algorithm algorithm, struct reader digest,
                  struct sign_order *ret)
{
    *ret = (struct sign_order){.key = key->secret, .algorithm = algorithm, .length = digest.left};
    return key->secret != NULL && reader_copy(&digest, ret->digest, digest.left);
}

bool keystore_sign(struct keystore *k, struct instant now, const struct msg_KEY_SIGN *m,
                   struct sign_order *ret, struct err *e)
{
    bool other = false;
    TRY(checked(k, e));
    struct grant *g = m->grant.left == GRANT_ID ? state_grant(&k->state, m->grant) : NULL;
    if (g == NULL)
        return err_set(e, ERR_GRANT, "there is no such grant");
    if (!rule_slot(g, now, m, &other, e)) {
        struct err alarm = {0};
        if (other) {
            k->alarm = true;
            g->broken = true; /* even if the journal fails */
            (void)PUT(k, now, ENTRY_ALARM, ALARM, CRASH_D12, &alarm, m->grant, m->slot,
                      m->algorithm, m->digest);
        }
        return false;
    }
    TRY(secret_of(k, g->key, e));
    if (grant_use(g, m->slot) == NULL)
        TRY(PUT(k, now, ENTRY_USE, SPENT, CRASH_D12, e, m->grant, m->slot, m->algorithm,
                m->digest));
    return order(g->key, m->algorithm, m->digest, ret) ? true
                                                       : err_set(e, ERR_INTERNAL, "order to sign");
}

bool keystore_hash(struct keystore *k, struct instant now, const struct msg_KEY_HASH *m,
                   struct sign_order *ret, struct err *e)
{
    struct asked q = {0};
    struct msg_KEY_GRANT grant = {m->call, m->leaf, m->proof, m->approvals};
    struct record_ALGORITHM algorithm;
    struct record_SLOT slot;
    TRY(judge(k, now, &grant, true, &q, e));
    struct held_key *held = q.grant != NULL ? q.grant->key : state_key(&k->state, q.record.key);
    if (q.record.kind == GRANT_ARTIFACT || q.record.slots != 1 ||
        !record_SLOT_next(&q.record.known, &slot) ||
        !record_ALGORITHM_next(&q.record.algorithms, &algorithm) || q.record.algorithms.left > 0)
        return err_set(e, ERR_GRANT, "only one known digest with one algorithm is signed at once");
    if (q.grant != NULL && (held->dropped || held->pin.frozen))
        return err_set(e, ERR_KEY_FROZEN, "key %s is frozen or dropped", held->id);
    TRY(secret_of(k, held, e));
    TRY(accept_head(k, now, &q.proof, CRASH_H2, e));
    if (q.grant == NULL)
        TRY(PUT(k, now, ENTRY_ONCE, OPENED, CRASH_H2, e, q.opened.index, q.opened.boot,
                q.opened.grant));
    return order(held, algorithm.algorithm, slot.digest, ret)
               ? true
               : err_set(e, ERR_INTERNAL, "order to sign");
}

bool keystore_close(struct keystore *k, struct instant now, struct reader id,
                    const struct grant **ret, struct err *e)
{
    TRY(checked(k, e));
    struct grant *g = id.left == GRANT_ID ? state_grant(&k->state, id) : NULL;
    if (g == NULL)
        return err_set(e, ERR_GRANT, "there is no such grant");
    if (g->open)
        TRY(PUT(k, now, ENTRY_CLOSE, CLOSED, CRASH_D16, e, id));
    *ret = g;
    return true;
}
