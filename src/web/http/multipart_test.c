/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "base/writer.h"
#include "web/http/multipart.h"

/* What came out, as text: name[filename|type]=value; */
struct out {
    struct writer w;
    size_t room; /* bytes taken at a time */
};

static bool begin(void *ctx, const struct multipart_part *part, struct err *e)
{
    (void)e;
    struct out *o = ctx;
    writer_reader(&o->w, part->name);
    if (part->file) {
        writer_u8(&o->w, '[');
        writer_reader(&o->w, part->filename);
        writer_u8(&o->w, '|');
        writer_reader(&o->w, part->content_type);
        writer_u8(&o->w, ']');
    }
    writer_u8(&o->w, '=');
    return true;
}

static bool data(void *ctx, struct reader piece, size_t *ret_taken, struct err *e)
{
    (void)e;
    struct out *o = ctx;
    struct reader taken;
    size_t n = piece.left < o->room ? piece.left : o->room;
    assert_true(reader_slice(piece, 0, n, &taken));
    writer_reader(&o->w, taken);
    *ret_taken = n;
    return true;
}

static bool end(void *ctx, struct err *e)
{
    (void)e;
    struct out *o = ctx;
    writer_u8(&o->w, ';');
    return true;
}

static bool parse(const char *boundary, struct reader body, size_t piece, struct out *o,
                  struct err *e)
{
    struct multipart *m = NULL;
    assert_true(multipart_new(boundary, (struct multipart_sink){o, begin, data, end}, &m, e));
    bool ok = true;
    while (ok && body.left > 0) {
        struct reader now;
        size_t used = 0;
        assert_true(reader_slice(body, 0, body.left < piece ? body.left : piece, &now));
        ok = multipart_feed(m, now, &used, e);
        assert_true(!ok || reader_skip(&body, used));
    }
    ok = ok && multipart_finish(m, e);
    multipart_free(m);
    return ok;
}

static const char form[] =
    "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--c\r\n--b\r\n"
    "Content-Type: x/y\r\ncontent-disposition: form-data; name=\"f\"; filename=\"g\"; "
    "filename*=utf-8''%C3%BC\r\n\r\n\r\n--\r\r\n--\r\n--b\r\n"
    "Content-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--b--\r\n";

static void test_multipart__does_not_depend_on_how_it_is_cut(void **state)
{
    (void)state;
    const char *wanted = "a=1\r\n--c;f[\xc3\xbc|x/y]=\r\n--\r\r\n--;empty=;";
    struct reader body = reader_text(form);
    for (size_t piece = 1; piece <= body.left; piece++)
        for (size_t room = 1; room < 9; room++) {
            struct out o = {.room = room};
            struct err e = {0};
            writer_init(&o.w, 1000);
            assert_true(parse("b", body, piece, &o, &e));
            assert_true(reader_equal_text(writer_view(&o.w), wanted));
            writer_done(&o.w);
        }
}

static void test_multipart__every_cut_is_incomplete(void **state)
{
    (void)state;
    struct reader body = reader_text(form), cut;
    for (size_t n = 0; n < body.left - 2; n++) { /* the final line end may be missing */
        struct out o = {.room = 100};
        struct err e = {0};
        writer_init(&o.w, 1000);
        assert_true(reader_slice(body, 0, n, &cut));
        assert_false(parse("b", cut, 7, &o, &e));
        assert_int_equal(e.code, ERR_HTTP_MULTIPART);
        writer_done(&o.w);
    }
}

static void test_multipart__a_full_sink_is_asked_again(void **state)
{
    (void)state;
    struct multipart *m = NULL;
    struct err e = {0};
    struct out o = {.room = 0};
    size_t used = 0;
    writer_init(&o.w, 1000);
    assert_true(multipart_new("b", (struct multipart_sink){&o, begin, data, end}, &m, &e));
    struct reader body = reader_text(form);
    assert_true(multipart_feed(m, body, &used, &e));
    assert_int_equal(used, reader_find(body, 0, "1", 1)); /* up to the first byte of data */
    assert_true(reader_skip(&body, used) && multipart_feed(m, body, &used, &e));
    assert_int_equal(used, 0);
    o.room = 1000;
    assert_true(multipart_feed(m, body, &used, &e) && used == body.left);
    assert_true(multipart_finish(m, &e));
    multipart_free(m);
    writer_done(&o.w);
}

static void boundary_is(const char *type, const char *wanted)
{
    char got[71] = "";
    bool form_data = false;
    struct err e = {0};
    bool ok = multipart_boundary(reader_text(type), &form_data, got, &e);
    assert_int_equal(ok, wanted != NULL);
    if (wanted == NULL)
        assert_int_not_equal(e.code, ERR_NONE);
    else
        assert_string_equal(got, wanted);
    assert_true(!ok || form_data == (wanted[0] != '\0'));
}

static void test_multipart__boundary(void **state)
{
    (void)state;
    boundary_is("multipart/form-data; boundary=abc", "abc");
    boundary_is("Multipart/Form-Data;charset=utf-8 ; Boundary=\"a b\"", "a b");
    boundary_is("multipart/form-data; boundary=\"a\\\"b\"", NULL);
    boundary_is("multipart/form-data", NULL);
    boundary_is("multipart/form-data; boundary=", NULL);
    boundary_is("multipart/form-data; boundary=\"a", NULL);
    boundary_is("multipart/form-data; boundary=a; boundary=b", NULL);
    boundary_is("multipart/mixed; boundary=a", "");
    boundary_is("application/json", "");
    boundary_is("", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_multipart__does_not_depend_on_how_it_is_cut),
        cmocka_unit_test(test_multipart__every_cut_is_incomplete),
        cmocka_unit_test(test_multipart__a_full_sink_is_asked_again),
        cmocka_unit_test(test_multipart__boundary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
