/* SPDX-License-Identifier: Apache-2.0 */
/* kill -9 before and after each durable step of the key process (builds with -Dfaults=true). */
#include "base/test.h"
#include "keystore/fake_bench.h"
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef CHANCERY_FAULTS
static const uint8_t DIGEST[64] = "0123456789abcdef0123456789abcdef", OTHER[64] = "other";

/* The same bytes in every life: what core sends again after a crash. */
struct script {
    struct fake_bench b;
    struct fake_grant grant, once;
};

static bool ask_hash(struct script *s, struct err *e)
{
    struct sign_order order;
    fake_proof(&s->b.log, s->once.index, s->b.k->state.head_size, &s->once.proof);
    struct msg_KEY_HASH m = {.leaf = writer_view(&s->once.leaf),
                             .proof = writer_view(&s->once.proof)};
    return keystore_hash(s->b.k, s->b.now, &m, &order, e) && keystore_commit(s->b.k, e);
}

static bool ask_grant(struct script *s, struct err *e)
{
    fake_proof(&s->b.log, s->grant.index, s->b.k->state.head_size, &s->grant.proof);
    struct msg_KEY_GRANT m = fake_grant_message(&s->grant);
    return keystore_grant(s->b.k, s->b.now, &m, e) && keystore_commit(s->b.k, e);
}

static bool ask_sign(struct script *s, struct err *e)
{
    return fake_sign(&s->b, &s->grant, 0, DIGEST, e) && keystore_commit(s->b.k, e);
}

static bool ask_close(struct script *s, struct err *e)
{
    const struct grant *g;
    return fake_close(&s->b, &s->grant, &g, e);
}

static bool ask_key(struct script *s, struct err *e)
{
    struct held_key *held;
    struct msg_KEY_NEW m = {.key = reader_text("later"), .type = reader_text("ec-p256")};
    return keystore_new_key(s->b.k, s->b.now, &m, &held, e) && keystore_commit(s->b.k, e);
}

static bool ask_log(struct script *s, struct err *e)
{
    (void)fake_log_add(&s->b.log, reader_text("outcome"));
    return fake_show_log(&s->b, (struct reader){0}, e);
}

static bool (*const steps[])(struct script *s, struct err *e) = {ask_key,   ask_grant, ask_sign,
                                                                 ask_close, ask_hash,  ask_log};

/* Runs the steps and reports each that was answered; dies somewhere. */
static void live(struct script *s, const char *crash, int report)
{
    struct err e = {0};
    if (!crashpoint_arm(crash))
        _exit(2);
    for (uint8_t i = 0; i < COUNT_OF(steps); i++) {
        if (!steps[i](s, &e) || write(report, &i, 1) != 1)
            _exit(3);
    }
    _exit(0);
}

static void crash_and_recover(const char *crash)
{
    struct script s;
    struct err e = {0};
    int ends[2], status, answered = -1;
    uint8_t step;
    fake_begin(&s.b);
    fake_good(&s.grant, 1, 2);
    fake_grant_build(&s.grant, &s.b.log, true, 0);
    fake_good(&s.once, 2, 1);
    s.once.g.kind = GRANT_HASH;
    fake_grant_known(&s.once, 0, reader_over(DIGEST, 32));
    fake_grant_build(&s.once, &s.b.log, true, 0);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        live(&s, crash, ends[1]);
    (void)close(ends[1]);
    while (read(ends[0], &step, 1) == 1)
        answered = step;
    (void)close(ends[0]);
    assert_true(waitpid(child, &status, 0) == child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("%s: it did not die there (status %x)", crash, (unsigned)status);
    if (answered >= 4) /* the leaf that the child's last step had in its log */
        (void)fake_log_add(&s.b.log, reader_text("outcome"));
    fake_must(fake_restart(&s.b, &e), &e);
    const struct grant *g = state_grant(&s.b.k->state, reader_over(s.grant.id, GRANT_ID));
    assert_true((g != NULL) >= (answered >= 1));
    assert_true(answered < 2 || grant_use(g, 0) != NULL);
    assert_true(answered < 3 || !g->open);
    for (size_t i = 0; i < COUNT_OF(steps); i++) { /* core asks for everything again */
        bool over = g != NULL && !g->open && (i == 2);
        bool ok = steps[i](&s, &e);
        if (!ok && !over)
            fail_msg("%s: step %zu again: %s", crash, i, e.detail);
        e = (struct err){0};
        g = state_grant(&s.b.k->state, reader_over(s.grant.id, GRANT_ID));
    }
    assert_true(!g->open && g->use_count == 1 && g->uses[0].digest[0] == DIGEST[0]);
    assert_false(fake_sign(&s.b, &s.grant, 0, OTHER, &e));
    fake_grant_done(&s.grant);
    fake_grant_done(&s.once);
    fake_end(&s.b);
}
#endif

static void test_crash__each_durable_step_before_and_after(void **state)
{
    (void)state;
#ifdef CHANCERY_FAULTS
    static const char *const rows[] = {"D11", "D12", "D16", "H2", "D18", "S02"};
    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        char crash[32];
        (void)snprintf(crash, sizeof crash, "%s:%s", rows[i / 2], i % 2 == 0 ? "before" : "after");
        crash_and_recover(crash);
    }
#else
    print_message("SKIPPED crash points: they exist only in the build with -Dfaults=true\n");
    skip();
#endif
}

int main(void)
{
    struct err e = {0};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crash__each_durable_step_before_and_after),
    };
    return crypto_start(&e) ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
