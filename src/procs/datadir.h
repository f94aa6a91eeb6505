/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCS_DATADIR_H
#define PROCS_DATADIR_H
#include "base/reader.h"

/* The data folder as the supervisor and the administration commands see it. */
struct datadir {
    char path[4096]; /* absolute */
    int folder;      /* O_DIRECTORY */
    int lock;        /* run/pid, locked; -1: not ours */
};

/* Opens and checks it: a folder of ours that no other user can read; makes db, blobs, key, audit
 * and run where they are missing. Errors say what to do. */
MUST_CHECK bool datadir_open(struct datadir *d, const char *path, struct err *e);
/* Takes the lock of run/pid and writes our process id; names the holder when it is taken. */
MUST_CHECK bool datadir_lock(struct datadir *d, struct err *e);
/* As root: `name` and everything below belongs to this user, and the data folder lets it
 * through. Back again when the level changes. */
MUST_CHECK bool datadir_hand_over(struct datadir *d, const char *name, uint32_t uid, uint32_t gid,
                                  struct err *e);
/* run/url, whole or not at all; an empty text removes it. */
MUST_CHECK bool datadir_url(struct datadir *d, const char *url, struct err *e);
void datadir_close(struct datadir *d); /* removes run/url and empties run/pid when locked */
#endif
