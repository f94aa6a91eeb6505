/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "procs/datadir.h"
#include "base/file.h"
#include "base/text.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH = 8 };

static bool check_owner(const struct datadir *d, struct err *e)
{
    struct stat st;
    if (fstat(d->folder, &st) != 0)
        return err_errno(e, d->path);
    if (st.st_uid != geteuid())
        return err_user(
            e, ERR_USAGE,
            "The data folder %s belongs to user %u, this process runs as user %u. Start "
            "as the owner.",
            d->path, st.st_uid, geteuid());
    if ((st.st_mode & 066) != 0)
        return err_user(e, ERR_USAGE,
                        "Other users can read the data folder %s. Close it: chmod 0700 %s", d->path,
                        d->path);
    return true;
}

bool datadir_open(struct datadir *d, const char *path, struct err *e)
{
    static const char *const folders[] = {"db", "blobs", "key", "audit", "run"};
    *d = (struct datadir){.folder = -1, .lock = -1};
    char absolute[PATH_MAX];
    if (realpath(path, absolute) == NULL)
        return errno == ENOENT
                   ? err_user(e, ERR_USAGE,
                              "There is no data folder %s. Make it: chancery init --data %s", path,
                              path)
                   : err_errno(e, path);
    (void)snprintf(d->path, sizeof d->path, "%s", absolute);
    d->folder = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->folder < 0)
        return err_errno(e, d->path);
    TRY(check_owner(d, e));
    for (size_t i = 0; i < COUNT_OF(folders); i++)
        if (mkdirat(d->folder, folders[i], 0700) != 0 && errno != EEXIST)
            return err_errno(e, folders[i]);
    return true;
}

static bool taken(int fd, const struct datadir *d, struct err *e)
{
    char text[24] = "";
    size_t got = 0;
    struct err ignored = {0};
    if (!file_read_some(fd, text, sizeof text - 1, &got, &ignored))
        got = 0;
    text[got] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return err_user(e, ERR_USAGE,
                    "Another chanceryd (process %s) serves the data folder %s. Stop it first, or "
                    "name another folder.",
                    text[0] == '\0' ? "unknown" : text, d->path);
}

bool datadir_lock(struct datadir *d, struct err *e)
{
    CLEANUP(file_close)
    int fd = openat(d->folder, "run/pid", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(e, "run/pid");
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? taken(fd, d, e) : err_errno(e, "run/pid");
    char text[24];
    (void)snprintf(text, sizeof text, "%d\n", getpid());
    if (ftruncate(fd, 0) != 0)
        return err_errno(e, "run/pid");
    TRY(file_write_fd(fd, reader_text(text), e));
    d->lock = fd;
    fd = -1;
    return datadir_url(d, "", e);
}

static bool give(int folder, const char *name, uint32_t uid, uint32_t gid, unsigned depth,
                 struct err *e);

static bool give_content(int fd, uint32_t uid, uint32_t gid, unsigned depth, struct err *e)
{
    DIR *dir = fdopendir(fd);
    if (dir == NULL)
        return err_errno(e, "fdopendir");
    bool ok = true;
    for (struct dirent *entry; ok && (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            ok = give(fd, entry->d_name, uid, gid, depth + 1, e);
    (void)closedir(dir);
    return ok;
}

/* Never follows a link: what lies below may have been written by a captured process. */
static bool give(int folder, const char *name, uint32_t uid, uint32_t gid, unsigned depth,
                 struct err *e)
{
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT || err_errno(e, name);
    if ((!S_ISDIR(st.st_mode) && (!S_ISREG(st.st_mode) || st.st_nlink > 1)) || depth > DEPTH)
        return err_user(e, ERR_USAGE, "%s in the data folder is neither a folder nor a plain file.",
                        name);
    if ((st.st_uid != uid || st.st_gid != gid) &&
        fchownat(folder, name, uid, gid, AT_SYMLINK_NOFOLLOW) != 0)
        return err_errno(e, name);
    if (!S_ISDIR(st.st_mode))
        return true;
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? err_errno(e, name) : give_content(fd, uid, gid, depth, e);
}

bool datadir_hand_over(struct datadir *d, const char *name, uint32_t uid, uint32_t gid,
                       struct err *e)
{
    struct stat st;
    if (uid != geteuid() && fchmod(d->folder, 0711) != 0)
        return err_errno(e, d->path);
    /* Millions of blobs are not looked at again at every start. */
    if (strcmp(name, "blobs") == 0 && fstatat(d->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        st.st_uid == uid && st.st_gid == gid)
        return true;
    return give(d->folder, name, uid, gid, 0, e);
}

bool datadir_url(struct datadir *d, const char *url, struct err *e)
{
    CLEANUP(file_close) int run = openat(d->folder, "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (run < 0)
        return err_errno(e, "run");
    if (url[0] == '\0')
        return unlinkat(run, "url", 0) == 0 || errno == ENOENT || err_errno(e, "run/url");
    char line[300];
    (void)snprintf(line, sizeof line, "%s\n", url);
    return file_replace(run, "url", 0600, reader_text(line), CRASH_S03, e);
}

void datadir_close(struct datadir *d)
{
    struct err ignored = {0};
    if (d->lock >= 0) {
        (void)!datadir_url(d, "", &ignored);
        (void)!ftruncate(d->lock, 0);
    }
    file_close(&d->lock);
    file_close(&d->folder);
}
