/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "web/http/address.h"

static struct address at(const char *text)
{
    struct address a = {0};
    assert_true(address_read(reader_text(text), &a));
    return a;
}

static void test_address__forms(void **state)
{
    (void)state;
    static const char *const forms[][2] = {
        {"1.2.3.4", "1.2.3.4"},        {"1.2.3.4:80", "1.2.3.4"},        {"[::1]:80", "::1"},
        {"::ffff:1.2.3.4", "1.2.3.4"}, {" 2001:DB8::1 ", "2001:db8::1"},
    };
    char text[ADDRESS_TEXT];
    struct address a;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        a = at(forms[i][0]);
        address_write(&a, text);
        assert_string_equal(text, forms[i][1]);
    }
    static const char *const bad[] = {"",         "unknown", "1.2.3", "1.2.3.4.5",
                                      "01.2.3.4", "[::1",    "a:b"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(address_read(reader_text(bad[i]), &a));
}

static void test_address__ranges(void **state)
{
    (void)state;
    struct address_range r;
    struct address in = at("10.1.2.3"), out = at("11.0.0.0");
    assert_true(address_range_read(reader_text("10.0.0.0/8"), &r));
    assert_true(address_in(&in, &r, 1) && !address_in(&out, &r, 1));
    assert_true(address_range_read(reader_text("2001:db8::/33"), &r));
    in = at("2001:db8:7fff::1");
    out = at("2001:db8:8000::1");
    assert_true(address_in(&in, &r, 1) && !address_in(&out, &r, 1));
    assert_true(address_range_read(reader_text("::1"), &r) && r.bits == 128);
    assert_true(address_range_read(reader_text("0.0.0.0/0"), &r));
    out = at("::1");
    assert_true(!address_in(&out, &r, 1)); /* not of the other family */
    assert_false(address_range_read(reader_text("10.0.0.1/8"), &r));
    assert_false(address_range_read(reader_text("10.0.0.0/33"), &r));
    assert_false(address_range_read(reader_text("::/129"), &r));
    assert_false(address_range_read(reader_text("10.0.0.0/"), &r));
}

static void client_is(const char *peer, const char *forwarded, const char *wanted)
{
    struct address_range trusted[2];
    char text[ADDRESS_TEXT];
    assert_true(address_range_read(reader_text("10.0.0.0/8"), &trusted[0]));
    assert_true(address_range_read(reader_text("::1"), &trusted[1]));
    struct address a = at(peer);
    address_of_client(&a, reader_text(forwarded), trusted, 2);
    address_write(&a, text);
    assert_string_equal(text, wanted);
}

static void test_address__client_behind_proxies(void **state)
{
    (void)state;
    client_is("9.9.9.9", "1.1.1.1", "9.9.9.9"); /* nobody trusts this peer */
    client_is("10.0.0.1", "", "10.0.0.1");
    client_is("10.0.0.1", "1.1.1.1", "1.1.1.1");
    client_is("10.0.0.1", "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1");
    client_is("::1", "10.0.0.3,10.0.0.2", "10.0.0.3");
    client_is("10.0.0.1", "1.1.1.1, unknown", "10.0.0.1");
    client_is("10.0.0.1", "1.1.1.1,", "10.0.0.1");
    client_is("10.0.0.1", ",,,", "10.0.0.1");
}

static void site_is(const char *address, const char *wanted)
{
    char text[ADDRESS_TEXT];
    struct address a = at(address), site = address_site(&a);
    address_write(&site, text);
    assert_string_equal(text, wanted);
}

static void test_address__site(void **state)
{
    (void)state;
    site_is("9.8.7.6", "9.8.7.6");
    site_is("::ffff:9.8.7.6", "9.8.7.6");
    site_is("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address__forms),
        cmocka_unit_test(test_address__ranges),
        cmocka_unit_test(test_address__client_behind_proxies),
        cmocka_unit_test(test_address__site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
