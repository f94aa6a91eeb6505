/* SPDX-License-Identifier: Apache-2.0 */
#include "service/refusals.h"
#include "base/clock.h"
#include "service/events.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { TOGETHER_MS = 60 * 1000, ID = 40, NAME = 404, ADDRESS = 64, SLUG_MOST = 100 };

/* One kind of refusal, from its first event until it is a minute old. */
struct counted {
    const char *type, *reason; /* NULL: free */
    char organization[ID], by[ID], user[ID], name[NAME], address[ADDRESS];
    bool ci;
    unsigned more; /* after the first */
    int64_t since; /* boot time */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct counted table[REFUSAL_KINDS];
static struct counted others; /* what found no room in the table */

static void copy(char *to, size_t room, const char *text)
{
    (void)snprintf(to, room, "%s", text == NULL ? "" : text);
}

static struct counted of(const struct refusal *r)
{
    struct counted c = {.type = r->type, .reason = r->reason, .since = clock_boot_ms()};
    copy(c.organization, sizeof c.organization, r->organization);
    copy(c.user, sizeof c.user, r->user);
    copy(c.address, sizeof c.address, r->address);
    if (r->by == NULL)
        return c;
    copy(c.by, sizeof c.by, r->by->user);
    copy(c.name, sizeof c.name, r->by->name);
    c.ci = strcmp(r->by->kind, "CI") == 0;
    return c;
}

static bool same(const struct counted *a, const struct counted *b)
{
    return a->type != NULL && strcmp(a->type, b->type) == 0 && strcmp(a->reason, b->reason) == 0 &&
           strcmp(a->by, b->by) == 0 && strcmp(a->user, b->user) == 0 &&
           strcmp(a->address, b->address) == 0;
}

/* Whether this refusal is the first of its kind. */
static bool count(const struct counted *c)
{
    struct counted *room = NULL, *found = NULL;
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < REFUSAL_KINDS; i++) {
        if (same(&table[i], c))
            found = &table[i];
        else if (table[i].type == NULL)
            room = &table[i];
    }
    if (found != NULL) {
        found->more++;
    } else if (room != NULL) {
        *room = *c;
    } else {
        if (others.type == NULL)
            others = (struct counted){.type = "Refusals.Counted", .since = c->since};
        copy(others.organization, sizeof others.organization, c->organization);
        others.more++;
    }
    (void)pthread_mutex_unlock(&lock);
    return found == NULL && room != NULL;
}

struct writing {
    const struct counted *counted;
    const struct refusal *first; /* NULL: of those that were counted */
};

static void add_first(struct event *event, const struct refusal *r)
{
    event_add(event, "said", r->sentence);
    if (r->project != NULL && strlen(r->project) <= SLUG_MOST)
        event_add(event, "project", r->project);
    if (r->policy != NULL && strlen(r->policy) <= SLUG_MOST)
        event_add(event, "signingPolicy", r->policy);
}

static bool append(struct db_tx *tx, void *ctx, struct err *e)
{
    const struct writing *w = ctx;
    const struct counted *c = w->counted;
    struct actor by = {.user = c->by, .name = c->name, .kind = c->ci ? "CI" : "Interactive"};
    bool user = c->user[0] != '\0';
    struct event event = {.type = c->type,
                          .by = c->by[0] == '\0' ? NULL : &by,
                          .kind = user ? "User" : "Organization",
                          .object = user ? c->user : c->organization};
    if (c->address[0] != '\0')
        event_add(&event, "address", c->address);
    event_add(&event, "reason", c->reason);
    if (w->first != NULL)
        add_first(&event, w->first);
    else
        event_add(&event, "more", arena_format(tx_arena(tx), "%u", c->more));
    return event_append(tx, &event, NULL, e);
}

static void write_event(struct service *s, const struct counted *c, const struct refusal *first)
{
    struct err e = {0};
    struct writing w = {c, first};
    if (!db_write(s->db, CRASH_S01, append, &w, &e))
        s->report(s->report_ctx, "refusal", &e);
}

void refusal_note(struct service *s, const struct refusal *r)
{
    struct counted c = of(r);
    if (count(&c))
        write_event(s, &c, r);
}

/* Takes one that began before then out of the table. */
static bool take_old(int64_t before, struct counted *ret)
{
    struct counted *old = NULL;
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < REFUSAL_KINDS; i++)
        if (table[i].type != NULL && table[i].since <= before)
            old = &table[i];
    if (others.type != NULL && others.since <= before)
        old = &others;
    if (old != NULL) {
        *ret = *old;
        *old = (struct counted){0};
    }
    (void)pthread_mutex_unlock(&lock);
    return old != NULL;
}

void refusals_write(struct service *s, int64_t now)
{
    struct counted c;
    while (take_old(now - TOGETHER_MS, &c))
        if (c.more > 0)
            write_event(s, &c, NULL);
}
