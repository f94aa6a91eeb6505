/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "sandbox/profiles.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Stand-ins for arguments that are known only now. */
enum { PARENT = -1000, FOLDER = -1001, PAGES = -1002, KEYS = -1003 };
#define AT(text) ((long)(intptr_t)(text))
#define PROGRAMS "wkcpfx" /* worker, key, core, core-postgresql, front, fetch */

static const struct rlimit no_limit = {RLIM_INFINITY, RLIM_INFINITY};

/* What no program may do, or which may not. Each is harmless where a wall is missing: then it
 * works, or fails for another reason than a wall, and either way the program refuses to run.
 * path: a wall of Landlock for programs that open files, so not tried at level weak. */
/* clang-format off */
static const struct attempt {
    const char *what, *programs;
    long number, arguments[6];
    bool path;
} attempts[] = {
    /* the network */
    {"socket for TCP over IPv4",       "wkcf",   SYS_socket, {AF_INET, SOCK_STREAM, 0}},
    {"socket for UDP over IPv6",       "wkcf",   SYS_socket, {AF_INET6, SOCK_DGRAM, 0}},
    {"local socket",                   "wkcf",   SYS_socket, {AF_UNIX, SOCK_STREAM, 0}},
    {"raw socket",                     PROGRAMS, SYS_socket, {AF_INET, SOCK_RAW, 1}},
    {"packet socket",                  PROGRAMS, SYS_socket, {AF_PACKET, SOCK_RAW, 0}},
    {"audit socket",                   PROGRAMS, SYS_socket, {AF_NETLINK, SOCK_RAW, 9}},
    {"socket to the host",             PROGRAMS, SYS_socket, {40, SOCK_STREAM, 0}},
    {"socket for kernel cryptography", PROGRAMS, SYS_socket, {38, SOCK_SEQPACKET, 0}},
    {"pair of sockets",                "wkf",    SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0, 0}},
    {"pair of internet sockets",       PROGRAMS, SYS_socketpair, {AF_INET, SOCK_STREAM, 0, 0}},
    {"connect",                        "wkcf",   SYS_connect, {-1, 0, 0}},
    {"bind",                           "wkcf",   SYS_bind, {-1, 0, 0}},
    {"listen",                         PROGRAMS, SYS_listen, {-1, 1}},
    {"accept",                         "wkcpx",  SYS_accept4, {-1, 0, 0, 0}},
    /* other programs and processes */
    {"exec",                           PROGRAMS, SYS_execve, {0, 0, 0}},
    {"exec by descriptor",             PROGRAMS, SYS_execveat, {-1, 0, 0, 0, 0}},
    {"new process",                    PROGRAMS, SYS_clone, {CLONE_SIGHAND, 0, 0, 0, 0}},
    {"new thread",                     "w",      SYS_clone, {CLONE_THREAD, 0, 0, 0, 0}},
    {"new process, new way",           PROGRAMS, SYS_clone3, {0, 0}},
    {"user namespace",                 PROGRAMS, SYS_unshare, {CLONE_NEWUSER}},
    {"enter a namespace",              PROGRAMS, SYS_setns, {-1, 0}},
    {"be traced",                      PROGRAMS, SYS_ptrace, {PTRACE_TRACEME, 0, 0, 0}},
    {"trace the parent",               PROGRAMS, SYS_ptrace, {PTRACE_SEIZE, PARENT, 0, 0}},
    {"read memory of the parent",      PROGRAMS, SYS_process_vm_readv, {PARENT, 0, 0, 0, 0, 0}},
    {"write memory of the parent",     PROGRAMS, SYS_process_vm_writev, {PARENT, 0, 0, 0, 0, 0}},
    {"handle of the parent",           PROGRAMS, SYS_pidfd_open, {PARENT, 0}},
    {"descriptor of another process",  PROGRAMS, SYS_pidfd_getfd, {-1, 0, 0}},
    {"compare with the parent",        PROGRAMS, SYS_kcmp, {PARENT, PARENT, 0, 0, 0}},
    {"signal to the parent",           PROGRAMS, SYS_kill, {PARENT, 0}},
    {"signal to everybody",            PROGRAMS, SYS_kill, {-1, 0}},
    {"signal to a thread of another",  PROGRAMS, SYS_tgkill, {PARENT, PARENT, 0}},
    {"queued signal",                  PROGRAMS, SYS_rt_sigqueueinfo, {PARENT, 0, 0}},
    /* doors into the kernel */
    {"bpf",                            PROGRAMS, SYS_bpf, {0, 0, 0}},
    {"performance counters",           PROGRAMS, SYS_perf_event_open, {0, 0, -1, -1, 0}},
    {"io_uring",                       PROGRAMS, SYS_io_uring_setup, {1, 0}},
    {"userfaultfd",                    PROGRAMS, SYS_userfaultfd, {0}},
    {"kernel keys, control",           PROGRAMS, SYS_keyctl, {0, -3, 0}},
    {"kernel keys, add",               PROGRAMS, SYS_add_key, {0, 0, 0, 0, 0}},
    {"kernel keys, request",           PROGRAMS, SYS_request_key, {0, 0, 0, 0}},
    {"load a module",                  PROGRAMS, SYS_init_module, {0, 0, 0}},
    {"load a module by descriptor",    PROGRAMS, SYS_finit_module, {-1, 0, 0}},
    {"remove a module",                PROGRAMS, SYS_delete_module, {0, 0}},
    {"load a kernel",                  PROGRAMS, SYS_kexec_load, {0, 0, 0, 0}},
    {"kernel log",                     PROGRAMS, SYS_syslog, {10, 0, 0}},
    {"another personality",            PROGRAMS, SYS_personality, {-1}},
    {"type into a terminal",           PROGRAMS, SYS_ioctl, {-1, TIOCSTI, 0}},
#ifdef SYS_iopl
    {"ports of the machine",           PROGRAMS, SYS_iopl, {3}},
    {"some ports of the machine",      PROGRAMS, SYS_ioperm, {0, 1, 1}},
    {"segments",                       PROGRAMS, SYS_modify_ldt, {0, 0, 0}},
#endif
    /* memory that runs */
    {"executable memory",              PROGRAMS, SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
    {"memory made executable",         PROGRAMS, SYS_mprotect, {PAGES, 4096, PROT_READ | PROT_EXEC}},
    {"memory file",                    "wk",     SYS_memfd_create, {0, 0}},
    {"shared memory",                  PROGRAMS, SYS_shmget, {0, 4096, 0600}},
    {"semaphores",                     PROGRAMS, SYS_semget, {0, 1, 0600}},
    {"message queue",                  PROGRAMS, SYS_msgget, {0, 0600}},
    {"named message queue",            PROGRAMS, SYS_mq_open, {0, 0, 0, 0}},
    /* more rights */
    {"become root",                    PROGRAMS, SYS_setresuid, {0, 0, 0}},
    {"become the group of root",       PROGRAMS, SYS_setresgid, {0, 0, 0}},
    {"other groups",                   PROGRAMS, SYS_setgroups, {0, 0}},
    {"capabilities",                   PROGRAMS, SYS_capset, {0, 0}},
    {"memory dumps",                   PROGRAMS, SYS_prctl, {PR_SET_DUMPABLE, 1, 0, 0, 0}},
    {"higher limits",                  PROGRAMS, SYS_prlimit64, {0, RLIMIT_CORE, AT(&no_limit), 0}},
    {"limits of the parent",           PROGRAMS, SYS_prlimit64, {PARENT, RLIMIT_CORE, AT(&no_limit), 0}},
    {"a file system",                  PROGRAMS, SYS_mount, {0, 0, 0, 0, 0}},
    {"unmount",                        PROGRAMS, SYS_umount2, {0, 0}},
    {"another root",                   PROGRAMS, SYS_pivot_root, {0, 0}},
    {"chroot",                         PROGRAMS, SYS_chroot, {0}},
    {"swap",                           PROGRAMS, SYS_swapon, {0, 0}},
    {"restart the machine",            PROGRAMS, SYS_reboot, {0, 0, 0, 0}},
    {"set the clock",                  PROGRAMS, SYS_clock_settime, {0, 0}},
    {"adjust the clock",               PROGRAMS, SYS_adjtimex, {0}},
    {"rename the machine",             PROGRAMS, SYS_sethostname, {0, 0}},
    {"process accounting",             PROGRAMS, SYS_acct, {1}},
    {"quotas",                         PROGRAMS, SYS_quotactl, {0, 0, 0, 0}},
    /* files */
    {"open a file by handle",          PROGRAMS, SYS_open_by_handle_at, {-1, 0, 0}},
    {"watch files",                    PROGRAMS, SYS_inotify_init1, {0}},
    {"watch file systems",             PROGRAMS, SYS_fanotify_init, {0, 0}},
    {"truncate by path",               PROGRAMS, SYS_truncate, {AT(""), 0}},
    {"change modes by path",           PROGRAMS, SYS_fchmodat, {AT_FDCWD, AT(""), 0}},
    {"change owners by path",          PROGRAMS, SYS_fchownat, {AT_FDCWD, AT(""), 0, 0, 0}},
    {"make a device",                  PROGRAMS, SYS_mknodat, {AT_FDCWD, AT(""), 0, 0}},
    {"make a symbolic link",           PROGRAMS, SYS_symlinkat, {AT(""), AT_FDCWD, AT("")}},
    {"remove a file",                  "wfx",    SYS_unlinkat, {AT_FDCWD, AT(""), 0}},
    {"link a file",                    "wfx",    SYS_linkat, {AT_FDCWD, AT(""), AT_FDCWD, AT(""), 0}},
    {"list a folder",                  "wf",     SYS_getdents64, {-1, 0, 0}},
    {"make a folder",                  PROGRAMS, SYS_mkdirat, {AT_FDCWD, AT("/.chancery-selftest"), 0700}, true},
    {"read the list of users",         PROGRAMS, SYS_openat, {AT_FDCWD, AT("/etc/passwd"), O_RDONLY | O_CLOEXEC}, true},
    {"read the root folder",           PROGRAMS, SYS_openat, {AT_FDCWD, AT("/"), O_RDONLY | O_CLOEXEC}, true},
    {"read its own environment",       PROGRAMS, SYS_openat, {AT_FDCWD, AT("/proc/self/environ"), O_RDONLY | O_CLOEXEC}, true},
    {"write its own memory",           PROGRAMS, SYS_openat, {AT_FDCWD, AT("/proc/self/mem"), O_RDWR | O_CLOEXEC}, true},
    {"read what lies above its folder","k",      SYS_openat, {FOLDER, AT(".."), O_RDONLY | O_CLOEXEC}, true},
    {"read the key folder",            "cp",     SYS_openat, {AT_FDCWD, KEYS, O_RDONLY | O_CLOEXEC}, true},
    {"make a file in the root folder", PROGRAMS, SYS_openat, {AT_FDCWD, AT("/"), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600}, true},
};
/* clang-format on */

static char letter_of(const struct sandbox_want *want)
{
    return strcmp(want->program, "core-postgresql") == 0 ? 'p'
           : strcmp(want->program, "fetch") == 0         ? 'x'
                                                         : want->program[0];
}

struct test {
    const struct sandbox_want *want;
    const struct profile *profile;
    pid_t parent;
    char keys[4200];
};

static long argument(long value, const struct test *t)
{
    static uint8_t pages[8192];
    switch (value) {
    case PARENT:
        return t->parent;
    case FOLDER:
        return t->want->folder;
    case PAGES: /* the whole page within */
        return (AT(pages) + 4095) & ~4095L;
    case KEYS:
        return AT(t->keys);
    default:
        return value;
    }
}

static bool concerns(const struct attempt *a, const struct test *t)
{
    bool opens = (t->profile->calls & (CALLS_FILES | CALLS_SANITIZER)) != 0;
    return strchr(a->programs, letter_of(t->want)) != NULL &&
           !(a->path && opens && t->want->level == SANDBOX_WEAK);
}

/* In an empty file system there is nothing to refuse. */
static bool is_wall(int number, const struct attempt *a, const struct test *t)
{
    bool empty = a->path && t->profile->empty_root && t->want->level == SANDBOX_FULL;
    return number == EPERM || number == EACCES || number == ENOSYS ||
           (empty && (number == ENOENT || number == EROFS));
}

static bool refused(const struct attempt *a, const struct test *t, int *ret_errno)
{
    long n[6];
    for (size_t i = 0; i < COUNT_OF(n); i++)
        n[i] = argument(a->arguments[i], t);
    long result = syscall(a->number, n[0], n[1], n[2], n[3], n[4], n[5]);
    *ret_errno = result < 0 ? errno : 0;
    return result < 0 && is_wall(*ret_errno, a, t);
}

/* A sanitizer needs an address space without limits. */
#ifndef CHANCERY_SANITIZED
static bool memory_is_limited(void)
{
    return mmap(NULL, 1ul << 46, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) ==
               MAP_FAILED &&
           errno == ENOMEM;
}
#endif

bool selftest_run(const struct sandbox_want *want, const struct profile *p, pid_t parent,
                  struct sandbox_report *r, struct err *e)
{
    struct test t = {.want = want, .profile = p, .parent = parent};
    int number;
    (void)snprintf(t.keys, sizeof t.keys, "%s/key", want->data == NULL ? "" : want->data);
    for (size_t i = 0; i < COUNT_OF(attempts); i++) {
        if (!concerns(&attempts[i], &t))
            continue;
        r->tested++;
        if (!refused(&attempts[i], &t, &number))
            return err_user(e, ERR_INTERNAL,
                            "The sandbox of %s has a hole: \"%s\" is not refused (%s). The program "
                            "does not start.",
                            want->program, attempts[i].what,
                            number == 0 ? "it works" : strerror(number));
        r->refused++;
    }
#ifndef CHANCERY_SANITIZED
    if (p->memory != 0) {
        r->tested++;
        if (!memory_is_limited())
            return err_set(e, ERR_INTERNAL, "memory of %s is not limited", want->program);
        r->refused++;
    }
#endif
    return true;
}
