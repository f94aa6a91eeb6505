/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "sandbox/sandbox.h"
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LANDLOCK_VERSION (1u << 0) /* LANDLOCK_CREATE_RULESET_VERSION */

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

int sandbox_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);
    return abi < 0 ? 0 : (int)abi;
}

bool sandbox_enter(const struct sandbox_want *want, struct sandbox_report *r, struct err *e)
{
    (void)want;
    const struct rlimit none = {0, 0};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0 ||
        setrlimit(RLIMIT_CORE, &none) != 0)
        return err_errno(e, "limits");
    r->landlock_abi = sandbox_landlock_abi();
    return true;
}

bool sandbox_close(const struct sandbox_want *want, struct sandbox_report *r, struct err *e)
{
    (void)want;
    (void)e;
    (void)snprintf(r->note, sizeof r->note, "no dumps, no new privileges");
    return true;
}
