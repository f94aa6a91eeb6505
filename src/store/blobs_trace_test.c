/* SPDX-License-Identifier: Apache-2.0 */
/* Power loss, by replay: the system calls that write blobs are recorded, and after each of them
 * every image is built that a file system may then leave: data counts as written only after
 * fdatasync of the file (before, any prefix, or zeros of the full length), a name only after fsync
 * of its folder (before, any subset of the names). In no image may a blob have other content than
 * its name says, and whatever was confirmed must be in all of them. */
#undef _FORTIFY_SOURCE /* its inline functions stand in the way of ours */
#define _GNU_SOURCE
#include "base/test.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "store/blobs.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_OPS = 400, MOST_FDS = 256, MOST_INODES = 64, MOST_NAMES = 96, PATH_TEXT = 160 };

enum op_kind { WRITE, SYNC_FILE, NAME, SYNC_FOLDER, CONFIRM };
struct op {
    enum op_kind kind;
    int inode;            /* WRITE, SYNC_FILE; NAME of a file; -1: NAME of a folder */
    size_t bytes;         /* WRITE */
    char path[PATH_TEXT]; /* NAME: of itself; SYNC_FOLDER; CONFIRM: the blob */
};
static struct op ops[MOST_OPS];
static size_t op_count;

static struct {
    uint8_t data[4096];
    size_t size;
} inodes[MOST_INODES];
static int inode_count;
static int inode_of[MOST_FDS]; /* inode + 1 of an open file */
static bool recording;
static int fail_fsync; /* the n-th from now on fails */
/* What a system may lack: /proc, the capability for AT_EMPTY_PATH, unnamed files. */
static bool no_proc, no_empty_path, no_unnamed;

static struct op *record(enum op_kind kind, int inode)
{
    assert_true(op_count < MOST_OPS);
    struct op *op = &ops[op_count++];
    *op = (struct op){.kind = kind, .inode = inode};
    return op;
}

static void path_below(int folder, const char *name, char to[PATH_TEXT])
{
    char link[32], base[PATH_TEXT] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t n = readlink(link, base, sizeof base - 1);
    assert_true(n > 0);
    int length = name == NULL ? snprintf(to, PATH_TEXT, "%s", base)
                              : snprintf(to, PATH_TEXT, "%s/%s", base, name);
    assert_true(length > 0 && length < PATH_TEXT);
}

/* The system calls, seen. */

int openat(int folder, const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    unsigned mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(ap, unsigned) : 0;
    va_end(ap);
    bool unnamed = (flags & O_TMPFILE) == O_TMPFILE;
    if (no_unnamed && unnamed) {
        errno = EOPNOTSUPP;
        return -1;
    }
    int fd = (int)syscall(SYS_openat, folder, path, flags, mode);
    if (recording && fd >= 0 && (unnamed || (flags & O_CREAT) != 0)) {
        assert_true(fd < MOST_FDS && inode_count < MOST_INODES);
        inode_of[fd] = ++inode_count;
        if (!unnamed)
            path_below(folder, path, record(NAME, inode_of[fd] - 1)->path);
    }
    return fd;
}

ssize_t write(int fd, const void *data, size_t n)
{
    ssize_t put = syscall(SYS_write, fd, data, n);
    if (recording && fd < MOST_FDS && inode_of[fd] != 0 && put > 0) {
        int inode = inode_of[fd] - 1;
        assert_true(inodes[inode].size + (size_t)put <= sizeof inodes[inode].data);
        memcpy(inodes[inode].data + inodes[inode].size, data, (size_t)put);
        inodes[inode].size += (size_t)put;
        record(WRITE, inode)->bytes = (size_t)put;
    }
    return put;
}

int close(int fd)
{
    if (fd >= 0 && fd < MOST_FDS)
        inode_of[fd] = 0;
    return (int)syscall(SYS_close, fd);
}

int fdatasync(int fd)
{
    if (recording && inode_of[fd] != 0)
        (void)record(SYNC_FILE, inode_of[fd] - 1);
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    if (fail_fsync > 0 && --fail_fsync == 0) {
        errno = EIO;
        return -1;
    }
    if (recording)
        path_below(fd, NULL, record(SYNC_FOLDER, -1)->path);
    return (int)syscall(SYS_fsync, fd);
}

int mkdirat(int folder, const char *name, mode_t mode)
{
    int code = (int)syscall(SYS_mkdirat, folder, name, mode);
    if (recording && code == 0)
        path_below(folder, name, record(NAME, -1)->path);
    return code;
}

static int inode_named(int folder, const char *name)
{
    char path[PATH_TEXT];
    path_below(folder, name, path);
    for (size_t i = op_count; i > 0; i--)
        if (ops[i - 1].kind == NAME && strcmp(ops[i - 1].path, path) == 0)
            return ops[i - 1].inode;
    return -1;
}

int linkat(int from, const char *name, int folder, const char *to, int flags)
{
    if ((no_proc && from == AT_FDCWD) || (no_empty_path && name[0] == '\0')) {
        errno = ENOENT;
        return -1;
    }
    int code = (int)syscall(SYS_linkat, from, name, folder, to, flags);
    if (recording && code == 0) {
        int fd = from;
        if (from == AT_FDCWD)
            assert_int_equal(sscanf(name, "/proc/self/fd/%d", &fd), 1);
        bool named = from != AT_FDCWD && name[0] != '\0';
        int inode = named ? inode_named(from, name) : inode_of[fd] - 1;
        assert_true(inode >= 0);
        path_below(folder, to, record(NAME, inode)->path);
    }
    return code;
}

/* What may be on the disk after the first `upto` operations. */

struct name {
    const struct op *op;
    bool durable;
};
struct image {
    struct name names[MOST_NAMES];
    size_t name_count;
    size_t written[MOST_INODES], synced[MOST_INODES];
    const char *root;
};

static bool is_parent(const char *folder, const char *path)
{
    size_t n = strlen(folder);
    return strncmp(folder, path, n) == 0 && path[n] == '/' && strchr(path + n + 1, '/') == NULL;
}

static void build(struct image *m, size_t upto)
{
    for (size_t i = 0; i < upto; i++) {
        const struct op *op = &ops[i];
        switch (op->kind) {
        case WRITE:
            m->written[op->inode] += op->bytes;
            break;
        case SYNC_FILE:
            m->synced[op->inode] = m->written[op->inode];
            break;
        case NAME:
            assert_true(m->name_count < MOST_NAMES);
            m->names[m->name_count++] = (struct name){op, false};
            break;
        case SYNC_FOLDER:
            for (size_t k = 0; k < m->name_count; k++)
                if (is_parent(op->path, m->names[k].op->path))
                    m->names[k].durable = true;
            break;
        case CONFIRM:
            break;
        }
    }
}

/* Bit k of `lost`: the k-th name that is not durable did not make it. */
static bool name_there(const struct image *m, const char *path, unsigned lost,
                       const struct op **ret)
{
    unsigned k = 0;
    for (size_t i = 0; i < m->name_count; i++) {
        bool there = m->names[i].durable || (lost >> k & 1) == 0;
        k += !m->names[i].durable;
        if (strcmp(m->names[i].op->path, path) == 0) {
            *ret = m->names[i].op;
            return there;
        }
    }
    return false;
}

/* Both folders above it as well. */
static const struct op *reachable(const struct image *m, const char *path, unsigned lost)
{
    char folder[PATH_TEXT];
    const struct op *op = NULL, *found = NULL;
    if (!name_there(m, path, lost, &found))
        return NULL;
    snprintf(folder, sizeof folder, "%s", path);
    for (*strrchr(folder, '/') = '\0'; strcmp(folder, m->root) != 0; *strrchr(folder, '/') = '\0')
        if (!name_there(m, folder, lost, &op))
            return NULL;
    return found;
}

static bool content_is(const struct op *blob, size_t kept, size_t size)
{
    static uint8_t data[sizeof inodes[0].data];
    struct digest_value v;
    struct err e = {0};
    char hex[65];
    memset(data, 0, sizeof data);
    memcpy(data, inodes[blob->inode].data, kept);
    assert_true(digest_of(HASH_SHA256, reader_over(data, size), &v, &e));
    text_hex(v.bytes, 32, hex);
    return strcmp(strrchr(blob->path, '/') + 1, hex) == 0;
}

/* Every state of data that was not synced: cut anywhere, or zeros from there on. */
static bool content_safe(const struct image *m, const struct op *blob)
{
    size_t written = m->written[blob->inode];
    for (size_t kept = m->synced[blob->inode]; kept <= written; kept++)
        if (!content_is(blob, kept, kept) || !content_is(blob, kept, written))
            return false;
    return true;
}

/* Not a temporary name. */
static bool is_blob(const struct op *op)
{
    return op->inode >= 0 && strlen(strrchr(op->path, '/')) == 65;
}

static bool images_hold(const char *root, size_t upto)
{
    struct image m = {.root = root};
    build(&m, upto);
    unsigned open_names = 0;
    for (size_t i = 0; i < m.name_count; i++)
        open_names += !m.names[i].durable;
    assert_true(open_names < 12);
    for (unsigned lost = 0; lost < 1u << open_names; lost++) {
        for (size_t i = 0; i < m.name_count; i++) {
            const struct op *blob = m.names[i].op;
            if (is_blob(blob) && reachable(&m, blob->path, lost) != NULL && !content_safe(&m, blob))
                return false;
        }
        for (size_t i = 0; i < upto; i++)
            if (ops[i].kind == CONFIRM && reachable(&m, ops[i].path, lost) == NULL)
                return false;
    }
    return true;
}

static size_t first_bad(const char *root)
{
    for (size_t upto = 0; upto <= op_count; upto++)
        if (!images_hold(root, upto))
            return upto;
    return SIZE_MAX;
}

/* The tests. */

static const struct blob_steps steps = {CRASH_D01, CRASH_D02};

static bool put(struct blobs *b, const char *root, const char *text)
{
    struct err e = {0};
    struct blob blob;
    struct blob_writer *w;
    assert_true(blob_begin(b, steps, 1000, &w, &e));
    struct reader r = reader_text(text), piece;
    while (reader_take(&r, r.left < 4 ? r.left : 4, &piece) && piece.left > 0)
        assert_true(blob_add(w, piece, &e));
    if (!blob_finish(w, &blob, &e))
        return false;
    char hex[65];
    text_hex(blob.sha256, 32, hex);
    struct op *op = record(CONFIRM, -1);
    snprintf(op->path, sizeof op->path, "%s/%.2s/%.2s/%s", root, hex, hex + 2, hex);
    return true;
}

static struct blobs *start(char root[32])
{
    struct blobs *b;
    struct err e = {0};
    op_count = 0;
    inode_count = 0;
    memset(inodes, 0, sizeof inodes);
    assert_true(blobs_open(root, &b, &e));
    recording = true;
    return b;
}

static void finish(struct blobs *b, const char *root)
{
    char command[64];
    recording = false;
    blobs_close(b);
    snprintf(command, sizeof command, "rm -rf %s", root);
    assert_int_equal(system(command), 0);
}

static void lack(bool proc, bool empty_path, bool unnamed)
{
    no_proc = proc;
    no_empty_path = empty_path;
    no_unnamed = unnamed;
}

static void put_four(void)
{
    char root[32] = "/tmp/chytraceXXXXXX";
    assert_non_null(mkdtemp(root));
    struct blobs *b = start(root);
    assert_true(put(b, root, "the first artifact"));
    assert_true(put(b, root, "a second one"));
    assert_true(put(b, root, "the first artifact"));
    assert_true(put(b, root, ""));
    assert_true(op_count > 20);
    assert_true(first_bad(root) == SIZE_MAX);
    finish(b, root);
}

static void test_blobs__no_power_loss_leaves_a_wrong_blob(void **state)
{
    (void)state;
    put_four();
}

static void test_blobs__same_without_proc_or_unnamed_files(void **state)
{
    (void)state;
    lack(true, false, false);
    put_four();
    lack(true, true, false);
    put_four();
    lack(false, false, true);
    put_four();
    lack(false, false, false);
}

/* A process dies after the link, or between the folders; the next one meets its name, not synced.
 */
static void test_blobs__left_by_a_dead_process_becomes_durable(void **state)
{
    (void)state;
    for (int nth = 1; nth <= 3; nth++) {
        char root[32] = "/tmp/chytraceXXXXXX";
        struct err e = {0};
        assert_non_null(mkdtemp(root));
        struct blobs *b = start(root), *second;
        fail_fsync = nth;
        assert_false(put(b, root, "an artifact"));
        assert_true(blobs_open(root, &second, &e));
        assert_true(put(second, root, "an artifact"));
        assert_true(first_bad(root) == SIZE_MAX);
        blobs_close(second);
        finish(b, root);
    }
}

/* The check itself: leaving out any one sync of the recorded run must be found. */
static void test_blobs__every_sync_is_needed(void **state)
{
    char root[32] = "/tmp/chytraceXXXXXX";
    (void)state;
    assert_non_null(mkdtemp(root));
    struct blobs *b = start(root);
    assert_true(put(b, root, "an artifact"));
    size_t tried = 0;
    for (size_t i = 0; i < op_count; i++) {
        struct op was = ops[i];
        if (was.kind != SYNC_FILE && was.kind != SYNC_FOLDER)
            continue;
        ops[i] = (struct op){.kind = SYNC_FOLDER, .path = "/elsewhere"};
        assert_true(first_bad(root) != SIZE_MAX);
        ops[i] = was;
        tried++;
    }
    assert_int_equal(tried, 4);
    finish(b, root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blobs__no_power_loss_leaves_a_wrong_blob),
        cmocka_unit_test(test_blobs__same_without_proc_or_unnamed_files),
        cmocka_unit_test(test_blobs__left_by_a_dead_process_becomes_durable),
        cmocka_unit_test(test_blobs__every_sync_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
