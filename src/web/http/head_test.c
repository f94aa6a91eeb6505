/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "web/http/head.h"
#include "web/http/params.h"

static enum err_code check(const char *method, const char *target, struct reader lines,
                           struct head *h)
{
    struct err e = {0};
    *h = (struct head){.method = reader_text(method), .target = reader_text(target)};
    bool ok = head_fields_in_place(lines, h, &e) && head_check(h, &e);
    assert_int_equal(ok, e.code == ERR_NONE);
    return e.code;
}

#define LINES(text) reader_over(text, sizeof(text) - 1)

static void test_head__fields_in_place(void **state)
{
    (void)state;
    struct head h;
    struct reader value;
    assert_int_equal(check("GET", "/", LINES("Host\0 t\0\0X\0 \t a b \0\0\0\0"), &h), ERR_NONE);
    assert_int_equal(h.count, 2);
    assert_true(head_find(&h, "x", &value) && reader_equal_text(value, "a b"));
    assert_false(head_find(&h, "y", &value));
    assert_int_equal(check("GET", "/", LINES("Host\0 t\0X\0 a\0\0\0\0"), &h), ERR_HTTP_REQUEST);
    assert_int_equal(check("GET", "/", LINES("Host\0 t\0\0\0\0x"), &h), ERR_HTTP_REQUEST);
    assert_int_equal(check("GET", "/", LINES("Host\0 t\0\0\0"), &h), ERR_HTTP_REQUEST);
    assert_int_equal(check("GET", "/", LINES("Host\0 t\0\0 X\0 a\0\0\0\0"), &h), ERR_HTTP_REQUEST);
    assert_int_equal(check("GET", "/", LINES("Host\0 t"), &h), ERR_HTTP_REQUEST);
    assert_int_equal(check("GET", "/", LINES(""), &h), ERR_HTTP_REQUEST);
}

static void test_head__framing(void **state)
{
    (void)state;
    struct head h;
    assert_int_equal(check("POST", "/", LINES("Host\0t\0\0Content-Length\00012\0\0\0\0"), &h), 0);
    assert_true(!h.chunked && h.length == 12);
    assert_int_equal(check("POST", "/", LINES("Host\0t\0\0Transfer-Encoding\0Chunked\0\0\0\0"), &h),
                     0);
    assert_true(h.chunked && h.length == UINT64_MAX);
    assert_int_equal(check("POST", "/",
                           LINES("Host\0t\0\0Transfer-Encoding\0chunked\0\0"
                                 "Content-Length\0001\0\0\0\0"),
                           &h),
                     ERR_HTTP_REQUEST);
    assert_int_equal(
        check("POST", "/", LINES("Host\0t\0\0Content-Length\0004611686018427387904\0\0\0\0"), &h),
        ERR_HTTP_TOO_LARGE);
}

static void parameter(const char *text, const char *name, const char *wanted)
{
    struct reader r = reader_text(text);
    struct param p = {0};
    struct err e = {0};
    struct writer w;
    writer_init(&w, 100);
    (void)params_main(&r);
    bool ok = true, found = false;
    while (r.left > 0 && (ok = params_next(&r, &p, &e)))
        if (head_name_is(p.name, name)) {
            found = true;
            if (name[0] != '\0' && name[1] == '*')
                ok = params_extended(&p, &w);
            else
                params_value(&p, &w);
            break;
        }
    if (wanted == NULL)
        assert_false(ok && found);
    else
        assert_true(ok && found && reader_equal_text(writer_view(&w), wanted));
    writer_done(&w);
}

static void test_params__values(void **state)
{
    (void)state;
    parameter("form-data; a=b", "a", "b");
    parameter("form-data;a=b;c=d", "c", "d");
    parameter("form-data; a=\"b;c\" ; d=e", "d", "e");
    parameter("x; a=\"\\\"\\\\q\\w\"", "a", "\"\\q\\w");
    parameter("x; a=\"C:\\dir\\f.exe\"", "a", "C:\\dir\\f.exe");
    parameter("x;; ;a=b;", "a", "b");
    parameter("x; a=\"b\"c", "a", NULL);
    parameter("x; a", "a", NULL);
    parameter("x; a=", "a", NULL);
    parameter("x; a*=UTF-8''%c3%bc", "a*", "\xc3\xbc");
    parameter("x; a*=utf-8'en'b", "a*", "b");
    parameter("x; a*=iso-8859-1''%FC", "a*", "\xc3\xbc");
    parameter("x; a*=utf-16''b", "a*", NULL);
    parameter("x; a*=utf-8'b", "a*", NULL);
    parameter("x; a*=utf-8''%", "a*", NULL);
}

static void test_head__what_may_be_sent(void **state)
{
    (void)state;
    assert_true(head_may_send(reader_text("X-A"), reader_text("b c")));
    assert_false(head_may_send(reader_text("X A"), reader_text("b")));
    assert_false(head_may_send(reader_text(""), reader_text("b")));
    assert_false(head_may_send(reader_text("X"), reader_text("b\r\nSet-Cookie: c")));
    assert_false(head_may_send(reader_text("X"), reader_over("a\0b", 3)));
    assert_true(head_is_hop(reader_text("x-Forwarded-FOR")));
    assert_false(head_is_hop(reader_text("authorization")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head__fields_in_place),
        cmocka_unit_test(test_head__framing),
        cmocka_unit_test(test_params__values),
        cmocka_unit_test(test_head__what_may_be_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
