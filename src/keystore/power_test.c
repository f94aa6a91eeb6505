/* SPDX-License-Identifier: Apache-2.0 */
/* Power loss: images that a disk may hold when the last write was not synced yet. */
#include "base/test.h"
#include "keystore/fake_core.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct instant T0 = {1800000000000, 5000000};
static const sign_algorithm P256 = SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA256);
enum { ROUNDS = 6, SIGNS = 3, FILE_BYTES = 1 << 16 };

/* The journal after each commit, and how many slots were acknowledged by then. */
struct trace {
    char path[64];
    int folder, image;
    char image_path[64];
    uint8_t bytes[FILE_BYTES];
    size_t len[ROUNDS + 1];
    uint32_t uses[ROUNDS + 1];
    uint8_t id[GRANT_ID];
    struct fake_log log;
};

static void must(bool ok, const struct err *e)
{
    if (!ok)
        fail_msg("%s: %s", err_machine_code(e->code), e->detail);
}

static void show_log(struct keystore *k, const struct fake_log *log)
{
    struct writer proof;
    struct err e = {0};
    writer_init(&proof, MESSAGE_MAX);
    fake_proof(log, UINT64_MAX, k->state.head_size, &proof);
    must(keystore_log(k, T0, &(struct msg_KEY_LOG){.proof = writer_view(&proof)}, &e), &e);
    writer_done(&proof);
}

static bool sign(struct keystore *k, const uint8_t *id, uint32_t slot, uint8_t fill, struct err *e)
{
    uint8_t digest[32];
    struct sign_order order;
    memset(digest, fill, sizeof digest);
    struct msg_KEY_SIGN m = {0, reader_over(id, GRANT_ID), slot, P256, reader_over(digest, 32)};
    return keystore_sign(k, T0, &m, &order, e);
}

/* One grant; then rounds of SIGNS slots and one sync each. Slot s takes the digest s+1. */
static void run(struct trace *t)
{
    struct keystore *k;
    struct held_key *held;
    struct fake_grant f;
    struct err e = {0};
    *t = (struct trace){0};
    fake_folder(t->path, &t->folder, T0);
    fake_folder(t->image_path, &t->image, T0);
    must(keystore_open(t->folder, -1, T0, &k, &e), &e);
    (void)fake_log_add(&t->log, reader_text("first"));
    show_log(k, &t->log);
    struct msg_KEY_NEW new = {.key = reader_text("k"), .type = reader_text("ec-p256")};
    must(keystore_new_key(k, T0, &new, &held, &e), &e);
    fake_grant_init(&f, "k", 1, 100, T0);
    fake_grant_algorithm(&f, P256);
    fake_grant_build(&f, &t->log, true, k->state.head_size);
    struct msg_KEY_GRANT m = fake_grant_message(&f);
    must(keystore_grant(k, T0, &m, &e) && keystore_commit(k, &e), &e);
    t->len[0] = k->journal.size;
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        uint32_t slot = t->uses[round - 1];
        t->uses[round] = slot + SIGNS * round;
        for (; slot < t->uses[round]; slot++)
            must(sign(k, f.id, slot, (uint8_t)(slot + 1), &e), &e);
        must(keystore_commit(k, &e), &e);
        t->len[round] = k->journal.size;
    }
    memcpy(t->id, f.id, GRANT_ID);
    fake_grant_done(&f);
    keystore_free(k);
    struct arena *a = arena_new(1 << 20);
    struct reader file;
    must(file_read(t->folder, "journal-000000000002", FILE_BYTES, a, &file, &e), &e);
    assert_true(reader_copy(&file, t->bytes, file.left));
    arena_free(a);
}

static void put_file(int folder, const char *name, const uint8_t *bytes, size_t n)
{
    struct err e = {0};
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && file_write_fd(fd, reader_over(bytes, n), &e));
    (void)close(fd);
}

/* The image opens; every acknowledged slot keeps its digest; the group that was under way is there
 * whole or not at all. */
static void check(struct trace *t, size_t round, const uint8_t *bytes, size_t n)
{
    struct keystore *k;
    struct err e = {0};
    fake_folder_copy(t->folder, t->image);
    put_file(t->image, "journal-000000000002", bytes, n);
    must(keystore_open(t->image, -1, T0, &k, &e), &e);
    show_log(k, &t->log);
    const struct grant *g = state_grant(&k->state, reader_over(t->id, GRANT_ID));
    assert_non_null(g);
    assert_true(g->use_count == t->uses[round] || g->use_count == t->uses[round + 1]);
    for (uint32_t slot = 0; slot < g->use_count; slot++)
        assert_true(grant_use(g, slot)->digest[0] == slot + 1);
    if (g->use_count > 0) {
        uint32_t last = g->use_count - 1;
        must(sign(k, t->id, last, (uint8_t)(last + 1), &e), &e);
        assert_false(sign(k, t->id, last, (uint8_t)(last + 2), &e));
    }
    keystore_free(k);
}

static void finish(struct trace *t)
{
    fake_log_done(&t->log);
    fake_folder_remove(t->path, t->folder);
    fake_folder_remove(t->image_path, t->image);
}

static void test_power__prefixes_and_lost_sectors_of_unsynced_writes(void **state)
{
    (void)state;
    static struct trace t;
    static uint8_t image[FILE_BYTES];
    uint32_t random = 1;
    unsigned images = 0;
    run(&t);
    for (size_t round = 0; round < 4; round++) {
        size_t from = t.len[round], to = t.len[round + 1], sectors = (to - from) / JOURNAL_SECTOR;
        memcpy(image, t.bytes, to);
        for (size_t n = from; n <= to; n += 61, images++)
            check(&t, round, image, n);
        for (unsigned tries = 0; tries < 24; tries++, images++) {
            memcpy(image, t.bytes, to);
            random = random * 1664525u + 1013904223u;
            for (size_t s = 0; s < sectors; s++)
                if ((random >> (8 + s) & 1) != 0)
                    memset(image + from + s * JOURNAL_SECTOR, 0, JOURNAL_SECTOR);
            check(&t, round, image, to - (random & 1) * (random >> 20 & 511));
        }
    }
    print_message("%u images\n", images);
    finish(&t);
}

/* file_replace of the next file: a temporary name with anything in it, the new name whole or not
 * there yet. */
static void test_power__a_rotation_that_did_not_finish(void **state)
{
    (void)state;
    static struct trace t;
    struct keystore *k;
    struct err e = {0};
    run(&t);
    fake_folder_copy(t.folder, t.image);
    for (size_t n = 0; n < 3000; n += 500) {
        put_file(t.image, "journal-000000000003.tmp", t.bytes, n);
        must(keystore_open(t.image, -1, T0, &k, &e), &e);
        assert_int_equal(k->state.newest->use_count, t.uses[ROUNDS]);
        keystore_free(k);
        fake_folder_copy(t.folder, t.image);
    }
    finish(&t);
}

int main(void)
{
    struct err e = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power__prefixes_and_lost_sectors_of_unsynced_writes),
        cmocka_unit_test(test_power__a_rotation_that_did_not_finish),
    };
    return crypto_start(&e) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
