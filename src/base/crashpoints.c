/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/crashpoints.h"
#include "base/err.h"
#include <errno.h>
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
static struct crash_when when;
static atomic_long seen;

bool crash_when_read(const char *text, struct crash_when *ret)
{
    static const char *const words[] = {
        [CRASH_BEFORE] = ":before", [CRASH_AFTER] = ":after", [CRASH_FAILS] = ":fail"};
    *ret = (struct crash_when){.nth = 1, .times = 1};
    for (unsigned i = CRASH_BEFORE; i < COUNT_OF(words); i++)
        if (strncmp(text, words[i], strlen(words[i])) == 0) {
            ret->what = i;
            text += strlen(words[i]);
        }
    char *end = NULL;
    if (*text == ':') {
        ret->nth = strtol(text + 1, &end, 10);
        if (*end == ':')
            ret->times = strtol(end + 1, &end, 10);
        text = end;
    }
    return ret->what != CRASH_NEVER && *text == '\0';
}

bool crashpoint_arm(const char *text)
{
    for (int i = 0; i < CRASH__COUNT; i++) {
        size_t n = strlen(names[i]);
        if (strncmp(text, names[i], n) != 0 || text[n] != ':')
            continue;
        armed = i;
        return crash_when_read(text + n, &when);
    }
    return false;
}

static bool is_time(enum crashpoint at, unsigned what)
{
    if ((int)at != armed || when.what != what)
        return false;
    long now = atomic_fetch_add(&seen, 1) + 1;
    return now >= when.nth && now < when.nth + when.times;
}

void crash_before(enum crashpoint at)
{
    if (is_time(at, CRASH_BEFORE))
        (void)kill(getpid(), SIGKILL);
}

void crash_after(enum crashpoint at)
{
    if (is_time(at, CRASH_AFTER))
        (void)kill(getpid(), SIGKILL);
}

bool crash_fails(enum crashpoint at)
{
    if (!is_time(at, CRASH_FAILS))
        return false;
    errno = ENOSPC;
    return true;
}
#endif
