/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/test.h"

static void test_clock__iso_round_trip(void **state)
{
    (void)state;
    for (int64_t ms = -62135596800000 / 4; ms < 4102444800000; ms += INT64_C(8380799916)) {
        char text[25];
        int64_t back;
        clock_iso(ms, text);
        assert_true(clock_from_iso(reader_text(text), &back));
        assert_true(back == ms);
    }
}

static void test_clock__refuses_what_is_no_date(void **state)
{
    (void)state;
    int64_t ms;
    static const char *const bad[] = {
        "", "2026-02-29", "2026-13-01", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00", "2026-1-1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(clock_from_iso(reader_text(bad[i]), &ms));
    assert_true(clock_from_iso(reader_text("2024-02-29"), &ms) && ms == 1709164800000);
    assert_true(clock_from_iso(reader_text("1970-01-01T00:00:01Z"), &ms) && ms == 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock__iso_round_trip),
        cmocka_unit_test(test_clock__refuses_what_is_no_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
