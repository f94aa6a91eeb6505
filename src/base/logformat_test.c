/* SPDX-License-Identifier: Apache-2.0 */
#include "base/logformat.h"
#include "base/test.h"

static void test_logformat__leaf_round_trip_and_every_cut(void **state)
{
    (void)state;
    struct writer w;
    struct log_leaf leaf, want = {.time_ms = 7,
                                  .kind = reader_text(LOG_LEAF_INTENT),
                                  .context = reader_text("{}"),
                                  .body = reader_text("grant")};
    static const uint8_t bytes[] = "\1\7\0\0\0\0\0\0\0\6\0\0\0INTENT\2\0\0\0{}\5\0\0\0grant";
    writer_init(&w, 100);
    log_leaf_write(&w, &want);
    assert_true(reader_equal(writer_view(&w), reader_over(bytes, sizeof bytes - 1)));
    for (size_t n = 0; n < w.len; n++)
        assert_false(log_leaf_read(reader_over(w.data, n), &leaf));
    assert_true(log_leaf_read(writer_view(&w), &leaf));
    assert_true(leaf.time_ms == 7 && reader_equal_text(leaf.body, "grant"));
    writer_u8(&w, 0);
    assert_false(log_leaf_read(writer_view(&w), &leaf));
    writer_done(&w);
}

static void test_logformat__head_is_a_checkpoint_body(void **state)
{
    (void)state;
    struct writer w;
    struct log_head head = {.size = 12, .epoch = 1, .journal = 34};
    writer_init(&w, 1000);
    log_head_text(&w, reader_text("node-1"), &head);
    assert_true(reader_equal_text(
        writer_view(&w), "chancery/node-1\n12\n"
                         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nepoch 1\njournal 34\n"));
    writer_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logformat__leaf_round_trip_and_every_cut),
        cmocka_unit_test(test_logformat__head_is_a_checkpoint_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
