/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/crashpoints.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {
#define C(name, process, what) #name,
    CRASHPOINTS(C)
#undef C
};

const char *crashpoint_name(enum crashpoint at)
{
    return names[at];
}

#ifdef CHANCERY_FAULTS
static int armed = -1;
static bool armed_after;
static atomic_long countdown;

bool crashpoint_arm(const char *text)
{
    for (int i = 0; i < CRASH__COUNT; i++) {
        size_t n = strlen(names[i]);
        if (strncmp(text, names[i], n) != 0 || text[n] != ':')
            continue;
        const char *when = text + n + 1;
        const char *nth = strchr(when, ':');
        armed_after = strncmp(when, "after", 5) == 0;
        if (!armed_after && strncmp(when, "before", 6) != 0)
            return false;
        atomic_store(&countdown, nth == NULL ? 1 : atol(nth + 1));
        armed = i;
        return true;
    }
    return false;
}

static void die_when(enum crashpoint at, bool after)
{
    if ((int)at == armed && after == armed_after && atomic_fetch_sub(&countdown, 1) == 1)
        (void)kill(getpid(), SIGKILL);
}

void crash_before(enum crashpoint at)
{
    die_when(at, false);
}

void crash_after(enum crashpoint at)
{
    die_when(at, true);
}
#endif
