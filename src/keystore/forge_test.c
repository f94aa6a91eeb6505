/* SPDX-License-Identifier: Apache-2.0 */
/* A core that lies, over a real channel to the real server loop: 10,000 attempts, no signature. */
#include "base/clock.h"
#include "base/test.h"
#include "base/text.h"
#include "ipc/channel.h"
#include "keystore/fake_core.h"
#include "keystore/rules.h"
#include "keystore/serve.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const sign_algorithm P256 = SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA256);
enum { VARIANTS = 10000 };

struct server {
    struct keystore *k;
    int channels[2], control[2]; /* pipes: descriptors to serve; never written */
    pthread_t thread;
};

struct forger {
    char path[64];
    int folder;
    struct server server;
    struct channel c;
    struct message m;
    struct fake_log log;
    uint64_t head; /* that the key process accepted last */
    uint32_t number, random;
    unsigned attempts, refusals, signatures, granted;
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

static void *serve_all(void *ctx)
{
    struct server *sv = ctx;
    struct serve *s;
    struct err e = {0};
    int fd;
    assert_true(serve_new(sv->k, 2, quiet, &s, &e));
    while (read(sv->channels[0], &fd, sizeof fd) == (ssize_t)sizeof fd && fd >= 0) {
        struct channel c = {fd, ROLE_KEY, ROLE_CORE};
        enum serve_end end;
        assert_true(serve_core(s, &c, true, sv->control[0], &end, &e));
        assert_int_equal(end, SERVE_CLOSED);
        channel_close(&c);
    }
    serve_free(s);
    return NULL;
}

static uint32_t any(struct forger *f, uint32_t below)
{
    f->random = f->random * 1664525u + 1013904223u;
    return (f->random >> 8) % below;
}

static void receive(struct forger *f)
{
    struct err e = {0};
    if (!channel_receive(&f->c, &f->m, &e))
        fail_msg("%s", e.detail);
}

static void connect_core(struct forger *f)
{
    int ends[2];
    struct err e = {0};
    channel_close(&f->c);
    assert_true(channel_pair(ends, &e));
    assert_int_equal(write(f->server.channels[1], &ends[1], sizeof ends[1]), sizeof ends[1]);
    f->c = (struct channel){ends[0], ROLE_CORE, ROLE_KEY};
}

static void show_log(struct forger *f)
{
    struct writer proof;
    struct err e = {0};
    writer_init(&proof, MESSAGE_MAX);
    fake_proof(&f->log, UINT64_MAX, f->head, &proof);
    assert_true(channel_send_KEY_LOG(&f->c, &(struct msg_KEY_LOG){.proof = writer_view(&proof)},
                                     NULL, 0, &e));
    writer_done(&proof);
    receive(f);
    assert_int_equal(f->m.type, MSG_KEY_LOGGED);
    f->head = f->log.edge.size;
}

/* True when the answer is what an honest core would hope for. */
static bool ask_grant(struct forger *f, const struct fake_grant *g)
{
    struct msg_KEY_GRANT m = fake_grant_message(g);
    struct err e = {0};
    assert_true(channel_send_KEY_GRANT(&f->c, &m, NULL, 0, &e));
    receive(f);
    return f->m.type == MSG_KEY_GRANTED;
}

static bool ask_hash(struct forger *f, const struct fake_grant *g)
{
    struct msg_KEY_HASH m = {.leaf = writer_view(&g->leaf), .proof = writer_view(&g->proof)};
    struct err e = {0};
    assert_true(channel_send_KEY_HASH(&f->c, &m, NULL, 0, &e));
    receive(f);
    return f->m.type == MSG_KEY_HASHED;
}

static bool ask_sign(struct forger *f, const uint8_t *id, uint32_t slot, sign_algorithm a,
                     size_t length, uint8_t digest)
{
    uint8_t bytes[80];
    struct err e = {0};
    memset(bytes, digest, sizeof bytes);
    struct msg_KEY_SIGN m = {0, reader_over(id, GRANT_ID), slot, a, reader_over(bytes, length)};
    assert_true(channel_send_KEY_SIGN(&f->c, &m, NULL, 0, &e));
    receive(f);
    return f->m.type == MSG_KEY_SIGNED;
}

static void ask_close(struct forger *f, const uint8_t *id)
{
    struct err e = {0};
    struct msg_KEY_CLOSE m = {.grant = reader_over(id, GRANT_ID)};
    assert_true(channel_send_KEY_CLOSE(&f->c, &m, NULL, 0, &e));
    receive(f);
}

/* What the forger hopes to see never happens. */
static void hope(struct forger *f, bool signature)
{
    f->attempts++;
    f->signatures += signature;
    f->refusals += !signature;
}

static void honest(struct forger *f, struct fake_grant *g, const char *key, uint32_t slots)
{
    fake_grant_init(g, key, ++f->number, slots, now());
    fake_grant_algorithm(g, P256);
}

static void build(struct forger *f, struct fake_grant *g)
{
    fake_grant_build(g, &f->log, true, f->head);
}

static void open_honest(struct forger *f, struct fake_grant *g, uint32_t slots)
{
    honest(f, g, "k", slots);
    build(f, g);
    assert_true(ask_grant(f, g));
    f->head = f->log.edge.size;
    f->granted++;
}

/* After a refused grant: did the head move on anyway? */
static void learn_head(struct forger *f)
{
    struct msg_KEY_STATE state;
    struct err e = {0};
    assert_true(channel_send_KEY_ASK(&f->c, &(struct msg_KEY_ASK){0}, NULL, 0, &e));
    receive(f);
    assert_true(message_as_KEY_STATE(&f->m, &state, &e));
    f->head = state.size;
}

/* Asks for the grant and, if that worked, for a signature under it. */
static void try_grant(struct forger *f, const struct fake_grant *g)
{
    (void)ask_grant(f, g);
    hope(f, ask_sign(f, g->id, 0, P256, 32, (uint8_t)any(f, 256)));
    learn_head(f);
}

static void no_grant(struct forger *f, struct fake_grant *g)
{
    honest(f, g, "k", 1);
    hope(f, ask_sign(f, g->id, 0, P256, 32, 1));
}

static void no_intent(struct forger *f, struct fake_grant *g)
{
    honest(f, g, "k", 1);
    g->index = any(f, (uint32_t)f->log.edge.size);
    fake_grant_build(g, &f->log, false, f->head);
    try_grant(f, g);
}

/* The right leaves up to below the accepted head, then others, as many as before or more. */
static void forked_log(struct forger *f, struct fake_grant *g)
{
    struct fake_log fork;
    uint64_t upto = f->head - 1 - any(f, (uint32_t)f->head - 1);
    fake_log_copy(&f->log, upto, &fork);
    for (uint64_t more = f->head - upto + any(f, 3); more > 0; more--)
        (void)fake_log_add(&fork, reader_text("other"));
    honest(f, g, "k", 1);
    fake_grant_build(g, &fork, true, f->head);
    try_grant(f, g);
    fake_log_done(&fork);
}

static void cut_log(struct forger *f, struct fake_grant *g)
{
    struct fake_log cut;
    fake_log_copy(&f->log, any(f, (uint32_t)f->head - 1), &cut);
    honest(f, g, "k", 1);
    fake_grant_build(g, &cut, true, 0);
    try_grant(f, g);
    fake_log_done(&cut);
}

/* The right log, but as it was: the leaf is in it, the head is older than the accepted one. */
static void older_head(struct forger *f, struct fake_grant *g)
{
    struct fake_grant next;
    honest(f, g, "k", 1);
    build(f, g);
    open_honest(f, &next, 1);
    ask_close(f, next.id);
    fake_grant_done(&next);
    try_grant(f, g);
}

static void second_digest(struct forger *f, struct fake_grant *g)
{
    open_honest(f, g, 2);
    assert_true(ask_sign(f, g->id, 0, P256, 32, 1));
    hope(f, ask_sign(f, g->id, 0, P256, 32, (uint8_t)(2 + any(f, 200))));
    hope(f, ask_sign(f, g->id, 1, P256, 32, 1)); /* broken */
    ask_close(f, g->id);
}

static void above_n(struct forger *f, struct fake_grant *g)
{
    open_honest(f, g, 2);
    hope(f, ask_sign(f, g->id, 2 + any(f, 1000), P256, 32, 1));
    hope(f, ask_sign(f, g->id, UINT32_MAX - any(f, 3), P256, 32, 1));
    ask_close(f, g->id);
}

static void after_close(struct forger *f, struct fake_grant *g)
{
    open_honest(f, g, 2);
    assert_true(ask_sign(f, g->id, 0, P256, 32, 1));
    ask_close(f, g->id);
    hope(f, ask_sign(f, g->id, any(f, 2), P256, 32, 1));
    fake_proof(&f->log, g->index, f->head, &g->proof);
    assert_true(ask_grant(f, g)); /* the same answer as before, and no way to use it */
    hope(f, ask_sign(f, g->id, any(f, 2), P256, 32, 1));
}

static void frozen_key(struct forger *f, struct fake_grant *g)
{
    honest(f, g, "frozen", 1);
    build(f, g);
    try_grant(f, g);
}

static void pinned_key(struct forger *f, struct fake_grant *g)
{
    struct writer w;
    struct err e = {0};
    writer_init(&w, 1000);
    pin_write(&w, &(struct pin){.kinds = any(f, 2) == 0 ? 0 : 0xfe});
    struct msg_KEY_PIN m = {.key = reader_text("pinned"), .pin = writer_view(&w)};
    assert_true(channel_send_KEY_PIN(&f->c, &m, NULL, 0, &e));
    receive(f);
    writer_done(&w);
    honest(f, g, "pinned", 1); /* for kind hash only */
    build(f, g);
    try_grant(f, g);
}

static void wrong_field(struct forger *f, struct fake_grant *g)
{
    honest(f, g, "k", 2);
    switch (any(f, 9)) {
    case 0:
        g->g.node = reader_text("node-2");
        break;
    case 1:
        g->g.expires = (uint64_t)now().wall - any(f, 100000);
        break;
    case 2:
        g->g.expires = UINT64_MAX - any(f, 1000);
        break;
    case 3:
        g->g.key = reader_text(any(f, 2) == 0 ? PROBE_KEY : "unknown");
        break;
    case 4:
        g->g.kind = (uint8_t)(GRANT_HASH + any(f, 250));
        break;
    case 5:
        g->approvals[any(f, 32)] ^= (uint8_t)(1 + any(f, 255));
        break;
    case 6:
        g->leaf_kind = any(f, 2) == 0 ? "OUTCOME" : "intent";
        break;
    case 7:
        fake_grant_algorithm(g, SIGN_ALGORITHM(1 + any(f, 4) % 2, 1 + any(f, 5)));
        break;
    default:
        g->g.slots = GRANT_SLOTS + 1 + any(f, 1000);
    }
    build(f, g);
    try_grant(f, g);
}

static void other_request(struct forger *f, struct fake_grant *g)
{
    struct fake_grant other;
    char request[2 * GRANT_ID + 1];
    open_honest(f, g, 1);
    text_hex(g->id, GRANT_ID, request);
    honest(f, &other, "k", 1);
    other.g.request = reader_text(request);
    build(f, &other);
    try_grant(f, &other);
    ask_close(f, g->id);
    fake_grant_done(&other);
}

static void wrong_algorithm(struct forger *f, struct fake_grant *g)
{
    open_honest(f, g, 1);
    static const sign_algorithm others[] = {0,
                                            SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA384),
                                            SIGN_ALGORITHM(SCHEME_RSA_PKCS1, HASH_SHA256),
                                            SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA1),
                                            SIGN_ALGORITHM(SCHEME_ED25519, HASH_NONE),
                                            UINT32_MAX};
    sign_algorithm a = others[any(f, COUNT_OF(others))];
    static const size_t lengths[] = {0, 20, 32, 48, 64, 80};
    hope(f, ask_sign(f, g->id, 0, a, lengths[any(f, COUNT_OF(lengths))], 1));
    ask_close(f, g->id);
}

static void wrong_length(struct forger *f, struct fake_grant *g)
{
    size_t length = any(f, 80);
    open_honest(f, g, 1);
    hope(f, ask_sign(f, g->id, 0, P256, length == 32 ? 33 : length, 1));
    ask_close(f, g->id);
}

static void replayed_id(struct forger *f, struct fake_grant *g)
{
    struct fake_grant again;
    open_honest(f, g, 1);
    ask_close(f, g->id);
    f->number--;
    honest(f, &again, "k", 1 + any(f, 3));
    again.g.attempt = 2;
    build(f, &again);
    try_grant(f, &again);
    fake_grant_done(&again);
}

static void flipped(struct forger *f, struct fake_grant *g)
{
    honest(f, g, "k", 1);
    build(f, g);
    struct writer *w = any(f, 2) == 0 ? &g->leaf : &g->proof;
    w->data[any(f, (uint32_t)w->len)] ^= (uint8_t)(1 << any(f, 8));
    try_grant(f, g);
}

static void bad_hash(struct forger *f, struct fake_grant *g)
{
    static const uint8_t digest[32] = {7};
    uint32_t how = any(f, 5);
    honest(f, g, how == 0 ? "frozen" : "k", how == 1 ? 2 : 1);
    g->g.kind = how == 2 ? GRANT_ARTIFACT : GRANT_HASH;
    if (how != 3)
        fake_grant_known(g, 0, reader_over(digest, 32));
    if (how == 4)
        fake_grant_algorithm(g, SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA512));
    build(f, g);
    hope(f, ask_hash(f, g));
    learn_head(f);
}

static void other_known(struct forger *f, struct fake_grant *g)
{
    static const uint8_t digest[32] = {7};
    honest(f, g, "k", 1);
    fake_grant_known(g, 0, reader_over(digest, 32));
    build(f, g);
    assert_true(ask_grant(f, g));
    f->head = f->log.edge.size;
    hope(f, ask_sign(f, g->id, 0, P256, 32, (uint8_t)any(f, 256)));
    ask_close(f, g->id);
}

static void without_log(struct forger *f, struct fake_grant *g)
{
    open_honest(f, g, 1);
    connect_core(f);
    hope(f, ask_sign(f, g->id, 0, P256, 32, 1));
    show_log(f);
    ask_close(f, g->id);
}

/* Not even a message: the channel ends and a new one starts from the log again. */
static void garbage(struct forger *f, struct fake_grant *g)
{
    uint8_t bytes[300];
    struct err e = {0};
    honest(f, g, "k", 1);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)any(f, 256);
    size_t n = any(f, 20);
    assert_true(channel_send(&f->c, MSG_KEY_SIGN, reader_over(bytes, n), NULL, 0, &e));
    assert_false(channel_receive(&f->c, &f->m, &e));
    hope(f, false);
    connect_core(f);
    show_log(f);
}

static void (*const tricks[])(struct forger *f, struct fake_grant *g) = {
    no_grant,      no_intent,       forked_log,   cut_log,     older_head,  second_digest,
    above_n,       after_close,     frozen_key,   pinned_key,  wrong_field, wrong_field,
    other_request, wrong_algorithm, wrong_length, replayed_id, flipped,     flipped,
    bad_hash,      other_known,     without_log,  garbage,
};

static void make_key(struct forger *f, const char *id)
{
    struct err e = {0};
    struct msg_KEY_NEW m = {.key = reader_text(id), .type = reader_text("ec-p256")};
    assert_true(channel_send_KEY_NEW(&f->c, &m, NULL, 0, &e));
    receive(f);
    assert_int_equal(f->m.type, MSG_KEY_MADE);
}

static void start(struct forger *f)
{
    struct err e = {0};
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 1000);
    *f = (struct forger){.c = {.fd = -1}, .random = 20261121};
    fake_folder(f->path, &f->folder, now());
    assert_true(keystore_open(f->folder, -1, now(), &f->server.k, &e));
    assert_int_equal(pipe(f->server.channels), 0);
    assert_int_equal(pipe(f->server.control), 0);
    assert_int_equal(pthread_create(&f->server.thread, NULL, serve_all, &f->server), 0);
    for (int i = 0; i < 20; i++)
        (void)fake_log_add(&f->log, reader_text("event"));
    connect_core(f);
    show_log(f);
    make_key(f, "k");
    make_key(f, "frozen");
    make_key(f, "pinned");
    struct msg_KEY_FREEZE freeze = {.key = reader_text("frozen")};
    assert_true(channel_send_KEY_FREEZE(&f->c, &freeze, NULL, 0, &e));
    receive(f);
    assert_int_equal(f->m.type, MSG_KEY_FROZEN);
    pin_write(&w, &(struct pin){.kinds = 1u << GRANT_HASH});
    struct msg_KEY_PIN pin = {.key = reader_text("pinned"), .pin = writer_view(&w)};
    assert_true(channel_send_KEY_PIN(&f->c, &pin, NULL, 0, &e));
    receive(f);
    assert_int_equal(f->m.type, MSG_KEY_PINNED);
}

static void stop(struct forger *f)
{
    int none = -1;
    channel_close(&f->c);
    assert_int_equal(write(f->server.channels[1], &none, sizeof none), sizeof none);
    assert_int_equal(pthread_join(f->server.thread, NULL), 0);
    for (int i = 0; i < 2; i++) {
        (void)close(f->server.channels[i]);
        (void)close(f->server.control[i]);
    }
    keystore_free(f->server.k);
    fake_log_done(&f->log);
    message_done(&f->m);
    fake_folder_remove(f->path, f->folder);
}

static void test_forge__ten_thousand_lies_and_no_signature(void **state)
{
    (void)state;
    static struct forger f;
    start(&f);
    while (f.attempts < VARIANTS) {
        struct fake_grant g;
        uint32_t which = any(&f, COUNT_OF(tricks));
        unsigned before = f.signatures;
        tricks[which](&f, &g);
        if (f.signatures != before)
            fail_msg("trick %u got a signature (attempt %u)", which, f.attempts);
        fake_grant_done(&g);
    }
    printf("%u attempts, %u refused, %u signatures; %u honest grants between them\n", f.attempts,
           f.refusals, f.signatures, f.granted);
    assert_int_equal(f.signatures, 0);
    stop(&f);
}

int main(void)
{
    struct err e = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forge__ten_thousand_lies_and_no_signature),
    };
    return crypto_start(&e) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
