/* SPDX-License-Identifier: Apache-2.0 */
/* What a durable audit event costs: one client (a commit for each) against 64 (group commits), on
 * a disk folder given as argument or on the PostgreSQL of CHANCERY_BENCH_POSTGRES. */
#include "base/clock.h"
#include "store/audit_verify.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { CLIENTS = 64, SECONDS_MS = 4000 };

struct client {
    struct db *db;
    int64_t until;
    uint64_t done;
};

static bool append(struct db_tx *tx, void *ctx, struct err *e)
{
    (void)ctx;
    const struct audit_event event = {
        .kind = "SigningRequest.Submitted",
        .actor = "ci:3f0c6f2e-1df5-4be0-9d5c-4a6b7c8d9e0f",
        .object = "SigningRequest:8a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
        .request = "8a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
        .detail =
            reader_text("{\"artifact\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9c\"}")};
    return audit_append(tx, &event, NULL, e);
}

static void *serve(void *arg)
{
    struct client *c = arg;
    while (clock_boot_ms() < c->until) {
        struct err e = {0};
        if (!db_write(c->db, CRASH_S01, append, NULL, &e)) {
            (void)fprintf(stderr, "%s\n", e.detail);
            exit(1);
        }
        c->done++;
    }
    return NULL;
}

static double cpu_us(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static double rate(struct db *db, size_t clients)
{
    static pthread_t threads[CLIENTS];
    static struct client state[CLIENTS];
    int64_t start = clock_boot_ms();
    double cpu = cpu_us();
    uint64_t done = 0;
    for (size_t i = 0; i < clients; i++) {
        state[i] = (struct client){.db = db, .until = start + SECONDS_MS};
        if (pthread_create(&threads[i], NULL, serve, &state[i]) != 0)
            exit(1);
    }
    for (size_t i = 0; i < clients; i++) {
        (void)pthread_join(threads[i], NULL);
        done += state[i].done;
    }
    double seconds = (double)(clock_boot_ms() - start) / 1000;
    double per_second = (double)done / seconds;
    printf("%2zu clients: %8.0f events/s, %6.1f us CPU each\n", clients, per_second,
           (cpu_us() - cpu) / (double)done);
    return per_second;
}

int main(int argc, char **argv)
{
    const char *url = getenv("CHANCERY_BENCH_POSTGRES");
    char path[4096];
    struct err e = {0};
    struct db *db;
    (void)snprintf(path, sizeof path, "%s/bench.db", argc > 1 ? argv[1] : ".");
    const struct db_settings settings = {.path = path, .url = url};
    if (!db_open(&settings, &db, &e)) {
        (void)fprintf(stderr, "%s\n", e.detail);
        return 1;
    }
    double one = rate(db, 1), many = rate(db, CLIENTS);
    printf("group commit gains %.1fx\n", many / one);
    struct audit_check check = {0};
    struct audit_report report;
    bool ok = audit_verify_db(db, &check, &report, &e) && !report.bad;
    printf("verified %llu events: %s\n", (unsigned long long)report.size, ok ? "ok" : report.what);
    db_close(db);
    return ok ? 0 : 1;
}
