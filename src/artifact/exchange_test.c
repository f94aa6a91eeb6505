/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/exchange.h"
#include "base/test.h"
#include <pthread.h>

enum { STAMPS = 2500, ROOT = 1200, ROOTS = 32 };

/* A core that answers every request for a stamp, always with the same roots. */
static void *answer(void *arg)
{
    struct channel c = {*(int *)arg, ROLE_CORE, ROLE_WORKER};
    struct message m = {0};
    struct writer roots;
    struct err e = {0};
    static const uint8_t root[ROOT];
    writer_init(&roots, (size_t)2 * ROOT * ROOTS);
    for (int i = 0; i < ROOTS; i++)
        record_CERTIFICATE_write(
            &roots, &(struct record_CERTIFICATE){.der = reader_over(root, sizeof root)});
    struct msg_ASK_STAMP ask;
    while (channel_receive(&c, &m, &e) && message_as_ASK_STAMP(&m, &ask, &e)) {
        struct msg_STAMP stamp = {.slot = ask.slot,
                                  .attempt = ask.attempt,
                                  .server = reader_text(ask.slot % 2 == 0 ? "even" : "odd"),
                                  .roots = writer_view(&roots),
                                  .answer = reader_text("token")};
        if (!channel_send_STAMP(&c, &stamp, NULL, 0, &e))
            break;
    }
    message_done(&m);
    writer_done(&roots);
    channel_close(&c);
    return NULL;
}

/* A job may have as many stamps as files: what it keeps of each answer may not add up. */
static void test_artifact_exchange__many_stamps(void **state)
{
    int pair[2];
    pthread_t core;
    struct err e = {0};
    struct exchange *x = NULL;
    (void)state;
    assert_true(channel_pair(pair, &e));
    assert_int_equal(pthread_create(&core, NULL, answer, &pair[1]), 0);
    struct channel c = {pair[0], ROLE_WORKER, ROLE_CORE};
    assert_true(exchange_new(&c, &x, &e));
    struct signing_source source = exchange_source(x);
    for (uint32_t slot = 0; slot < STAMPS; slot++) {
        struct stamp_answer got = {.server = ""};
        writer_init(&got.bytes, 1000);
        if (!source.stamp(source.ctx, slot, 0, HASH_SHA256, reader_text("request"), &got, &e))
            fail_msg("stamp %u: %s %s", slot, e.user, e.detail);
        assert_int_equal(got.root_count, ROOTS);
        assert_int_equal(got.roots[ROOTS - 1].left, ROOT);
        assert_string_equal(got.server, slot % 2 == 0 ? "even" : "odd");
        assert_true(reader_equal_text(writer_view(&got.bytes), "token"));
        writer_done(&got.bytes);
    }
    exchange_free(x);
    channel_close(&c);
    assert_int_equal(pthread_join(core, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_artifact_exchange__many_stamps),
    };
    return cmocka_run_group_tests_name("artifact_exchange", tests, NULL, NULL);
}
