/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCS_CHILD_H
#define PROCS_CHILD_H
#include "base/arena.h"
#include "ipc/channel.h"
#include "sandbox/sandbox.h"

/* The life of a program that the supervisor starts. In this order, from main():
 *
 *   child_begin   HELLO, PEERs and START are taken; logging is set up. (A worker: see below.)
 *   ...           load everything lazy: libraries, configuration of libraries, locale, DNS
 *   child_walls   the sandbox goes up and is tested; no thread may run before it, a worker's
 * excepted
 *   ...           what the walls allow: open the own database, replay the own journal
 *   child_ready   the supervisor hears READY and goes on to start the others
 *   child_next    in the main loop: new peers, STOP, ends of workers
 *
 * Whatever goes wrong up to child_ready: return child_fail(&c, &e) from main().
 *
 * A worker's descriptor 3 is the channel to core, there is no supervisor channel and no START; its
 * level comes as an argument. child_begin raises every wall that holds for later threads too
 * (Landlock, limits, users); then the worker starts its threads, and child_walls puts the filter
 * over all of them and exchanges HELLO with core. It calls neither child_ready nor child_next. */
struct child {
    enum role self;
    enum sandbox_level level;
    struct channel supervisor;
    struct channel peers[ROLE__COUNT]; /* as they were at START, by role; fd -1: none (yet) */
    struct arena *arena;               /* the settings */
    struct child_pair {
        const char *name, *value;
    } * settings;
    size_t setting_count;
    int fds[MESSAGE_FDS]; /* of START, in the order of the table below */
    size_t fd_count;
    struct message message;
    struct sandbox_want want;
    struct sandbox_report report;
};
/* All of them exchange build ids with the supervisor, so a new peer needs no HELLO; one that comes
 * is answered. Descriptors of START. front: the listening sockets (setting `listeners` counts
 * them). key: the key folder, which must be open until child_walls. core: none. Then, for every
 * program, one memfd for each secret it gets. */

MUST_CHECK bool child_begin(struct child *c, enum role self, int argc, char **argv, struct err *e);
MUST_CHECK bool child_walls(struct child *c, struct err *e);
MUST_CHECK bool child_ready(struct child *c, struct err *e);
/* Says why to the supervisor and in the log; the exit status for main(). */
int child_fail(struct child *c, const struct err *e);
void child_done(struct child *c);

/* Value in its plain form (sizes in bytes, durations in seconds, "yes" or "no"), "" when the
 * setting is not set or is none of this program's. `listeners`, `data`, `url` come the same way. */
const char *child_setting(const struct child *c, const char *name);
uint64_t child_number(const struct child *c, const char *name); /* 0 when not a number */
bool child_flag(const struct child *c, const char *name);
/* The descriptor becomes the caller's; -1: there is none. */
int child_take_fd(struct child *c, size_t index);
int child_take_secret(struct child *c, const char *name); /* a sealed memfd at position 0 */

enum child_event_kind { CHILD_NOTHING, CHILD_PEER, CHILD_STOP, CHILD_EXITED };
struct child_event {
    enum child_event_kind kind;
    struct channel peer; /* PEER: takes the place of the channel to this role; now the caller's */
    uint32_t drain_seconds; /* STOP: finish what runs within this time, then exit with 0 */
    uint64_t job;           /* EXITED: the worker of this job ended with a status of wait(2) */
    uint32_t status;
};
/* Waits up to ms (0: only looks, < 0: for ever); CHILD_NOTHING when none came. False: the
 * supervisor is gone, the program must end. Poll c->supervisor.fd beside your own channels. */
MUST_CHECK bool child_next(struct child *c, int64_t ms, struct child_event *ret, struct err *e);
/* core: a worker for this job, with `fd` as its channel to core (the descriptor stays the
 * caller's, who closes it). CHILD_EXITED follows in any case. */
MUST_CHECK bool child_spawn(struct child *c, uint64_t job, int fd, struct err *e);
#endif
