/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "keystore/fake_bench.h"
#include "keystore/rules.h"
#include <fcntl.h>

static const struct instant T0 = FAKE_NOW;
static const sign_algorithm P256 = FAKE_ALGORITHM;
static const uint8_t DIGEST[64] = "0123456789abcdef0123456789abcdef", OTHER[64] = "other";
static const sign_algorithm RSA = SIGN_ALGORITHM(SCHEME_RSA_PKCS1, HASH_SHA256);

/* --- slots --------------------------------------------------------------------------------- */

static void test_keystore__a_slot_takes_one_digest_once(void **state)
{
    (void)state;
    struct fake_bench b;
    struct fake_grant f;
    struct err e = {0};
    const struct grant *g;
    struct sign_order order;
    fake_begin(&b);
    fake_good(&f, 1, 3);
    fake_must(fake_give(&b, &f, &e), &e);
    struct msg_KEY_SIGN m = {0, reader_over(f.id, GRANT_ID), 2, P256, reader_over(DIGEST, 32)};
    fake_must(keystore_sign(b.k, b.now, &m, &order, &e), &e);
    CLEANUP(writer_done) struct writer signature = {0};
    writer_init(&signature, 1000);
    fake_must(key_sign_digest(order.key, order.algorithm, reader_over(order.digest, order.length),
                              &signature, &e),
              &e);
    fake_must(key_verify_digest(reader_over(b.spki, b.spki_len), P256, m.digest,
                                writer_view(&signature), &e),
              &e);
    fake_must(keystore_commit(b.k, &e), &e);
    uint64_t before = b.k->journal.next;
    fake_must(fake_sign(&b, &f, 2, DIGEST, &e), &e); /* replay after a crash of core */
    assert_int_equal(b.k->journal.next, before);
    fake_must(fake_restart(&b, &e), &e);
    fake_must(fake_sign(&b, &f, 2, DIGEST, &e), &e); /* and of the key process */
    fake_must(fake_sign(&b, &f, 0, OTHER, &e), &e);
    fake_expect(fake_sign(&b, &f, 3, DIGEST, &e), &e, ERR_GRANT_SLOT);
    fake_expect(fake_sign(&b, &f, 2, OTHER, &e), &e, ERR_GRANT_BROKEN);
    assert_true(b.k->alarm);
    fake_expect(fake_sign(&b, &f, 2, DIGEST, &e), &e, ERR_GRANT_BROKEN);
    fake_expect(fake_sign(&b, &f, 1, DIGEST, &e), &e, ERR_GRANT_BROKEN);
    fake_must(keystore_commit(b.k, &e), &e);
    fake_must(fake_restart(&b, &e), &e);
    fake_expect(fake_sign(&b, &f, 2, DIGEST, &e), &e, ERR_GRANT_BROKEN);
    fake_must(fake_close(&b, &f, &g, &e), &e);
    assert_true(g->use_count == 2 && g->uses[0].slot == 2 && g->uses[1].slot == 0);
    fake_grant_done(&f);
    fake_end(&b);
}

static void test_keystore__nothing_is_signed_after_close(void **state)
{
    (void)state;
    struct fake_bench b;
    struct fake_grant f, second;
    struct err e = {0};
    const struct grant *g;
    fake_begin(&b);
    fake_good(&f, 1, 2);
    fake_must(fake_give(&b, &f, &e), &e);
    fake_must(fake_sign(&b, &f, 0, DIGEST, &e), &e);
    fake_good(&second, 2, 2);
    second.g.request = reader_text("01000000000000000000000000000000"); /* that of the first */
    fake_expect(fake_give(&b, &second, &e), &e, ERR_GRANT_OPEN);
    fake_must(fake_close(&b, &f, &g, &e), &e);
    fake_expect(fake_sign(&b, &f, 0, DIGEST, &e), &e, ERR_GRANT_ENDED);
    fake_must(fake_restart(&b, &e), &e);
    fake_expect(fake_sign(&b, &f, 1, DIGEST, &e), &e, ERR_GRANT_ENDED);
    fake_must(fake_close(&b, &f, &g, &e), &e);
    assert_int_equal(g->use_count, 1);
    fake_must(fake_give(&b, &second, &e), &e); /* the next attempt */
    fake_grant_done(&f);
    fake_grant_done(&second);
    fake_end(&b);
}

static void test_keystore__the_same_bytes_get_the_same_answer_others_none(void **state)
{
    (void)state;
    struct fake_bench b;
    struct fake_grant f;
    struct err e = {0};
    const struct grant *g;
    fake_begin(&b);
    fake_good(&f, 1, 2);
    fake_must(fake_give(&b, &f, &e), &e);
    uint64_t next = b.k->journal.next;
    fake_proof(&b.log, f.index, b.k->state.head_size, &f.proof);
    struct msg_KEY_GRANT m = fake_grant_message(&f);
    fake_must(keystore_grant(b.k, b.now, &m, &e), &e);
    assert_int_equal(b.k->journal.next, next);
    fake_must(fake_close(&b, &f, &g, &e), &e);
    fake_must(fake_restart(&b, &e), &e);
    fake_must(keystore_grant(b.k, b.now, &m, &e), &e); /* still closed */
    fake_expect(fake_sign(&b, &f, 0, DIGEST, &e), &e, ERR_GRANT_ENDED);
    f.g.slots = 3;
    fake_expect(fake_give(&b, &f, &e), &e, ERR_GRANT);
    fake_grant_done(&f);
    fake_end(&b);
}

static void test_keystore__a_known_digest_is_held_to(void **state)
{
    (void)state;
    struct fake_bench b;
    struct fake_grant f;
    struct err e = {0};
    fake_begin(&b);
    fake_good(&f, 1, 3);
    fake_grant_known(&f, 0, (struct reader){0}); /* late */
    fake_grant_known(&f, 1, reader_over(DIGEST, 32));
    fake_must(fake_give(&b, &f, &e), &e);
    fake_must(fake_sign(&b, &f, 0, OTHER, &e), &e);
    fake_must(fake_sign(&b, &f, 1, DIGEST, &e), &e);
    fake_must(fake_sign(&b, &f, 2, OTHER, &e), &e);
    fake_expect(fake_sign(&b, &f, 1, OTHER, &e), &e, ERR_GRANT_BROKEN);
    fake_grant_done(&f);
    fake_end(&b);
}

/* --- grants -------------------------------------------------------------------------------- */

enum bad {
    WRONG_NODE,
    EXPIRED,
    ENDLESS,
    UNKNOWN_KEY,
    KEY_OF_PROBES,
    PROBE_KIND,
    UNKNOWN_KIND,
    NO_SLOTS,
    MANY_SLOTS,
    SHORT_ID,
    OTHER_APPROVALS,
    NOT_INTENT,
    RSA_ALGORITHM,
    MD5_ALGORITHM,
    NO_ALGORITHM,
    SLOT_OUT_OF_RANGE,
    SLOT_TWICE,
    DIGEST_OF_NO_ALGORITHM,
    HASH_WITH_LATE_DIGEST
};

/* One spoilt field a case. */
static void spoil(struct fake_grant *f, enum bad how)
{
    switch (how) {
    case WRONG_NODE:
        f->g.node = reader_text("node-2");
        break;
    case EXPIRED:
        f->g.expires = (uint64_t)T0.wall;
        break;
    case ENDLESS:
        f->g.expires = (uint64_t)T0.wall + GRANT_LIFE_MAX_MS + 1;
        break;
    case UNKNOWN_KEY:
        f->g.key = reader_text("nobody");
        break;
    case KEY_OF_PROBES:
        f->g.key = reader_text(PROBE_KEY);
        break;
    case PROBE_KIND:
        f->g.kind = GRANT_PROBE;
        break;
    case UNKNOWN_KIND:
        f->g.kind = 5;
        break;
    case NO_SLOTS:
        f->g.slots = 0;
        break;
    case MANY_SLOTS:
        f->g.slots = GRANT_SLOTS + 1;
        break;
    case SHORT_ID:
        f->g.id = reader_over(f->id, 15);
        break;
    case OTHER_APPROVALS:
        f->approvals[0] ^= 1;
        break;
    case NOT_INTENT:
        f->leaf_kind = "OUTCOME";
        break;
    case RSA_ALGORITHM:
        fake_grant_algorithm(f, RSA);
        break;
    case MD5_ALGORITHM:
        fake_grant_algorithm(f, SIGN_ALGORITHM(SCHEME_ECDSA, HASH_MD5));
        break;
    case NO_ALGORITHM:
        writer_reset(&f->algorithms);
        break;
    case SLOT_OUT_OF_RANGE:
        fake_grant_known(f, 2, reader_over(DIGEST, 32));
        break;
    case SLOT_TWICE:
        fake_grant_known(f, 1, reader_over(DIGEST, 32));
        fake_grant_known(f, 1, reader_over(DIGEST, 32));
        break;
    case DIGEST_OF_NO_ALGORITHM:
        fake_grant_known(f, 1, reader_over(DIGEST, 20));
        break;
    case HASH_WITH_LATE_DIGEST:
        f->g.kind = GRANT_HASH;
        fake_grant_known(f, 1, reader_over(DIGEST, 32));
        break;
    }
}

static const struct {
    enum bad how;
    enum err_code want;
} bad_grants[] = {
    {WRONG_NODE, ERR_GRANT},
    {EXPIRED, ERR_GRANT_EXPIRED},
    {ENDLESS, ERR_GRANT},
    {UNKNOWN_KEY, ERR_KEY_UNKNOWN},
    {KEY_OF_PROBES, ERR_GRANT},
    {PROBE_KIND, ERR_GRANT},
    {UNKNOWN_KIND, ERR_GRANT},
    {NO_SLOTS, ERR_GRANT},
    {MANY_SLOTS, ERR_GRANT},
    {SHORT_ID, ERR_GRANT},
    {OTHER_APPROVALS, ERR_GRANT},
    {NOT_INTENT, ERR_GRANT},
    {RSA_ALGORITHM, ERR_GRANT_SLOT},
    {MD5_ALGORITHM, ERR_GRANT_SLOT},
    {NO_ALGORITHM, ERR_GRANT},
    {SLOT_OUT_OF_RANGE, ERR_GRANT},
    {SLOT_TWICE, ERR_GRANT},
    {DIGEST_OF_NO_ALGORITHM, ERR_GRANT},
    {HASH_WITH_LATE_DIGEST, ERR_GRANT},
};

static void test_keystore__refuses_each_bad_grant(void **state)
{
    (void)state;
    struct fake_bench b;
    fake_begin(&b);
    uint64_t head = b.k->state.head_size, next = b.k->journal.next;
    for (uint32_t i = 0; i < COUNT_OF(bad_grants); i++) {
        struct fake_grant f;
        struct err e = {0};
        fake_good(&f, i, 2);
        spoil(&f, bad_grants[i].how);
        fake_expect(fake_give(&b, &f, &e), &e, bad_grants[i].want);
        assert_null(state_grant(&b.k->state, reader_over(f.id, GRANT_ID)));
        fake_grant_done(&f);
    }
    assert_int_equal(b.k->state.open_grants, 0);
    assert_true(b.k->state.head_size == head && b.k->journal.next == next); /* no trace */
    fake_end(&b);
}

static void test_keystore__a_grant_needs_its_leaf_in_the_log(void **state)
{
    (void)state;
    struct fake_bench b;
    struct fake_grant f;
    struct err e = {0};
    fake_begin(&b);
    fake_good(&f, 1, 2);
    f.index = 0; /* the leaf is somebody else's */
    fake_grant_build(&f, &b.log, false, b.k->state.head_size);
    struct msg_KEY_GRANT m = fake_grant_message(&f);
    fake_expect(keystore_grant(b.k, b.now, &m, &e), &e, ERR_KEY_LOG);
    fake_grant_build(&f, &b.log, true, b.k->state.head_size);
    m = fake_grant_message(&f);
    for (size_t i = 0; i < f.proof.len; i++) {
        uint64_t size = b.k->state.head_size;
        f.proof.data[i] ^= 1;
        assert_false(keystore_grant(b.k, b.now, &m, &e));
        assert_int_equal(b.k->state.open_grants, 0);
        f.proof.data[i] ^= 1;
        e = (struct err){0};
        assert_int_equal(b.k->state.head_size, size);
    }
    fake_must(keystore_grant(b.k, b.now, &m, &e), &e);
    fake_grant_done(&f);
    fake_end(&b);
}

static void test_keystore__a_grant_ends_by_either_clock(void **state)
{
    (void)state;
    struct fake_bench b;
    struct fake_grant f;
    struct err e = {0};
    fake_begin(&b);
    fake_good(&f, 1, 2); /* ten minutes */
    fake_must(fake_give(&b, &f, &e), &e);
    fake_must(fake_sign(&b, &f, 0, DIGEST, &e), &e);
    b.now.wall = T0.wall + 600000;
    fake_expect(fake_sign(&b, &f, 1, DIGEST, &e), &e, ERR_GRANT_EXPIRED);
    b.now = (struct instant){T0.wall - 3600000, T0.boot + 600000}; /* the wall clock was set back */
    fake_expect(fake_sign(&b, &f, 1, DIGEST, &e), &e, ERR_GRANT_EXPIRED);
    b.now = (struct instant){T0.wall + 1000, T0.boot + 599999};
    fake_must(fake_sign(&b, &f, 1, DIGEST, &e), &e);
    fake_must(keystore_commit(b.k, &e), &e);
    b.now = (struct instant){T0.wall + 500000, 1000}; /* the machine was started again */
    fake_must(fake_restart(&b, &e), &e);
    fake_must(fake_sign(&b, &f, 1, DIGEST, &e), &e);
    b.now.boot += 100000;
    fake_expect(fake_sign(&b, &f, 1, DIGEST, &e), &e, ERR_GRANT_EXPIRED);
    b.now = (struct instant){T0.wall - 3600000, 1000}; /* and its clock set back */
    fake_must(fake_restart(&b, &e), &e);
    fake_expect(fake_sign(&b, &f, 1, DIGEST, &e), &e, ERR_GRANT_EXPIRED);
    fake_grant_done(&f);
    fake_end(&b);
}

static void test_keystore__a_forgotten_grant_cannot_return(void **state)
{
    (void)state;
    struct fake_bench b;
    struct fake_grant f, other;
    struct err e = {0};
    fake_begin(&b);
    fake_good(&f, 1, 2);
    fake_must(fake_give(&b, &f, &e), &e);
    keystore_free(b.k);
    b.k = NULL;
    fake_must(keystore_open(b.folder, -1, b.now, &b.k, &e), &e);
    b.k->state.floor = f.index + 1; /* as a checkpoint sets it that forgets the grant */
    fake_must(fake_show_log(&b, (struct reader){0}, &e), &e);
    fake_good(&other, 2, 2);
    other.index = f.index;
    fake_grant_build(&other, &b.log, true, b.k->state.head_size);
    struct msg_KEY_GRANT m = fake_grant_message(&other);
    b.k->state.floor = other.index + 1;
    fake_expect(keystore_grant(b.k, b.now, &m, &e), &e, ERR_GRANT);
    b.k->state.floor = other.index;
    fake_proof(&b.log, other.index, b.k->state.head_size, &other.proof);
    m = fake_grant_message(&other);
    fake_must(keystore_grant(b.k, b.now, &m, &e), &e);
    fake_grant_done(&f);
    fake_grant_done(&other);
    fake_end(&b);
}

static bool hash(struct fake_bench *b, const struct fake_grant *f, struct sign_order *ret,
                 struct err *e)
{
    struct msg_KEY_HASH m = {.leaf = writer_view(&f->leaf), .proof = writer_view(&f->proof)};
    return keystore_hash(b->k, b->now, &m, ret, e) && keystore_commit(b->k, e);
}

static void test_keystore__hash_is_grant_use_and_close_in_one(void **state)
{
    (void)state;
    struct fake_bench b;
    struct fake_grant f;
    struct err e = {0};
    struct sign_order order;
    fake_begin(&b);
    fake_good(&f, 1, 1);
    f.g.kind = GRANT_HASH;
    fake_grant_known(&f, 0, reader_over(DIGEST, 32));
    fake_grant_build(&f, &b.log, true, b.k->state.head_size);
    fake_must(hash(&b, &f, &order, &e), &e);
    assert_true(order.length == 32 && order.digest[0] == DIGEST[0]);
    fake_must(fake_restart(&b, &e), &e);
    fake_proof(&b.log, f.index, b.k->state.head_size, &f.proof);
    uint64_t next = b.k->journal.next;
    fake_must(hash(&b, &f, &order, &e), &e);
    assert_int_equal(b.k->journal.next, next);
    fake_expect(fake_sign(&b, &f, 0, DIGEST, &e), &e, ERR_GRANT_ENDED);
    struct msg_KEY_GRANT m = fake_grant_message(&f);
    fake_expect(keystore_grant(b.k, b.now, &m, &e), &e, ERR_GRANT);
    fake_must(keystore_freeze(b.k, b.now, reader_text("k"), &e), &e);
    fake_expect(hash(&b, &f, &order, &e), &e, ERR_KEY_FROZEN);
    fake_grant_done(&f);
    fake_end(&b);
}

/* KEY_DROP syncs by itself, in the middle of a batch: when that fails, nobody of the batch may hear
 * yes from the sync at its end. */
static void test_keystore__a_sync_that_failed_is_not_made_good_by_the_next(void **state)
{
    (void)state;
    struct fake_bench b;
    struct fake_grant f;
    struct err e = {0};
    struct held_key *held;
    struct msg_KEY_NEW second = {.key = reader_text("k2"), .type = reader_text("ec-p256")};
    fake_begin(&b);
    fake_must(keystore_new_key(b.k, b.now, &second, &held, &e), &e);
    fake_good(&f, 1, 1);
    fake_must(fake_give(&b, &f, &e), &e);
    fake_must(fake_sign(&b, &f, 0, DIGEST, &e), &e); /* waits for the sync */
    file_close(&b.k->journal.fd);
    b.k->journal.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(b.k->journal.fd >= 0);
    fake_expect(keystore_drop_key(b.k, b.now, reader_text("k2"), &e), &e, ERR_STORAGE_FULL);
    fake_expect(keystore_commit(b.k, &e), &e, ERR_IO);
    fake_grant_done(&f);
    fake_end(&b);
}

/* What large open grants have spent is longer than a journal file is meant to be: a new one is
 * begun when that much has been added, not after every batch. */
static void test_keystore__a_long_checkpoint_is_not_written_again_at_once(void **state)
{
    (void)state;
    enum { GRANTS = 2, SLOTS = 200 * 1000, BATCH = 4096 };
    struct fake_bench b;
    struct fake_grant f[GRANTS];
    struct err e = {0};
    fake_begin(&b);
    uint64_t file = b.k->journal.file;
    for (uint32_t i = 0; i < GRANTS; i++) {
        fake_good(&f[i], i, SLOTS + 10);
        fake_must(fake_give(&b, &f[i], &e), &e);
        for (uint32_t slot = 0; slot < SLOTS; slot++) {
            fake_must(fake_sign(&b, &f[i], slot, DIGEST, &e), &e);
            if (slot % BATCH == 0)
                fake_must(keystore_commit(b.k, &e), &e);
        }
        fake_must(keystore_commit(b.k, &e), &e);
    }
    for (uint32_t slot = SLOTS; slot < SLOTS + 10; slot++) {
        fake_must(fake_sign(&b, &f[0], slot, DIGEST, &e), &e);
        fake_must(keystore_commit(b.k, &e) && keystore_tidy(b.k, b.now, &e), &e);
    }
    assert_int_equal(b.k->journal.file, file + 1);
    for (uint32_t i = 0; i < GRANTS; i++)
        fake_grant_done(&f[i]);
    fake_end(&b);
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
        cmocka_unit_test(test_keystore__a_sync_that_failed_is_not_made_good_by_the_next),
        cmocka_unit_test(test_keystore__a_long_checkpoint_is_not_written_again_at_once),
    };
    return crypto_start(&e) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
