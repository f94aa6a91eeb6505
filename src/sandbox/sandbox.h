/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H
#include "base/err.h"
#include <stdint.h>

/* The walls of one program: a row of the table in profiles.c. weak: self without Landlock, only
 * when the operator wrote it; self: seccomp, Landlock, limits, no capabilities; full: self and
 * a user, a network, a mount and an IPC namespace of its own (needs a start as root). */
enum sandbox_level { SANDBOX_WEAK = 1, SANDBOX_SELF = 2, SANDBOX_FULL = 3 };
const char *sandbox_level_name(enum sandbox_level level);

struct sandbox_want {
    const char *program; /* "front", "core", "key", "worker", "p11", "fetch" */
    enum sandbox_level level;
    uint32_t uid, gid; /* full: user and group to become; 0 means none */
    const char *data;  /* core: the data folder, absolute; others NULL */
    int folder;        /* key: its folder; others -1 */
    uint64_t memory;   /* worker: bytes of address space; 0 means the row's */
};

/* What is up, for the log. */
struct sandbox_report {
    int landlock_abi;         /* 0: none */
    unsigned calls;           /* allowed system calls */
    unsigned tested, refused; /* forbidden actions tried by the self-test */
    char note[200]; /* "landlock 7, 28 system calls, 41 of 41 forbidden actions refused" */
};

/* Landlock ABI of this kernel; 0: none. */
int sandbox_landlock_abi(void);
/* Everything that holds for threads started later as well: users, namespaces, capabilities,
 * limits, Landlock, no_new_privs, dumps. Call it once, before the first thread. */
MUST_CHECK bool sandbox_enter(const struct sandbox_want *want, struct sandbox_report *r,
                              struct err *e);
/* The system call filter over all threads, then the self-test: tries what the row forbids and is
 * false when one of it works. Nothing is undone: end the process. */
MUST_CHECK bool sandbox_close(const struct sandbox_want *want, struct sandbox_report *r,
                              struct err *e);
#endif
