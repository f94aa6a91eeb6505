/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "artifact/testcore.h"
#include "archive/zip.h"
#include "artifact/runner.h"
#include "artifact/signing.h"
#include "base/file.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(bool ok, const char *what, const struct err *e)
{
    if (ok)
        return;
    (void)fprintf(stderr, "testcore: %s: %s %s\n", what, e->user, e->detail);
    abort();
}

/* --- the worker ------------------------------------------------------------------------------- */

struct worker {
    int fd;
    pthread_t thread;
    pid_t pid; /* 0: a thread */
};

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct channel core = {w->fd, ROLE_WORKER, ROLE_CORE};
    struct message m = {0};
    struct pool *pool = NULL;
    struct err e = {0};
    must(pool_new(3, &pool, &e), "pool", &e);
    if (channel_hello(&core, &m, &e) && !runner_run(&core, pool, &e))
        (void)e; /* core sees the end of the channel */
    message_done(&m);
    pool_free(pool);
    channel_close(&core);
    return NULL;
}

static void start_worker(struct worker *w, const char *program, int fd)
{
    struct err e = {0};
    *w = (struct worker){.fd = fd};
    if (program == NULL) {
        must(pthread_create(&w->thread, NULL, worker_main, w) == 0, "thread", &e);
        return;
    }
    posix_spawn_file_actions_t actions;
    char path[4096], level[] = "--level=2";
    (void)snprintf(path, sizeof path, "%s", program);
    char *argv[] = {path, level, NULL}, *environment[] = {NULL};
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    bool ok = posix_spawn_file_actions_init(&actions) == 0 &&
              posix_spawn_file_actions_adddup2(&actions, high, 3) == 0 &&
              posix_spawn(&w->pid, program, &actions, NULL, argv, environment) == 0;
    must(ok, program, &e);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(high);
    (void)close(fd);
}

static void end_worker(struct worker *w)
{
    if (w->pid == 0)
        (void)pthread_join(w->thread, NULL);
    else
        (void)waitpid(w->pid, NULL, 0);
}

/* --- the job ---------------------------------------------------------------------------------- */

static int memory_file(struct reader bytes)
{
    struct err e = {0};
    int fd = memfd_create("test", MFD_CLOEXEC);
    must(fd >= 0 && file_write_fd(fd, bytes, &e) && lseek(fd, 0, SEEK_SET) == 0, "memfd", &e);
    return fd;
}

static struct reader file_bytes(struct arena *a, int fd)
{
    struct err e = {0};
    struct reader r;
    must(file_read_fd(fd, (size_t)1 << 30, a, &r, &e), "read back", &e);
    return r;
}

static void put_pair(struct writer *w, const char *name, const char *value)
{
    record_PAIR_write(
        w, &(struct record_PAIR){.name = reader_text(name), .value = reader_text(value)});
}

static void send_job(const struct testcore *t, struct channel *c, enum job_kind kind,
                     const int fds[5])
{
    struct writer parameters, limits, certificates, options;
    uint8_t seed[32] = {1, 2, 3};
    struct err e = {0};
    char number[32];
    writer_init(&parameters, 10000);
    writer_init(&limits, 10000);
    writer_init(&certificates, 100000);
    writer_init(&options, 10000);
    if (t->parameter != NULL)
        put_pair(&parameters, t->parameter, t->value);
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)t->max_entries);
    if (t->max_entries > 0)
        put_pair(&limits, "entries", number);
    put_pair(&options, "stamps", "no");
    for (size_t i = 0; i < t->kit->signer.chain_count; i++)
        record_CERTIFICATE_write(&certificates,
                                 &(struct record_CERTIFICATE){.der = t->kit->signer.chain[i]});
    struct msg_JOB job = {.job = 7,
                          .kind = (uint8_t)kind,
                          .name = reader_text(t->name),
                          .parameters = writer_view(&parameters),
                          .options = writer_view(&options),
                          .limits = writer_view(&limits),
                          .certificates = writer_view(&certificates),
                          .time = TESTKIT_TIME,
                          .seed = reader_over(seed, sizeof seed)};
    must(channel_send_JOB(c, &job, fds, kind == JOB_INSPECT ? 4 : 5, &e), "JOB", &e);
    writer_done(&parameters);
    writer_done(&limits);
    writer_done(&certificates);
    writer_done(&options);
    struct reader list = t->effects;
    for (size_t i = 0; list.left > 0 && i < t->effect_count; i++) {
        struct record_EFFECT x;
        struct reader before = list, one = {0};
        must(record_EFFECT_next(&list, &x) &&
                 reader_slice(before, 0, before.left - list.left, &one),
             "effect", &e);
        must(channel_send_JOB_EFFECT(c, &(struct msg_JOB_EFFECT){.effect = one}, NULL, 0, &e),
             "JOB_EFFECT", &e);
    }
    must(channel_send_JOB_BEGIN(c, &(struct msg_JOB_BEGIN){.job = 7}, NULL, 0, &e), "JOB_BEGIN",
         &e);
}

/* --- answers ---------------------------------------------------------------------------------- */

struct run {
    const struct testcore *t;
    struct channel *c;
    struct worker *worker;
    struct message m;
    struct testcore_result *r;
    struct writer effects, found;
    struct err e;
};

static void answer_sign(struct run *x)
{
    struct msg_ASK_SIGN ask;
    struct writer signature, request;
    const struct signer *s = &x->t->kit->signer;
    size_t number = x->r->asked++;
    enum testcore_answer how = number >= x->t->answer_at ? x->t->answer : ANSWER_GOOD;
    must(message_as_ASK_SIGN(&x->m, &ask, &x->e), "ASK_SIGN", &x->e);
    if (how == ANSWER_CLOSE) {
        (void)shutdown(x->c->fd, SHUT_RDWR);
        return;
    }
    if (how == ANSWER_REFUSE) {
        must(channel_send_FAILED(x->c,
                                 &(struct msg_FAILED){.call = ask.slot,
                                                      .code = reader_text("server.internal"),
                                                      .user = reader_text("The slot is spent."),
                                                      .detail = reader_text("test")},
                                 NULL, 0, &x->e),
             "FAILED", &x->e);
        return;
    }
    uint8_t wrong[HASH_MAX] = {0};
    struct reader digest = how == ANSWER_WRONG ? reader_over(wrong, ask.digest.left) : ask.digest;
    writer_init(&signature, 4096);
    writer_init(&request, 4096);
    must(s->sign(s->ctx, ask.slot, ask.algorithm, digest, &signature, &x->e), "sign", &x->e);
    signing_request(&request, ask.algorithm, ask.digest);
    record_EFFECT_write(&x->effects, &(struct record_EFFECT){.slot = ask.slot,
                                                             .kind = EFFECT_SIGNATURE,
                                                             .request = writer_view(&request),
                                                             .answer = writer_view(&signature)});
    must(channel_send_SIGNATURE(
             x->c, &(struct msg_SIGNATURE){.slot = ask.slot, .signature = writer_view(&signature)},
             NULL, 0, &x->e),
         "SIGNATURE", &x->e);
    writer_done(&signature);
    writer_done(&request);
}

static void copy_text(char *to, size_t n, struct reader text)
{
    (void)snprintf(to, n, "%.*s", (int)text.left, (const char *)text.at);
}

static bool take_end(struct run *x)
{
    struct msg_JOB_REFUSED refused;
    struct msg_JOB_DONE done;
    if (x->m.type == MSG_JOB_DONE) {
        must(message_as_JOB_DONE(&x->m, &done, &x->e), "JOB_DONE", &x->e);
        x->r->done = true;
        x->r->items = done.items;
        x->r->slots = done.slots;
        x->r->sha256 = arena_bytes(x->t->kit->arena, done.sha256);
        return true;
    }
    must(message_as_JOB_REFUSED(&x->m, &refused, &x->e), "JOB_REFUSED", &x->e);
    copy_text(x->r->code, sizeof x->r->code, refused.code);
    copy_text(x->r->user, sizeof x->r->user, refused.user);
    copy_text(x->r->path, sizeof x->r->path, refused.path);
    x->r->line = refused.line;
    x->r->column = refused.column;
    return true;
}

/* False when the job has ended. */
static bool take_message(struct run *x)
{
    struct msg_FOUND_SLOT found;
    switch ((unsigned)x->m.type) {
    case MSG_ASK_SIGN:
        if (x->t->kill_at_question) {
            (void)kill(x->worker->pid, SIGKILL);
            return true;
        }
        answer_sign(x);
        return true;
    case MSG_PROGRESS:
        return true;
    case MSG_FOUND_SLOT:
        must(message_as_FOUND_SLOT(&x->m, &found, &x->e), "FOUND_SLOT", &x->e);
        writer_reader(&x->found, found.found);
        return true;
    default:
        return !take_end(x);
    }
}

static void converse(struct run *x)
{
    struct err gone = {0};
    bool more = true;
    while (more) {
        if (!channel_receive(x->c, &x->m, &gone)) {
            x->r->closed = true;
            return;
        }
        more = take_message(x);
    }
}

struct testcore_result testcore_run(const struct testcore *t, enum job_kind kind)
{
    struct testcore_result r = {0};
    struct err e = {0};
    struct worker worker;
    int pair[2];
    must(channel_pair(pair, &e), "pair", &e);
    start_worker(&worker, t->program, pair[1]);
    struct channel c = {pair[0], ROLE_CORE, ROLE_WORKER};
    struct run x = {.t = t, .c = &c, .worker = &worker, .r = &r};
    writer_init(&x.effects, (size_t)1 << 24);
    writer_init(&x.found, (size_t)1 << 24);
    int fds[5] = {memory_file(t->artifact), memory_file((struct reader){0}), memory_file(t->plan),
                  memory_file(reader_text(t->configuration)), memory_file(t->output)};
    must(channel_hello(&c, &x.m, &e), "HELLO", &e);
    send_job(t, &c, kind, fds);
    converse(&x);
    message_done(&x.m);
    channel_close(&c);
    end_worker(&worker);
    r.plan = file_bytes(t->kit->arena, fds[2]);
    r.output = file_bytes(t->kit->arena, fds[4]);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        (void)close(fds[i]);
    r.effects = arena_bytes(t->kit->arena, writer_view(&x.effects));
    r.found = arena_bytes(t->kit->arena, writer_view(&x.found));
    writer_done(&x.effects);
    writer_done(&x.found);
    return r;
}

struct reader testcore_zip(struct arena *a, const char *const *entries, struct reader nested)
{
    struct err e = {0};
    struct writer out;
    writer_init(&out, (size_t)1 << 26);
    struct sink sink = sink_memory(&out);
    struct zip_writer w;
    zip_writer_init(&w, &sink);
    for (; entries[0] != NULL; entries += 2) {
        bool is_nested = strncmp(entries[1], "PK", 2) == 0;
        struct source content = source_memory(is_nested ? nested : reader_text(entries[1]));
        struct writer packed_bytes;
        writer_init(&packed_bytes, (size_t)1 << 26);
        struct sink scratch = sink_memory(&packed_bytes);
        struct zip_packed packed;
        struct zip_meta meta = {.path = entries[0], .date = ZIP_DATE_FIXED};
        must(zip_pack(&content, ZIP_DEFLATED, &scratch, &packed, &e) &&
                 zip_writer_add(&w, &meta, &packed, &e),
             entries[0], &e);
        writer_done(&packed_bytes);
    }
    must(zip_writer_finish(&w, (struct reader){0}, &e), "zip", &e);
    struct reader ret = arena_bytes(a, writer_view(&out));
    zip_writer_done(&w);
    writer_done(&out);
    return ret;
}

static bool extract(struct arena *a, const struct zip *z, size_t index, struct reader *ret)
{
    struct err e = {0};
    struct writer w;
    writer_init(&w, (size_t)1 << 26);
    struct sink sink = sink_memory(&w);
    bool ok = zip_extract(z, index, &sink, &e);
    *ret = arena_bytes(a, writer_view(&w));
    writer_done(&w);
    return ok;
}

bool testcore_same_content(struct arena *a, struct reader x, struct reader y)
{
    struct err e = {0};
    struct zip *left, *right;
    struct source from = source_memory(x), to = source_memory(y);
    if (!zip_open(a, &from, 0, NULL, &left, &e) || !zip_open(a, &to, 0, NULL, &right, &e) ||
        left->count != right->count)
        return false;
    for (size_t i = 0; i < left->count; i++) {
        struct reader one, other;
        if (strcmp(left->entries[i].path, right->entries[i].path) != 0 ||
            !extract(a, left, i, &one) || !extract(a, right, i, &other) ||
            !reader_equal(one, other))
            return false;
    }
    return true;
}
