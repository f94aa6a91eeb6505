/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SANDBOX_PROFILES_H
#define SANDBOX_PROFILES_H
#include "sandbox/sandbox.h"
#include <sys/types.h>

/* Groups of system calls; profiles.c lists their members and who gets which. */
enum call_group {
    CALLS_RUN = 1 << 0,        /* memory, time, signals to itself, the own descriptors */
    CALLS_OUTPUT = 1 << 1,     /* change the length of open files */
    CALLS_THREADS = 1 << 2,    /* start threads, never processes */
    CALLS_EVENTS = 1 << 3,     /* epoll, eventfd, pipes */
    CALLS_FILES = 1 << 4,      /* open by path what Landlock allows */
    CALLS_CHANGE = 1 << 5,     /* create, rename, link, remove */
    CALLS_DURABLE = 1 << 6,    /* fsync and friends */
    CALLS_SERVE = 1 << 7,      /* accept on inherited sockets */
    CALLS_CONNECT = 1 << 8,    /* internet and local sockets, outward */
    CALLS_CHANNELS = 1 << 9,   /* make a pair for a worker */
    CALLS_SANITIZER = 1 << 10, /* only in sanitizer builds */
    CALLS_FAULTS = 1 << 11,    /* only in fault builds: kill itself */
};

/* How far a call is allowed. */
enum call_rule {
    RULE_ALWAYS,
    RULE_NO_EXEC,     /* mmap, mprotect: never executable */
    RULE_ITSELF,      /* first argument: the own process */
    RULE_THREAD,      /* clone: only with CLONE_THREAD */
    RULE_LOCAL_PAIR,  /* socketpair: AF_UNIX */
    RULE_OPEN_FILE,   /* newfstatat: AT_EMPTY_PATH */
    RULE_LIMIT_READ,  /* prlimit64: itself, nothing new */
    RULE_PLAIN_IOCTL, /* FIONREAD, FIONBIO */
    RULE_PLAIN_FCNTL, /* flags, locks, duplicates, seals */
    RULE_THREAD_NAME, /* prctl: PR_SET_NAME */
    RULE_SOCKET,      /* internet, local; netlink for routes */
    RULE_MISSING,     /* ENOSYS, so that the C library takes the older call */
};

struct call {
    const char *name;
    unsigned groups;
    enum call_rule rule;
};
extern const struct call calls[];
extern const size_t calls_count;

enum { PATH_READ = 1, PATH_WRITE = 2 }; /* WRITE: everything below but devices and execution */
enum path_base { BASE_ROOT, BASE_DATA, BASE_FOLDER };

struct profile {
    const char *program;
    unsigned calls; /* call_group */
    struct profile_path {
        enum path_base base;
        const char *path; /* below its base */
        unsigned rights;
    } paths[16];
    bool network;     /* may connect: host network even at level full */
    bool empty_root;  /* level full: an empty file system */
    bool locks;       /* may lock memory; keeps the capability where there is one */
    uint64_t memory;  /* RLIMIT_AS in bytes, 0: unlimited */
    uint64_t files;   /* RLIMIT_NOFILE */
    uint64_t written; /* RLIMIT_FSIZE, 0: unlimited */
};
const struct profile *profile_find(const char *program);

/* landlock.c: true with *ret_abi = 0 when the kernel has none. */
MUST_CHECK bool landlock_enter(const struct profile *p, const struct sandbox_want *want,
                               int *ret_abi, struct err *e);
/* filter.c */
MUST_CHECK bool filter_load(const struct profile *p, unsigned *ret_calls, struct err *e);
/* selftest.c; needs neither memory nor files. Names the first action that worked. */
MUST_CHECK bool selftest_run(const struct sandbox_want *want, const struct profile *p, pid_t parent,
                             struct sandbox_report *r, struct err *e);
#endif
