/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/test.h"
#include "ipc/channel.h"
#include <unistd.h>

static void pair_of(enum role a, enum role b, struct channel *ret_a, struct channel *ret_b)
{
    int ends[2];
    struct err e = {0};
    assert_true(channel_pair(ends, &e));
    *ret_a = (struct channel){ends[0], a, b};
    *ret_b = (struct channel){ends[1], b, a};
}

static void test_channel__carries_messages_and_descriptors(void **state)
{
    (void)state;
    struct channel core, front;
    struct message m = {0};
    struct err e = {0};
    struct msg_CALL_REPLY reply;
    int fd = -1;
    pair_of(ROLE_CORE, ROLE_FRONT, &core, &front);
    assert_true(file_memfd("body", reader_text("hello"), &fd, &e));
    assert_true(channel_send_CALL_REPLY(
        &core, &(struct msg_CALL_REPLY){.call = 1, .status = 200, .length = 5}, &fd, 1, &e));
    assert_true(channel_receive(&front, &m, &e) && message_as_CALL_REPLY(&m, &reply, &e));
    assert_int_equal(reply.status, 200);
    int got = message_take_fd(&m, 0);
    char text[5];
    assert_int_equal(read(got, text, 5), 5);
    file_close(&got);
    file_close(&fd);
    channel_close(&core);
    assert_false(channel_receive(&front, &m, &e));
    assert_int_equal(e.code, ERR_IPC_CLOSED);
    message_done(&m);
    channel_close(&front);
}

static void test_channel__refuses_what_the_table_does_not_name(void **state)
{
    (void)state;
    struct channel core, front, liar;
    struct message m = {0};
    struct err e = {0};
    pair_of(ROLE_CORE, ROLE_FRONT, &core, &front);
    assert_false(channel_send_KEY_SIGN(&core, &(struct msg_KEY_SIGN){0}, NULL, 0, &e));
    assert_int_equal(e.code, ERR_IPC_MESSAGE);
    liar = (struct channel){front.fd, ROLE_CORE, ROLE_KEY}; /* a front that speaks as core */
    e = (struct err){0};
    assert_true(channel_send_KEY_SIGN(&liar, &(struct msg_KEY_SIGN){0}, NULL, 0, &e));
    assert_false(channel_receive(&core, &m, &e));
    assert_int_equal(e.code, ERR_IPC_MESSAGE);
    message_done(&m);
    channel_close(&core);
    channel_close(&front);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channel__carries_messages_and_descriptors),
        cmocka_unit_test(test_channel__refuses_what_the_table_does_not_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
