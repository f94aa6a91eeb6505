/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/profiles.h"
#include <string.h>
#include <sys/syscall.h>

/* clang-format off */
const struct call calls[] = {
    /* The 30 of a worker are RUN and OUTPUT: bytes in, bytes out, memory, an end. */
    {"read",             CALLS_RUN,      RULE_ALWAYS},
    {"write",            CALLS_RUN,      RULE_ALWAYS},
    {"writev",           CALLS_RUN,      RULE_ALWAYS},
    {"pread64",          CALLS_RUN,      RULE_ALWAYS},
    {"pwrite64",         CALLS_RUN,      RULE_ALWAYS},
    {"lseek",            CALLS_RUN,      RULE_ALWAYS},
    {"close",            CALLS_RUN,      RULE_ALWAYS},
    {"fstat",            CALLS_RUN,      RULE_ALWAYS},
    {"newfstatat",       CALLS_RUN,      RULE_OPEN_FILE}, /* glibc's fstat() */
#ifdef SYS_poll
    {"poll",             CALLS_RUN,      RULE_ALWAYS},
#else
    {"ppoll",            CALLS_RUN,      RULE_ALWAYS},
#endif
    {"sendmsg",          CALLS_RUN,      RULE_ALWAYS},
    {"recvmsg",          CALLS_RUN,      RULE_ALWAYS},
    {"mmap",             CALLS_RUN,      RULE_NO_EXEC},
    {"mprotect",         CALLS_RUN,      RULE_NO_EXEC},
    {"munmap",           CALLS_RUN,      RULE_ALWAYS},
    {"mremap",           CALLS_RUN,      RULE_ALWAYS},
    {"madvise",          CALLS_RUN,      RULE_ALWAYS},
    {"brk",              CALLS_RUN,      RULE_ALWAYS},
    {"futex",            CALLS_RUN,      RULE_ALWAYS},
    {"getrandom",        CALLS_RUN,      RULE_ALWAYS},
    {"clock_gettime",    CALLS_RUN,      RULE_ALWAYS}, /* where the vDSO has none */
    {"getpid",           CALLS_RUN,      RULE_ALWAYS},
    {"gettid",           CALLS_RUN,      RULE_ALWAYS},
    {"tgkill",           CALLS_RUN,      RULE_ITSELF}, /* abort() */
    {"rt_sigprocmask",   CALLS_RUN,      RULE_ALWAYS},
    {"rt_sigreturn",     CALLS_RUN,      RULE_ALWAYS},
    {"restart_syscall",  CALLS_RUN,      RULE_ALWAYS}, /* poll() after a suspended machine */
    {"exit",             CALLS_RUN,      RULE_ALWAYS},
    {"exit_group",       CALLS_RUN,      RULE_ALWAYS},
    {"ftruncate",        CALLS_OUTPUT,   RULE_ALWAYS},

    {"clone",            CALLS_THREADS,  RULE_THREAD},
    {"clone3",           CALLS_THREADS,  RULE_MISSING},
    {"set_robust_list",  CALLS_THREADS | CALLS_SANITIZER, RULE_ALWAYS},
    {"rseq",             CALLS_THREADS | CALLS_SANITIZER, RULE_ALWAYS},
    {"sched_yield",      CALLS_THREADS | CALLS_SANITIZER, RULE_ALWAYS},
    {"sched_getaffinity",CALLS_THREADS | CALLS_SANITIZER, RULE_ALWAYS},
    {"prctl",            CALLS_THREADS | CALLS_SANITIZER, RULE_THREAD_NAME},
    {"rt_sigaction",     CALLS_THREADS | CALLS_SANITIZER, RULE_ALWAYS},
    {"sigaltstack",      CALLS_THREADS | CALLS_SANITIZER, RULE_ALWAYS},
    {"nanosleep",        CALLS_THREADS,  RULE_ALWAYS},
    {"clock_nanosleep",  CALLS_THREADS,  RULE_ALWAYS},
    {"membarrier",       CALLS_THREADS,  RULE_ALWAYS},

    {"ppoll",            CALLS_EVENTS,   RULE_ALWAYS},
    {"epoll_create1",    CALLS_EVENTS,   RULE_ALWAYS},
    {"epoll_ctl",        CALLS_EVENTS,   RULE_ALWAYS},
    {"epoll_wait",       CALLS_EVENTS,   RULE_ALWAYS},
    {"epoll_pwait",      CALLS_EVENTS,   RULE_ALWAYS},
    {"eventfd2",         CALLS_EVENTS,   RULE_ALWAYS},
    {"timerfd_create",   CALLS_EVENTS,   RULE_ALWAYS},
    {"timerfd_settime",  CALLS_EVENTS,   RULE_ALWAYS},
    {"pipe2",            CALLS_EVENTS,   RULE_ALWAYS},
    {"select",           CALLS_EVENTS,   RULE_ALWAYS},
    {"pselect6",         CALLS_EVENTS,   RULE_ALWAYS},
    {"readv",            CALLS_EVENTS,   RULE_ALWAYS},
    {"splice",           CALLS_EVENTS,   RULE_ALWAYS},
    {"sendfile",         CALLS_EVENTS,   RULE_ALWAYS},
    {"recvfrom",         CALLS_EVENTS | CALLS_CONNECT, RULE_ALWAYS},
    {"sendto",           CALLS_EVENTS | CALLS_CONNECT, RULE_ALWAYS},
    {"shutdown",         CALLS_EVENTS | CALLS_CONNECT, RULE_ALWAYS},
    {"memfd_create",     CALLS_EVENTS,   RULE_ALWAYS},
    {"fcntl",            CALLS_EVENTS | CALLS_FILES, RULE_PLAIN_FCNTL},
    {"ioctl",            CALLS_EVENTS | CALLS_CONNECT, RULE_PLAIN_IOCTL},
    {"dup",              CALLS_EVENTS | CALLS_FILES, RULE_ALWAYS},
    {"dup3",             CALLS_EVENTS,   RULE_ALWAYS},

    {"openat",           CALLS_FILES,    RULE_ALWAYS},
    {"openat2",          CALLS_FILES,    RULE_MISSING}, /* its arguments cannot be filtered */
    {"statx",            CALLS_FILES,    RULE_ALWAYS},
    {"fstatfs",          CALLS_FILES,    RULE_ALWAYS},
    {"statfs",           CALLS_FILES,    RULE_ALWAYS},
    {"getdents64",       CALLS_FILES,    RULE_ALWAYS},
    {"access",           CALLS_FILES,    RULE_ALWAYS},
    {"faccessat",        CALLS_FILES,    RULE_ALWAYS},
    {"faccessat2",       CALLS_FILES,    RULE_ALWAYS},
    {"readlink",         CALLS_FILES,    RULE_ALWAYS},
    {"readlinkat",       CALLS_FILES,    RULE_ALWAYS},
    {"getcwd",           CALLS_FILES,    RULE_ALWAYS},
    {"fadvise64",        CALLS_FILES,    RULE_ALWAYS},
    {"flock",            CALLS_FILES,    RULE_ALWAYS},
    {"getuid",           CALLS_FILES,    RULE_ALWAYS},
    {"geteuid",          CALLS_FILES,    RULE_ALWAYS},
    {"getgid",           CALLS_FILES,    RULE_ALWAYS},
    {"getegid",          CALLS_FILES,    RULE_ALWAYS},
    {"uname",            CALLS_FILES,    RULE_ALWAYS},
    {"sysinfo",          CALLS_FILES | CALLS_SANITIZER, RULE_ALWAYS},
    {"prlimit64",        CALLS_FILES | CALLS_SANITIZER, RULE_LIMIT_READ},
    {"getrusage",        CALLS_FILES | CALLS_SANITIZER, RULE_ALWAYS},

    {"mkdirat",          CALLS_CHANGE,   RULE_ALWAYS},
    {"mkdir",            CALLS_CHANGE,   RULE_ALWAYS},
    {"unlinkat",         CALLS_CHANGE,   RULE_ALWAYS},
    {"unlink",           CALLS_CHANGE,   RULE_ALWAYS},
    {"rmdir",            CALLS_CHANGE,   RULE_ALWAYS},
    {"renameat",         CALLS_CHANGE,   RULE_ALWAYS},
    {"renameat2",        CALLS_CHANGE,   RULE_ALWAYS},
    {"rename",           CALLS_CHANGE,   RULE_ALWAYS},
    {"linkat",           CALLS_CHANGE,   RULE_ALWAYS},
    {"fchmod",           CALLS_CHANGE,   RULE_ALWAYS},
    {"fchown",           CALLS_CHANGE,   RULE_ALWAYS}, /* SQLite, for its own journal */
    {"utimensat",        CALLS_CHANGE,   RULE_ALWAYS},
    {"umask",            CALLS_CHANGE,   RULE_ALWAYS},
    {"fallocate",        CALLS_CHANGE,   RULE_ALWAYS},
    {"copy_file_range",  CALLS_CHANGE,   RULE_ALWAYS},
    {"ftruncate",        CALLS_CHANGE,   RULE_ALWAYS},
    {"fsync",            CALLS_DURABLE,  RULE_ALWAYS},
    {"fdatasync",        CALLS_DURABLE,  RULE_ALWAYS},
    {"sync_file_range",  CALLS_DURABLE,  RULE_ALWAYS},
    {"msync",            CALLS_DURABLE,  RULE_ALWAYS},
    {"mlock",            CALLS_DURABLE,  RULE_ALWAYS}, /* secrets of the key process */
    {"munlock",          CALLS_DURABLE,  RULE_ALWAYS},

    {"accept",           CALLS_SERVE,    RULE_ALWAYS},
    {"accept4",          CALLS_SERVE,    RULE_ALWAYS},
    {"getsockname",      CALLS_SERVE | CALLS_CONNECT, RULE_ALWAYS},
    {"getpeername",      CALLS_SERVE | CALLS_CONNECT, RULE_ALWAYS},
    {"getsockopt",       CALLS_SERVE | CALLS_CONNECT, RULE_ALWAYS},
    {"setsockopt",       CALLS_SERVE | CALLS_CONNECT | CALLS_CHANNELS, RULE_ALWAYS},

    {"socket",           CALLS_CONNECT,  RULE_SOCKET},
    {"connect",          CALLS_CONNECT,  RULE_ALWAYS},
    {"bind",             CALLS_CONNECT,  RULE_ALWAYS}, /* netlink: which addresses exist */
    {"sendmmsg",         CALLS_CONNECT,  RULE_ALWAYS}, /* DNS */
    {"recvmmsg",         CALLS_CONNECT,  RULE_ALWAYS},
    {"socketpair",       CALLS_CONNECT | CALLS_CHANNELS, RULE_LOCAL_PAIR},

    /* ThreadSanitizer and AddressSanitizer: their own allocator, flags and reports. */
    {"openat",           CALLS_SANITIZER, RULE_ALWAYS}, /* /proc/self/maps; Landlock stays */
    {"readlink",         CALLS_SANITIZER, RULE_ALWAYS},
    {"getuid",           CALLS_SANITIZER, RULE_ALWAYS},
    {"geteuid",          CALLS_SANITIZER, RULE_ALWAYS},
    {"kill",             CALLS_FAULTS,   RULE_ITSELF},
};
const size_t calls_count = COUNT_OF(calls);

#if defined(CHANCERY_SANITIZED) && defined(CHANCERY_FAULTS)
#define CALLS_ALL (CALLS_RUN | CALLS_SANITIZER | CALLS_FAULTS)
#elif defined(CHANCERY_SANITIZED)
#define CALLS_ALL (CALLS_RUN | CALLS_SANITIZER)
#elif defined(CHANCERY_FAULTS)
#define CALLS_ALL (CALLS_RUN | CALLS_FAULTS)
#else
#define CALLS_ALL CALLS_RUN
#endif
#define CALLS_STORE (CALLS_FILES | CALLS_CHANGE | CALLS_DURABLE | CALLS_OUTPUT)

static const struct profile profiles[] = {
    {.program = "worker", .calls = CALLS_ALL | CALLS_OUTPUT,
     .empty_root = true, .memory = 512ull << 20, .files = 32, .written = 1ull << 40},
    {.program = "key", .calls = CALLS_ALL | CALLS_STORE | CALLS_THREADS,
     .paths = {{BASE_FOLDER, ".", PATH_READ | PATH_WRITE}},
     .files = 64, .locks = true},
    {.program = "core", .calls = CALLS_ALL | CALLS_STORE | CALLS_THREADS | CALLS_EVENTS | CALLS_CHANNELS,
     .paths = {{BASE_DATA, "db", PATH_READ | PATH_WRITE}, {BASE_DATA, "blobs", PATH_READ | PATH_WRITE},
               {BASE_DATA, "audit", PATH_READ | PATH_WRITE}},
     .files = 65536},
    /* libpq connects from core; it reads no file of the user's. */
    {.program = "core-postgresql",
     .calls = CALLS_ALL | CALLS_STORE | CALLS_THREADS | CALLS_EVENTS | CALLS_CHANNELS | CALLS_CONNECT,
     .paths = {{BASE_DATA, "db", PATH_READ | PATH_WRITE}, {BASE_DATA, "blobs", PATH_READ | PATH_WRITE},
               {BASE_DATA, "audit", PATH_READ | PATH_WRITE},
               {BASE_ROOT, "etc/resolv.conf", PATH_READ}, {BASE_ROOT, "etc/hosts", PATH_READ},
               {BASE_ROOT, "etc/nsswitch.conf", PATH_READ}},
     .network = true, .files = 65536},
    {.program = "front", .calls = CALLS_ALL | CALLS_THREADS | CALLS_EVENTS | CALLS_SERVE,
     .empty_root = true, .files = 65536},
    {.program = "fetch", .calls = CALLS_ALL | CALLS_THREADS | CALLS_EVENTS | CALLS_CONNECT | CALLS_FILES,
     .paths = {{BASE_ROOT, "etc/resolv.conf", PATH_READ}, {BASE_ROOT, "etc/hosts", PATH_READ},
               {BASE_ROOT, "etc/nsswitch.conf", PATH_READ}, {BASE_ROOT, "etc/host.conf", PATH_READ},
               {BASE_ROOT, "etc/gai.conf", PATH_READ}, {BASE_ROOT, "etc/services", PATH_READ},
               {BASE_ROOT, "etc/protocols", PATH_READ}, {BASE_ROOT, "run/systemd/resolve", PATH_READ},
               {BASE_ROOT, "run/NetworkManager", PATH_READ}, {BASE_ROOT, "run/resolvconf", PATH_READ}},
     .network = true, .files = 4096},
};
/* clang-format on */

const struct profile *profile_find(const char *program)
{
    for (size_t i = 0; i < COUNT_OF(profiles); i++)
        if (strcmp(profiles[i].program, program) == 0)
            return &profiles[i];
    return NULL;
}
