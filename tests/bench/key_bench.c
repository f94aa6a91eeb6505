/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures per second through the key process (channel, rules, journal with real syncs) beside
 * the bare primitive on the same threads. key_bench [SECONDS] [KEY TYPE] */
#include "base/clock.h"
#include "base/test.h"
#include "ipc/channel.h"
#include "keystore/fake_core.h"
#include "keystore/serve.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUTSTANDING = 64, SLOTS = GRANT_SLOTS };

struct bench {
    struct keystore *k;
    struct serve *s;
    struct channel core, key;
    int control[2];
    int64_t until;
    sign_algorithm algorithm;
};

struct bare {
    pthread_t thread;
    const struct key *key;
    sign_algorithm algorithm;
    int64_t until;
    unsigned long done;
};

static struct instant now(void)
{
    return (struct instant){clock_wall_ms(), clock_boot_ms()};
}

static void quiet(const char *what, const struct err *e)
{
    (void)what;
    (void)e;
}

static void *serve_thread(void *ctx)
{
    struct bench *b = ctx;
    enum serve_end end;
    struct err e = {0};
    assert_true(serve_core(b->s, &b->key, true, b->control[0], &end, &e));
    return NULL;
}

static void *bare_thread(void *ctx)
{
    struct bare *b = ctx;
    uint8_t digest[32] = {1};
    while (clock_boot_ms() < b->until) {
        struct writer w;
        struct err e = {0};
        writer_init(&w, 4096);
        assert_true(key_sign_digest(b->key, b->algorithm, reader_over(digest, 32), &w, &e));
        writer_done(&w);
        b->done++;
    }
    return NULL;
}

static double bare(const struct key *key, sign_algorithm algorithm, unsigned threads, int seconds)
{
    struct bare b[64];
    unsigned long done = 0;
    for (unsigned i = 0; i < threads; i++) {
        b[i] = (struct bare){
            .key = key, .algorithm = algorithm, .until = clock_boot_ms() + 1000 * seconds};
        assert_int_equal(pthread_create(&b[i].thread, NULL, bare_thread, &b[i]), 0);
    }
    for (unsigned i = 0; i < threads; i++) {
        assert_int_equal(pthread_join(b[i].thread, NULL), 0);
        done += b[i].done;
    }
    return (double)done / seconds;
}

static void ask(struct bench *b, const uint8_t *id, uint32_t slot)
{
    uint8_t digest[32] = {(uint8_t)slot, (uint8_t)(slot >> 8), (uint8_t)(slot >> 16)};
    struct err e = {0};
    struct msg_KEY_SIGN m = {slot, reader_over(id, GRANT_ID), slot, b->algorithm,
                             reader_over(digest, 32)};
    assert_true(channel_send_KEY_SIGN(&b->core, &m, NULL, 0, &e));
}

static void prepare(struct bench *b, const char *type, struct fake_log *log, uint8_t *id)
{
    struct fake_grant f;
    struct held_key *held;
    struct writer proof;
    struct err e = {0};
    struct key_type t;
    assert_true(key_type_from_name(type, &t));
    b->algorithm = key_type_algorithm(t, HASH_SHA256, false);
    writer_init(&proof, MESSAGE_MAX);
    fake_proof(log, UINT64_MAX, 0, &proof);
    assert_true(keystore_log(b->k, now(), &(struct msg_KEY_LOG){.proof = writer_view(&proof)}, &e));
    writer_done(&proof);
    struct msg_KEY_NEW m = {.key = reader_text("k"), .type = reader_text(type)};
    assert_true(keystore_new_key(b->k, now(), &m, &held, &e));
    fake_grant_init(&f, "k", 1, SLOTS, now());
    fake_grant_algorithm(&f, b->algorithm);
    fake_grant_build(&f, log, true, b->k->state.head_size);
    struct msg_KEY_GRANT g = fake_grant_message(&f);
    assert_true(keystore_grant(b->k, now(), &g, &e) && keystore_commit(b->k, &e));
    memcpy(id, f.id, GRANT_ID);
    fake_grant_done(&f);
}

static void show_log_again(struct bench *b, const struct fake_log *log, struct message *m)
{
    struct writer proof;
    struct err e = {0};
    writer_init(&proof, MESSAGE_MAX);
    fake_proof(log, UINT64_MAX, log->edge.size, &proof);
    struct msg_KEY_LOG show = {.proof = writer_view(&proof)};
    assert_true(channel_send_KEY_LOG(&b->core, &show, NULL, 0, &e));
    writer_done(&proof);
    assert_true(channel_receive(&b->core, m, &e) && m->type == MSG_KEY_LOGGED);
}

static double through_process(struct bench *b, const struct fake_log *log, const uint8_t *id,
                              int seconds)
{
    struct message m = {0};
    struct err e = {0};
    pthread_t server;
    uint32_t sent = 0, done = 0;
    assert_int_equal(pthread_create(&server, NULL, serve_thread, b), 0);
    show_log_again(b, log, &m);
    int64_t start = clock_boot_ms();
    while (sent < OUTSTANDING)
        ask(b, id, sent++);
    while (clock_boot_ms() < start + 1000 * seconds || done < sent) {
        assert_true(channel_receive(&b->core, &m, &e) && m.type == MSG_KEY_SIGNED);
        done++;
        if (clock_boot_ms() < start + 1000 * seconds)
            ask(b, id, sent++);
    }
    double rate = 1000.0 * done / (double)(clock_boot_ms() - start);
    channel_close(&b->core);
    assert_int_equal(pthread_join(server, NULL), 0);
    message_done(&m);
    return rate;
}

int main(int argc, char **argv)
{
    int seconds = argc > 1 ? atoi(argv[1]) : 5, folder, ends[2];
    const char *type = argc > 2 ? argv[2] : "rsa-3072";
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = processors < 1 ? 1 : processors > 64 ? 64 : (unsigned)processors;
    char path[] = "/var/tmp/chancery-bench-XXXXXX"; /* a disk: syncs must cost what they cost */
    uint8_t id[GRANT_ID];
    struct fake_log log = {0};
    struct bench b = {0};
    struct err e = {0};
    assert_true(crypto_start(&e) && mkdtemp(path) != NULL);
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(keystore_create(folder, reader_text("node-1"), now(), &e));
    assert_true(keystore_open(folder, -1, now(), &b.k, &e));
    (void)fake_log_add(&log, reader_text("first"));
    prepare(&b, type, &log, id);
    double raw =
        bare(state_key(&b.k->state, reader_text("k"))->secret, b.algorithm, threads, seconds);
    assert_true(channel_pair(ends, &e) && pipe(b.control) == 0);
    b.core = (struct channel){ends[0], ROLE_CORE, ROLE_KEY};
    b.key = (struct channel){ends[1], ROLE_KEY, ROLE_CORE};
    assert_true(serve_new(b.k, threads, quiet, &b.s, &e));
    double ours = through_process(&b, &log, id, seconds);
    printf("%s, %u threads: bare %.0f/s, through the key process %.0f/s (%.0f %%), journal %.1f KB "
           "each\n",
           type, threads, raw, ours, 100 * ours / raw,
           (double)b.k->journal.size / 1024 / (ours * seconds));
    serve_free(b.s);
    keystore_free(b.k);
    fake_log_done(&log);
    fake_folder_remove(path, folder);
    return 0;
}
