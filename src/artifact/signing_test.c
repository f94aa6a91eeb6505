/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/signing.h"
#include "base/test.h"
#include "crypto/testkit.h"
#include "crypto/tsp.h"
#include "ipc/messages.h"
#include <string.h>

/* A source whose nth server gives what the row says. */
struct servers {
    struct testkit *kit;
    const char
        *answers; /* one character a server: g good, w wrong imprint, n wrong nonce, x junk */
    bool rooted;
    size_t asked, signed_count, good;
    struct reader last_request, last_answer, last_token;
};

static struct testkit kit;
static const uint8_t imprint[32] = {1, 2, 3, 4};
static const uint8_t digest[32] = {9, 8, 7};

static bool give_signature(void *ctx, uint32_t slot, sign_algorithm algorithm, struct reader d,
                           struct writer *signature, struct err *e)
{
    struct servers *s = ctx;
    s->signed_count++;
    return s->kit->signer.sign(s->kit->signer.ctx, slot, algorithm, d, signature, e);
}

/* TimeStampResp (RFC 3161 2.4.2) with status granted. */
static struct reader response_with(struct reader token)
{
    struct writer w;
    writer_init(&w, 1000000);
    size_t at = der_open(&w, DER_SEQUENCE), status = der_open(&w, DER_SEQUENCE);
    der_put_uint(&w, 0);
    der_close(&w, status);
    writer_reader(&w, token);
    der_close(&w, at);
    struct reader ret = arena_bytes(kit.arena, writer_view(&w));
    writer_done(&w);
    return ret;
}

static bool give_stamp(void *ctx, uint32_t slot, uint32_t attempt, enum hash hash,
                       struct reader request, struct stamp_answer *ret, struct err *e)
{
    struct servers *s = ctx;
    uint8_t nonce[TSP_NONCE], seed[32] = {5};
    uint8_t other[32] = {0};
    s->asked++;
    if (attempt >= strlen(s->answers))
        return true; /* nobody is left */
    assert_true(tsp_nonce(seed, slot, attempt, nonce, e));
    char how = s->answers[attempt];
    struct reader token =
        how == 'x' ? reader_text("junk")
                   : testkit_token(
                         s->kit, hash, reader_over(how == 'w' ? other : imprint, sizeof imprint),
                         how == 'n' ? reader_over(other, TSP_NONCE) : reader_over(nonce, TSP_NONCE),
                         TESTKIT_TIME);
    ret->server = "test";
    if (s->rooted) {
        ret->roots = &s->kit->tsa_certificate;
        ret->root_count = 1;
    }
    struct reader answer = how == 'x' ? token : response_with(token);
    writer_reader(&ret->bytes, answer);
    s->last_request = arena_bytes(s->kit->arena, request);
    s->last_answer = arena_bytes(s->kit->arena, answer);
    s->last_token = token;
    return true;
}

static void count_good(void *ctx, uint32_t slot, uint32_t attempt)
{
    struct servers *s = ctx;
    (void)slot;
    (void)attempt;
    s->good++;
}

static struct signing signing_over(struct servers *s)
{
    return (struct signing){
        .source = {s, give_signature, give_stamp, count_good}, .time = TESTKIT_TIME, .seed = {5}};
}

static bool run_stamp(struct signing *g, struct writer *token, struct err *e)
{
    struct signer signer = signing_signer(g, &kit.certificate, 1, true);
    writer_init(token, 1000000);
    return signer.stamp(signer.ctx, 3, HASH_SHA256, reader_over(imprint, sizeof imprint), token, e);
}

static void test_artifact_signing__takes_the_first_good_token(void **state)
{
    struct servers s = {.kit = &kit, .answers = "xwng", .rooted = true};
    struct signing g = signing_over(&s);
    struct writer token;
    struct err e = {0};
    (void)state;
    if (!run_stamp(&g, &token, &e))
        fail_msg("%s %s", e.user, e.detail);
    assert_int_equal(s.asked, 4);
    assert_int_equal(s.good, 1);
    assert_true(reader_equal(writer_view(&token), s.last_token));
    writer_done(&token);
}

static void test_artifact_signing__no_server_left(void **state)
{
    static const char *const rows[] = {"", "x", "wn"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct servers s = {.kit = &kit, .answers = rows[i]};
        struct signing g = signing_over(&s);
        struct writer token;
        struct err e = {0};
        assert_false(run_stamp(&g, &token, &e));
        assert_int_equal(e.code, ERR_STAMP);
        assert_int_equal(s.asked, strlen(rows[i]) + 1);
        assert_int_equal(s.good, 0);
        writer_done(&token);
    }
}

static void test_artifact_signing__stored_token_is_used_again(void **state)
{
    struct servers s = {.kit = &kit, .answers = "g"};
    struct signing g = signing_over(&s);
    struct writer first, second;
    struct err e = {0};
    (void)state;
    assert_true(run_stamp(&g, &first, &e));
    struct effect effect = {3, EFFECT_STAMP, s.last_request, s.last_answer};
    g.effects = &effect;
    g.effect_count = 1;
    assert_true(run_stamp(&g, &second, &e));
    assert_int_equal(s.asked, 1);
    assert_int_equal(s.good, 1);
    assert_true(reader_equal(writer_view(&first), writer_view(&second)));
    writer_done(&first);
    writer_done(&second);
}

/* A bad answer was stored before the worker judged it: the replay comes to the same end. */
static void test_artifact_signing__stored_junk_goes_on_to_the_next(void **state)
{
    struct servers s = {.kit = &kit, .answers = "xg"};
    struct signing g = signing_over(&s);
    struct writer request, token;
    struct err e = {0};
    uint8_t nonce[TSP_NONCE], seed[32] = {5};
    (void)state;
    writer_init(&request, 10000);
    assert_true(tsp_nonce(seed, 3, 0, nonce, &e));
    assert_true(
        tsp_request(HASH_SHA256, reader_over(imprint, sizeof imprint), nonce, &request, &e));
    struct effect effect = {3, EFFECT_STAMP, writer_view(&request), reader_text("junk")};
    g.effects = &effect;
    g.effect_count = 1;
    assert_true(run_stamp(&g, &token, &e));
    assert_int_equal(s.asked, 1);
    writer_done(&request);
    writer_done(&token);
}

static void test_artifact_signing__slot_takes_one_digest(void **state)
{
    struct servers s = {.kit = &kit, .answers = ""};
    struct signing g = signing_over(&s);
    struct signer signer = signing_signer(&g, &kit.certificate, 1, false);
    sign_algorithm algorithm = SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA256);
    struct writer request, signature;
    struct err e = {0};
    (void)state;
    writer_init(&request, 1000);
    writer_init(&signature, 1000);
    signing_request(&request, algorithm, reader_over(digest, sizeof digest));
    struct effect effect = {4, EFFECT_SIGNATURE, writer_view(&request), reader_text("stored")};
    g.effects = &effect;
    g.effect_count = 1;
    assert_true(
        signer.sign(signer.ctx, 4, algorithm, reader_over(digest, sizeof digest), &signature, &e));
    assert_true(reader_equal_text(writer_view(&signature), "stored"));
    assert_int_equal(s.signed_count, 0);
    assert_false(signer.sign(signer.ctx, 4, algorithm, reader_over(imprint, sizeof imprint),
                             &signature, &e));
    assert_int_equal(e.code, ERR_REPLAY_DIFFERS);
    assert_int_equal(s.signed_count, 0);
    writer_done(&request);
    writer_done(&signature);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_artifact_signing__takes_the_first_good_token),
        cmocka_unit_test(test_artifact_signing__no_server_left),
        cmocka_unit_test(test_artifact_signing__stored_token_is_used_again),
        cmocka_unit_test(test_artifact_signing__stored_junk_goes_on_to_the_next),
        cmocka_unit_test(test_artifact_signing__slot_takes_one_digest),
    };
    testkit_init(&kit, "ec-p256", true);
    int failed = cmocka_run_group_tests_name("artifact_signing", tests, NULL, NULL);
    testkit_done(&kit);
    return failed;
}
