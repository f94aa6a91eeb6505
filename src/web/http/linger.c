/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/file.h"
#include "web/http/private.h"
#include <stdlib.h>
#include <sys/socket.h>

enum { MOST = 512, TIME_MS = 3000, BYTES_MOST = 256 * 1024 * 1024 };

struct leaving {
    struct leaving *next;
    struct server *server;
    struct watch watch;
    int64_t until;
    uint64_t bytes;
    bool over;
};

static void ready(void *of, uint32_t events)
{
    static uint8_t waste[64 * 1024];
    struct leaving *l = of;
    bool end = false;
    size_t n = 0;
    if ((events & (EPOLLERR | EPOLLHUP)) != 0 ||
        !file_read_now(l->watch.fd, waste, sizeof waste, &n, &end, &(struct err){0}))
        end = true;
    l->bytes += n;
    l->over = l->over || end || l->bytes > BYTES_MOST;
    if (l->over)
        loop_forget(&l->server->loop, &l->watch);
}

void linger_add(struct server *s, int fd)
{
    CLEANUP(file_close) int mine = fd;
    (void)shutdown(fd, SHUT_WR);
    struct leaving *l = s->linger_count < MOST ? calloc(1, sizeof *l) : NULL;
    if (l == NULL)
        return;
    *l = (struct leaving){.next = s->lingering, .server = s, .until = clock_boot_ms() + TIME_MS};
    l->watch = (struct watch){.fd = fd, .ready = ready, .of = l};
    if (!loop_watch(&s->loop, &l->watch, EPOLLIN, &(struct err){0})) {
        free(l);
        return;
    }
    mine = -1;
    s->lingering = l;
    s->linger_count++;
}

void linger_sweep(struct server *s, int64_t now)
{
    for (struct leaving **at = &s->lingering; *at != NULL;) {
        struct leaving *l = *at;
        if (!l->over && now < l->until) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        loop_forget(&s->loop, &l->watch);
        file_close(&l->watch.fd);
        free(l);
        s->linger_count--;
    }
}

void linger_done(struct server *s)
{
    linger_sweep(s, INT64_MAX);
}
