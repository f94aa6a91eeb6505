/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test.h"
#include "ipc/calls.h"
#include <pthread.h>

/* A key that answers out of order and then dies. */
static void *odd_key(void *fd)
{
    struct channel c = {*(int *)fd, ROLE_KEY, ROLE_CORE};
    struct message m = {0};
    struct err e = {0};
    uint64_t first = 0;
    struct msg_KEY_DROP drop;
    for (int i = 0; i < 3; i++) {
        assert_true(channel_receive(&c, &m, &e) && message_as_KEY_DROP(&m, &drop, &e));
        if (i == 0)
            first = drop.call;
        if (i == 1) {
            assert_true(channel_send_KEY_DROPPED(&c, &(struct msg_KEY_DROPPED){.call = drop.call},
                                                 NULL, 0, &e));
            assert_true(channel_send_FAILED(&c,
                                            &(struct msg_FAILED){.call = first,
                                                                 .code = reader_text("server.io"),
                                                                 .user = reader_text("No.")},
                                            NULL, 0, &e));
        }
    }
    message_done(&m);
    channel_close(&c);
    return NULL;
}

static void *receive(void *calls)
{
    while (calls_wait_connected(calls)) {
        struct err e = {0};
        assert_false(calls_receive(calls, &e));
    }
    return NULL;
}

struct asker {
    struct calls *calls;
    pthread_t thread;
    struct err e;
    bool ok;
};

static void *ask(void *ctx)
{
    struct asker *a = ctx;
    struct call call;
    struct writer w;
    call_begin(a->calls, &call);
    writer_init(&w, 1000);
    msg_KEY_DROP_write(&w, &(struct msg_KEY_DROP){.call = call.number});
    a->ok = call_ask(&call, MSG_KEY_DROP, writer_view(&w), MSG_KEY_DROPPED, &a->e);
    call_end(&call);
    writer_done(&w);
    return NULL;
}

static void test_calls__answers_find_their_askers_and_death_frees_them(void **state)
{
    (void)state;
    int ends[2];
    struct err e = {0};
    pthread_t key, receiver;
    struct calls *c = calls_new(ROLE_CORE, ROLE_KEY);
    struct asker asker[3] = {{.calls = c}, {.calls = c}, {.calls = c}};
    assert_true(channel_pair(ends, &e));
    assert_int_equal(pthread_create(&key, NULL, odd_key, &ends[1]), 0);
    assert_int_equal(pthread_create(&receiver, NULL, receive, c), 0);
    calls_connect(c, ends[0]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&asker[i].thread, NULL, ask, &asker[i]), 0);
    int good = 0, refused = 0, lost = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(asker[i].thread, NULL), 0);
        good += asker[i].ok;
        refused += asker[i].e.code == ERR_IO;
        lost += asker[i].e.code == ERR_IPC_CLOSED;
    }
    assert_true(good == 1 && refused == 1 && lost == 1);
    calls_stop(c);
    assert_int_equal(pthread_join(receiver, NULL), 0);
    assert_int_equal(pthread_join(key, NULL), 0);
    calls_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls__answers_find_their_askers_and_death_frees_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
