/* SPDX-License-Identifier: Apache-2.0 */
#include "base/settings.h"
#include "base/test.h"
#include <string.h>

struct fixture {
    struct arena *arena;
    struct settings s;
    struct err e;
};

static int fixture_make(void **state)
{
    static struct fixture f;
    f = (struct fixture){.arena = arena_new(1 << 20)};
    *state = &f;
    return f.arena != NULL && settings_init(&f.s, f.arena, &f.e) ? 0 : -1;
}

static int fixture_drop(void **state)
{
    arena_free(((struct fixture *)*state)->arena);
    return 0;
}

static void refuses(struct fixture *f, const char *text, const char *said)
{
    f->e = (struct err){0};
    assert_int_equal(settings_init(&f->s, f->arena, &f->e), true);
    assert_false(settings_parse(&f->s, reader_text(text), &f->e));
    assert_int_equal(f->e.code, ERR_SETTING);
    assert_string_equal(f->e.user, said);
}

static void test_settings_parse__takes_names_units_comments(void **state)
{
    struct fixture *f = *state;
    assert_true(settings_parse(&f->s,
                               reader_text("# all of it\n\n  workers=3 # three\r\n"
                                           "max_upload_bytes = 2 GiB\njob_timeout = 5min\n"
                                           "insecure_http = yes\nbase_url = https://a.example/#x\n"
                                           "sandbox = self"),
                               &f->e));
    assert_int_equal(settings_number(&f->s, SET_workers), 3);
    assert_string_equal(settings_plain(&f->s, SET_max_upload_bytes), "2147483648");
    assert_string_equal(settings_text(&f->s, SET_max_upload_bytes), "2 GiB");
    assert_int_equal(settings_number(&f->s, SET_job_timeout), 300);
    assert_true(settings_flag(&f->s, SET_insecure_http));
    assert_string_equal(settings_text(&f->s, SET_base_url), "https://a.example/#x");
    assert_int_equal(f->s.values[SET_workers].line, 3);
    assert_int_equal(f->s.values[SET_workers].from, FROM_FILE);
    assert_int_equal(f->s.values[SET_tsa].from, FROM_DEFAULT);
}

static void test_settings_parse__explains_errors(void **state)
{
    refuses(*state, "\nworker = 3",
            "Settings file, line 2: there is no setting \"worker\". Did you mean workers?");
    refuses(*state, "quite_something_else = 3",
            "Settings file, line 1: there is no setting \"quite_something_else\".");
    refuses(*state, "workers", "Settings file, line 1: expected \"name = value\".");
    refuses(*state, "workers = 999",
            "Settings file, line 1: workers is \"999\"; it must be a whole number, from 0 to 256.");
    refuses(
        *state, "job_timeout = 1 week",
        "Settings file, line 1: job_timeout is \"1 week\"; it must be a whole number of s, min, "
        "h or d, from 1 to 86400 seconds.");
    refuses(*state, "workers = 1\nworkers = 2",
            "Settings file, line 2: workers is set already in line 1; keep one of them.");
    refuses(*state, "sandbox = none",
            "Settings file, line 1: sandbox is \"none\"; it must be one of auto|full|self|weak.");
    refuses(*state, "insecure_http = true",
            "Settings file, line 1: insecure_http is \"true\"; it must be yes or no.");
    refuses(*state, "workers = \x80",
            "Settings file, line 1: the value of workers is not printable UTF-8 text.");
    refuses(*state, "max_upload_bytes = 18446744073709551615 GiB",
            "Settings file, line 1: max_upload_bytes is \"18446744073709551615 GiB\"; it must be a "
            "whole number of bytes, KiB, MiB, GiB or TiB, from 1024 to 17592186044416 bytes.");
}

static void test_settings_parse__never_repeats_an_inline_secret(void **state)
{
    struct fixture *f = *state;
    refuses(f, "database_password = hunter2",
            "Settings file, line 1: database_password must be file:PATH or credential:NAME; a "
            "secret is never written into the settings.");
    assert_null(strstr(f->e.detail, "hunter2"));
}

static void test_settings__later_sources_win_and_are_known(void **state)
{
    struct fixture *f = *state;
    char workers[] = "CHANCERY_WORKERS=5", level[] = "CHANCERY_LOG_LEVEL=debug",
         url[] = "CHANCERY_URL=x", home[] = "HOME=/", many[] = "CHANCERY_WORKERS=many";
    char *const environment[] = {workers, level, url, home, NULL};
    assert_true(settings_parse(&f->s, reader_text("workers = 3\nlog_level = error"), &f->e));
    assert_true(settings_environment(&f->s, environment, &f->e));
    assert_true(settings_set(&f->s, SET_listen, reader_text("127.0.0.1:0"), FROM_FLAG, 0, &f->e));
    assert_int_equal(settings_number(&f->s, SET_workers), 5);
    assert_string_equal(settings_text(&f->s, SET_log_level), "debug");
    assert_string_equal(setting_source_name(f->s.values[SET_workers].from), "environment");
    assert_string_equal(setting_source_name(f->s.values[SET_listen].from), "flag");
    assert_true(setting_is_used(SET_listen) && !setting_is_used(SET_retention_days));
    char *const wrong[] = {many, NULL};
    assert_false(settings_environment(&f->s, wrong, &f->e));
    assert_non_null(strstr(f->e.user, "Environment: workers"));
}

static void test_settings_parse__checks_addresses(void **state)
{
    struct fixture *f = *state;
    static const char *const wrong[] = {"base_url = foo", "base_url = https://",
                                        "database = mysql://u:geheim@h/d", "database = sqlite3",
                                        "blobs = s3://bucket"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        f->e = (struct err){0};
        assert_false(settings_parse(&f->s, reader_text(wrong[i]), &f->e));
        assert_int_equal(f->e.code, ERR_SETTING);
        assert_null(strstr(f->e.user, "geheim"));
    }
    f->e = (struct err){0};
    assert_true(settings_parse(&f->s,
                               reader_text("base_url = https://a\ndatabase = postgresql://h/d\n"
                                           "blobs = disk"),
                               &f->e));
}

static void test_settings_tsa__takes_lists_apart(void **state)
{
    struct fixture *f = *state;
    assert_true(settings_parse(
        &f->s, reader_text("tsa = http://a/ts  hash=sha512 ca=/x.pem, https://b\ntsa = http://c"),
        &f->e));
    struct reader list = reader_text(settings_text(&f->s, SET_tsa)), item;
    struct setting_tsa t;
    assert_true(settings_item(&list, &item) && settings_tsa(item, &t, &f->e));
    assert_true(reader_equal_text(t.url, "http://a/ts") && reader_equal_text(t.hash, "sha512") &&
                reader_equal_text(t.ca, "/x.pem"));
    assert_true(settings_item(&list, &item) && settings_tsa(item, &t, &f->e));
    assert_true(reader_equal_text(t.url, "https://b") && t.hash.left == 0 && t.ca.left == 0);
    assert_true(settings_item(&list, &item) && settings_tsa(item, &t, &f->e));
    assert_true(reader_equal_text(t.url, "http://c"));
    assert_false(settings_item(&list, &item));
    assert_false(settings_tsa(reader_text("ftp://a"), &t, &f->e));
    f->e = (struct err){0};
    assert_false(settings_tsa(reader_text("http://a hash=md5"), &t, &f->e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings_parse__takes_names_units_comments),
        cmocka_unit_test(test_settings_parse__explains_errors),
        cmocka_unit_test(test_settings_parse__never_repeats_an_inline_secret),
        cmocka_unit_test(test_settings__later_sources_win_and_are_known),
        cmocka_unit_test(test_settings_parse__checks_addresses),
        cmocka_unit_test(test_settings_tsa__takes_lists_apart),
    };
    struct CMUnitTest each[COUNT_OF(tests)];
    for (size_t i = 0; i < COUNT_OF(tests); i++) {
        each[i] = tests[i];
        each[i].setup_func = fixture_make;
        each[i].teardown_func = fixture_drop;
    }
    return cmocka_run_group_tests(each, NULL, NULL);
}
