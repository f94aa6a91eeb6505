/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "store/blobs.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/digest.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 256 * 1024, PATH_TEXT = 2 + 1 + 2 + 1 + 64 + 1 };

enum link_by { LINK_PROC, LINK_EMPTY, LINK_NAMED };

/* A file that was read and found to be what its name says. */
struct whole {
    uint8_t sha256[32];
    ino_t inode;
    struct timespec changed;
};

struct blobs {
    int folder, tmp;
    enum link_by by;
    pthread_mutex_t lock; /* linking against collecting, and the folders below */
    /* Folders ab/cd that this process has made durable: one left by a process that died may not
     * be, so each is synced once a run. */
    uint8_t durable[65536 / 8];
    atomic_uint_fast64_t next_name;
    pthread_mutex_t whole_lock;
    struct whole whole[256]; /* by the first byte of the name */
};

struct blob_writer {
    struct blobs *b;
    struct blob_steps steps;
    struct digest digest;
    uint64_t size, limit;
    int fd;
    bool fed;      /* by blob_add: the running digest is the content's */
    char name[40]; /* below tmp/; empty for an unnamed file */
};

static void path_of(const uint8_t sha256[32], char to[PATH_TEXT])
{
    char hex[65];
    text_hex(sha256, 32, hex);
    (void)snprintf(to, PATH_TEXT, "%.2s/%.2s/%s", hex, hex + 2, hex);
}

static int open_unnamed(struct blobs *b)
{
    return openat(b->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0400);
}

static int link_as(struct blobs *b, const struct blob_writer *w, const char *path)
{
    if (fault_now()) {
        errno = EIO;
        return -1;
    }
    char proc[40];
    switch (b->by) {
    case LINK_PROC:
        (void)snprintf(proc, sizeof proc, "/proc/self/fd/%d", w->fd);
        return linkat(AT_FDCWD, proc, b->folder, path, AT_SYMLINK_FOLLOW);
    case LINK_EMPTY:
        return linkat(w->fd, "", b->folder, path, AT_EMPTY_PATH);
    case LINK_NAMED:
        return linkat(b->tmp, w->name, b->folder, path, 0);
    }
    return -1;
}

/* Unnamed files need a file system that has them, and /proc or a capability to get a name. */
static enum link_by probe(struct blobs *b)
{
    CLEANUP(file_close) int fd = open_unnamed(b);
    const struct blob_writer w = {.fd = fd};
    for (b->by = LINK_PROC; fd >= 0 && b->by < LINK_NAMED; b->by++)
        if (link_as(b, &w, "tmp/probe") == 0 && unlinkat(b->tmp, "probe", 0) == 0)
            return b->by;
    return LINK_NAMED;
}

/* What a killed process had not finished. */
static bool empty_tmp(struct blobs *b, struct err *e)
{
    DIR *d = fdopendir(dup(b->tmp));
    if (d == NULL)
        return err_errno(e, "blobs/tmp");
    bool ok = true;
    for (struct dirent *f; ok && (f = readdir(d)) != NULL;)
        if (f->d_name[0] != '.' && unlinkat(b->tmp, f->d_name, 0) != 0)
            ok = err_errno(e, f->d_name);
    (void)closedir(d);
    return ok;
}

bool blobs_open(const char *folder, struct blobs **ret, struct err *e)
{
    struct blobs *b = calloc(1, sizeof *b);
    if (b == NULL)
        return err_set(e, ERR_NO_MEMORY, "blobs");
    b->tmp = -1;
    (void)pthread_mutex_init(&b->lock, NULL);
    (void)pthread_mutex_init(&b->whole_lock, NULL);
    b->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->folder < 0 || (mkdirat(b->folder, "tmp", 0700) != 0 && errno != EEXIST)) {
        (void)err_errno(e, folder);
        blobs_close(b);
        return false;
    }
    b->tmp = openat(b->folder, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (b->tmp < 0 ? !err_errno(e, "blobs/tmp") : !empty_tmp(b, e)) {
        blobs_close(b);
        return false;
    }
    b->by = probe(b);
    *ret = b;
    return true;
}

void blobs_close(struct blobs *b)
{
    if (b == NULL)
        return;
    file_close(&b->tmp);
    file_close(&b->folder);
    (void)pthread_mutex_destroy(&b->lock);
    (void)pthread_mutex_destroy(&b->whole_lock);
    free(b);
}

static bool open_temporary(struct blob_writer *w, struct err *e)
{
    struct blobs *b = w->b;
    if (b->by != LINK_NAMED) {
        w->fd = fault_now() ? (errno = ENOSPC, -1) : open_unnamed(b);
        return w->fd >= 0 || err_errno(e, "blobs: unnamed file");
    }
    (void)snprintf(w->name, sizeof w->name, "%d-%llu", (int)getpid(),
                   (unsigned long long)atomic_fetch_add(&b->next_name, 1));
    w->fd = openat(b->tmp, w->name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0400);
    if (w->fd < 0) {
        (void)err_errno(e, "blobs/tmp");
        w->name[0] = '\0';
        return false;
    }
    return true;
}

bool blobs_scratch(struct blobs *b, int *ret_fd, struct err *e)
{
    struct blob_writer w = {.b = b, .fd = -1};
    TRY(open_temporary(&w, e));
    if (w.name[0] != '\0' && unlinkat(b->tmp, w.name, 0) != 0) {
        file_close(&w.fd);
        return err_errno(e, "scratch");
    }
    *ret_fd = w.fd;
    return true;
}

bool blob_begin(struct blobs *b, struct blob_steps steps, uint64_t limit, struct blob_writer **ret,
                struct err *e)
{
    struct blob_writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return err_set(e, ERR_NO_MEMORY, "blob");
    *w = (struct blob_writer){.b = b, .steps = steps, .limit = limit, .fd = -1};
    if (!open_temporary(w, e) || !digest_begin(&w->digest, HASH_SHA256, e)) {
        blob_abandon(w);
        return false;
    }
    *ret = w;
    return true;
}

void blob_abandon(struct blob_writer *w)
{
    if (w == NULL)
        return;
    if (w->name[0] != '\0')
        (void)unlinkat(w->b->tmp, w->name, 0);
    file_close(&w->fd);
    digest_done(&w->digest);
    free(w);
}

bool blob_add(struct blob_writer *w, struct reader bytes, struct err *e)
{
    if (bytes.left > w->limit - w->size)
        return err_set(e, ERR_FILE_LIMIT, "more than %llu bytes", (unsigned long long)w->limit);
    TRY(file_write_fd(w->fd, bytes, e));
    digest_add(&w->digest, bytes);
    w->size += bytes.left;
    w->fed = true;
    return true;
}

bool blob_add_from(struct blob_writer *w, int fd, struct err *e)
{
    uint8_t *buffer = malloc(PIECE);
    if (buffer == NULL)
        return err_set(e, ERR_NO_MEMORY, "buffer");
    bool ok = true;
    for (size_t got = 1; ok && got > 0;)
        ok = file_read_some(fd, buffer, PIECE, &got, e) && blob_add(w, reader_over(buffer, got), e);
    free(buffer);
    return ok;
}

int blob_fd(struct blob_writer *w)
{
    return w->fd;
}

/* The digest of what is in the file: the running one, or read back when another process wrote. */
static bool measure(struct blob_writer *w, struct blob *ret, struct err *e)
{
    struct source s;
    TRY(source_file(w->fd, &s, e));
    if (s.size > w->limit)
        return err_set(e, ERR_FILE_LIMIT, "%llu bytes, at most %llu", (unsigned long long)s.size,
                       (unsigned long long)w->limit);
    if (w->fed && s.size != w->size)
        return err_set(e, ERR_IO, "blob has %llu bytes, %llu were written",
                       (unsigned long long)s.size, (unsigned long long)w->size);
    if (!w->fed)
        TRY(digest_source(&w->digest, &s, e));
    struct digest_value v;
    TRY(digest_end(&w->digest, &v, e));
    struct reader r = digest_view(&v);
    ret->size = s.size;
    return reader_copy(&r, ret->sha256, sizeof ret->sha256) ||
           err_set(e, ERR_INTERNAL, "digest size");
}

static bool make_folder(int at, const char *name, enum crashpoint step, struct err *e)
{
    if (fault_now() || (mkdirat(at, name, 0700) != 0 && errno != EEXIST))
        return err_errno(e, name);
    return file_sync_folder(at, step, e);
}

/* Folders ab and ab/cd, durable. */
static bool make_folders(struct blobs *b, const char *path, unsigned number, enum crashpoint step,
                         struct err *e)
{
    if (b->durable[number / 8] >> (number % 8) & 1)
        return true;
    char outer[3], inner[3];
    (void)snprintf(outer, sizeof outer, "%.2s", path);
    (void)snprintf(inner, sizeof inner, "%.2s", path + 3);
    TRY(make_folder(b->folder, outer, step, e));
    CLEANUP(file_close)
    int fd = openat(b->folder, outer, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(e, path);
    TRY(make_folder(fd, inner, step, e));
    b->durable[number / 8] = (uint8_t)(b->durable[number / 8] | 1u << (number % 8));
    return true;
}

/* The same content is there already, perhaps from a process that died before it was synced.
 * A new time keeps the collector away until the caller's row is committed. */
static bool adopt(struct blobs *b, const char *path, uint64_t size, struct err *e)
{
    struct stat st;
    if (fstatat(b->folder, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return err_errno(e, path);
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
        return err_set(e, ERR_BLOB_DAMAGED, "%s has %lld bytes instead of %llu", path,
                       (long long)st.st_size, (unsigned long long)size);
    return utimensat(b->folder, path, NULL, AT_SYMLINK_NOFOLLOW) == 0 || err_errno(e, path);
}

static bool link_durably(struct blob_writer *w, const struct blob *blob, struct err *e)
{
    struct blobs *b = w->b;
    char path[PATH_TEXT];
    path_of(blob->sha256, path);
    unsigned number = (unsigned)blob->sha256[0] << 8 | blob->sha256[1];
    TRY(make_folders(b, path, number, w->steps.linked, e));
    if (link_as(b, w, path) != 0) {
        if (errno != EEXIST)
            return err_errno(e, path);
        TRY(adopt(b, path, blob->size, e));
    }
    path[5] = '\0';
    CLEANUP(file_close)
    int fd = openat(b->folder, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(e, path);
    return file_sync_folder(fd, w->steps.linked, e);
}

bool blob_finish(struct blob_writer *w, struct blob *ret, struct err *e)
{
    struct blob blob;
    bool ok = measure(w, &blob, e) && file_sync(w->fd, w->steps.synced, e);
    if (ok) {
        (void)pthread_mutex_lock(&w->b->lock);
        ok = link_durably(w, &blob, e);
        (void)pthread_mutex_unlock(&w->b->lock);
    }
    blob_abandon(w);
    if (ok)
        *ret = blob;
    return ok;
}

bool blob_open(struct blobs *b, const uint8_t sha256[32], int *ret_fd, uint64_t *ret_size,
               struct err *e)
{
    char path[PATH_TEXT];
    path_of(sha256, path);
    CLEANUP(file_close) int fd = openat(b->folder, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? err_set(e, ERR_BLOB_MISSING, "%s", path) : err_errno(e, path);
    struct source s;
    TRY(source_file(fd, &s, e));
    *ret_size = s.size;
    *ret_fd = fd;
    fd = -1;
    return true;
}

static bool is_named(const uint8_t sha256[32], const struct source *content, struct err *e)
{
    struct digest_value v;
    char path[PATH_TEXT];
    path_of(sha256, path);
    TRY(digest_of_source(HASH_SHA256, content, &v, e));
    return reader_equal(digest_view(&v), reader_over(sha256, 32)) ||
           err_set(e, ERR_BLOB_DAMAGED, "%s does not hold what its name says", path);
}

static bool was_whole(struct blobs *b, const struct whole *now)
{
    (void)pthread_mutex_lock(&b->whole_lock);
    const struct whole *then = &b->whole[now->sha256[0]];
    bool same = then->inode == now->inode && then->changed.tv_sec == now->changed.tv_sec &&
                then->changed.tv_nsec == now->changed.tv_nsec &&
                reader_equal(reader_over(then->sha256, 32), reader_over(now->sha256, 32));
    (void)pthread_mutex_unlock(&b->whole_lock);
    return same;
}

/* Every change of a file gives it another ctime, but for one in the same tick of the clock: what
 * has just changed is read again next time. */
static void remember_whole(struct blobs *b, const struct whole *now)
{
    enum { TICK_S = 2 };
    if (now->changed.tv_sec + TICK_S >= clock_wall_ms() / 1000)
        return;
    (void)pthread_mutex_lock(&b->whole_lock);
    b->whole[now->sha256[0]] = *now;
    (void)pthread_mutex_unlock(&b->whole_lock);
}

bool blob_check(struct blobs *b, const uint8_t sha256[32], struct err *e)
{
    CLEANUP(file_close) int fd = -1;
    uint64_t size;
    struct stat st;
    TRY(blob_open(b, sha256, &fd, &size, e));
    if (fstat(fd, &st) != 0)
        return err_errno(e, "blob");
    struct whole now = {.inode = st.st_ino, .changed = st.st_ctim};
    for (size_t i = 0; i < sizeof now.sha256; i++)
        now.sha256[i] = sha256[i];
    if (was_whole(b, &now))
        return true;
    struct source s = source_range(fd, 0, size);
    TRY(is_named(sha256, &s, e));
    remember_whole(b, &now);
    return true;
}

bool blob_load(struct blobs *b, const uint8_t sha256[32], size_t most, struct arena *a,
               struct reader *ret, struct err *e)
{
    CLEANUP(file_close) int fd = -1;
    uint64_t size;
    struct reader bytes;
    TRY(blob_open(b, sha256, &fd, &size, e) && file_read_fd(fd, most, a, &bytes, e));
    struct source s = source_memory(bytes);
    TRY(is_named(sha256, &s, e));
    *ret = bytes;
    return true;
}

bool blob_delete(struct blobs *b, const uint8_t sha256[32], struct err *e)
{
    char path[PATH_TEXT];
    path_of(sha256, path);
    return unlinkat(b->folder, path, 0) == 0 || errno == ENOENT || err_errno(e, path);
}

/* One pass of the collector. */
struct sweep {
    struct blobs *b;
    int64_t before_ms;
    blob_referenced_fn referenced;
    void *ctx;
};

static bool collect_one(struct sweep *s, const uint8_t sha256[32], struct err *e)
{
    char path[PATH_TEXT];
    path_of(sha256, path);
    struct stat st;
    if (fstatat(s->b->folder, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT || err_errno(e, path);
    if ((int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 >= s->before_ms)
        return true;
    bool keep = true;
    TRY(s->referenced(s->ctx, sha256, &keep, e));
    if (keep)
        return true;
    TRY(blob_delete(s->b, sha256, e));
    return true;
}

static bool collect_name(struct sweep *s, const char *name, struct err *e)
{
    uint8_t sha256[32];
    if (!text_unhex(reader_text(name), sha256, sizeof sha256))
        return true;
    (void)pthread_mutex_lock(&s->b->lock);
    bool ok = collect_one(s, sha256, e);
    (void)pthread_mutex_unlock(&s->b->lock);
    return ok;
}

static bool collect_folder(struct sweep *s, int at, const char *name, struct err *e)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT || err_errno(e, name);
    DIR *d = fdopendir(fd);
    if (d == NULL) {
        (void)close(fd);
        return err_errno(e, name);
    }
    bool ok = true;
    for (struct dirent *f; ok && (f = readdir(d)) != NULL;)
        ok = strlen(f->d_name) == 2 && f->d_name[0] != '.' ? collect_folder(s, fd, f->d_name, e)
                                                           : collect_name(s, f->d_name, e);
    (void)closedir(d);
    return ok;
}

bool blobs_collect(struct blobs *b, int64_t age_ms, blob_referenced_fn referenced, void *ctx,
                   struct err *e)
{
    struct sweep s = {
        .b = b, .before_ms = clock_wall_ms() - age_ms, .referenced = referenced, .ctx = ctx};
    return collect_folder(&s, b->folder, ".", e);
}
