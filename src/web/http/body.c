/* SPDX-License-Identifier: Apache-2.0 */
/* The body on its way to core: small form fields as messages, everything else through pipes. */
#define _GNU_SOURCE
#include "base/file.h"
#include "web/http/private.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { FIELDS_MOST = 1000, FIELD_BYTES_MOST = 1024 * 1024, PIPE_BYTES = 256 * 1024 };

static void pipe_ready(void *of, uint32_t events)
{
    (void)events;
    exchange_resume(of);
}

static void close_pipe(struct exchange *x)
{
    loop_forget(&x->server->loop, &x->pipe_watch);
    file_close(&x->pipe);
    x->pipe = -1;
    x->pipe_broken = false;
}

static bool open_file(struct exchange *x, struct reader name, struct reader filename,
                      struct reader type, struct err *e)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_errno(e, "pipe");
    x->pipe = ends[1];
    /* Only our end: core reads with a thread that may wait. */
    (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
    if (fcntl(ends[1], F_SETFL, O_NONBLOCK) != 0) {
        (void)close(ends[0]);
        return err_errno(e, "pipe");
    }
    x->pipe_watch = (struct watch){.fd = ends[1], .ready = pipe_ready, .of = x};
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 8 * 1024);
    msg_CALL_FILE_write(
        &w, &(struct msg_CALL_FILE){
                .call = x->call, .name = name, .filename = filename, .content_type = type});
    if (!writer_ok(&w, e)) {
        (void)close(ends[0]);
        return false;
    }
    (void)link_send(&x->server->link, MSG_CALL_FILE, writer_view(&w), ends[0]);
    return true;
}

static bool file_data(struct exchange *x, struct reader piece, size_t *ret_taken, struct err *e)
{
    struct err why = {0};
    size_t n = 0;
    if (x->pipe < 0 || x->pipe_broken) {
        *ret_taken = piece.left;
        return true;
    }
    if (!file_write_now(x->pipe, piece, &n, &why)) {
        x->pipe_broken = true; /* core has seen enough; its reply says why */
        *ret_taken = piece.left;
        return true;
    }
    if (n < piece.left) {
        x->wait_pipe = true;
        TRY(loop_watch(&x->server->loop, &x->pipe_watch, EPOLLOUT | EPOLLONESHOT, e));
    }
    *ret_taken = n;
    return true;
}

static bool part_begin(void *ctx, const struct multipart_part *part, struct err *e)
{
    struct exchange *x = ctx;
    x->in_file = part->file;
    if (part->file)
        return open_file(x, part->name, part->filename, part->content_type, e);
    if (++x->fields > FIELDS_MOST)
        return err_set(e, ERR_HTTP_TOO_LARGE, "more than %d form fields", FIELDS_MOST);
    writer_reset(&x->field);
    writer_reset(&x->field_name);
    writer_reader(&x->field_name, part->name);
    return true;
}

static bool part_data(void *ctx, struct reader piece, size_t *ret_taken, struct err *e)
{
    struct exchange *x = ctx;
    if (x->in_file)
        return file_data(x, piece, ret_taken, e);
    writer_reader(&x->field, piece);
    x->field_bytes += piece.left;
    if (x->field.failed)
        return err_set(e, ERR_HTTP_TOO_LARGE, "a form field larger than 64 KiB");
    if (x->field_bytes > FIELD_BYTES_MOST)
        return err_set(e, ERR_HTTP_TOO_LARGE, "form fields larger than 1 MiB");
    *ret_taken = piece.left;
    return true;
}

static bool part_end(void *ctx, struct err *e)
{
    struct exchange *x = ctx;
    if (x->in_file) {
        close_pipe(x);
        return true;
    }
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, MESSAGE_MAX - 4);
    msg_CALL_FIELD_write(&w, &(struct msg_CALL_FIELD){.call = x->call,
                                                      .name = writer_view(&x->field_name),
                                                      .value = writer_view(&x->field)});
    TRY(writer_ok(&w, e));
    (void)link_send(&x->server->link, MSG_CALL_FIELD, writer_view(&w), -1);
    return true;
}

bool body_begin(struct exchange *x, struct err *e)
{
    char boundary[71];
    bool form = false;
    TRY(multipart_boundary(reader_text(x->content_type), &form, boundary, e));
    if (form) {
        struct multipart_sink sink = {x, part_begin, part_data, part_end};
        return multipart_new(boundary, sink, &x->form, e);
    }
    x->in_file = true;
    return open_file(x, reader_text(""), reader_text(""), reader_text(x->content_type), e);
}

bool body_feed(struct exchange *x, struct reader bytes, size_t *ret_used, struct err *e)
{
    if (link_full(&x->server->link)) {
        x->wait_link = true;
        *ret_used = 0;
        return true;
    }
    return x->form == NULL ? file_data(x, bytes, ret_used, e)
                           : multipart_feed(x->form, bytes, ret_used, e);
}

bool body_finish(struct exchange *x, struct err *e)
{
    if (x->form != NULL)
        TRY(multipart_finish(x->form, e));
    body_done(x);
    return true;
}

void body_done(struct exchange *x)
{
    close_pipe(x);
    multipart_free(x->form);
    x->form = NULL;
}
