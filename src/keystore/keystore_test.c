/* SPDX-License-Identifier: Apache-2.0 */
#include "base/logformat.h"
#include "base/test.h"
#include "keystore/fake_core.h"
#include "keystore/rules.h"

static const struct instant T0 = {1800000000000, 5000000};
static const sign_algorithm P256 = SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA256),
                            P384 = SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA384),
                            RSA = SIGN_ALGORITHM(SCHEME_RSA_PKCS1, HASH_SHA256);
static const uint8_t DIGEST[64] = "0123456789abcdef0123456789abcdef", OTHER[64] = "other";

/* One key process with the key "k" and a log with a leaf in it. */
struct bench {
    char path[64];
    int folder;
    struct keystore *k;
    struct fake_log log;
    struct instant now;
    uint8_t spki[200];
    size_t spki_len;
};

static void must(bool ok, const struct err *e)
{
    if (!ok)
        fail_msg("%s: %s", err_machine_code(e->code), e->detail);
}

static bool show_log(struct bench *b, struct reader head, struct err *e)
{
    struct writer proof;
    writer_init(&proof, MESSAGE_MAX);
    fake_proof(&b->log, UINT64_MAX, b->k->state.head_size, &proof);
    bool ok = keystore_log(b->k, b->now, &(struct msg_KEY_LOG){0, head, writer_view(&proof)}, e) &&
              keystore_commit(b->k, e);
    writer_done(&proof);
    return ok;
}

static void begin(struct bench *b)
{
    struct err e = {0};
    struct held_key *held;
    *b = (struct bench){.now = T0};
    fake_folder(b->path, &b->folder, b->now);
    must(keystore_open(b->folder, -1, b->now, &b->k, &e), &e);
    (void)fake_log_add(&b->log, reader_text("first"));
    must(show_log(b, (struct reader){0}, &e), &e);
    must(keystore_new_key(
             b->k, b->now,
             &(struct msg_KEY_NEW){.key = reader_text("k"), .type = reader_text("ec-p256")}, &held,
             &e),
         &e);
    must(keystore_commit(b->k, &e), &e);
    struct reader spki = held->spki;
    b->spki_len = spki.left;
    assert_true(reader_copy(&spki, b->spki, b->spki_len));
}

static void end(struct bench *b)
{
    keystore_free(b->k);
    fake_log_done(&b->log);
    fake_folder_remove(b->path, b->folder);
}

/* The process dies and starts again. */
static bool restart(struct bench *b, struct err *e)
{
    keystore_free(b->k);
    b->k = NULL;
    return keystore_open(b->folder, -1, b->now, &b->k, e) && show_log(b, (struct reader){0}, e);
}

static bool grant(struct bench *b, struct fake_grant *f, struct err *e)
{
    fake_grant_build(f, &b->log, true, b->k->state.head_size);
    struct msg_KEY_GRANT m = fake_grant_message(f);
    return keystore_grant(b->k, b->now, &m, e) && keystore_commit(b->k, e);
}

static bool sign_as(struct bench *b, const struct fake_grant *f, uint32_t slot, sign_algorithm a,
                    struct reader digest, struct err *e)
{
    struct sign_order order;
    struct msg_KEY_SIGN m = {0, reader_over(f->id, GRANT_ID), slot, a, digest};
    return keystore_sign(b->k, b->now, &m, &order, e);
}

static bool sign(struct bench *b, const struct fake_grant *f, uint32_t slot, const uint8_t *digest,
                 struct err *e)
{
    return sign_as(b, f, slot, P256, reader_over(digest, 32), e);
}

static bool close_grant(struct bench *b, const struct fake_grant *f, const struct grant **ret,
                        struct err *e)
{
    return keystore_close(b->k, b->now, reader_over(f->id, GRANT_ID), ret, e) &&
           keystore_commit(b->k, e);
}

static void expect(bool ok, struct err *e, enum err_code want)
{
    if (ok || e->code != want)
        fail_msg("got %s (%s), not %s", ok ? "yes" : err_machine_code(e->code), e->detail,
                 err_machine_code(want));
    *e = (struct err){0};
}

static void good_grant(struct fake_grant *f, uint32_t number, uint32_t slots)
{
    fake_grant_init(f, "k", number, slots, T0);
    fake_grant_algorithm(f, P256);
}

/* --- slots --------------------------------------------------------------------------------- */

static void test_keystore__a_slot_takes_one_digest_once(void **state)
{
    (void)state;
    struct bench b;
    struct fake_grant f;
    struct err e = {0};
    const struct grant *g;
    struct sign_order order;
    begin(&b);
    good_grant(&f, 1, 3);
    must(grant(&b, &f, &e), &e);
    struct msg_KEY_SIGN m = {0, reader_over(f.id, GRANT_ID), 2, P256, reader_over(DIGEST, 32)};
    must(keystore_sign(b.k, b.now, &m, &order, &e), &e);
    CLEANUP(writer_done) struct writer signature;
    writer_init(&signature, 1000);
    must(key_sign_digest(order.key, order.algorithm, reader_over(order.digest, order.length),
                         &signature, &e),
         &e);
    must(key_verify_digest(reader_over(b.spki, b.spki_len), P256, m.digest, writer_view(&signature),
                           &e),
         &e);
    must(keystore_commit(b.k, &e), &e);
    uint64_t before = b.k->journal.next;
    must(sign(&b, &f, 2, DIGEST, &e), &e); /* replay after a crash of core */
    assert_int_equal(b.k->journal.next, before);
    must(restart(&b, &e), &e);
    must(sign(&b, &f, 2, DIGEST, &e), &e); /* and of the key process */
    must(sign(&b, &f, 0, OTHER, &e), &e);
    expect(sign(&b, &f, 3, DIGEST, &e), &e, ERR_GRANT_SLOT);
    expect(sign(&b, &f, 2, OTHER, &e), &e, ERR_GRANT_BROKEN);
    assert_true(b.k->alarm);
    expect(sign(&b, &f, 2, DIGEST, &e), &e, ERR_GRANT_BROKEN);
    expect(sign(&b, &f, 1, DIGEST, &e), &e, ERR_GRANT_BROKEN);
    must(keystore_commit(b.k, &e), &e);
    must(restart(&b, &e), &e);
    expect(sign(&b, &f, 2, DIGEST, &e), &e, ERR_GRANT_BROKEN);
    must(close_grant(&b, &f, &g, &e), &e);
    assert_true(g->use_count == 2 && g->uses[0].slot == 2 && g->uses[1].slot == 0);
    fake_grant_done(&f);
    end(&b);
}

static void test_keystore__nothing_is_signed_after_close(void **state)
{
    (void)state;
    struct bench b;
    struct fake_grant f, second;
    struct err e = {0};
    const struct grant *g;
    begin(&b);
    good_grant(&f, 1, 2);
    must(grant(&b, &f, &e), &e);
    must(sign(&b, &f, 0, DIGEST, &e), &e);
    good_grant(&second, 2, 2);
    second.g.request = reader_text("01000000000000000000000000000000"); /* that of the first */
    expect(grant(&b, &second, &e), &e, ERR_GRANT_OPEN);
    must(close_grant(&b, &f, &g, &e), &e);
    expect(sign(&b, &f, 0, DIGEST, &e), &e, ERR_GRANT_ENDED);
    must(restart(&b, &e), &e);
    expect(sign(&b, &f, 1, DIGEST, &e), &e, ERR_GRANT_ENDED);
    must(close_grant(&b, &f, &g, &e), &e);
    assert_int_equal(g->use_count, 1);
    must(grant(&b, &second, &e), &e); /* the next attempt */
    fake_grant_done(&f);
    fake_grant_done(&second);
    end(&b);
}

static void test_keystore__the_same_bytes_get_the_same_answer_others_none(void **state)
{
    (void)state;
    struct bench b;
    struct fake_grant f;
    struct err e = {0};
    const struct grant *g;
    begin(&b);
    good_grant(&f, 1, 2);
    must(grant(&b, &f, &e), &e);
    uint64_t next = b.k->journal.next;
    fake_proof(&b.log, f.index, b.k->state.head_size, &f.proof);
    struct msg_KEY_GRANT m = fake_grant_message(&f);
    must(keystore_grant(b.k, b.now, &m, &e), &e);
    assert_int_equal(b.k->journal.next, next);
    must(close_grant(&b, &f, &g, &e), &e);
    must(restart(&b, &e), &e);
    must(keystore_grant(b.k, b.now, &m, &e), &e); /* still closed */
    expect(sign(&b, &f, 0, DIGEST, &e), &e, ERR_GRANT_ENDED);
    f.g.slots = 3;
    expect(grant(&b, &f, &e), &e, ERR_GRANT);
    fake_grant_done(&f);
    end(&b);
}

static void test_keystore__a_known_digest_is_held_to(void **state)
{
    (void)state;
    struct bench b;
    struct fake_grant f;
    struct err e = {0};
    begin(&b);
    good_grant(&f, 1, 3);
    fake_grant_known(&f, 0, (struct reader){0}); /* late */
    fake_grant_known(&f, 1, reader_over(DIGEST, 32));
    must(grant(&b, &f, &e), &e);
    must(sign(&b, &f, 0, OTHER, &e), &e);
    must(sign(&b, &f, 1, DIGEST, &e), &e);
    must(sign(&b, &f, 2, OTHER, &e), &e);
    expect(sign(&b, &f, 1, OTHER, &e), &e, ERR_GRANT_BROKEN);
    fake_grant_done(&f);
    end(&b);
}

/* --- grants -------------------------------------------------------------------------------- */

static void wrong_node(struct fake_grant *f)
{
    f->g.node = reader_text("node-2");
}
static void expired(struct fake_grant *f)
{
    f->g.expires = (uint64_t)T0.wall;
}
static void endless(struct fake_grant *f)
{
    f->g.expires = (uint64_t)T0.wall + GRANT_LIFE_MAX_MS + 1;
}
static void unknown_key(struct fake_grant *f)
{
    f->g.key = reader_text("nobody");
}
static void probe_key(struct fake_grant *f)
{
    f->g.key = reader_text(PROBE_KEY);
}
static void probe_kind(struct fake_grant *f)
{
    f->g.kind = GRANT_PROBE;
}
static void unknown_kind(struct fake_grant *f)
{
    f->g.kind = 5;
}
static void no_slots(struct fake_grant *f)
{
    f->g.slots = 0;
}
static void many_slots(struct fake_grant *f)
{
    f->g.slots = GRANT_SLOTS + 1;
}
static void short_id(struct fake_grant *f)
{
    f->g.id = reader_over(f->id, 15);
}
static void other_approvals(struct fake_grant *f)
{
    f->approvals[0] ^= 1;
}
static void not_intent(struct fake_grant *f)
{
    f->leaf_kind = "OUTCOME";
}
static void rsa_algorithm(struct fake_grant *f)
{
    fake_grant_algorithm(f, RSA);
}
static void md5_algorithm(struct fake_grant *f)
{
    fake_grant_algorithm(f, SIGN_ALGORITHM(SCHEME_ECDSA, HASH_MD5));
}
static void no_algorithm(struct fake_grant *f)
{
    writer_reset(&f->algorithms);
}
static void slot_out_of_range(struct fake_grant *f)
{
    fake_grant_known(f, 2, reader_over(DIGEST, 32));
}
static void slot_twice(struct fake_grant *f)
{
    fake_grant_known(f, 1, reader_over(DIGEST, 32));
    fake_grant_known(f, 1, reader_over(DIGEST, 32));
}
static void digest_of_no_algorithm(struct fake_grant *f)
{
    fake_grant_known(f, 1, reader_over(DIGEST, 20));
}
static void hash_with_late_digest(struct fake_grant *f)
{
    f->g.kind = GRANT_HASH;
    fake_grant_known(f, 1, reader_over(DIGEST, 32));
}

static const struct {
    void (*spoil)(struct fake_grant *f);
    enum err_code want;
} bad_grants[] = {
    {wrong_node, ERR_GRANT},
    {expired, ERR_GRANT_EXPIRED},
    {endless, ERR_GRANT},
    {unknown_key, ERR_KEY_UNKNOWN},
    {probe_key, ERR_GRANT},
    {probe_kind, ERR_GRANT},
    {unknown_kind, ERR_GRANT},
    {no_slots, ERR_GRANT},
    {many_slots, ERR_GRANT},
    {short_id, ERR_GRANT},
    {other_approvals, ERR_GRANT},
    {not_intent, ERR_GRANT},
    {rsa_algorithm, ERR_GRANT_SLOT},
    {md5_algorithm, ERR_GRANT_SLOT},
    {no_algorithm, ERR_GRANT},
    {slot_out_of_range, ERR_GRANT},
    {slot_twice, ERR_GRANT},
    {digest_of_no_algorithm, ERR_GRANT},
    {hash_with_late_digest, ERR_GRANT},
};

static void test_keystore__refuses_each_bad_grant(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    for (uint32_t i = 0; i < COUNT_OF(bad_grants); i++) {
        struct fake_grant f;
        struct err e = {0};
        good_grant(&f, i, 2);
        bad_grants[i].spoil(&f);
        expect(grant(&b, &f, &e), &e, bad_grants[i].want);
        assert_null(state_grant(&b.k->state, reader_over(f.id, GRANT_ID)));
        fake_grant_done(&f);
    }
    assert_int_equal(b.k->state.open_grants, 0);
    end(&b);
}

static void test_keystore__a_grant_needs_its_leaf_in_the_log(void **state)
{
    (void)state;
    struct bench b;
    struct fake_grant f;
    struct err e = {0};
    begin(&b);
    good_grant(&f, 1, 2);
    f.index = 0; /* the leaf is somebody else's */
    fake_grant_build(&f, &b.log, false, b.k->state.head_size);
    struct msg_KEY_GRANT m = fake_grant_message(&f);
    expect(keystore_grant(b.k, b.now, &m, &e), &e, ERR_KEY_LOG);
    fake_grant_build(&f, &b.log, true, b.k->state.head_size);
    m = fake_grant_message(&f);
    for (size_t i = 0; i < f.proof.len; i++) {
        uint64_t size = b.k->state.head_size;
        f.proof.data[i] ^= 1;
        assert_false(keystore_grant(b.k, b.now, &m, &e));
        assert_int_equal(b.k->state.open_grants, 0);
        f.proof.data[i] ^= 1;
        e = (struct err){0};
        if (b.k->state.head_size != size) /* only the index was wrong, the head was right */
            fake_proof(&b.log, f.index, b.k->state.head_size, &f.proof);
        m = fake_grant_message(&f);
    }
    must(keystore_grant(b.k, b.now, &m, &e), &e);
    fake_grant_done(&f);
    end(&b);
}

static void test_keystore__a_grant_ends_by_either_clock(void **state)
{
    (void)state;
    struct bench b;
    struct fake_grant f;
    struct err e = {0};
    begin(&b);
    good_grant(&f, 1, 2); /* ten minutes */
    must(grant(&b, &f, &e), &e);
    must(sign(&b, &f, 0, DIGEST, &e), &e);
    b.now.wall = T0.wall + 600000;
    expect(sign(&b, &f, 1, DIGEST, &e), &e, ERR_GRANT_EXPIRED);
    b.now = (struct instant){T0.wall - 3600000, T0.boot + 600000}; /* the wall clock was set back */
    expect(sign(&b, &f, 1, DIGEST, &e), &e, ERR_GRANT_EXPIRED);
    b.now = (struct instant){T0.wall + 1000, T0.boot + 599999};
    must(sign(&b, &f, 1, DIGEST, &e), &e);
    must(keystore_commit(b.k, &e), &e);
    b.now = (struct instant){T0.wall + 500000, 1000}; /* the machine was started again */
    must(restart(&b, &e), &e);
    must(sign(&b, &f, 1, DIGEST, &e), &e);
    b.now.boot += 100000;
    expect(sign(&b, &f, 1, DIGEST, &e), &e, ERR_GRANT_EXPIRED);
    b.now = (struct instant){T0.wall - 3600000, 1000}; /* and its clock set back */
    must(restart(&b, &e), &e);
    expect(sign(&b, &f, 1, DIGEST, &e), &e, ERR_GRANT_EXPIRED);
    fake_grant_done(&f);
    end(&b);
}

static void test_keystore__a_forgotten_grant_cannot_return(void **state)
{
    (void)state;
    struct bench b;
    struct fake_grant f, other;
    struct err e = {0};
    begin(&b);
    good_grant(&f, 1, 2);
    must(grant(&b, &f, &e), &e);
    keystore_free(b.k);
    b.k = NULL;
    must(keystore_open(b.folder, -1, b.now, &b.k, &e), &e);
    b.k->state.floor = f.index + 1; /* as a checkpoint sets it that forgets the grant */
    must(show_log(&b, (struct reader){0}, &e), &e);
    good_grant(&other, 2, 2);
    other.index = f.index;
    fake_grant_build(&other, &b.log, true, b.k->state.head_size);
    struct msg_KEY_GRANT m = fake_grant_message(&other);
    b.k->state.floor = other.index + 1;
    expect(keystore_grant(b.k, b.now, &m, &e), &e, ERR_GRANT);
    b.k->state.floor = other.index;
    fake_proof(&b.log, other.index, b.k->state.head_size, &other.proof);
    m = fake_grant_message(&other);
    must(keystore_grant(b.k, b.now, &m, &e), &e);
    fake_grant_done(&f);
    fake_grant_done(&other);
    end(&b);
}

static bool hash(struct bench *b, const struct fake_grant *f, struct sign_order *ret, struct err *e)
{
    struct msg_KEY_HASH m = {.leaf = writer_view(&f->leaf), .proof = writer_view(&f->proof)};
    return keystore_hash(b->k, b->now, &m, ret, e) && keystore_commit(b->k, e);
}

static void test_keystore__hash_is_grant_use_and_close_in_one(void **state)
{
    (void)state;
    struct bench b;
    struct fake_grant f;
    struct err e = {0};
    struct sign_order order;
    begin(&b);
    good_grant(&f, 1, 1);
    f.g.kind = GRANT_HASH;
    fake_grant_known(&f, 0, reader_over(DIGEST, 32));
    fake_grant_build(&f, &b.log, true, b.k->state.head_size);
    must(hash(&b, &f, &order, &e), &e);
    assert_true(order.length == 32 && order.digest[0] == DIGEST[0]);
    must(restart(&b, &e), &e);
    fake_proof(&b.log, f.index, b.k->state.head_size, &f.proof);
    uint64_t next = b.k->journal.next;
    must(hash(&b, &f, &order, &e), &e);
    assert_int_equal(b.k->journal.next, next);
    expect(sign(&b, &f, 0, DIGEST, &e), &e, ERR_GRANT_ENDED);
    struct msg_KEY_GRANT m = fake_grant_message(&f);
    expect(keystore_grant(b.k, b.now, &m, &e), &e, ERR_GRANT);
    must(keystore_freeze(b.k, b.now, reader_text("k"), &e), &e);
    expect(hash(&b, &f, &order, &e), &e, ERR_KEY_FROZEN);
    fake_grant_done(&f);
    end(&b);
}

/* --- pins ---------------------------------------------------------------------------------- */

static bool pin(struct bench *b, const struct pin *want, struct pin *ret, struct err *e)
{
    CLEANUP(writer_done) struct writer w;
    writer_init(&w, 1000);
    if (want != NULL)
        pin_write(&w, want);
    struct msg_KEY_PIN m = {.key = reader_text("k"), .pin = writer_view(&w)};
    return keystore_pin(b->k, b->now, &m, ret, e) && keystore_commit(b->k, e);
}

static const struct {
    struct pin pin;
    enum err_code want; /* of a grant of kind artifact, 2 slots, P-256 with SHA-256 */
} pins[] = {
    {{0}, ERR_NONE},
    {{.kinds = 1u << GRANT_ARTIFACT | 1u << GRANT_HASH}, ERR_NONE},
    {{.kinds = 1u << GRANT_HASH}, ERR_KEY_PINNED},
    {{.max_slots = 2}, ERR_NONE},
    {{.max_slots = 1}, ERR_KEY_PINNED},
    {{.expires = 1800000000001}, ERR_NONE},
    {{.expires = 1800000000000}, ERR_KEY_PINNED},
    {{.frozen = true}, ERR_KEY_FROZEN},
    {{.algorithm_count = 1, .algorithms = {SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA256)}}, ERR_NONE},
    {{.algorithm_count = 1, .algorithms = {SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA384)}},
     ERR_KEY_PINNED},
};

static void test_keystore__pins_hold_for_grants_and_survive(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < COUNT_OF(pins); i++) {
        struct bench b;
        struct fake_grant f;
        struct err e = {0};
        struct pin now;
        begin(&b);
        must(pin(&b, &pins[i].pin, &now, &e), &e);
        must(restart(&b, &e), &e);
        good_grant(&f, i, 2);
        if (pins[i].want == ERR_NONE)
            must(grant(&b, &f, &e), &e);
        else
            expect(grant(&b, &f, &e), &e, pins[i].want);
        fake_grant_done(&f);
        end(&b);
    }
}

static void test_keystore__pins_only_tighten(void **state)
{
    (void)state;
    struct bench b;
    struct err e = {0};
    struct pin now;
    static const struct pin none,
        first = {.kinds = 6,
                 .max_slots = 10,
                 .expires = 2000,
                 .algorithm_count = 1,
                 .algorithms = {SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA256)}};
    begin(&b);
    must(pin(&b, &first, &now, &e), &e);
    struct pin looser[] = {none, first, first, first, first, first, first};
    looser[1].kinds = 7;
    looser[2].kinds = 0;
    looser[3].max_slots = 11;
    looser[4].expires = 2001;
    looser[5].algorithms[0] = P384;
    looser[6].algorithm_count = 0;
    for (size_t i = 0; i < COUNT_OF(looser); i++)
        expect(pin(&b, &looser[i], &now, &e), &e, ERR_KEY_PINNED);
    struct pin tight = first;
    tight.kinds = 2;
    tight.frozen = true;
    must(pin(&b, &tight, &now, &e), &e);
    expect(pin(&b, &first, &now, &e), &e, ERR_KEY_PINNED); /* nobody thaws over this channel */
    must(pin(&b, NULL, &now, &e), &e);
    assert_true(now.kinds == 2 && now.frozen);
    tight.min_approvals = 2;
    expect(pin(&b, &tight, &now, &e), &e, ERR_KEY_PINNED); /* needs the roster */
    must(keystore_unpin(b.k, b.now, reader_text("k"), reader_text("root"), &none, &e), &e);
    must(restart(&b, &e), &e);
    must(pin(&b, NULL, &now, &e), &e);
    assert_true(now.kinds == 0 && !now.frozen);
    end(&b);
}

static void test_keystore__freezing_stops_open_grants(void **state)
{
    (void)state;
    struct bench b;
    struct fake_grant f;
    struct err e = {0};
    begin(&b);
    good_grant(&f, 1, 2);
    must(grant(&b, &f, &e), &e);
    must(sign(&b, &f, 0, DIGEST, &e), &e);
    must(keystore_freeze(b.k, b.now, (struct reader){0}, &e), &e); /* all keys */
    expect(sign(&b, &f, 0, DIGEST, &e), &e, ERR_KEY_FROZEN);
    must(keystore_commit(b.k, &e), &e);
    must(restart(&b, &e), &e);
    expect(sign(&b, &f, 1, DIGEST, &e), &e, ERR_KEY_FROZEN);
    fake_grant_done(&f);
    end(&b);
}

static void test_keystore__dropped_keys_stay_gone(void **state)
{
    (void)state;
    struct bench b;
    struct fake_grant f;
    struct err e = {0};
    struct held_key *held;
    const struct grant *g;
    struct msg_KEY_NEW again = {.key = reader_text("k"), .type = reader_text("ec-p256")};
    begin(&b);
    must(keystore_new_key(b.k, b.now, &again, &held, &e), &e); /* there already */
    assert_true(reader_equal(held->spki, reader_over(b.spki, b.spki_len)));
    again.type = reader_text("ec-p384");
    expect(keystore_new_key(b.k, b.now, &again, &held, &e), &e, ERR_KEY_CONFLICT);
    good_grant(&f, 1, 1);
    must(grant(&b, &f, &e), &e);
    expect(keystore_drop_key(b.k, b.now, reader_text("k"), &e), &e, ERR_KEY_CONFLICT);
    must(close_grant(&b, &f, &g, &e), &e);
    must(keystore_drop_key(b.k, b.now, reader_text("k"), &e), &e);
    must(keystore_tidy(b.k, b.now, &e), &e);
    expect(keystore_new_key(b.k, b.now, &again, &held, &e), &e, ERR_KEY_CONFLICT);
    must(restart(&b, &e), &e);
    must(restart(&b, &e), &e); /* from a checkpoint with a dropped key and its grant */
    expect(keystore_drop_key(b.k, b.now, reader_text("k"), &e), &e, ERR_KEY_UNKNOWN);
    expect(keystore_drop_key(b.k, b.now, reader_text(PROBE_KEY), &e), &e, ERR_KEY_CONFLICT);
    fake_grant_done(&f);
    end(&b);
}

/* --- start-up ------------------------------------------------------------------------------ */

static void stored_head(struct bench *b, struct writer *to)
{
    struct reader head;
    struct err e = {0};
    must(keystore_head(b->k, &head, &e), &e);
    writer_init(to, 1000);
    writer_reader(to, head);
}

static void test_keystore__signs_heads_that_others_can_verify(void **state)
{
    (void)state;
    struct bench b;
    struct writer head, text;
    struct record_HEAD h;
    struct log_head plain;
    struct err e = {0};
    begin(&b);
    stored_head(&b, &head);
    struct reader r = writer_view(&head);
    assert_true(record_HEAD_next(&r, &h) && h.size == 1 && h.epoch == 1);
    plain = (struct log_head){.size = h.size, .epoch = h.epoch, .journal = h.journal};
    assert_true(reader_copy(&h.root, plain.root, 32));
    writer_init(&text, 1000);
    log_head_text(&text, reader_text("node-1"), &plain);
    must(key_verify_message(reader_over(b.k->state.log_key, b.k->state.log_key_len),
                            writer_view(&text), h.signature, &e),
         &e);
    writer_done(&text);
    writer_done(&head);
    end(&b);
}

static void test_keystore__starts_only_when_the_counters_fit(void **state)
{
    (void)state;
    struct bench b;
    struct fake_log cut = {0}, fork = {0}, real;
    struct writer head;
    struct err e = {0};
    begin(&b);
    (void)fake_log_add(&b.log, reader_text("second"));
    must(show_log(&b, (struct reader){0}, &e), &e);
    stored_head(&b, &head);
    must(restart(&b, &e), &e);
    must(show_log(&b, writer_view(&head), &e), &e);
    real = b.log;
    (void)fake_log_add(&cut, reader_text("first"));
    b.log = cut;
    expect(show_log(&b, (struct reader){0}, &e), &e, ERR_KEY_ROLLBACK);
    (void)fake_log_add(&fork, reader_text("first"));
    (void)fake_log_add(&fork, reader_text("other"));
    b.log = fork;
    expect(show_log(&b, (struct reader){0}, &e), &e, ERR_KEY_ROLLBACK);
    (void)fake_log_add(&fork, reader_text("third"));
    b.log = fork;
    expect(show_log(&b, (struct reader){0}, &e), &e, ERR_KEY_ROLLBACK);
    b.log = real;
    for (size_t i = 0; i < head.len; i++) { /* not by our log key */
        head.data[i] ^= 1;
        assert_false(show_log(&b, writer_view(&head), &e));
        e = (struct err){0};
        head.data[i] ^= 1;
    }
    must(show_log(&b, writer_view(&head), &e), &e);
    writer_done(&head);
    fake_log_done(&cut);
    fake_log_done(&fork);
    end(&b);
}

static void test_keystore__a_journal_put_back_is_noticed(void **state)
{
    (void)state;
    struct bench b, old;
    struct fake_grant f;
    struct writer head;
    struct err e = {0};
    begin(&b);
    fake_folder(old.path, &old.folder, T0);
    fake_folder_copy(b.folder, old.folder);
    good_grant(&f, 1, 1);
    must(grant(&b, &f, &e), &e);
    must(sign(&b, &f, 0, DIGEST, &e), &e);
    must(keystore_commit(b.k, &e), &e);
    stored_head(&b, &head);
    keystore_free(b.k);
    b.k = NULL;
    fake_folder_copy(old.folder, b.folder);
    must(keystore_open(b.folder, -1, b.now, &b.k, &e), &e);
    expect(show_log(&b, writer_view(&head), &e), &e, ERR_KEY_ROLLBACK);
    expect(sign(&b, &f, 0, OTHER, &e), &e, ERR_KEY_LOG);
    must(keystore_restore(b.k, b.now, reader_text("root"), b.log.edge.size,
                          merkle_view(&b.k->state.head_root), &e),
         &e);
    writer_done(&head);
    fake_grant_done(&f);
    fake_folder_remove(old.path, old.folder);
    end(&b);
}

static void test_keystore__restore_begins_an_epoch_without_old_leaves(void **state)
{
    (void)state;
    struct bench b;
    struct fake_grant f, pending;
    struct merkle_hash root;
    struct writer head;
    struct err e = {0};
    begin(&b);
    stored_head(&b, &head);
    good_grant(&f, 1, 2);
    must(grant(&b, &f, &e), &e);
    good_grant(&pending, 2, 2);
    fake_grant_build(&pending, &b.log, true, b.k->state.head_size);
    assert_true(merkle_root(&b.log.edge, &root, &e));
    must(keystore_restore(b.k, b.now, reader_text("root"), b.log.edge.size, merkle_view(&root), &e),
         &e);
    must(restart(&b, &e), &e);
    must(show_log(&b, writer_view(&head), &e), &e); /* of the epoch before */
    expect(sign(&b, &f, 0, DIGEST, &e), &e, ERR_GRANT);
    fake_proof(&b.log, pending.index, b.k->state.head_size, &pending.proof);
    struct msg_KEY_GRANT m = fake_grant_message(&pending);
    expect(keystore_grant(b.k, b.now, &m, &e), &e, ERR_GRANT);
    fake_grant_done(&pending);
    good_grant(&pending, 3, 2);
    must(grant(&b, &pending, &e), &e);
    writer_done(&head);
    fake_grant_done(&f);
    fake_grant_done(&pending);
    end(&b);
}

static void test_keystore__a_foreign_or_changed_sealed_file_is_named(void **state)
{
    (void)state;
    struct bench b;
    struct err e = {0};
    struct fake_grant f;
    struct arena *a = arena_new(1 << 20);
    struct reader bytes;
    uint8_t changed[4096];
    begin(&b);
    must(file_read(b.folder, "k.sealed", sizeof changed, a, &bytes, &e), &e);
    size_t n = bytes.left;
    assert_true(reader_copy(&bytes, changed, n));
    for (uint32_t i = 0; i < n; i += 7) {
        changed[i] ^= 4;
        must(file_replace(b.folder, "k.sealed", 0400, reader_over(changed, n), CRASH_S02, &e), &e);
        must(restart(&b, &e), &e);
        good_grant(&f, i, 1);
        expect(grant(&b, &f, &e), &e, ERR_KEY_FOLDER);
        fake_grant_done(&f);
        changed[i] ^= 4;
    }
    must(file_read(b.folder, "probe.sealed", sizeof changed, a, &bytes, &e), &e);
    must(file_replace(b.folder, "k.sealed", 0400, bytes, CRASH_S02, &e), &e);
    must(restart(&b, &e), &e);
    good_grant(&f, 9999, 1);
    expect(grant(&b, &f, &e), &e, ERR_KEY_FOLDER);
    fake_grant_done(&f);
    arena_free(a);
    end(&b);
}

static void test_keystore__nothing_before_the_log_was_shown(void **state)
{
    (void)state;
    struct bench b;
    struct fake_grant f;
    struct err e = {0};
    begin(&b);
    good_grant(&f, 1, 1);
    b.k->log_checked = false;
    expect(grant(&b, &f, &e), &e, ERR_KEY_LOG);
    expect(sign(&b, &f, 0, DIGEST, &e), &e, ERR_KEY_LOG);
    expect(keystore_freeze(b.k, b.now, reader_text("k"), &e), &e, ERR_KEY_LOG);
    fake_grant_done(&f);
    end(&b);
}

int main(void)
{
    struct err e = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keystore__a_slot_takes_one_digest_once),
        cmocka_unit_test(test_keystore__nothing_is_signed_after_close),
        cmocka_unit_test(test_keystore__the_same_bytes_get_the_same_answer_others_none),
        cmocka_unit_test(test_keystore__a_known_digest_is_held_to),
        cmocka_unit_test(test_keystore__refuses_each_bad_grant),
        cmocka_unit_test(test_keystore__a_grant_needs_its_leaf_in_the_log),
        cmocka_unit_test(test_keystore__a_grant_ends_by_either_clock),
        cmocka_unit_test(test_keystore__a_forgotten_grant_cannot_return),
        cmocka_unit_test(test_keystore__hash_is_grant_use_and_close_in_one),
        cmocka_unit_test(test_keystore__pins_hold_for_grants_and_survive),
        cmocka_unit_test(test_keystore__pins_only_tighten),
        cmocka_unit_test(test_keystore__freezing_stops_open_grants),
        cmocka_unit_test(test_keystore__dropped_keys_stay_gone),
        cmocka_unit_test(test_keystore__signs_heads_that_others_can_verify),
        cmocka_unit_test(test_keystore__starts_only_when_the_counters_fit),
        cmocka_unit_test(test_keystore__a_journal_put_back_is_noticed),
        cmocka_unit_test(test_keystore__restore_begins_an_epoch_without_old_leaves),
        cmocka_unit_test(test_keystore__a_foreign_or_changed_sealed_file_is_named),
        cmocka_unit_test(test_keystore__nothing_before_the_log_was_shown),
    };
    return crypto_start(&e) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
