/* SPDX-License-Identifier: Apache-2.0 */
#include "web/body.h"
#include "base/file.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>

enum { SMALL_BODY = 8 << 20, FORM_EXTRA = 4 << 20, QUEUE_BYTES = 16 << 20, MOST_FILES = 8 };

struct body_item {
    struct body_item *next;
    enum message_type type;
    struct writer body;
    int fd;
};

void body_queue_init(struct body_queue *q)
{
    *q = (struct body_queue){0};
    q->tail = &q->first;
    (void)pthread_mutex_init(&q->lock, NULL);
    (void)pthread_cond_init(&q->changed, NULL);
}

static void item_free(struct body_item *i)
{
    writer_done(&i->body);
    file_close(&i->fd);
    free(i);
}

void body_queue_done(struct body_queue *q)
{
    while (q->first != NULL) {
        struct body_item *next = q->first->next;
        item_free(q->first);
        q->first = next;
    }
    (void)pthread_cond_destroy(&q->changed);
    (void)pthread_mutex_destroy(&q->lock);
}

bool body_queue_put(struct body_queue *q, struct message *m, struct err *e)
{
    struct body_item *i = calloc(1, sizeof *i);
    if (i == NULL)
        return err_set(e, ERR_NO_MEMORY, "body");
    i->type = m->type;
    i->fd = message_take_fd(m, 0);
    writer_init(&i->body, MESSAGE_MAX);
    writer_reader(&i->body, m->body);
    (void)pthread_mutex_lock(&q->lock);
    q->bytes += m->body.left;
    /* The file behind the last one is refused: no need to hold more descriptors. */
    if (m->type == MSG_CALL_FILE && ++q->files > MOST_FILES)
        file_close(&i->fd);
    if (m->type == MSG_CALL_GONE || q->bytes > QUEUE_BYTES)
        q->ended = true;
    q->whole = q->whole || m->type == MSG_CALL_END;
    *q->tail = i;
    q->tail = &i->next;
    (void)pthread_cond_signal(&q->changed);
    (void)pthread_mutex_unlock(&q->lock);
    return true;
}

void body_queue_end(struct body_queue *q)
{
    (void)pthread_mutex_lock(&q->lock);
    q->ended = true;
    (void)pthread_cond_signal(&q->changed);
    (void)pthread_mutex_unlock(&q->lock);
}

bool body_queue_is_whole(struct body_queue *q)
{
    (void)pthread_mutex_lock(&q->lock);
    bool whole = q->whole || q->ended;
    (void)pthread_mutex_unlock(&q->lock);
    return whole;
}

static struct body_item *next_item(struct body_queue *q)
{
    (void)pthread_mutex_lock(&q->lock);
    while (q->first == NULL && !q->ended)
        (void)pthread_cond_wait(&q->changed, &q->lock);
    struct body_item *i = q->ended ? NULL : q->first;
    if (i != NULL) {
        q->first = i->next;
        if (q->first == NULL)
            q->tail = &q->first;
    }
    (void)pthread_mutex_unlock(&q->lock);
    return i;
}

uint64_t body_limit(const struct route *r, const struct service *s)
{
    if (r->guard == GUARD_FORM)
        return BODY_SHORT; /* strangers */
    return r->body == BODY_UPLOAD ? s->max_upload + FORM_EXTRA : SMALL_BODY;
}

struct reading {
    struct web_call *call;
    const struct route *route;
    struct writer fields;
};

/* D01, D02: the bytes are durable before anything is decided on them. */
static bool take_blob(struct reading *r, int fd, struct web_file *f, struct err *e)
{
    static const struct blob_steps steps = {CRASH_D01, CRASH_D02};
    struct service *s = r->call->service;
    struct blob_writer *w;
    TRY(blob_begin(s->blobs, steps, s->max_upload, &w, e));
    if (!blob_add_from(w, fd, e)) {
        blob_abandon(w);
        if (e->code != ERR_FILE_LIMIT)
            return false;
        *e = (struct err){0};
        return err_user(e, ERR_HTTP_TOO_LARGE,
                        "The artifact is larger than the %llu bytes that this server accepts "
                        "(setting max_upload_bytes).",
                        (unsigned long long)s->max_upload);
    }
    return blob_finish(w, &f->blob, e);
}

static bool take_text(struct reading *r, int fd, struct web_file *f, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    uint8_t piece[16 * 1024];
    size_t got;
    writer_init(&w, SMALL_BODY);
    do {
        TRY(file_read_some(fd, piece, sizeof piece, &got, e));
        writer_bytes(&w, piece, got);
        if (w.failed)
            return err_user(e, ERR_HTTP_TOO_LARGE, "The body is larger than 8 MiB.");
    } while (got > 0);
    f->text = arena_bytes(r->call->arena, writer_view(&w));
    return f->text.at != NULL || arena_err(e);
}

static bool take_file(struct reading *r, struct body_item *i, struct err *e)
{
    struct web_call *c = r->call;
    struct msg_CALL_FILE m;
    if (c->file_count == MOST_FILES)
        return err_user(e, ERR_FIELD, "A request has at most %d files.", MOST_FILES);
    if (!msg_CALL_FILE_read(writer_view(&i->body), &m) || i->fd < 0)
        return err_set(e, ERR_IPC_MESSAGE, "CALL_FILE");
    if (c->files == NULL)
        c->files = ARENA_ARRAY(c->arena, MOST_FILES, struct web_file);
    if (c->files == NULL)
        return arena_err(e);
    struct web_file *f = &c->files[c->file_count++];
    *f = (struct web_file){.name = arena_text(c->arena, m.name),
                           .file_name = arena_text(c->arena, m.filename),
                           .content_type = arena_text(c->arena, m.content_type)};
    if (f->name == NULL || f->file_name == NULL || f->content_type == NULL)
        return arena_err(e);
    bool upload = r->route->body == BODY_UPLOAD && f->name[0] != '\0';
    return upload ? take_blob(r, i->fd, f, e) : take_text(r, i->fd, f, e);
}

static bool take_field(struct reading *r, struct body_item *i, struct err *e)
{
    struct msg_CALL_FIELD m;
    if (!msg_CALL_FIELD_read(writer_view(&i->body), &m))
        return err_set(e, ERR_IPC_MESSAGE, "CALL_FIELD");
    if (!text_is_utf8(m.value) || (m.value.left > 0 && memchr(m.value.at, 0, m.value.left) != NULL))
        return err_user(e, ERR_FIELD, "A form field is not UTF-8 text.");
    record_PAIR_write(&r->fields, &(struct record_PAIR){.name = m.name, .value = m.value});
    return writer_ok(&r->fields, e);
}

static bool take_end(struct reading *r, struct body_item *i, struct err *e)
{
    struct msg_CALL_END m;
    if (!msg_CALL_END_read(writer_view(&i->body), &m))
        return err_set(e, ERR_IPC_MESSAGE, "CALL_END");
    if (m.complete != 0)
        return true;
    const char *code = arena_text(r->call->arena, m.code);
    const char *detail = arena_text(r->call->arena, m.detail);
    if (code == NULL || detail == NULL)
        return arena_err(e);
    struct err why = {0};
    (void)err_from(&why, code, "", detail);
    return err_user(e, why.code == ERR_INTERNAL ? ERR_FIELD : why.code,
                    "The body of the request cannot be used: %s", detail);
}

static bool take_item(struct reading *r, struct body_item *i, struct err *e)
{
    switch (i->type) {
    case MSG_CALL_FIELD:
        return take_field(r, i, e);
    case MSG_CALL_FILE:
        return take_file(r, i, e);
    case MSG_CALL_END:
        return take_end(r, i, e);
    default:
        return err_set(e, ERR_IPC_MESSAGE, "%s in a body", message_name(i->type));
    }
}

/* An urlencoded form comes as one nameless file; its fields join the others. */
static bool decode_form(struct reading *r, struct err *e)
{
    static const char type[] = "application/x-www-form-urlencoded";
    const struct web_file *f = web_file(r->call, "");
    if (f == NULL || strncmp(f->content_type, type, strlen(type)) != 0)
        return true;
    return web_decode_form(f->text, &r->fields, e);
}

static bool read_all(struct body_queue *q, struct reading *r, struct err *e)
{
    for (bool end = false; !end;) {
        struct body_item *i = next_item(q);
        if (i == NULL)
            return err_set(e, ERR_IPC_CLOSED, "the client left");
        end = i->type == MSG_CALL_END;
        bool ok = take_item(r, i, e);
        item_free(i);
        TRY(ok);
    }
    TRY(decode_form(r, e));
    r->call->fields = arena_bytes(r->call->arena, writer_view(&r->fields));
    return r->call->fields.at != NULL || arena_err(e);
}

bool body_read(struct body_queue *q, const struct route *r, struct web_call *c, struct err *e)
{
    struct reading reading = {.call = c, .route = r};
    writer_init(&reading.fields, FORM_EXTRA);
    bool ok = read_all(q, &reading, e);
    writer_done(&reading.fields);
    return ok;
}

bool web_decode_path(struct reader path, struct writer *w)
{
    TRY(text_unpercent(w, path, false));
    struct reader all = writer_view(w);
    for (size_t i = 0; i < all.left; i++)
        if (all.at[i] < 0x20 || all.at[i] == 0x7f || all.at[i] == '\\')
            return false;
    return !w->failed && all.left > 0 && all.at[0] == '/' && text_is_utf8(all) &&
           reader_find(all, 0, "/../", 4) == SIZE_MAX && reader_find(all, 0, "//", 2) == SIZE_MAX;
}
