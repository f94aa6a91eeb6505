/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "web/incoming.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "web/body.h"
#include "web/pages/pages.h"
#include "web/routes.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    MOST_WAITING = 4096,
    MOST_PARKED = 2048,   /* short bodies on their way */
    MOST_STRANGERS = 512, /* of them, without a credential */
    CALL_MEMORY = 64 << 20,
    INLINE_BODY = 32 * 1024
};

/* The connection to one front process; calls of an old one keep it until they end. */
struct link {
    struct channel channel;
    unsigned users;
};

/* What a thread does with the call next. */
enum step {
    STEP_HEAD,
    STEP_SHORT, /* let its short body come, and leave it until all of it is there */
    STEP_LONG,  /* let its long body come, when readers are few enough */
    STEP_READ,
    STEP_ANSWER,
};

struct incoming_call {
    struct incoming *in;
    struct link *link;
    uint64_t number;
    struct incoming_call *next, *next_waiting;
    struct message open; /* CALL_OPEN, kept whole */
    struct body_queue body;
    enum step step;
    struct web_call call; /* from step HEAD on */
    const struct route *route;
    bool parked; /* waits for the end of its body without a thread */
    bool reads;  /* is one of the readers */
};

/* Calls in the order in which they came. */
struct call_list {
    struct incoming_call *first, **tail;
    unsigned count;
};

struct incoming {
    struct service *service;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct incoming_call *calls; /* all that are open */
    struct call_list waiting;    /* for a thread */
    struct call_list later;      /* long bodies: for another one to end */
    unsigned parked, strangers;  /* strangers: of those parked, without a credential */
    unsigned readers, most_readers;
    bool draining;
};

static void list_init(struct call_list *l)
{
    *l = (struct call_list){.first = NULL};
    l->tail = &l->first;
}

static void list_add(struct call_list *l, struct incoming_call *k)
{
    k->next_waiting = NULL;
    *l->tail = k;
    l->tail = &k->next_waiting;
    l->count++;
}

/* Not of an empty list. */
static struct incoming_call *list_take(struct call_list *l)
{
    struct incoming_call *k = l->first;
    l->first = k->next_waiting;
    if (l->first == NULL)
        l->tail = &l->first;
    l->count--;
    return k;
}

static void drop_link(struct link *l)
{
    if (--l->users > 0)
        return;
    channel_close(&l->channel);
    free(l);
}

static void call_free(struct incoming_call *k)
{
    struct incoming *in = k->in;
    (void)pthread_mutex_lock(&in->lock);
    for (struct incoming_call **p = &in->calls; *p != NULL; p = &(*p)->next) {
        if (*p == k) {
            *p = k->next;
            break;
        }
    }
    drop_link(k->link);
    (void)pthread_mutex_unlock(&in->lock);
    message_done(&k->open);
    body_queue_done(&k->body);
    free(k);
}

/* --- one call, in its thread ------------------------------------------------------------------ */

static bool send_reply(struct incoming_call *k, struct web_call *c, struct err *e)
{
    struct web_reply *r = &c->reply;
    struct msg_CALL_REPLY m = {.call = k->number,
                               .status = r->status,
                               .headers = writer_view(&r->headers),
                               .offset = r->offset,
                               .length = r->length};
    CLEANUP(file_close) int page = -1;
    int *fd = r->fd >= 0 ? &r->fd : &page;
    if (r->fd < 0 && r->body.len > INLINE_BODY) {
        TRY(file_memfd("reply", writer_view(&r->body), &page, e));
        m.length = r->body.len;
    } else if (r->fd < 0) {
        m.body = writer_view(&r->body);
        m.length = r->body.len;
    }
    return channel_send_CALL_REPLY(&k->link->channel, &m, fd, *fd >= 0 ? 1 : 0, e);
}

static bool fill_call(struct incoming_call *k, struct web_call *c, struct err *e)
{
    struct msg_CALL_OPEN open;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 64 * 1024);
    TRY(message_as_CALL_OPEN(&k->open, &open, e));
    c->method = arena_text(c->arena, open.method);
    c->peer = arena_text(c->arena, open.peer);
    c->headers = open.headers;
    c->tls = open.tls != 0;
    c->length = open.length;
    const char *target = arena_text(c->arena, open.target);
    if (c->method == NULL || c->peer == NULL || target == NULL)
        return arena_err(e);
    const char *mark = strchr(target, '?');
    c->query = mark == NULL ? "" : mark + 1;
    struct reader path =
        reader_over(target, mark == NULL ? strlen(target) : (size_t)(mark - target));
    c->path = arena_text(c->arena, path); /* as it came, should it not be well-formed */
    if (!web_decode_path(path, &w))
        return err_user(e, ERR_FIELD, "The path of the request is not well-formed.");
    c->path = arena_text(c->arena, writer_view(&w));
    if (c->path == NULL)
        return arena_err(e);
    writer_reset(&w);
    TRY(web_decode_form(reader_text(c->query), &w, e));
    c->query_fields = arena_bytes(c->arena, writer_view(&w));
    return w.len == 0 || c->query_fields.at != NULL || arena_err(e);
}

/* Everything that the head decides. */
static bool judge_head(struct incoming_call *k, struct web_call *c, struct err *e)
{
    const char *allowed = NULL;
    TRY(fill_call(k, c, e));
    const struct route *r = k->route = route_find(c, &allowed);
    if (r == NULL && allowed != NULL)
        web_add_header(c, "Allow", allowed);
    if (r == NULL)
        return err_set(e, allowed != NULL ? ERR_HTTP_METHOD : ERR_NOT_FOUND, NULL);
    TRY(route_admit(r, c, e));
    if (c->length == 0 || r->body == BODY_NONE) {
        k->step = STEP_ANSWER;
        return true;
    }
    uint64_t limit = body_limit(r, c->service);
    bool is_short = limit <= BODY_SHORT || c->length <= BODY_SHORT;
    k->step = is_short ? STEP_SHORT : STEP_LONG;
    return c->length == UINT64_MAX || c->length <= limit ||
           err_user(e, ERR_HTTP_TOO_LARGE,
                    "The request is larger than the %llu bytes allowed here.",
                    (unsigned long long)limit);
}

static bool let_body_come(struct incoming_call *k, struct err *e)
{
    uint64_t limit = body_limit(k->route, k->call.service);
    k->step = STEP_READ;
    return channel_send_CALL_ADMIT(
        &k->link->channel, &(struct msg_CALL_ADMIT){.call = k->number, .limit = limit}, NULL, 0, e);
}

/* --- waiting without a thread; functions that take `in` want its lock to be held -------------- */

static bool enter_park(struct incoming *in, const struct incoming_call *k, struct err *e)
{
    bool stranger = !k->call.authenticated;
    if (in->parked >= MOST_PARKED || (stranger && in->strangers >= MOST_STRANGERS))
        return err_set(e, ERR_HTTP_OVERLOAD, "%u bodies are on their way", in->parked);
    in->parked++;
    in->strangers += stranger ? 1 : 0;
    return true;
}

static void leave_park(struct incoming *in, const struct incoming_call *k)
{
    in->parked--;
    in->strangers -= k->call.authenticated ? 0 : 1;
}

static void hand_out(struct incoming *in, struct incoming_call *k)
{
    list_add(&in->waiting, k);
    (void)pthread_cond_signal(&in->changed);
}

static void unpark_when_whole(struct incoming *in, struct incoming_call *k)
{
    if (!k->parked || !body_queue_is_whole(&k->body))
        return;
    k->parked = false;
    leave_park(in, k);
    hand_out(in, k);
}

/* True: the call is out of the caller's hands. */
static bool park(struct incoming_call *k, struct err *e)
{
    struct incoming *in = k->in;
    (void)pthread_mutex_lock(&in->lock);
    bool ok = enter_park(in, k, e);
    (void)pthread_mutex_unlock(&in->lock);
    TRY(ok);
    ok = let_body_come(k, e);
    (void)pthread_mutex_lock(&in->lock);
    k->parked = ok;
    if (ok)
        unpark_when_whole(in, k);
    else
        leave_park(in, k);
    (void)pthread_mutex_unlock(&in->lock);
    return ok;
}

/* False: there are readers enough, and the call is out of the caller's hands until one ends. */
static bool become_reader(struct incoming_call *k)
{
    struct incoming *in = k->in;
    (void)pthread_mutex_lock(&in->lock);
    bool now = k->reads; /* has got the place of another one */
    if (!now && in->readers < in->most_readers) {
        in->readers++;
        k->reads = now = true;
    } else if (!now) {
        list_add(&in->later, k);
    }
    (void)pthread_mutex_unlock(&in->lock);
    return now;
}

static void stop_reading(struct incoming_call *k)
{
    struct incoming *in = k->in;
    if (!k->reads)
        return;
    (void)pthread_mutex_lock(&in->lock);
    k->reads = false;
    if (in->later.count > 0) {
        struct incoming_call *next = list_take(&in->later);
        next->reads = true;
        hand_out(in, next);
    } else {
        in->readers--;
    }
    (void)pthread_mutex_unlock(&in->lock);
}

/* --- a thread's part -------------------------------------------------------------------------- */

static void begin_call(struct incoming_call *k)
{
    k->call = (struct web_call){.service = k->in->service,
                                .arena = arena_new(CALL_MEMORY),
                                .incoming = k,
                                .reply = {.fd = -1}};
    writer_init(&k->call.reply.headers, 32 * 1024);
    writer_init(&k->call.reply.body, CALL_MEMORY);
}

static void end_call(struct incoming_call *k)
{
    struct web_call *c = &k->call;
    struct err e = {0};
    if (c->arena != NULL && !send_reply(k, c, &e) && e.code != ERR_IPC_CLOSED)
        c->service->report(c->service->report_ctx, "reply", &e);
    file_close(&c->reply.fd);
    writer_done(&c->reply.headers);
    writer_done(&c->reply.body);
    arena_free(c->arena);
    call_free(k);
}

/* Up to the answer, or up to where the call waits for its body: then another thread goes on. */
static void serve_call(struct incoming_call *k)
{
    struct web_call *c = &k->call;
    struct err e = {0};
    bool ok = true;
    if (k->step == STEP_HEAD) {
        begin_call(k);
        ok = c->arena != NULL && judge_head(k, c, &e);
    }
    if (ok && k->step == STEP_SHORT) {
        if (park(k, &e))
            return;
        ok = false;
    }
    if (ok && k->step == STEP_LONG) {
        if (!become_reader(k))
            return;
        ok = let_body_come(k, &e);
    }
    ok = ok && (k->step != STEP_READ || body_read(&k->body, k->route, c, &e));
    stop_reading(k);
    if (ok) {
        route_serve(k->route, c);
    } else if (c->arena != NULL) {
        web_report(c, &e);
        page_error(c, &e);
        route_headers(c);
    }
    end_call(k);
}

static void *call_thread(void *ctx)
{
    struct incoming *in = ctx;
    for (;;) {
        (void)pthread_mutex_lock(&in->lock);
        while (in->waiting.count == 0)
            (void)pthread_cond_wait(&in->changed, &in->lock);
        struct incoming_call *k = list_take(&in->waiting);
        (void)pthread_mutex_unlock(&in->lock);
        serve_call(k);
    }
    return NULL;
}

/* --- the receiver ------------------------------------------------------------------------------
 */

static struct incoming_call *find(struct incoming *in, const struct link *l, uint64_t number)
{
    for (struct incoming_call *k = in->calls; k != NULL; k = k->next)
        if (k->number == number && k->link == l)
            return k;
    return NULL;
}

/* Without a call of its own: there is no room for one. */
static bool refuse(struct link *l, uint64_t number, enum err_code why, struct err *e)
{
    const char *sentence = err_default_text(why);
    CLEANUP(writer_done) struct writer headers = {0};
    CLEANUP(writer_done) struct writer body = {0};
    writer_init(&body, 2000);
    struct json j = json_into(&body);
    json_open_object(&j, NULL);
    json_text(&j, "type", "https://www.rfc-editor.org/rfc/rfc9110#section-15.6.4");
    json_text(&j, "title", sentence);
    json_i64(&j, "status", 503);
    json_text(&j, "detail", sentence);
    json_text(&j, "code", err_machine_code(why));
    json_text(&j, "error", sentence);
    json_open_object(&j, "errors");
    json_open_array(&j, "");
    json_text(&j, NULL, sentence);
    json_end_array(&j);
    json_end_object(&j);
    json_end_object(&j);
    writer_init(&headers, 1000);
    record_PAIR_write(
        &headers, &(struct record_PAIR){.name = reader_text("Content-Type"),
                                        .value = reader_text("application/json; charset=utf-8")});
    record_PAIR_write(&headers, &(struct record_PAIR){.name = reader_text("Retry-After"),
                                                      .value = reader_text("5")});
    struct msg_CALL_REPLY m = {.call = number,
                               .status = 503,
                               .headers = writer_view(&headers),
                               .body = writer_view(&body),
                               .length = body.len};
    return channel_send_CALL_REPLY(&l->channel, &m, NULL, 0, e);
}

static bool open_call(struct incoming *in, struct link *l, struct message *m, struct err *e)
{
    struct msg_CALL_OPEN open;
    TRY(message_as_CALL_OPEN(m, &open, e));
    if (in->draining)
        return refuse(l, open.call, ERR_HTTP_STOPPING, e);
    if (in->waiting.count >= MOST_WAITING)
        return refuse(l, open.call, ERR_HTTP_OVERLOAD, e);
    if (find(in, l, open.call) != NULL)
        return err_set(e, ERR_IPC_MESSAGE, "call number twice");
    struct incoming_call *k = calloc(1, sizeof *k);
    if (k == NULL)
        return refuse(l, open.call, ERR_HTTP_OVERLOAD, e);
    *k = (struct incoming_call){
        .in = in, .link = l, .number = open.call, .next = in->calls, .open = *m};
    *m = (struct message){0}; /* transferred */
    body_queue_init(&k->body);
    l->users++;
    in->calls = k;
    hand_out(in, k);
    return true;
}

/* Parts of a body, and the news that the client has gone, go to the call's own queue. */
static bool pass_on(struct incoming *in, struct link *l, struct message *m, struct err *e)
{
    struct reader body = m->body;
    uint64_t number;
    if (m->type == MSG_CALL_OPEN)
        return open_call(in, l, m, e);
    if (!reader_u64le(&body, &number))
        return err_set(e, ERR_IPC_MESSAGE, "call number");
    struct incoming_call *k = find(in, l, number);
    if (k == NULL)
        return true;
    TRY(body_queue_put(&k->body, m, e));
    unpark_when_whole(in, k);
    return true;
}

static void end_calls(struct incoming *in, struct link *l)
{
    for (struct incoming_call *k = in->calls; k != NULL; k = k->next)
        if (k->link == l) {
            body_queue_end(&k->body);
            unpark_when_whole(in, k);
        }
}

bool incoming_receive(struct incoming *in, struct channel front, struct err *e)
{
    struct link *l = calloc(1, sizeof *l);
    struct message m = {0};
    bool ok = l != NULL || err_set(e, ERR_NO_MEMORY, "link");
    if (!ok) {
        channel_close(&front);
        return false;
    }
    *l = (struct link){front, 1};
    while (ok && channel_receive(&l->channel, &m, e)) {
        (void)pthread_mutex_lock(&in->lock);
        ok = pass_on(in, l, &m, e);
        (void)pthread_mutex_unlock(&in->lock);
    }
    message_done(&m);
    (void)shutdown(l->channel.fd, SHUT_RDWR);
    (void)pthread_mutex_lock(&in->lock);
    end_calls(in, l);
    drop_link(l);
    (void)pthread_mutex_unlock(&in->lock);
    return false;
}

void incoming_drain(struct incoming *in)
{
    (void)pthread_mutex_lock(&in->lock);
    in->draining = true;
    (void)pthread_mutex_unlock(&in->lock);
}

bool incoming_is_idle(struct incoming *in)
{
    (void)pthread_mutex_lock(&in->lock);
    bool idle = in->calls == NULL;
    (void)pthread_mutex_unlock(&in->lock);
    return idle;
}

bool incoming_new(struct service *s, unsigned threads, struct incoming **ret, struct err *e)
{
    struct incoming *in = calloc(1, sizeof *in);
    pthread_attr_t small;
    bool ok = in != NULL || err_set(e, ERR_NO_MEMORY, "incoming");
    if (!ok)
        return false;
    in->service = s;
    list_init(&in->waiting);
    list_init(&in->later);
    in->most_readers = threads - threads / 4;
    (void)pthread_mutex_init(&in->lock, NULL);
    (void)pthread_cond_init(&in->changed, NULL);
    (void)pthread_attr_init(&small);
    (void)pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
    for (unsigned i = 0; ok && i < threads; i++) {
        pthread_t thread;
        ok = pthread_create(&thread, &small, call_thread, in) == 0 ||
             err_set(e, ERR_NO_MEMORY, "threads");
    }
    (void)pthread_attr_destroy(&small);
    *ret = in;
    return ok;
}
