/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/test.h"
#include "base/text.h"
#include "store/blobs.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct blob_steps upload = {CRASH_D01, CRASH_D02};
/* SHA-256 of "abc" (FIPS 180-4 example). */
static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

struct fixture {
    char folder[64];
    struct blobs *b;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->folder, sizeof f->folder, "/tmp/chyblobsXXXXXX");
    assert_non_null(mkdtemp(f->folder));
    struct err e = {0};
    assert_true(blobs_open(f->folder, &f->b, &e));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    blobs_close(f->b);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    int code = system(command);
    free(f);
    return code;
}

static bool put_all(struct blobs *b, const char *text, struct blob *ret, struct err *e)
{
    struct blob_writer *w;
    const struct reader bytes = reader_text(text);
    TRY(blob_begin(b, upload, bytes.left, &w, e));
    if (blob_add(w, bytes, e))
        return blob_finish(w, ret, e);
    blob_abandon(w);
    return false;
}

static bool is_there(struct blobs *b, const uint8_t sha256[32])
{
    struct err e = {0};
    CLEANUP(file_close) int fd = -1;
    uint64_t size;
    return blob_open(b, sha256, &fd, &size, &e);
}

static struct blob put(struct fixture *f, const char *text)
{
    struct err e = {0};
    struct blob blob;
    if (!put_all(f->b, text, &blob, &e))
        fail_msg("%s", e.detail);
    return blob;
}

static size_t files_below(const char *folder)
{
    char command[128];
    snprintf(command, sizeof command, "find '%s' -type f | wc -l", folder);
    FILE *p = popen(command, "r");
    assert_non_null(p);
    unsigned long n = 0;
    assert_int_equal(fscanf(p, "%lu", &n), 1);
    pclose(p);
    return n;
}

static void test_blob_put__is_found_by_its_digest(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct blob blob = put(f, "abc");
    char hex[65];
    text_hex(blob.sha256, 32, hex);
    assert_string_equal(hex, abc);
    assert_int_equal(blob.size, 3);
    char path[256];
    snprintf(path, sizeof path, "%s/ba/78/%s", f->folder, abc);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0400);
    CLEANUP(file_close) int fd = -1;
    uint64_t size = 0;
    assert_true(blob_open(f->b, blob.sha256, &fd, &size, &e));
    assert_int_equal(size, 3);
    char content[4] = "";
    assert_int_equal(read(fd, content, 3), 3);
    assert_string_equal(content, "abc");
    assert_int_equal(write(fd, "x", 1), -1);
    assert_true(blob_check(f->b, blob.sha256, &e));
}

static void test_blob_put__same_content_twice_is_one_file(void **state)
{
    struct fixture *f = *state;
    struct blob a = put(f, "twice"), b = put(f, "twice");
    assert_memory_equal(a.sha256, b.sha256, 32);
    assert_int_equal(files_below(f->folder), 1);
}

static void test_blob_add_from__takes_a_pipe_to_its_end(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    close(ends[1]);
    struct blob_writer *w;
    struct blob blob;
    assert_true(blob_begin(f->b, upload, 100, &w, &e));
    assert_true(blob_add_from(w, ends[0], &e));
    assert_true(blob_finish(w, &blob, &e));
    close(ends[0]);
    char hex[65];
    text_hex(blob.sha256, 32, hex);
    assert_string_equal(hex, abc);
}

static void test_blob_fd__content_of_another_process_is_hashed(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct blob_writer *w;
    struct blob blob;
    assert_true(blob_begin(f->b, upload, 3, &w, &e));
    assert_int_equal(pwrite(blob_fd(w), "abc", 3, 0), 3);
    assert_true(blob_finish(w, &blob, &e));
    char hex[65];
    text_hex(blob.sha256, 32, hex);
    assert_string_equal(hex, abc);
    /* More than the limit is refused and leaves nothing. */
    assert_true(blob_begin(f->b, upload, 3, &w, &e));
    assert_int_equal(pwrite(blob_fd(w), "abcd", 4, 0), 4);
    assert_false(blob_finish(w, &blob, &e));
    assert_int_equal(e.code, ERR_FILE_LIMIT);
    assert_int_equal(files_below(f->folder), 1);
}

static void test_blob_add__stops_at_the_limit(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct blob_writer *w;
    assert_true(blob_begin(f->b, upload, 5, &w, &e));
    assert_true(blob_add(w, reader_text("12345"), &e));
    assert_false(blob_add(w, reader_text("6"), &e));
    assert_int_equal(e.code, ERR_FILE_LIMIT);
    blob_abandon(w);
    assert_int_equal(files_below(f->folder), 0);
}

static void test_blob_open__missing_and_damaged_are_named(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    uint8_t nothing[32] = {1};
    int fd = -1;
    uint64_t size;
    assert_false(blob_open(f->b, nothing, &fd, &size, &e));
    assert_int_equal(e.code, ERR_BLOB_MISSING);
    struct blob blob = put(f, "abc");
    char path[256];
    snprintf(path, sizeof path, "%s/ba/78/%s", f->folder, abc);
    assert_int_equal(chmod(path, 0600), 0);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(fd, "abd", 3), 3);
    close(fd);
    e = (struct err){0};
    assert_false(blob_check(f->b, blob.sha256, &e));
    assert_int_equal(e.code, ERR_BLOB_DAMAGED);
    CLEANUP(arena_cleanup) struct arena *a = arena_new(1 << 20);
    struct reader bytes;
    e = (struct err){0};
    assert_false(blob_load(f->b, blob.sha256, 3, a, &bytes, &e));
    assert_int_equal(e.code, ERR_BLOB_DAMAGED);
    blob = put(f, "whole");
    e = (struct err){0};
    assert_false(blob_load(f->b, blob.sha256, 4, a, &bytes, &e));
    assert_int_equal(e.code, ERR_FILE_LIMIT);
    assert_true(blob_load(f->b, blob.sha256, 5, a, &bytes, &e));
    assert_true(reader_equal_text(bytes, "whole"));
    /* Content of another length under this name is not taken for ours. */
    assert_int_equal(truncate(path, 2), 0);
    e = (struct err){0};
    assert_false(put_all(f->b, "abc", &blob, &e));
    assert_int_equal(e.code, ERR_BLOB_DAMAGED);
}

struct kept {
    struct blob blob;
    unsigned asked;
};

static bool is_kept(void *ctx, const uint8_t sha256[32], bool *ret, struct err *e)
{
    struct kept *k = ctx;
    (void)e;
    k->asked++;
    *ret = memcmp(k->blob.sha256, sha256, 32) == 0;
    return true;
}

static void make_old(struct fixture *f, const struct blob *blob)
{
    char hex[65], path[256];
    text_hex(blob->sha256, 32, hex);
    snprintf(path, sizeof path, "%s/%.2s/%.2s/%s", f->folder, hex, hex + 2, hex);
    struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
}

static void test_blobs_collect__old_and_unreferenced_only(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct blob kept = put(f, "kept"), fresh = put(f, "fresh"), old = put(f, "old"),
                again = put(f, "again");
    make_old(f, &kept);
    make_old(f, &old);
    make_old(f, &again);
    again = put(f, "again");
    struct kept k = {.blob = kept};
    if (!blobs_collect(f->b, 24 * 3600 * 1000, is_kept, &k, &e))
        fail_msg("%s", e.detail);
    assert_int_equal(k.asked, 2);
    assert_true(is_there(f->b, kept.sha256) && is_there(f->b, fresh.sha256));
    assert_true(is_there(f->b, again.sha256) && !is_there(f->b, old.sha256));
}

static bool no_answer(void *ctx, const uint8_t sha256[32], bool *ret, struct err *e)
{
    (void)ctx;
    (void)sha256;
    (void)ret;
    return err_set(e, ERR_DB_AWAY, "test");
}

static void test_blobs_collect__keeps_all_without_an_answer(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct blob blob = put(f, "old");
    make_old(f, &blob);
    assert_false(blobs_collect(f->b, 1000, no_answer, NULL, &e));
    assert_int_equal(e.code, ERR_DB_AWAY);
    assert_true(is_there(f->b, blob.sha256));
}

static void test_blobs_open__removes_what_a_killed_process_left(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    char path[256];
    snprintf(path, sizeof path, "%s/tmp/123-4", f->folder);
    FILE *left = fopen(path, "w");
    assert_non_null(left);
    fclose(left);
    struct blobs *second;
    assert_true(blobs_open(f->folder, &second, &e));
    blobs_close(second);
    assert_int_equal(files_below(f->folder), 0);
}

static void *put_many(void *arg)
{
    struct fixture *f = arg;
    for (int i = 0; i < 50; i++) {
        char text[32];
        snprintf(text, sizeof text, "content %d", i);
        (void)put(f, text);
    }
    return NULL;
}

static void test_blob_put__threads_may_write_the_same(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, f), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(files_below(f->folder), 50);
}

/* A file system of 1 MiB: what does not fit is refused as such, and goes once there is room. */
static void test_blob_add__full_disk(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    char folder[128];
    snprintf(folder, sizeof folder, "%s/small", f->folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    if (mount("tmpfs", folder, "tmpfs", 0, "size=1m") != 0)
        skip();
    struct blobs *b;
    assert_true(blobs_open(folder, &b, &e));
    struct blob_writer *w, *second;
    static const uint8_t block[256 * 1024];
    bool ok = true;
    assert_true(blob_begin(b, upload, UINT64_MAX, &w, &e));
    for (int i = 0; ok && i < 8; i++)
        ok = blob_add(w, reader_over(block, sizeof block), &e);
    assert_false(ok);
    assert_int_equal(e.code, ERR_STORAGE_FULL);
    blob_abandon(w);
    e = (struct err){0};
    struct blob blob;
    assert_true(blob_begin(b, upload, UINT64_MAX, &second, &e));
    assert_true(blob_add(second, reader_over(block, sizeof block), &e));
    assert_true(blob_finish(second, &blob, &e));
    assert_true(blob_check(b, blob.sha256, &e));
    blobs_close(b);
    assert_int_equal(umount2(folder, MNT_DETACH), 0);
}

#ifdef CHANCERY_FAULTS
static void test_blob_put__nth_failure_leaves_all_or_nothing(void **state)
{
    struct fixture *f = *state;
    bool done = false;
    for (unsigned long n = 1; !done; n++) {
        char text[32];
        snprintf(text, sizeof text, "attempt %lu", n);
        struct err e = {0};
        struct blob blob;
        fault_arm(n);
        bool ok = put_all(f->b, text, &blob, &e);
        done = !fault_fired();
        fault_arm(0);
        assert_true(ok == (e.code == ERR_NONE));
        assert_true(ok == done);
        e = (struct err){0};
        assert_true(put_all(f->b, text, &blob, &e));
        assert_true(blob_check(f->b, blob.sha256, &e));
        assert_true(n < 100);
    }
}
#endif

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_blob_put__is_found_by_its_digest),
        T(test_blob_put__same_content_twice_is_one_file),
        T(test_blob_add_from__takes_a_pipe_to_its_end),
        T(test_blob_fd__content_of_another_process_is_hashed),
        T(test_blob_add__stops_at_the_limit),
        T(test_blob_open__missing_and_damaged_are_named),
        T(test_blobs_collect__old_and_unreferenced_only),
        T(test_blobs_collect__keeps_all_without_an_answer),
        T(test_blobs_open__removes_what_a_killed_process_left),
        T(test_blob_put__threads_may_write_the_same),
        T(test_blob_add__full_disk),
#ifdef CHANCERY_FAULTS
        T(test_blob_put__nth_failure_leaves_all_or_nothing),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
