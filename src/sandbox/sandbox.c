/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "sandbox/sandbox.h"
#include "sandbox/profiles.h"
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef CHANCERY_SANITIZED
/* LeakSanitizer forks and traces at exit, which is what the walls are there to stop. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

const char *sandbox_level_name(enum sandbox_level level)
{
    switch (level) {
    case SANDBOX_WEAK:
        return "weak";
    case SANDBOX_SELF:
        return "self";
    case SANDBOX_FULL:
        return "full";
    }
    return "unknown";
}

/* Appends to the note; a note that is full keeps its beginning. */
static void note(struct sandbox_report *r, const char *text)
{
    size_t n = strlen(r->note);
    (void)snprintf(r->note + n, sizeof r->note - n, "%s%s", n == 0 ? "" : ", ", text);
}

/* A new root without a single file. Everything happens in our own mount namespace. */
static bool empty_root(void)
{
    static const char *const places[] = {"/tmp", "/run", "/proc"};
    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (mount("none", places[i], "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                  "size=4k,mode=0555") == 0 &&
            chdir(places[i]) == 0)
            return syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 &&
                   chdir("/") == 0 &&
                   mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                         NULL) == 0;
    return false;
}

/* Best effort: inside a container the kernel refuses some of it, and the note says so. */
static void separate(const struct profile *p, struct sandbox_report *r)
{
    if (unshare(CLONE_NEWIPC | CLONE_NEWUTS) != 0)
        note(r, "no own IPC namespace");
    if (!p->network)
        note(r, unshare(CLONE_NEWNET) == 0 ? "own network" : "no own network namespace");
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        note(r, "no own mount namespace");
    else if (p->empty_root)
        note(r, empty_root() ? "empty file system" : "no empty file system");
    else
        note(r, "own mounts");
}

static bool become_user(const struct sandbox_want *want, struct sandbox_report *r, struct err *e)
{
    char text[40];
    if (want->uid == 0 || want->gid == 0)
        return err_set(e, ERR_INTERNAL, "level full without a user");
    if (setgroups(0, NULL) != 0 || setresgid(want->gid, want->gid, want->gid) != 0 ||
        setresuid(want->uid, want->uid, want->uid) != 0)
        return err_errno(e, "setresuid");
    if (setuid(0) == 0)
        return err_set(e, ERR_INTERNAL, "root came back");
    (void)snprintf(text, sizeof text, "user %u", want->uid);
    note(r, text);
    return true;
}

/* What may stay of the permitted set: the right to lock memory, for the program that holds keys.
 * A limit would not do: locked memory counts whole stacks and heaps. */
static bool kept_capabilities(const struct profile *p, uint32_t *ret, struct err *e)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct now[2];
    if (syscall(SYS_capget, &header, now) != 0)
        return err_errno(e, "capget");
    *ret = p->locks ? now[0].permitted & (1u << CAP_IPC_LOCK) : 0;
    return *ret == 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 || err_errno(e, "PR_SET_KEEPCAPS");
}

/* The bounding set first, while we may; then all the rest. */
static bool drop_capabilities(uint32_t kept, struct err *e)
{
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EPERM)
            return err_errno(e, "PR_CAPBSET_DROP");
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
        return err_errno(e, "PR_CAP_AMBIENT");
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct left[2] = {{.effective = kept, .permitted = kept}, {0}};
    if (syscall(SYS_capset, &header, left) != 0)
        return err_errno(e, "capset");
    return true;
}

enum { RESERVED = 1 << 30 };

static bool limit(int what, uint64_t most, struct err *e)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)what, &now) != 0)
        return err_errno(e, "getrlimit");
    if (now.rlim_max != RLIM_INFINITY && most > now.rlim_max)
        most = now.rlim_max;
    struct rlimit to = {most, most};
    return setrlimit((__rlimit_resource_t)what, &to) == 0 || err_errno(e, "setrlimit");
}

static bool limits(const struct profile *p, const struct sandbox_want *want, struct err *e)
{
    TRY(limit(RLIMIT_CORE, 0, e) && limit(RLIMIT_NOFILE, p->files, e));
    if (!p->locks)
        TRY(limit(RLIMIT_MEMLOCK, 0, e));
    TRY(limit(RLIMIT_MSGQUEUE, 0, e));
#ifndef CHANCERY_SANITIZED /* shadow memory is larger than any limit */
    /* What is written counts as data; the address space also holds what malloc only reserves for
     * its threads. Both, because shared memory is no data. */
    uint64_t memory = want->memory != 0 ? want->memory : p->memory;
    if (p->memory != 0)
        TRY(limit(RLIMIT_DATA, memory, e) && limit(RLIMIT_AS, memory + RESERVED, e));
#else
    (void)want;
#endif
    if (p->written != 0)
        TRY(limit(RLIMIT_FSIZE, p->written, e));
    return true;
}

bool sandbox_enter(const struct sandbox_want *want, struct sandbox_report *r, struct err *e)
{
    const struct profile *p = profile_find(want->program);
    if (p == NULL)
        return err_set(e, ERR_INTERNAL, "no sandbox for %s", want->program);
    *r = (struct sandbox_report){0};
    if (want->level == SANDBOX_FULL)
        separate(p, r);
    TRY(limits(p, want, e));
    uint32_t kept;
    TRY(kept_capabilities(p, &kept, e));
    if (want->level == SANDBOX_FULL)
        TRY(become_user(want, r, e));
    TRY(drop_capabilities(kept, e));
    /* A change of user takes these two back, so they come after it. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return err_errno(e, "prctl");
    if (want->level == SANDBOX_WEAK)
        return true;
    TRY(landlock_enter(p, want, &r->landlock_abi, e));
    return r->landlock_abi > 0 || err_user(e, ERR_SETTING,
                                           "This kernel has no Landlock; sandbox = weak accepts "
                                           "that.");
}

bool sandbox_close(const struct sandbox_want *want, struct sandbox_report *r, struct err *e)
{
    const struct profile *p = profile_find(want->program);
    char text[100];
    struct rlimit core;
    if (p == NULL || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 ||
        prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 || getrlimit(RLIMIT_CORE, &core) != 0 ||
        core.rlim_max != 0)
        return err_set(e, ERR_INTERNAL, "the walls of %s are not up", want->program);
    pid_t parent = getppid(); /* the filter does not allow it */
    TRY(filter_load(p, &r->calls, e));
    TRY(selftest_run(want, p, parent, r, e));
    if (r->landlock_abi > 0) {
        (void)snprintf(text, sizeof text, "Landlock %d", r->landlock_abi);
        note(r, text);
    }
    (void)snprintf(text, sizeof text, "%u system calls, %u of %u forbidden actions refused",
                   r->calls, r->refused, r->tested);
    note(r, text);
    return true;
}
