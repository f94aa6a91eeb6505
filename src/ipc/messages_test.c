/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "ipc/messages.h"

static void test_messages__round_trip_and_every_cut(void **state)
{
    (void)state;
    struct writer list, w;
    writer_init(&list, 1000);
    record_USE_write(&list, &(struct record_USE){.slot = 3, .digest = reader_text("d")});
    writer_init(&w, 1000);
    msg_KEY_CLOSED_write(
        &w, &(struct msg_KEY_CLOSED){.call = 9, .uses = writer_view(&list), .total = 7});
    struct reader body = writer_view(&w), cut;
    struct msg_KEY_CLOSED m;
    struct record_USE use;
    for (size_t n = 0; n < body.left; n++) {
        assert_true(reader_slice(body, 0, n, &cut));
        assert_false(msg_KEY_CLOSED_read(cut, &m));
    }
    assert_true(msg_KEY_CLOSED_read(body, &m) && m.call == 9 && m.total == 7);
    assert_true(record_USE_next(&m.uses, &use) && use.slot == 3 && reader_at_end(&m.uses));
    writer_u8(&w, 0);
    assert_false(msg_KEY_CLOSED_read(writer_view(&w), &m));
    writer_done(&w);
    writer_done(&list);
}

static void test_messages__direction(void **state)
{
    (void)state;
    assert_true(message_allowed(MSG_KEY_SIGN, ROLE_CORE, ROLE_KEY, 0));
    assert_false(message_allowed(MSG_KEY_SIGN, ROLE_WORKER, ROLE_KEY, 0));
    assert_false(message_allowed(MSG_KEY_SIGN, ROLE_CORE, ROLE_KEY, 1));
    assert_false(message_allowed(MSG__COUNT, ROLE_CORE, ROLE_KEY, 0));
    assert_true(message_allowed(MSG_HELLO, ROLE_CORE, ROLE_KEY, 0));
}

static void test_messages__text_refuses_nul_and_bad_utf8(void **state)
{
    (void)state;
    struct msg_HELLO m;
    assert_true(message_decodes(MSG_HELLO, reader_over("\x01\0\0\0a", 5)));
    assert_false(msg_HELLO_read(reader_over("\x01\0\0\0\0", 5), &m));
    assert_false(msg_HELLO_read(reader_over("\x01\0\0\0\xff", 5), &m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages__round_trip_and_every_cut),
        cmocka_unit_test(test_messages__direction),
        cmocka_unit_test(test_messages__text_refuses_nul_and_bad_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
