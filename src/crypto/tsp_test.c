/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/test.h"
#include "base/text.h"
#include "crypto/testkit.h"
#include "crypto/tsp.h"
#include <string.h>

static struct testkit kit;
static struct digest_value imprint;
static uint8_t nonce[TSP_NONCE];

static struct tsp_want want_all(void)
{
    return (struct tsp_want){.hash = HASH_SHA256,
                             .imprint = digest_view(&imprint),
                             .nonce = nonce,
                             .roots = &kit.tsa_certificate,
                             .root_count = 1,
                             .now = TESTKIT_TIME,
                             .tolerance = 60,
                             .valid_from = TESTKIT_TIME - 10,
                             .valid_until = TESTKIT_TIME + 10};
}

static struct reader token_at(int64_t time)
{
    return testkit_token(&kit, HASH_SHA256, digest_view(&imprint), reader_over(nonce, TSP_NONCE),
                         time);
}

static void refused(struct reader token, const struct tsp_want *want, const char *says)
{
    struct tsp_token t;
    struct err e = {0};
    assert_false(tsp_check_token(kit.arena, token, want, &t, &e));
    assert_int_equal(e.code, ERR_STAMP_TOKEN);
    assert_non_null(strstr(e.user, says));
}

static void test_tsp_check_token__each_rule(void **state)
{
    (void)state;
    struct tsp_token t;
    struct err e = {0};
    struct tsp_want want = want_all();
    struct reader good = token_at(TESTKIT_TIME);
    assert_true(tsp_check_token(kit.arena, good, &want, &t, &e));
    assert_true(t.trusted && t.time == TESTKIT_TIME && t.certificate_count == 1);
    assert_int_equal(t.not_after, TESTKIT_TIME + 86400LL * 3650);

    struct digest_value other;
    assert_true(digest_of(HASH_SHA256, reader_text("other"), &other, &e));
    want.imprint = digest_view(&other);
    refused(good, &want, "imprint");
    want.imprint = reader_over(imprint.bytes, 31); /* a cut imprint is another one */
    refused(good, &want, "imprint");
    want = want_all();
    want.hash = HASH_SHA384;
    refused(good, &want, "imprint");
    want = want_all();
    nonce[15] ^= 1;
    refused(good, &want, "nonce");
    nonce[15] ^= 1;
    refused(testkit_token(&kit, HASH_SHA256, digest_view(&imprint), reader_text(""), TESTKIT_TIME),
            &want, "nonce");
    refused(token_at(TESTKIT_TIME + 61), &want, "clock");
    refused(token_at(TESTKIT_TIME - 61), &want, "clock");
    refused(token_at(TESTKIT_TIME + 11), &want, "validity");
    want.tolerance = -1;
    want.valid_until = TESTKIT_TIME + 86400LL * 9999;
    refused(token_at(TESTKIT_TIME + 86400LL * 3651), &want, "not valid at the time");
    want = want_all();
    want.roots = &kit.certificate; /* a stamper that nobody configured */
    refused(good, &want, "chain");
    want.root_count = 0;
    assert_true(tsp_check_token(kit.arena, good, &want, &t, &e));
    assert_false(t.trusted);
}

static void test_tsp_check_token__certificate_must_be_for_stamps(void **state)
{
    (void)state;
    struct tsp_want want = want_all();
    struct reader right = kit.tsa_certificate;
    kit.tsa_certificate = testkit_certificate(kit.arena, kit.tsa_key, "Code", false);
    refused(token_at(TESTKIT_TIME), &want, "time stamps alone");
    want.foreign = true;
    refused(token_at(TESTKIT_TIME), &want, "time stamps alone");
    kit.tsa_certificate = right;
}

static void test_tsp_check_token__flipped_bytes(void **state)
{
    (void)state;
    struct tsp_want want = want_all();
    struct reader good = token_at(TESTKIT_TIME);
    struct writer w;
    writer_init(&w, 65536);
    writer_reader(&w, good);
    for (size_t i = 0; i < w.len; i++) {
        struct arena *a = arena_new(4 << 20);
        struct tsp_token t;
        struct err e = {0};
        w.data[i] ^= 1;
        assert_false(tsp_check_token(a, writer_view(&w), &want, &t, &e));
        w.data[i] ^= 1;
        arena_free(a);
    }
    writer_done(&w);
}

static void test_tsp_nonce__depends_on_everything(void **state)
{
    (void)state;
    uint8_t seed[32] = {1}, a[TSP_NONCE], b[TSP_NONCE];
    struct err e = {0};
    assert_true(tsp_nonce(seed, 1, 0, a, &e) && tsp_nonce(seed, 1, 0, b, &e));
    assert_memory_equal(a, b, sizeof a);
    assert_true(tsp_nonce(seed, 2, 0, b, &e) && memcmp(a, b, sizeof a) != 0);
    assert_true(tsp_nonce(seed, 1, 1, b, &e) && memcmp(a, b, sizeof a) != 0);
    seed[0] = 2;
    assert_true(tsp_nonce(seed, 1, 0, b, &e) && memcmp(a, b, sizeof a) != 0);
}

/* A server that is not ours: openssl ts, with a certificate authority above it. */
static bool openssl_server(void)
{
    return testkit_run(
        "cat > ts.cnf <<X\n"
        "[tsa]\ndefault_tsa=t\n[t]\nserial=serial\ncrypto_device=builtin\n"
        "signer_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256,sha384\naccuracy=secs:1\n"
        "ordering=yes\ness_cert_id_alg=sha256\n"
        "[ca]\nbasicConstraints=critical,CA:TRUE\n"
        "[ts]\nextendedKeyUsage=critical,timeStamping\n"
        "X\n"
        "echo 01 > serial\n"
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=CA "
        "-days 30 -addext basicConstraints=critical,CA:TRUE &&"
        "openssl req -new -newkey rsa:2048 -nodes -keyout ts.key -subj /CN=TS -out ts.csr &&"
        "openssl x509 -req -in ts.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 "
        "-extfile ts.cnf -extensions ts -out ts.pem &&"
        "openssl x509 -in ca.pem -outform DER -out ca.der");
}

static void test_tsp__openssl_answers_our_request(void **state)
{
    (void)state;
    struct err e = {0};
    struct writer request;
    struct tsp_token t;
    writer_init(&request, 1024);
    assert_true(openssl_server());
    assert_true(tsp_request(HASH_SHA256, digest_view(&imprint), nonce, &request, &e));
    testkit_write("request", writer_view(&request));
    assert_true(testkit_run("openssl ts -reply -queryfile request -config ts.cnf -signer ts.pem "
                            "-inkey ts.key -chain ca.pem -out reply"));
    struct reader reply = testkit_read(kit.arena, "reply"),
                  root = testkit_read(kit.arena, "ca.der");
    struct tsp_want want = {.hash = HASH_SHA256,
                            .imprint = digest_view(&imprint),
                            .nonce = nonce,
                            .roots = &root,
                            .root_count = 1,
                            .now = clock_wall_ms() / 1000,
                            .tolerance = 300};
    assert_true(tsp_check_response(kit.arena, reply, &want, &t, &e));
    assert_true(t.trusted && t.certificate_count == 2);
    enum hash h;
    assert_true(tsp_token_hash(kit.arena, t.token, &h) && h == HASH_SHA256);

    struct err refusal = {0}, junk = {0};
    testkit_write("request", reader_over(request.data, request.len - 4));
    assert_true(testkit_run("openssl ts -reply -queryfile request -config ts.cnf -signer ts.pem "
                            "-inkey ts.key -out reply || true"));
    assert_false(
        tsp_check_response(kit.arena, testkit_read(kit.arena, "reply"), &want, &t, &refusal));
    assert_non_null(strstr(refusal.user, "refused the request"));
    assert_false(tsp_check_response(kit.arena, reader_text("<html>"), &want, &t, &junk));
    writer_done(&request);
}

/* And the other way: openssl accepts what the kit's server makes. */
static void test_tsp__openssl_accepts_the_kit(void **state)
{
    (void)state;
    testkit_write("token", token_at(TESTKIT_TIME));
    testkit_write_pem("tsa.pem", kit.tsa_certificate);
    char hex[65];
    text_hex(imprint.bytes, 32, hex);
    assert_true(testkit_run("openssl ts -verify -digest %s -token_in -in token -CAfile tsa.pem "
                            "-attime %lld",
                            hex, (long long)TESTKIT_TIME));
}

static int start(void **state)
{
    (void)state;
    struct err e = {0};
    testkit_init(&kit, "ec-p256", true);
    uint8_t seed[32] = {9};
    return digest_of(HASH_SHA256, reader_text("a signature"), &imprint, &e) &&
                   tsp_nonce(seed, 1, 0, nonce, &e)
               ? 0
               : -1;
}

static int stop(void **state)
{
    (void)state;
    testkit_done(&kit);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tsp_check_token__each_rule),
        cmocka_unit_test(test_tsp_check_token__certificate_must_be_for_stamps),
        cmocka_unit_test(test_tsp_check_token__flipped_bytes),
        cmocka_unit_test(test_tsp_nonce__depends_on_everything),
        cmocka_unit_test(test_tsp__openssl_answers_our_request),
        cmocka_unit_test(test_tsp__openssl_accepts_the_kit),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
