/* SPDX-License-Identifier: Apache-2.0 */
/* chancery-worker. Serves: one job of core (inspect, sign, verify), then it ends.
 * May: read and write the descriptors that come with the job, talk to core.
 * Must never see: a path, a socket, a key, the network, another job. */
#include "artifact/runner.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "procs/child.h"
#include <unistd.h>

/* More threads than processors: a thread that waits for a signature does nothing else. */
static unsigned lanes(void)
{
    enum { LEAST = 4, MOST = 16 };
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (processors * 2 < LEAST)
        return LEAST;
    return processors * 2 > MOST ? MOST : (unsigned)processors * 2;
}

int main(int argc, char **argv)
{
    struct child c;
    struct err e = {0};
    CLEANUP(pool_cleanup) struct pool *pool = NULL;
    /* Threads start between the two: the filter of child_walls forbids clone(2). */
    if (!child_begin(&c, ROLE_WORKER, argc, argv, &e) || !crypto_start(&e) ||
        !pool_new(lanes(), &pool, &e) || !child_walls(&c, &e) ||
        !runner_run(&c.peers[ROLE_CORE], pool, &e))
        return child_fail(&c, &e);
    child_done(&c);
    return 0;
}
