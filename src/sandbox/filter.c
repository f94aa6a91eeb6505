/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "sandbox/profiles.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void release(scmp_filter_ctx *f)
{
    seccomp_release(*f);
}

static int allow(scmp_filter_ctx f, int number, struct scmp_arg_cmp a)
{
    return seccomp_rule_add(f, SCMP_ACT_ALLOW, number, 1, a);
}

static int allow_values(scmp_filter_ctx f, int number, unsigned argument, const uint64_t *values,
                        size_t count)
{
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++)
        result = allow(f, number, SCMP_CMP(argument, SCMP_CMP_EQ, values[i]));
    return result;
}

static int allow_sockets(scmp_filter_ctx f, int number)
{
    static const uint64_t families[] = {AF_INET, AF_INET6, AF_UNIX};
    const uint64_t kind = 0xf; /* without SOCK_CLOEXEC and SOCK_NONBLOCK */
    int result = 0;
    for (size_t i = 0; i < COUNT_OF(families) && result == 0; i++) {
        result =
            seccomp_rule_add(f, SCMP_ACT_ALLOW, number, 2, SCMP_CMP(0, SCMP_CMP_EQ, families[i]),
                             SCMP_CMP(1, SCMP_CMP_MASKED_EQ, kind, SOCK_STREAM));
        if (result == 0)
            result = seccomp_rule_add(f, SCMP_ACT_ALLOW, number, 2,
                                      SCMP_CMP(0, SCMP_CMP_EQ, families[i]),
                                      SCMP_CMP(1, SCMP_CMP_MASKED_EQ, kind, SOCK_DGRAM));
    }
    /* getaddrinfo() asks NETLINK_ROUTE (0) which addresses this machine has. */
    return result != 0 ? result
                       : seccomp_rule_add(f, SCMP_ACT_ALLOW, number, 2,
                                          SCMP_CMP(0, SCMP_CMP_EQ, AF_NETLINK),
                                          SCMP_CMP(2, SCMP_CMP_EQ, 0));
}

static int add_rule(scmp_filter_ctx f, const struct call *c, int number)
{
    static const uint64_t ioctls[] = {FIONREAD, FIONBIO};
    static const uint64_t fcntls[] = {
        F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,     F_SETFD,     F_GETFL,      F_SETFL,     F_GETLK,
        F_SETLK, F_SETLKW,        F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_ADD_SEALS, F_GET_SEALS};
    const uint64_t process = (uint64_t)getpid();
    switch (c->rule) {
    case RULE_ALWAYS:
        return seccomp_rule_add(f, SCMP_ACT_ALLOW, number, 0);
    case RULE_NO_EXEC:
        return allow(f, number, SCMP_CMP(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    case RULE_ITSELF:
        return allow(f, number, SCMP_CMP(0, SCMP_CMP_EQ, process));
    case RULE_THREAD:
        return allow(f, number, SCMP_CMP(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    case RULE_LOCAL_PAIR:
        return allow(f, number, SCMP_CMP(0, SCMP_CMP_EQ, AF_UNIX));
    case RULE_OPEN_FILE:
        return allow(f, number, SCMP_CMP(3, SCMP_CMP_EQ, AT_EMPTY_PATH));
    case RULE_LIMIT_READ:
        return seccomp_rule_add(f, SCMP_ACT_ALLOW, number, 2, SCMP_CMP(0, SCMP_CMP_EQ, 0),
                                SCMP_CMP(2, SCMP_CMP_EQ, 0));
    case RULE_PLAIN_IOCTL:
        return allow_values(f, number, 1, ioctls, COUNT_OF(ioctls));
    case RULE_PLAIN_FCNTL:
        return allow_values(f, number, 1, fcntls, COUNT_OF(fcntls));
    case RULE_THREAD_NAME:
        return allow(f, number, SCMP_CMP(0, SCMP_CMP_EQ, PR_SET_NAME));
    case RULE_SOCKET:
        return allow_sockets(f, number);
    case RULE_MISSING:
        return seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), number, 0);
    }
    return -EINVAL;
}

/* A program that opens files by path also asks about them by path. */
static bool replaced(const struct profile *p, const struct call *c)
{
    return c->rule == RULE_OPEN_FILE && (p->calls & CALLS_FILES) != 0;
}

bool filter_load(const struct profile *p, unsigned *ret_calls, struct err *e)
{
    /* Everything else: EPERM, so that the self-test can try it. */
    CLEANUP(release) scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (f == NULL)
        return err_set(e, ERR_NO_MEMORY, "seccomp_init");
    unsigned allowed = 0;
    int seen[512], result = 0;
    for (size_t i = 0; i < calls_count && result == 0; i++) {
        int number = seccomp_syscall_resolve_name(calls[i].name);
        bool known = number == __NR_SCMP_ERROR || number < 0 || allowed >= COUNT_OF(seen);
        if ((calls[i].groups & p->calls) == 0 || known)
            continue;
        for (unsigned n = 0; n < allowed && !known; n++)
            known = seen[n] == number;
        if (known)
            continue;
        struct call open = {calls[i].name, calls[i].groups, RULE_ALWAYS};
        result = add_rule(f, replaced(p, &calls[i]) ? &open : &calls[i], number);
        if (calls[i].rule != RULE_MISSING)
            seen[allowed++] = number;
    }
    /* Over all threads, or not at all. no_new_privs is set already. */
    if (result == 0)
        result = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0);
    if (result == 0)
        result = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
    if (result == 0)
        result = seccomp_load(f);
    if (result != 0)
        return err_set(e, ERR_IO, "seccomp: %s", strerror(-result));
    *ret_calls = allowed;
    return true;
}
