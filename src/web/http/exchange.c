/* SPDX-License-Identifier: Apache-2.0 */
/* One request from its head to its reply. libmicrohttpd calls exchange_step again and again; in
 * between the connection sleeps (is suspended) while core thinks or a pipe is full. */
#include "base/clock.h"
#include "web/http/private.h"
#include <stdlib.h>
#include <string.h>

enum {
    /* A refused body of known length up to this is read to its end, so that the connection can
     * be used again and no reset overtakes the reply. */
    DRAIN_MOST = 1024 * 1024,
    /* And this much of one that core does not answer at all. */
    DRAIN_LAST = 64 * 1024 * 1024,
};

struct exchange *exchange_new(struct connection *c, const char *target)
{
    struct exchange *x = calloc(1, sizeof *x);
    if (x == NULL)
        return NULL;
    x->server = c->server;
    x->connection = c;
    x->began = clock_boot_ms();
    x->client = c->address;
    x->pipe = x->stream = -1;
    writer_init(&x->field, 64 * 1024);
    writer_init(&x->field_name, 1024);
    writer_init(&x->early, 128 * 1024);
    x->target = strdup(target);
    if (x->target == NULL) {
        exchange_free(x, false);
        return NULL;
    }
    return x;
}

static void send_to_core(struct exchange *x, enum message_type type, const struct writer *body)
{
    (void)link_send(&x->server->link, type, writer_view(body), -1);
}

static void end_call(struct exchange *x, bool complete, const char *code, const char *detail)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 1024);
    msg_CALL_END_write(&w, &(struct msg_CALL_END){.call = x->call,
                                                  .complete = complete,
                                                  .code = reader_text(code),
                                                  .detail = reader_text(detail)});
    send_to_core(x, MSG_CALL_END, &w);
}

void exchange_gone(struct exchange *x)
{
    if (x->call == 0)
        return;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 64);
    msg_CALL_GONE_write(&w, &(struct msg_CALL_GONE){.call = x->call});
    x->call = 0;
    (void)link_send(&x->server->link, MSG_CALL_GONE, writer_view(&w), -1);
}

static void tell_log(const struct exchange *x)
{
    char peer[ADDRESS_TEXT];
    address_write(&x->client, peer);
    struct server_done done = {
        .peer = peer,
        .method = x->method == NULL ? "-" : x->method,
        .path = x->method == NULL ? "-" : x->target,
        .status = x->answered ? x->status : 0,
        .received = x->received,
        .ms = clock_boot_ms() - x->began,
    };
    if (x->server->options.done != NULL)
        x->server->options.done(x->server->options.ctx, &done);
}

void exchange_free(struct exchange *x, bool complete)
{
    if (x == NULL)
        return;
    if (!complete && (x->stage == BODY || x->stage == ADMITTED) && x->call != 0)
        end_call(x, false, err_machine_code(ERR_HTTP_CUT), "the connection ended");
    exchange_gone(x);
    if (x->target != NULL)
        tell_log(x);
    body_done(x);
    reply_done(x);
    writer_done(&x->field);
    writer_done(&x->field_name);
    writer_done(&x->early);
    free(x->method);
    free(x->target);
    free(x);
}

void exchange_suspend(struct exchange *x)
{
    if (!x->suspended)
        MHD_suspend_connection(x->connection->mhd);
    x->suspended = true;
}

void exchange_resume(struct exchange *x)
{
    if (x->suspended)
        MHD_resume_connection(x->connection->mhd);
    x->suspended = x->wait_pipe = x->wait_link = false;
    x->connection->marked = 0;
}

/* --- head ------------------------------------------------------------------------------- */

static enum MHD_Result add_field(void *of, enum MHD_ValueKind kind, const char *name,
                                 size_t name_len, const char *value, size_t value_len)
{
    (void)kind;
    struct head *h = of;
    if (h->count == HEAD_FIELDS)
        return MHD_NO;
    h->fields[h->count++] =
        (struct head_field){reader_over(name, name_len), reader_over(value, value_len)};
    return MHD_YES;
}

/* libmicrohttpd 0.9.75 takes bare LF, folded lines (whose text it appends to the field's name)
 * and NUL; so its own buffer is read again here, strictly. It begins with the method. Later
 * versions refuse such heads themselves (MHD_OPTION_CLIENT_DISCIPLINE_LVL). */
static bool read_head(struct exchange *x, const char *method, const char *version, struct head *h,
                      struct err *e)
{
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(x->connection->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (size == NULL)
        return err_set(e, ERR_INTERNAL, "no head");
    if (size->header_size > HEAD_MAX)
        return err_set(e, ERR_HTTP_HEAD, "head of %zu bytes", size->header_size);
    h->method = reader_text(method);
    h->target = reader_text(x->target);
    h->minor_0 = strcmp(version, "HTTP/1.0") == 0;
#if MHD_VERSION < 0x00097600
    struct reader all = reader_over(method, size->header_size), line_end, lines;
    size_t at = h->method.left + 1 + h->target.left + 1 + strlen(version);
    if (!reader_slice(all, at, 2, &line_end) || !reader_equal(line_end, reader_over("\0", 2)) ||
        !reader_slice(all, at + 2, all.left - at - 2, &lines))
        return err_set(e, ERR_HTTP_REQUEST, "the request line");
    TRY(head_fields_in_place(lines, h, e));
    struct head seen = {0};
    int count = MHD_get_connection_values_n(x->connection->mhd, MHD_HEADER_KIND, add_field, &seen);
    bool same = count >= 0 && (size_t)count == h->count && seen.count == h->count;
    for (size_t i = 0; same && i < h->count; i++)
        same = reader_equal(h->fields[i].name, seen.fields[i].name) &&
               reader_equal(h->fields[i].value, head_trim(seen.fields[i].value));
    if (!same)
        return err_set(e, ERR_HTTP_REQUEST, "fields that can be read in two ways");
#else
    struct head seen = {0};
    (void)MHD_get_connection_values_n(x->connection->mhd, MHD_HEADER_KIND, add_field, &seen);
    for (size_t i = 0; i < seen.count; i++)
        TRY(head_add(h, seen.fields[i].name, seen.fields[i].value, e));
#endif
    return head_check(h, e);
}

/* What a trusted proxy says about the client. */
static void read_proxy(struct exchange *x, const struct head *h)
{
    const struct server_options *o = &x->server->options;
    struct reader proto;
    if (!address_in(&x->client, o->trusted, o->trusted_count))
        return;
    if (head_find(h, "x-forwarded-proto", &proto))
        x->tls = head_name_is(proto, "https");
    for (size_t i = h->count; i > 0; i--)
        if (head_name_is(h->fields[i - 1].name, "x-forwarded-for"))
            address_of_client(&x->client, h->fields[i - 1].value, o->trusted, o->trusted_count);
}

static bool keep_head(struct exchange *x, const struct head *h, struct err *e)
{
    struct reader type, accept;
    x->method = strndup((const char *)h->method.at, h->method.left);
    if (x->method == NULL)
        return err_set(e, ERR_NO_MEMORY, "method");
    x->minor_0 = h->minor_0;
    x->head_only = reader_equal_text(h->method, "HEAD");
    x->length = h->length;
    x->tls = x->server->options.certificate != NULL;
    if (head_find(h, "accept", &accept))
        x->problem_json = reader_find(accept, 0, "application/problem+json", 24) != SIZE_MAX;
    if (head_find(h, "content-type", &type)) {
        if (type.left >= sizeof x->content_type)
            return err_set(e, ERR_HTTP_REQUEST, "Content-Type of %zu bytes", type.left);
        size_t n = type.left;
        if (!reader_copy(&type, x->content_type, n))
            return err_set(e, ERR_INTERNAL, "Content-Type");
        x->content_type[n] = '\0';
    }
    read_proxy(x, h);
    return true;
}

static void forget_query(struct exchange *x)
{
    char *query = strchr(x->target, '?');
    if (query != NULL)
        *query = '\0';
}

static bool ask_core(struct exchange *x, const struct head *h, struct err *e)
{
    struct server *s = x->server;
    char peer[ADDRESS_TEXT];
    CLEANUP(writer_done) struct writer fields = {0};
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&fields, MESSAGE_MAX);
    writer_init(&w, MESSAGE_MAX - 4);
    for (size_t i = 0; i < h->count; i++)
        if (!head_is_hop(h->fields[i].name))
            record_PAIR_write(&fields, &(struct record_PAIR){.name = h->fields[i].name,
                                                             .value = h->fields[i].value});
    address_write(&x->client, peer);
    uint64_t call = (++s->calls << SLOT_BITS) | x->connection->slot;
    msg_CALL_OPEN_write(&w, &(struct msg_CALL_OPEN){.call = call,
                                                    .method = h->method,
                                                    .target = h->target,
                                                    .headers = writer_view(&fields),
                                                    .peer = reader_text(peer),
                                                    .tls = x->tls,
                                                    .length = h->length});
    forget_query(x);
    if (!writer_ok(&fields, e) || !writer_ok(&w, e))
        return false;
    if (!link_up(&s->link))
        return err_set(e, ERR_IPC_CLOSED, "core is away");
    if (link_full(&s->link))
        return err_set(e, ERR_HTTP_OVERLOAD, "core does not keep up");
    x->call = call;
    x->stage = x->length == 0 ? BODILESS : ASKED;
    (void)link_send(&s->link, MSG_CALL_OPEN, writer_view(&w), -1);
    return true;
}

static enum MHD_Result head_step(struct exchange *x, const char *method, const char *version)
{
    struct err e = {0};
    struct head h = {0};
    if (!read_head(x, method, version, &h, &e) || !keep_head(x, &h, &e)) {
        forget_query(x);
        reply_problem(x, &e);
        x->stage = REPLIED; /* and the connection is closed behind it */
        return reply_queue(x) ? MHD_YES : MHD_NO;
    }
    if (!ask_core(x, &h, &e)) {
        reply_problem(x, &e);
        /* Without a body the reply waits for the next step, for the connection to live on. */
        x->stage = x->length == 0 ? BODILESS : REPLIED;
    }
    if (x->stage == REPLIED)
        return reply_queue(x) ? MHD_YES : MHD_NO;
    if (x->stage == ASKED)
        exchange_suspend(x);
    return MHD_YES;
}

/* --- body ------------------------------------------------------------------------------- */

void exchange_body_failed(struct exchange *x, const struct err *why)
{
    body_done(x);
    if (x->stage != ASKED)
        x->stage = DRAIN;
    end_call(x, false, err_machine_code(why->code), why->detail);
}

static enum MHD_Result body_step(struct exchange *x, struct reader bytes, size_t *size)
{
    struct err e = {0};
    size_t used = 0;
    x->received += bytes.left;
    if (x->stage == BODY && x->received > x->limit) {
        (void)err_set(&e, ERR_HTTP_TOO_LARGE, "more than %llu bytes", (unsigned long long)x->limit);
        exchange_body_failed(x, &e);
    } else if (x->stage == BODY && !body_feed(x, bytes, &used, &e)) {
        exchange_body_failed(x, &e);
    } else if (x->stage == BODY && (x->wait_pipe || x->wait_link)) {
        x->received -= bytes.left - used;
        *size = bytes.left - used;
        exchange_suspend(x);
        return MHD_YES;
    }
    *size = 0;
    if (x->stage == DRAIN && x->received > x->limit && x->received - x->limit > DRAIN_LAST)
        x->stage = DEAD;
    return x->stage == DEAD ? MHD_NO : MHD_YES;
}

static enum MHD_Result end_step(struct exchange *x)
{
    struct err e = {0};
    if (x->stage == BODY) {
        if (link_full(&x->server->link)) {
            x->wait_link = true;
            exchange_suspend(x);
            return MHD_YES;
        }
        if (!body_finish(x, &e))
            exchange_body_failed(x, &e);
        else if (x->stage == BODY)
            end_call(x, true, "", "");
    }
    if (x->response != NULL) {
        x->stage = REPLIED;
        return reply_queue(x) ? MHD_YES : MHD_NO;
    }
    x->stage = WAITING;
    exchange_suspend(x);
    return MHD_YES;
}

enum MHD_Result exchange_step(struct exchange *x, const char *method, const char *version,
                              const char *data, size_t *size)
{
    x->suspended = false;
    switch (x->stage) {
    case HEAD:
        return head_step(x, method, version);
    case BODILESS:
        return end_step(x);
    case ADMITTED:
        x->stage = BODY;
        return MHD_YES;
    case BODY:
    case DRAIN:
        return *size > 0 ? body_step(x, reader_over(data, *size), size) : end_step(x);
    case REPLIED:
        return reply_queue(x) ? MHD_YES : MHD_NO;
    case ASKED:
    case WAITING:
        exchange_suspend(x);
        return MHD_YES;
    case SENDING:
        return MHD_YES;
    case DEAD:
        break;
    }
    return MHD_NO;
}

/* --- what core says --------------------------------------------------------------------- */

/* A reply is ready: queued at the next call of the handler. */
static void answer(struct exchange *x)
{
    body_done(x);
    if (x->stage == BODY || x->stage == DRAIN) {
        x->stage = DRAIN;
        bool worth_it = x->length != UINT64_MAX && x->length - x->received <= DRAIN_MOST;
        if (!worth_it && reply_early(x))
            x->stage = DEAD;
    } else if (x->stage != BODILESS) {
        x->stage = REPLIED;
    }
    exchange_resume(x);
}

static struct exchange *find(struct server *s, uint64_t call)
{
    uint64_t slot = call & ((1u << SLOT_BITS) - 1);
    struct connection *c = slot < s->options.connections ? s->slots[slot] : NULL;
    struct exchange *x = c == NULL ? NULL : c->exchange;
    return x != NULL && call != 0 && x->call == call ? x : NULL;
}

static void admitted(struct exchange *x, uint64_t limit)
{
    struct err e = {0};
    x->limit = limit;
    if (x->length == 0) {
        end_call(x, true, "", "");
        return;
    }
    if (x->length != UINT64_MAX && x->length > limit) {
        (void)err_set(&e, ERR_HTTP_TOO_LARGE, "%llu bytes of at most %llu",
                      (unsigned long long)x->length, (unsigned long long)limit);
        exchange_gone(x);
        reply_problem(x, &e);
        answer(x);
        return;
    }
    if (!body_begin(x, &e)) {
        exchange_body_failed(x, &e);
        return;
    }
    if (x->stage == ASKED) {
        x->stage = ADMITTED;
        exchange_resume(x);
    }
}

bool exchange_message(void *server, struct message *m, struct err *e)
{
    struct msg_CALL_ADMIT admit;
    struct msg_CALL_REPLY reply;
    struct exchange *x;
    if (m->type == MSG_CALL_ADMIT) {
        TRY(message_as_CALL_ADMIT(m, &admit, e));
        x = find(server, admit.call);
        if (x == NULL)
            return true; /* its client has left meanwhile */
        if (x->stage != ASKED && x->length != 0)
            return err_set(e, ERR_IPC_MESSAGE, "CALL_ADMIT twice");
        admitted(x, admit.limit);
        return true;
    }
    TRY(message_as_CALL_REPLY(m, &reply, e));
    x = find(server, reply.call);
    if (x == NULL)
        return true;
    x->call = 0;
    reply_from_core(x, &reply, m);
    answer(x);
    return true;
}

void exchange_core_lost(void *server, const struct err *why)
{
    struct server *s = server;
    struct err gone = {0};
    (void)err_set(&gone, ERR_IPC_CLOSED, "core has stopped");
    if (s->options.core_lost != NULL)
        s->options.core_lost(s->options.ctx, why);
    for (uint32_t i = 0; i < s->options.connections; i++) {
        struct exchange *x = s->slots[i] == NULL ? NULL : s->slots[i]->exchange;
        if (x == NULL || x->call == 0)
            continue;
        x->call = 0;
        reply_problem(x, &gone);
        answer(x);
    }
}

void exchange_link_room(void *server)
{
    struct server *s = server;
    for (uint32_t i = 0; i < s->options.connections; i++) {
        struct exchange *x = s->slots[i] == NULL ? NULL : s->slots[i]->exchange;
        if (x != NULL && x->wait_link)
            exchange_resume(x);
    }
}

/* The peer has closed its side (`reset`: both sides) while the connection sleeps. A request that
 * is complete has nobody left to read its answer; of one that is not, bytes may still wait. */
void exchange_hung_up(struct exchange *x, bool reset)
{
    if (!x->suspended || (!reset && x->stage != WAITING))
        return;
    if ((x->stage == BODY || x->stage == ADMITTED) && x->call != 0)
        end_call(x, false, err_machine_code(ERR_HTTP_CUT), "the connection was reset");
    exchange_gone(x);
    x->stage = DEAD;
    exchange_resume(x);
}
