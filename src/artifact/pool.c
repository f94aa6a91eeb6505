/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/pool.h"
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

enum { MAX_LANES = 64 };

struct lane {
    struct pool *pool;
    unsigned number;
    pthread_t thread;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t start, finished;
    unsigned lanes, busy, ready;
    uint64_t round;
    bool ending;
    pool_each_fn each;
    void *ctx;
    size_t next, count;
    size_t refused; /* index of `refusal`, SIZE_MAX: none */
    struct refusal refusal;
    struct lane *others;
};

static bool take(struct pool *p, size_t *ret)
{
    (void)pthread_mutex_lock(&p->lock);
    bool more = p->next < p->count && p->refused == SIZE_MAX;
    if (more)
        *ret = p->next++;
    (void)pthread_mutex_unlock(&p->lock);
    return more;
}

static void keep_refusal(struct pool *p, size_t index, const struct refusal *r)
{
    (void)pthread_mutex_lock(&p->lock);
    if (index < p->refused) {
        p->refused = index;
        p->refusal = *r;
    }
    (void)pthread_mutex_unlock(&p->lock);
}

static void work(struct pool *p, unsigned lane)
{
    size_t index;
    while (take(p, &index)) {
        struct refusal r = {0};
        if (!p->each(p->ctx, index, lane, &r))
            keep_refusal(p, index, &r);
    }
}

static void *lane_main(void *arg)
{
    struct lane *self = arg;
    struct pool *p = self->pool;
    uint64_t seen = 0;
    (void)pthread_mutex_lock(&p->lock);
    p->ready++;
    (void)pthread_cond_signal(&p->finished);
    for (;;) {
        while (p->round == seen && !p->ending)
            (void)pthread_cond_wait(&p->start, &p->lock);
        if (p->ending)
            break;
        seen = p->round;
        (void)pthread_mutex_unlock(&p->lock);
        work(p, self->number);
        (void)pthread_mutex_lock(&p->lock);
        if (--p->busy == 0)
            (void)pthread_cond_signal(&p->finished);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* One file after the other is loaded into about the same memory: the C library keeps it instead of
 * giving it back to the kernel and taking fresh pages, which costs a tenth of a deep signing. */
static void keep_memory(void)
{
    enum { LARGEST = 32 << 20, KEPT = 48 << 20 };
    (void)mallopt(M_MMAP_THRESHOLD, LARGEST);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT);
}

bool pool_new(unsigned lanes, struct pool **ret, struct err *e)
{
    if (lanes < 1)
        lanes = 1;
    if (lanes > MAX_LANES)
        lanes = MAX_LANES;
    struct pool *p = calloc(1, sizeof *p);
    struct lane *others = calloc(lanes, sizeof *others);
    if (p == NULL || others == NULL) {
        free(p);
        free(others);
        return err_set(e, ERR_NO_MEMORY, "threads");
    }
    keep_memory();
    *p = (struct pool){.lanes = 1, .refused = SIZE_MAX, .others = others};
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->start, NULL);
    (void)pthread_cond_init(&p->finished, NULL);
    for (; p->lanes < lanes; p->lanes++) {
        struct lane *l = &others[p->lanes];
        *l = (struct lane){.pool = p, .number = p->lanes};
        if (pthread_create(&l->thread, NULL, lane_main, l) != 0) {
            pool_free(p);
            return err_set(e, ERR_NO_MEMORY, "pthread_create");
        }
    }
    /* The C library makes system calls of its own at the start of a thread; after pool_new a
     * filter may forbid them. */
    (void)pthread_mutex_lock(&p->lock);
    while (p->ready + 1 < p->lanes)
        (void)pthread_cond_wait(&p->finished, &p->lock);
    (void)pthread_mutex_unlock(&p->lock);
    *ret = p;
    return true;
}

void pool_free(struct pool *p)
{
    if (p == NULL)
        return;
    (void)pthread_mutex_lock(&p->lock);
    p->ending = true;
    (void)pthread_cond_broadcast(&p->start);
    (void)pthread_mutex_unlock(&p->lock);
    for (unsigned i = 1; i < p->lanes; i++)
        (void)pthread_join(p->others[i].thread, NULL);
    (void)pthread_cond_destroy(&p->start);
    (void)pthread_cond_destroy(&p->finished);
    (void)pthread_mutex_destroy(&p->lock);
    free(p->others);
    free(p);
}

void pool_cleanup(struct pool **p)
{
    pool_free(*p);
}

unsigned pool_lanes(const struct pool *p)
{
    return p->lanes;
}

bool pool_run(struct pool *p, size_t count, pool_each_fn each, void *ctx, struct refusal *r)
{
    (void)pthread_mutex_lock(&p->lock);
    p->each = each;
    p->ctx = ctx;
    p->next = 0;
    p->count = count;
    p->refused = SIZE_MAX;
    if (count > 1 && p->lanes > 1) {
        p->busy = p->lanes - 1;
        p->round++;
        (void)pthread_cond_broadcast(&p->start);
    }
    (void)pthread_mutex_unlock(&p->lock);
    work(p, 0);
    (void)pthread_mutex_lock(&p->lock);
    while (p->busy > 0)
        (void)pthread_cond_wait(&p->finished, &p->lock);
    bool ok = p->refused == SIZE_MAX;
    (void)pthread_mutex_unlock(&p->lock);
    return ok || refusal_pass(r, &p->refusal);
}
