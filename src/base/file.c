/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/file.h"
#include "base/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

void file_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

bool file_read_some(int fd, void *to, size_t n, size_t *ret_got, struct err *e)
{
    ssize_t got;
    do
        got = fault_now() ? (errno = EIO, -1) : read(fd, to, n);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_errno(e, "read");
    *ret_got = (size_t)got;
    return true;
}

bool file_read_fd(int fd, size_t most, struct arena *a, struct reader *ret, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_errno(e, "fstat");
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_IO, "not a regular file");
    if ((uint64_t)st.st_size > most)
        return err_set(e, ERR_FILE_LIMIT, "%lld bytes, at most %zu", (long long)st.st_size, most);
    size_t size = (size_t)st.st_size;
    uint8_t *to = arena_alloc(a, size);
    if (to == NULL)
        return arena_err(e);
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, to + done, size - done, (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? err_errno(e, "read") : err_set(e, ERR_IO, "file shrank");
        done += (size_t)got;
    }
    *ret = reader_over(to, size);
    return true;
}

bool file_read(int folder, const char *path, size_t most, struct arena *a, struct reader *ret,
               struct err *e)
{
    CLEANUP(file_close) int fd = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(e, path);
    return file_read_fd(fd, most, a, ret, e);
}

bool file_write_some(int fd, struct reader bytes)
{
    return write(fd, bytes.at, bytes.left) == (ssize_t)bytes.left;
}

bool file_write_fd(int fd, struct reader bytes, struct err *e)
{
    while (bytes.left > 0) {
        ssize_t put = fault_now() ? (errno = ENOSPC, -1) : write(fd, bytes.at, bytes.left);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_errno(e, "write");
        if (!reader_skip(&bytes, (size_t)put))
            return err_set(e, ERR_IO, "write");
    }
    return true;
}

bool file_write_now(int fd, struct reader bytes, size_t *ret_n, struct err *e)
{
    ssize_t n;
    do
        n = fault_now() ? (errno = EIO, -1) : write(fd, bytes.at, bytes.left);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        return err_errno(e, "write");
    *ret_n = n < 0 ? 0 : (size_t)n;
    return true;
}

bool file_read_now(int fd, void *to, size_t n, size_t *ret_n, bool *ret_end, struct err *e)
{
    ssize_t got;
    do
        got = fault_now() ? (errno = EIO, -1) : read(fd, to, n);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        return err_errno(e, "read");
    *ret_n = got < 0 ? 0 : (size_t)got;
    *ret_end = got == 0;
    return true;
}

bool file_sync(int fd, enum crashpoint at, struct err *e)
{
    crash_before(at);
    if (crash_fails(at) || fault_now() || fdatasync(fd) != 0)
        return err_errno(e, "fdatasync");
    crash_after(at);
    return true;
}

bool file_sync_folder(int fd, enum crashpoint at, struct err *e)
{
    crash_before(at);
    if (crash_fails(at) || fault_now() || fsync(fd) != 0)
        return err_errno(e, "fsync");
    crash_after(at);
    return true;
}

bool file_replace(int folder, const char *name, unsigned mode, struct reader bytes,
                  enum crashpoint at, struct err *e)
{
    char temporary[300];
    if (snprintf(temporary, sizeof temporary, "%s.tmp", name) >= (int)sizeof temporary)
        return err_set(e, ERR_IO, "name too long");
    /* One that a crash left may have a mode by which its owner cannot open it for writing. */
    if (unlinkat(folder, temporary, 0) != 0 && errno != ENOENT)
        return err_errno(e, temporary);
    CLEANUP(file_close)
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return err_errno(e, temporary);
    TRY(file_write_fd(fd, bytes, e));
    TRY(file_sync(fd, at, e));
    if (renameat(folder, temporary, folder, name) != 0)
        return err_errno(e, name);
    return file_sync_folder(folder, at, e);
}

bool file_memfd(const char *name, struct reader bytes, int *ret_fd, struct err *e)
{
    CLEANUP(file_close) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return err_errno(e, "memfd_create");
    TRY(file_write_fd(fd, bytes, e));
    int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (fcntl(fd, F_ADD_SEALS, seals) != 0 || lseek(fd, 0, SEEK_SET) != 0)
        return err_errno(e, "memfd");
    *ret_fd = fd;
    fd = -1;
    return true;
}

bool file_random(void *to, size_t n, struct err *e)
{
    uint8_t *bytes = to;
    while (n > 0) {
        ssize_t got = getrandom(bytes, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(e, "getrandom");
        bytes += got;
        n -= (size_t)got;
    }
    return true;
}
