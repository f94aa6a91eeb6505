/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "procs/fetch_filter.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static struct sockaddr_storage address(const char *text, uint16_t port)
{
    struct sockaddr_storage s = {0};
    struct sockaddr_in *v4 = (void *)&s;
    struct sockaddr_in6 *v6 = (void *)&s;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
    }
    return s;
}

static void test_filter_is_public__knows_special_addresses(void **state)
{
    (void)state;
    static const char *const forbidden[] = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "2001::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "3fff::1",
        "5f00::1",
        "4000::1",
    };
    static const char *const open[] = {
        "8.8.8.8",        "1.1.1.1",      "9.255.255.255", "11.0.0.1",
        "100.63.255.255", "100.128.0.1",  "172.15.0.1",    "172.32.0.1",
        "192.0.1.1",      "198.17.255.1", "198.20.0.1",    "223.255.255.1",
        "2606:4700::1",   "2a00:1450::1", "2001:200::1",   "3ffe::1"};
    for (size_t i = 0; i < COUNT_OF(forbidden); i++) {
        struct sockaddr_storage a = address(forbidden[i], 80);
        if (filter_is_public((struct sockaddr *)&a))
            fail_msg("%s counts as public", forbidden[i]);
    }
    for (size_t i = 0; i < COUNT_OF(open); i++) {
        struct sockaddr_storage a = address(open[i], 80);
        if (!filter_is_public((struct sockaddr *)&a))
            fail_msg("%s counts as private", open[i]);
    }
    struct sockaddr local = {.sa_family = AF_UNIX};
    assert_false(filter_is_public(&local));
}

static void test_filter_url__takes_plain_addresses_only(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "ftp://a.example/",
        "file:///etc/passwd",
        "gopher://a/",
        "http://",
        "http:///x",
        "http://a@b/",
        "http://a:b@c/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://1.2.3.4.5/",
        "http://256.1.1.1/",
        "http://a:0/",
        "http://a:65536/",
        "http://a:8a/",
        "http://[::1/",
        "http://[::1]x/",
        "http://[fe80::1%eth0]/",
        "http://a b/",
        "http://a\\@b/",
        "http://a%2eb/",
        "http://\xc3\xa4.example/",
        "http://a..b/",
        "http://.a/",
        "http://a\n/",
        "HTTP://a/",
        "http://a:/",
        "//a/",
        "http://a,b/",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct filter_target t;
        struct err e = {0};
        if (filter_url(reader_text(bad[i]), &t, &e))
            fail_msg("%s was taken as %s", bad[i], t.host);
        assert_int_equal(e.code, ERR_FETCH_REFUSED);
    }
    static const struct {
        const char *url, *host;
        uint16_t port;
        bool tls;
    } good[] = {
        {"http://a.example", "a.example", 80, false},
        {"https://A.Example./x?y#z", "a.example", 443, true},
        {"https://a-b.c_d.example:8443/x@y", "a-b.c_d.example", 8443, true},
        {"http://8.8.8.8:81/", "8.8.8.8", 81, false},
        {"http://[2606:4700::1]:82?x", "2606:4700::1", 82, false},
        {"http://[::1]", "::1", 80, false},
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct filter_target t;
        struct err e = {0};
        assert_true(filter_url(reader_text(good[i].url), &t, &e));
        assert_string_equal(t.host, good[i].host);
        assert_int_equal(t.port, good[i].port);
        assert_int_equal(t.tls, good[i].tls);
    }
}

/* A name server that answers differently each time. */
struct liar {
    const char *answers[2][3];
    unsigned asked;
};

static bool lie(void *ctx, const char *host, uint16_t port, struct filter_pin *ret, struct err *e)
{
    struct liar *liar = ctx;
    (void)host;
    (void)e;
    const char *const *answers = liar->answers[liar->asked++ % 2];
    ret->count = 0;
    for (size_t i = 0; i < 3 && answers[i] != NULL; i++)
        ret->addresses[ret->count++] = address(answers[i], port);
    return true;
}

static void test_filter_pin__holds_against_a_second_answer(void **state)
{
    (void)state;
    struct liar liar = {.answers = {{"8.8.8.8", "2606:4700::1"}, {"127.0.0.1"}}};
    struct filter_resolver resolver = {lie, &liar};
    struct filter_target t = {.host = "a.example", .port = 443};
    struct filter_pin pin;
    struct err e = {0};
    assert_true(filter_pin(&t, "", &resolver, &pin, &e));
    assert_int_equal(liar.asked, 1);
    struct sockaddr_storage first = address("8.8.8.8", 443), second = address("127.0.0.1", 443),
                            other_port = address("8.8.8.8", 22), v6 = address("2606:4700::1", 443);
    assert_true(filter_may_connect(&pin, (struct sockaddr *)&first));
    assert_true(filter_may_connect(&pin, (struct sockaddr *)&v6));
    assert_false(filter_may_connect(&pin, (struct sockaddr *)&second));
    assert_false(filter_may_connect(&pin, (struct sockaddr *)&other_port));
    assert_false(filter_pin(&t, "", &resolver, &pin, &e)); /* now it says 127.0.0.1 */
    assert_int_equal(e.code, ERR_FETCH_REFUSED);
}

static void test_filter_pin__refuses_mixed_answers_but_what_is_allowed(void **state)
{
    (void)state;
    struct liar liar = {.answers = {{"8.8.8.8", "10.0.0.1"}, {"8.8.8.8", "10.0.0.1"}}};
    struct filter_resolver resolver = {lie, &liar};
    struct filter_target t = {.host = "hook.example", .port = 8080};
    struct filter_pin pin;
    struct err e = {0};
    assert_false(filter_pin(&t, "hook.example:80, other:8080", &resolver, &pin, &e));
    assert_non_null(strstr(e.user, "fetch_allow = hook.example:8080"));
    e = (struct err){0};
    assert_true(filter_pin(&t, "x:1, hook.example:8080", &resolver, &pin, &e));
    assert_int_equal(pin.count, 2);
    struct liar silent = {.answers = {{NULL}, {NULL}}};
    resolver.ctx = &silent;
    assert_false(filter_pin(&t, "hook.example:8080", &resolver, &pin, &e));
}

static void test_filter_resolve_dns__reads_numbers_without_asking(void **state)
{
    (void)state;
    struct filter_resolver resolver = {filter_resolve_dns, NULL};
    struct filter_target t;
    struct filter_pin pin;
    struct err e = {0};
    assert_true(filter_url(reader_text("http://[::1]:99/"), &t, &e));
    assert_false(filter_pin(&t, "", &resolver, &pin, &e));
    assert_int_equal(e.code, ERR_FETCH_REFUSED);
    e = (struct err){0};
    assert_true(filter_pin(&t, "[::1]:99", &resolver, &pin, &e));
    struct sockaddr_storage self = address("::1", 99);
    assert_true(filter_may_connect(&pin, (struct sockaddr *)&self));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filter_is_public__knows_special_addresses),
        cmocka_unit_test(test_filter_url__takes_plain_addresses_only),
        cmocka_unit_test(test_filter_pin__holds_against_a_second_answer),
        cmocka_unit_test(test_filter_pin__refuses_mixed_answers_but_what_is_allowed),
        cmocka_unit_test(test_filter_resolve_dns__reads_numbers_without_asking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
