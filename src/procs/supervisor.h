/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCS_SUPERVISOR_H
#define PROCS_SUPERVISOR_H
#include "base/settings.h"
#include "ipc/channel.h"
#include "procs/datadir.h"
#include "procs/handout.h"
#include "procs/launch.h"
#include "procs/listen.h"
#include "sandbox/sandbox.h"

/* What the files of the supervisor share. */
enum { PROCESSES = 4, WORKERS_MOST = 256, CRASHES_MOST = 64, DRAIN_SECONDS = 30, GRACE_MS = 2000 };

enum process_state { PROCESS_DOWN, PROCESS_STARTING, PROCESS_UP };
struct process {
    enum role role;
    const char *program;
    char path[LAUNCH_PATH];
    uint32_t uid, gid;
    pid_t pid;
    enum process_state state;
    bool hello, ever_up, told_to_stop;
    struct channel channel;
    struct err failure; /* what it said with FAILED */
    unsigned failures;  /* since it was last up */
    int64_t due;        /* boot time of the next start or of the end of our patience */
};
struct worker {
    pid_t pid; /* 0: free */
    uint64_t job;
    int64_t due;
};

struct supervisor {
    struct arena *arena;
    struct settings settings;
    struct datadir data; /* opened first */
    struct listeners listeners;
    struct handout_place place;
    enum sandbox_level level;
    char url[128], base_url[300];
    int key_folder, signals;
    struct process processes[PROCESSES];
    struct worker workers[WORKERS_MOST];
    char worker_path[LAUNCH_PATH];
    uint32_t worker_uid, worker_gid;
    struct message message;
    bool announced, stopping;
    bool task;       /* one task by core and key, then the end */
    int task_status; /* what core ended with */
    int64_t stop_due;
    const char *crashes[CRASHES_MOST]; /* "key:D12:before", used once; "worker.2:JOB:after" */
    unsigned workers_started;
};

/* processes.c: starts, restarts, links and reaps the children of s. False ends the service. */
MUST_CHECK bool processes_init(struct supervisor *s, struct err *e);
MUST_CHECK bool processes_step(struct supervisor *s, struct err *e); /* everything that is due */
MUST_CHECK bool processes_message(struct supervisor *s, struct process *p, struct err *e);
MUST_CHECK bool processes_reap(struct supervisor *s, struct err *e);
bool processes_up(const struct supervisor *s);
bool processes_gone(const struct supervisor *s);
int64_t processes_wait_ms(const struct supervisor *s); /* until something is due */
void processes_stop(struct supervisor *s);             /* again and again until all are gone */
void processes_kill(struct supervisor *s);

/* users.c: the level and the users that this machine allows. */
MUST_CHECK bool users_choose(struct supervisor *s, struct err *e);
#endif
