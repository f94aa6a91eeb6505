/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "procs/launch.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef CHANCERY_LIBEXEC
#define CHANCERY_LIBEXEC "/usr/libexec/chancery"
#endif
enum { ARGUMENTS = 16, EXEC_FAILED = 127 };

static bool own_folder(char to[LAUNCH_PATH])
{
    unsigned long at = getauxval(AT_EXECFN);
    const char *self = (const char *)at;
    char path[LAUNCH_PATH];
    if (self == NULL || snprintf(path, sizeof path, "%s", self) >= LAUNCH_PATH)
        return false;
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return false;
    slash[slash == path ? 1 : 0] = '\0';
    return realpath(path, to) != NULL;
}

bool launch_find(const char *program, char to[LAUNCH_PATH], struct err *e)
{
    static char beside[LAUNCH_PATH];
    const char *folders[] = {beside, CHANCERY_LIBEXEC};
    if (beside[0] == '\0' && !own_folder(beside))
        beside[0] = '\0';
    for (size_t i = 0; i < COUNT_OF(folders); i++)
        if (folders[i][0] != '\0' &&
            snprintf(to, LAUNCH_PATH, "%s/%s", folders[i], program) < LAUNCH_PATH &&
            access(to, X_OK) == 0)
            return true;
    return err_user(e, ERR_USAGE,
                    "The program %s is neither in %s nor in %s. Install all programs of one build "
                    "together.",
                    program, beside[0] == '\0' ? "(own folder unknown)" : beside, CHANCERY_LIBEXEC);
}

/* Only async-signal-safe calls: between fork and exec. */
static _Noreturn void become(const char *path, char *const *argv, int channel, int null)
{
    char *const environment[] = {NULL};
    sigset_t none;
    (void)sigemptyset(&none);
    for (int i = 1; i < NSIG; i++)
        (void)signal(i, SIG_DFL);
    bool ok = sigprocmask(SIG_SETMASK, &none, NULL) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
              setsid() >= 0 && chdir("/") == 0 && dup2(null, 0) == 0 && dup2(null, 1) == 1 &&
              dup2(channel, CHILD_CHANNEL) == CHILD_CHANNEL &&
              close_range(CHILD_CHANNEL + 1, ~0u, 0) == 0;
    (void)umask(077);
    if (ok)
        (void)execve(path, argv, environment);
    _exit(EXEC_FAILED);
}

bool launch(const char *path, const char *const *arguments, int channel, pid_t *ret, struct err *e)
{
    char *argv[ARGUMENTS + 2] = {(char *)(uintptr_t)path};
    for (size_t i = 0; arguments[i] != NULL; i++) {
        if (i >= ARGUMENTS)
            return err_set(e, ERR_INTERNAL, "too many arguments");
        argv[i + 1] = (char *)(uintptr_t)arguments[i];
    }
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    /* Above 3, so that dup2 in the child neither keeps CLOEXEC nor closes its source. */
    int high = fcntl(channel, F_DUPFD_CLOEXEC, CHILD_CHANNEL + 1);
    pid_t pid = null < 0 || high < 0 ? -1 : fork();
    if (pid == 0)
        become(path, argv, high, null);
    int number = errno;
    if (null >= 0)
        (void)close(null);
    if (high >= 0)
        (void)close(high);
    errno = number;
    if (pid < 0)
        return err_errno(e, "fork");
    *ret = pid;
    return true;
}
