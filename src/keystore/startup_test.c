/* SPDX-License-Identifier: Apache-2.0 */
#include "base/logformat.h"
#include "base/test.h"
#include "keystore/fake_bench.h"
#include "keystore/rules.h"

static const struct instant T0 = FAKE_NOW;
static const uint8_t DIGEST[64] = "0123456789abcdef0123456789abcdef", OTHER[64] = "other";
static const sign_algorithm P384 = SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA384);

/* --- pins ---------------------------------------------------------------------------------- */

static bool pin(struct fake_bench *b, const struct pin *want, struct pin *ret, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
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
        struct fake_bench b;
        struct fake_grant f;
        struct err e = {0};
        struct pin now;
        fake_begin(&b);
        fake_must(pin(&b, &pins[i].pin, &now, &e), &e);
        fake_must(fake_restart(&b, &e), &e);
        fake_good(&f, i, 2);
        if (pins[i].want == ERR_NONE)
            fake_must(fake_give(&b, &f, &e), &e);
        else
            fake_expect(fake_give(&b, &f, &e), &e, pins[i].want);
        fake_grant_done(&f);
        fake_end(&b);
    }
}

static void test_keystore__pins_only_tighten(void **state)
{
    (void)state;
    struct fake_bench b;
    struct err e = {0};
    struct pin now;
    static const struct pin none,
        first = {.kinds = 6,
                 .max_slots = 10,
                 .expires = 2000,
                 .algorithm_count = 1,
                 .algorithms = {SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA256)}};
    fake_begin(&b);
    fake_must(pin(&b, &first, &now, &e), &e);
    struct pin looser[] = {none, first, first, first, first, first, first};
    looser[1].kinds = 7;
    looser[2].kinds = 0;
    looser[3].max_slots = 11;
    looser[4].expires = 2001;
    looser[5].algorithms[0] = P384;
    looser[6].algorithm_count = 0;
    for (size_t i = 0; i < COUNT_OF(looser); i++)
        fake_expect(pin(&b, &looser[i], &now, &e), &e, ERR_KEY_PINNED);
    struct pin tight = first;
    tight.kinds = 2;
    tight.frozen = true;
    fake_must(pin(&b, &tight, &now, &e), &e);
    fake_expect(pin(&b, &first, &now, &e), &e, ERR_KEY_PINNED); /* nobody thaws over this channel */
    fake_must(pin(&b, NULL, &now, &e), &e);
    assert_true(now.kinds == 2 && now.frozen);
    tight.min_approvals = 2;
    fake_expect(pin(&b, &tight, &now, &e), &e, ERR_KEY_PINNED); /* needs the roster */
    fake_must(keystore_unpin(b.k, b.now, reader_text("k"), reader_text("root"), &none, &e), &e);
    fake_must(fake_restart(&b, &e), &e);
    fake_must(pin(&b, NULL, &now, &e), &e);
    assert_true(now.kinds == 0 && !now.frozen);
    fake_end(&b);
}

static void test_keystore__freezing_stops_open_grants(void **state)
{
    (void)state;
    struct fake_bench b;
    struct fake_grant f;
    struct err e = {0};
    fake_begin(&b);
    fake_good(&f, 1, 2);
    fake_must(fake_give(&b, &f, &e), &e);
    fake_must(fake_sign(&b, &f, 0, DIGEST, &e), &e);
    fake_must(keystore_freeze(b.k, b.now, (struct reader){0}, &e), &e); /* all keys */
    fake_expect(fake_sign(&b, &f, 0, DIGEST, &e), &e, ERR_KEY_FROZEN);
    fake_must(keystore_commit(b.k, &e), &e);
    fake_must(fake_restart(&b, &e), &e);
    fake_expect(fake_sign(&b, &f, 1, DIGEST, &e), &e, ERR_KEY_FROZEN);
    fake_grant_done(&f);
    fake_end(&b);
}

static void test_keystore__dropped_keys_stay_gone(void **state)
{
    (void)state;
    struct fake_bench b;
    struct fake_grant f;
    struct err e = {0};
    struct held_key *held;
    const struct grant *g;
    struct msg_KEY_NEW again = {.key = reader_text("k"), .type = reader_text("ec-p256")};
    fake_begin(&b);
    fake_must(keystore_new_key(b.k, b.now, &again, &held, &e), &e); /* there already */
    assert_true(reader_equal(held->spki, reader_over(b.spki, b.spki_len)));
    again.type = reader_text("ec-p384");
    fake_expect(keystore_new_key(b.k, b.now, &again, &held, &e), &e, ERR_KEY_CONFLICT);
    fake_good(&f, 1, 1);
    fake_must(fake_give(&b, &f, &e), &e);
    fake_expect(keystore_drop_key(b.k, b.now, reader_text("k"), &e), &e, ERR_KEY_CONFLICT);
    fake_must(fake_close(&b, &f, &g, &e), &e);
    fake_must(keystore_drop_key(b.k, b.now, reader_text("k"), &e), &e);
    fake_must(keystore_tidy(b.k, b.now, &e), &e);
    fake_expect(keystore_new_key(b.k, b.now, &again, &held, &e), &e, ERR_KEY_CONFLICT);
    fake_must(fake_restart(&b, &e), &e);
    fake_must(fake_restart(&b, &e), &e); /* from a checkpoint with a dropped key and its grant */
    fake_expect(keystore_drop_key(b.k, b.now, reader_text("k"), &e), &e, ERR_KEY_UNKNOWN);
    fake_expect(keystore_drop_key(b.k, b.now, reader_text(PROBE_KEY), &e), &e, ERR_KEY_CONFLICT);
    fake_grant_done(&f);
    fake_end(&b);
}

/* --- start-up ------------------------------------------------------------------------------ */

static void stored_head(struct fake_bench *b, struct writer *to)
{
    struct reader head;
    struct err e = {0};
    fake_must(keystore_head(b->k, &head, &e), &e);
    writer_init(to, 1000);
    writer_reader(to, head);
}

static void test_keystore__signs_heads_that_others_can_verify(void **state)
{
    (void)state;
    struct fake_bench b;
    struct writer head, text;
    struct record_HEAD h;
    struct log_head plain;
    struct err e = {0};
    fake_begin(&b);
    stored_head(&b, &head);
    struct reader r = writer_view(&head);
    assert_true(record_HEAD_next(&r, &h) && h.size == 1 && h.epoch == 1);
    plain = (struct log_head){.size = h.size, .epoch = h.epoch, .journal = h.journal};
    assert_true(reader_copy(&h.root, plain.root, 32));
    writer_init(&text, 1000);
    log_head_text(&text, reader_text("node-1"), &plain);
    fake_must(key_verify_message(reader_over(b.k->state.log_key, b.k->state.log_key_len),
                                 writer_view(&text), h.signature, &e),
              &e);
    writer_done(&text);
    writer_done(&head);
    fake_end(&b);
}

static void test_keystore__starts_only_when_the_counters_fit(void **state)
{
    (void)state;
    struct fake_bench b;
    struct fake_log cut = {0}, fork = {0}, real;
    struct writer head;
    struct err e = {0};
    fake_begin(&b);
    (void)fake_log_add(&b.log, reader_text("second"));
    fake_must(fake_show_log(&b, (struct reader){0}, &e), &e);
    stored_head(&b, &head);
    fake_must(fake_restart(&b, &e), &e);
    fake_must(fake_show_log(&b, writer_view(&head), &e), &e);
    real = b.log;
    (void)fake_log_add(&cut, reader_text("first"));
    b.log = cut;
    fake_expect(fake_show_log(&b, (struct reader){0}, &e), &e, ERR_KEY_ROLLBACK);
    (void)fake_log_add(&fork, reader_text("first"));
    (void)fake_log_add(&fork, reader_text("other"));
    b.log = fork;
    fake_expect(fake_show_log(&b, (struct reader){0}, &e), &e, ERR_KEY_ROLLBACK);
    (void)fake_log_add(&fork, reader_text("third"));
    b.log = fork;
    fake_expect(fake_show_log(&b, (struct reader){0}, &e), &e, ERR_KEY_ROLLBACK);
    b.log = real;
    for (size_t i = 0; i < head.len; i++) { /* not by our log key */
        head.data[i] ^= 1;
        assert_false(fake_show_log(&b, writer_view(&head), &e));
        e = (struct err){0};
        head.data[i] ^= 1;
    }
    fake_must(fake_show_log(&b, writer_view(&head), &e), &e);
    writer_done(&head);
    fake_log_done(&cut);
    fake_log_done(&fork);
    fake_end(&b);
}

static void test_keystore__a_journal_put_back_is_noticed(void **state)
{
    (void)state;
    struct fake_bench b, old;
    struct fake_grant f;
    struct merkle_hash root;
    struct writer head;
    struct err e = {0};
    fake_begin(&b);
    fake_folder(old.path, &old.folder, T0);
    fake_folder_copy(b.folder, old.folder);
    fake_good(&f, 1, 1);
    fake_must(fake_give(&b, &f, &e), &e);
    fake_must(fake_sign(&b, &f, 0, DIGEST, &e), &e);
    fake_must(keystore_commit(b.k, &e), &e);
    stored_head(&b, &head);
    keystore_free(b.k);
    b.k = NULL;
    fake_folder_copy(old.folder, b.folder);
    for (int starts = 0; starts < 10;
         starts++) { /* each begins a journal file: that heals nothing */
        keystore_free(b.k);
        fake_must(keystore_open(b.folder, -1, b.now, &b.k, &e), &e);
        fake_expect(fake_show_log(&b, writer_view(&head), &e), &e, ERR_KEY_ROLLBACK);
        fake_expect(fake_sign(&b, &f, 0, OTHER, &e), &e, ERR_KEY_LOG);
    }
    assert_true(merkle_root(&b.log.edge, &root, &e));
    fake_must(
        keystore_restore(b.k, b.now, reader_text("root"), b.log.edge.size, merkle_view(&root), &e),
        &e);
    fake_must(fake_show_log(&b, writer_view(&head), &e), &e); /* the way on that was named */
    writer_done(&head);
    fake_grant_done(&f);
    fake_folder_remove(old.path, old.folder);
    fake_end(&b);
}

static void test_keystore__restore_begins_an_epoch_without_old_leaves(void **state)
{
    (void)state;
    struct fake_bench b;
    struct fake_grant f, pending;
    struct merkle_hash root;
    struct writer head;
    struct err e = {0};
    fake_begin(&b);
    stored_head(&b, &head);
    fake_good(&f, 1, 2);
    fake_must(fake_give(&b, &f, &e), &e);
    fake_good(&pending, 2, 2);
    fake_grant_build(&pending, &b.log, true, b.k->state.head_size);
    assert_true(merkle_root(&b.log.edge, &root, &e));
    fake_must(
        keystore_restore(b.k, b.now, reader_text("root"), b.log.edge.size, merkle_view(&root), &e),
        &e);
    fake_must(fake_restart(&b, &e), &e);
    fake_must(fake_show_log(&b, writer_view(&head), &e), &e); /* of the epoch before */
    fake_expect(fake_sign(&b, &f, 0, DIGEST, &e), &e, ERR_GRANT);
    fake_proof(&b.log, pending.index, b.k->state.head_size, &pending.proof);
    struct msg_KEY_GRANT m = fake_grant_message(&pending);
    fake_expect(keystore_grant(b.k, b.now, &m, &e), &e, ERR_GRANT);
    fake_grant_done(&pending);
    fake_good(&pending, 3, 2);
    fake_must(fake_give(&b, &pending, &e), &e);
    writer_done(&head);
    fake_grant_done(&f);
    fake_grant_done(&pending);
    fake_end(&b);
}

static void test_keystore__a_foreign_or_changed_sealed_file_is_named(void **state)
{
    (void)state;
    struct fake_bench b;
    struct err e = {0};
    struct fake_grant f;
    struct arena *a = arena_new(1 << 20);
    struct reader bytes;
    uint8_t changed[4096];
    fake_begin(&b);
    fake_must(file_read(b.folder, "k.sealed", sizeof changed, a, &bytes, &e), &e);
    size_t n = bytes.left;
    assert_true(reader_copy(&bytes, changed, n));
    for (uint32_t i = 0; i < n; i += 7) {
        changed[i] ^= 4;
        fake_must(file_replace(b.folder, "k.sealed", 0400, reader_over(changed, n), CRASH_S02, &e),
                  &e);
        fake_must(fake_restart(&b, &e), &e);
        fake_good(&f, i, 1);
        fake_expect(fake_give(&b, &f, &e), &e, ERR_KEY_FOLDER);
        fake_grant_done(&f);
        changed[i] ^= 4;
    }
    fake_must(file_read(b.folder, "probe.sealed", sizeof changed, a, &bytes, &e), &e);
    fake_must(file_replace(b.folder, "k.sealed", 0400, bytes, CRASH_S02, &e), &e);
    fake_must(fake_restart(&b, &e), &e);
    fake_good(&f, 9999, 1);
    fake_expect(fake_give(&b, &f, &e), &e, ERR_KEY_FOLDER);
    fake_grant_done(&f);
    arena_free(a);
    fake_end(&b);
}

static void test_keystore__nothing_before_the_log_was_shown(void **state)
{
    (void)state;
    struct fake_bench b;
    struct fake_grant f;
    struct err e = {0};
    fake_begin(&b);
    fake_good(&f, 1, 1);
    b.k->log_checked = false;
    fake_expect(fake_give(&b, &f, &e), &e, ERR_KEY_LOG);
    fake_expect(fake_sign(&b, &f, 0, DIGEST, &e), &e, ERR_KEY_LOG);
    fake_expect(keystore_freeze(b.k, b.now, reader_text("k"), &e), &e, ERR_KEY_LOG);
    fake_grant_done(&f);
    fake_end(&b);
}

int main(void)
{
    struct err e = {0};
    const struct CMUnitTest tests[] = {
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
