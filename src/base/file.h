/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_FILE_H
#define BASE_FILE_H
#include "base/arena.h"
#include "base/crashpoints.h"

/* Descriptors close themselves: CLEANUP(file_close) int fd = -1; */
void file_close(int *fd);

/* All of an open file from its start; more than `most` bytes is ERR_FILE_LIMIT. */
MUST_CHECK bool file_read_fd(int fd, size_t most, struct arena *a, struct reader *ret,
                             struct err *e);
/* Opens path below folder (AT_FDCWD for the working directory), no symbolic link at the end. */
MUST_CHECK bool file_read(int folder, const char *path, size_t most, struct arena *a,
                          struct reader *ret, struct err *e);
/* Writes everything at the file's position. */
MUST_CHECK bool file_write_fd(int fd, struct reader bytes, struct err *e);
/* One write(2), short or not; for logs. */
bool file_write_some(int fd, struct reader bytes);
/* One read(2) of at most n bytes, retried when interrupted; *ret_got 0 at the end. */
MUST_CHECK bool file_read_some(int fd, void *to, size_t n, size_t *ret_got, struct err *e);

/* For descriptors that do not block, once each. *ret_n 0: no room now, or nothing to read now
 * (at the end *ret_end is set). */
MUST_CHECK bool file_write_now(int fd, struct reader bytes, size_t *ret_n, struct err *e);
MUST_CHECK bool file_read_now(int fd, void *to, size_t n, size_t *ret_n, bool *ret_end,
                              struct err *e);

/* Durable steps. Each names its row of base/crashpoints.h. */
MUST_CHECK bool file_sync(int fd, enum crashpoint at, struct err *e);        /* fdatasync */
MUST_CHECK bool file_sync_folder(int fd, enum crashpoint at, struct err *e); /* fsync */
/* Creates or replaces a file as a whole: temporary name, sync, rename, folder sync. */
MUST_CHECK bool file_replace(int folder, const char *name, unsigned mode, struct reader bytes,
                             enum crashpoint at, struct err *e);

/* A sealed memfd that holds the bytes, at position 0: how secrets and pages change hands. */
MUST_CHECK bool file_memfd(const char *name, struct reader bytes, int *ret_fd, struct err *e);
MUST_CHECK bool file_random(void *to, size_t n, struct err *e); /* getrandom(2) */
#endif
