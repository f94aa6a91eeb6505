/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/fake_bench.h"
#include "base/test.h"

static const struct instant T0 = FAKE_NOW;
static const sign_algorithm P256 = FAKE_ALGORITHM;

void fake_must(bool ok, const struct err *e)
{
    if (!ok)
        fail_msg("%s: %s", err_machine_code(e->code), e->detail);
}

bool fake_show_log(struct fake_bench *b, struct reader head, struct err *e)
{
    struct writer proof;
    writer_init(&proof, MESSAGE_MAX);
    fake_proof(&b->log, UINT64_MAX, b->k->state.head_size, &proof);
    bool ok = keystore_log(b->k, b->now, &(struct msg_KEY_LOG){0, head, writer_view(&proof)}, e) &&
              keystore_commit(b->k, e);
    writer_done(&proof);
    return ok;
}

void fake_begin(struct fake_bench *b)
{
    struct err e = {0};
    struct held_key *held;
    *b = (struct fake_bench){.now = T0};
    fake_folder(b->path, &b->folder, b->now);
    fake_must(keystore_open(b->folder, -1, b->now, &b->k, &e), &e);
    (void)fake_log_add(&b->log, reader_text("first"));
    fake_must(fake_show_log(b, (struct reader){0}, &e), &e);
    fake_must(keystore_new_key(
                  b->k, b->now,
                  &(struct msg_KEY_NEW){.key = reader_text("k"), .type = reader_text("ec-p256")},
                  &held, &e),
              &e);
    fake_must(keystore_commit(b->k, &e), &e);
    struct reader spki = held->spki;
    b->spki_len = spki.left;
    assert_true(reader_copy(&spki, b->spki, b->spki_len));
}

void fake_end(struct fake_bench *b)
{
    keystore_free(b->k);
    fake_log_done(&b->log);
    fake_folder_remove(b->path, b->folder);
}

/* The process dies and starts again. */
bool fake_restart(struct fake_bench *b, struct err *e)
{
    keystore_free(b->k);
    b->k = NULL;
    return keystore_open(b->folder, -1, b->now, &b->k, e) &&
           fake_show_log(b, (struct reader){0}, e);
}

bool fake_give(struct fake_bench *b, struct fake_grant *f, struct err *e)
{
    fake_grant_build(f, &b->log, true, b->k->state.head_size);
    struct msg_KEY_GRANT m = fake_grant_message(f);
    return keystore_grant(b->k, b->now, &m, e) && keystore_commit(b->k, e);
}

static bool fake_sign_as(struct fake_bench *b, const struct fake_grant *f, uint32_t slot,
                         sign_algorithm a, struct reader digest, struct err *e)
{
    struct sign_order order;
    struct msg_KEY_SIGN m = {0, reader_over(f->id, GRANT_ID), slot, a, digest};
    return keystore_sign(b->k, b->now, &m, &order, e);
}

bool fake_sign(struct fake_bench *b, const struct fake_grant *f, uint32_t slot,
               const uint8_t *digest, struct err *e)
{
    return fake_sign_as(b, f, slot, P256, reader_over(digest, 32), e);
}

bool fake_close(struct fake_bench *b, const struct fake_grant *f, const struct grant **ret,
                struct err *e)
{
    return keystore_close(b->k, b->now, reader_over(f->id, GRANT_ID), ret, e) &&
           keystore_commit(b->k, e);
}

void fake_expect(bool ok, struct err *e, enum err_code want)
{
    if (ok || e->code != want)
        fail_msg("got %s (%s), not %s", ok ? "yes" : err_machine_code(e->code), e->detail,
                 err_machine_code(want));
    *e = (struct err){0};
}

void fake_good(struct fake_grant *f, uint32_t number, uint32_t slots)
{
    fake_grant_init(f, "k", number, slots, T0);
    fake_grant_algorithm(f, P256);
}
