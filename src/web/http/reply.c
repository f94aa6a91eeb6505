/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "web/http/private.h"
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { STREAM_BLOCK = 16 * 1024 };

static void trace_id(const struct exchange *x, char to[56])
{
    const struct server *s = x->server;
    char trace[33], span[17];
    uint8_t number[8];
    for (size_t i = 0; i < 8; i++)
        number[i] = (uint8_t)((s->calls + x->connection->slot) >> (8 * (7 - i)));
    text_hex(s->trace, sizeof s->trace, trace);
    text_hex(number, sizeof number, span);
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 56);
    writer_format(&w, "00-%s-%s-00", trace, span);
    struct reader text = writer_view(&w);
    size_t n = text.left;
    if (w.failed || !reader_copy(&text, to, n))
        n = 0;
    to[n] = '\0';
}

/* What is wrong with the request is said in full; what is wrong in here is the operator's. */
static void write_problem(const struct exchange *x, const struct err *why, int status,
                          struct writer *w)
{
    char detail[640], trace[56];
    bool theirs = status < 500 && why->detail[0] != '\0';
    CLEANUP(writer_done) struct writer text = {0};
    writer_init(&text, sizeof detail - 1);
    writer_format(&text, theirs ? "%s (%s)" : "%s", why->user, why->detail);
    struct reader whole = writer_view(&text);
    size_t n = whole.left;
    if (!reader_copy(&whole, detail, n))
        n = 0;
    detail[n] = '\0';
    trace_id(x, trace);
    struct json j = json_into(w);
    json_open_object(&j, NULL);
    json_text(&j, "type",
              status < 500 ? "https://www.rfc-editor.org/rfc/rfc9110#section-15.5"
                           : "https://www.rfc-editor.org/rfc/rfc9110#section-15.6");
    json_text(&j, "title", err_default_text(why->code));
    json_u64(&j, "status", (uint64_t)status);
    json_text(&j, "detail", detail);
    json_open_object(&j, "errors");
    json_open_array(&j, "");
    json_text(&j, NULL, detail);
    json_end_array(&j);
    json_end_object(&j);
    json_text(&j, "traceId", trace);
    json_text(&j, "code", err_machine_code(why->code));
    json_text(&j, "error", detail);
    json_end_object(&j);
}

static bool add_header(struct exchange *x, struct reader name, struct reader value)
{
    char *n = strndup((const char *)name.at, name.left);
    char *v = strndup((const char *)value.at, value.left);
    bool ok = n != NULL && v != NULL && head_may_send(name, value) &&
              MHD_add_response_header(x->response, n, v) == MHD_YES;
    free(n);
    free(v);
    if (ok) {
        writer_reader(&x->early, name);
        writer_text(&x->early, ": ");
        writer_reader(&x->early, value);
        writer_text(&x->early, "\r\n");
    }
    return ok;
}

/* Set by front or by libmicrohttpd. */
static bool is_ours(struct reader name)
{
    return head_name_is(name, "content-length") || head_name_is(name, "transfer-encoding") ||
           head_name_is(name, "connection") || head_name_is(name, "date") ||
           head_name_is(name, "keep-alive") || head_name_is(name, "trailer");
}

static void begin_early(struct exchange *x)
{
    writer_reset(&x->early);
    writer_format(&x->early, "HTTP/1.1 %u %s\r\n", x->status, MHD_get_reason_phrase_for(x->status));
}

static void end_early(struct exchange *x, struct reader body)
{
    writer_format(&x->early, "Content-Length: %zu\r\nConnection: close\r\n\r\n", body.left);
    writer_reader(&x->early, body);
}

void reply_problem(struct exchange *x, const struct err *why)
{
    static const char *const headers[][2] = {{"Cache-Control", "no-store"},
                                             {"X-Content-Type-Options", "nosniff"}};
    int status = err_http_status(why->code);
    CLEANUP(writer_done) struct writer body = {0};
    writer_init(&body, 8 * 1024);
    write_problem(x, why, status, &body);
    struct reader text = writer_view(&body);
    reply_done(x);
    x->status = (unsigned)status;
    x->response = MHD_create_response_from_buffer(text.left, (void *)(uintptr_t)text.at,
                                                  MHD_RESPMEM_MUST_COPY);
    if (x->response == NULL)
        return;
    begin_early(x);
    (void)add_header(x, reader_text("Content-Type"),
                     reader_text(x->problem_json ? "application/problem+json"
                                                 : "application/json; charset=utf-8"));
    for (size_t i = 0; i < COUNT_OF(headers); i++)
        (void)add_header(x, reader_text(headers[i][0]), reader_text(headers[i][1]));
    if (status == 503)
        (void)add_header(x, reader_text("Retry-After"), reader_text("2"));
    if (status == 405)
        (void)add_header(x, reader_text("Allow"),
                         reader_text("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    end_early(x, text);
}

/* --- replies of core -------------------------------------------------------------------- */

static void stream_ready(void *of, uint32_t events)
{
    (void)events;
    exchange_resume(of);
}

static ssize_t stream_read(void *of, uint64_t at, char *to, size_t most)
{
    (void)at;
    struct exchange *x = of;
    struct err e = {0};
    size_t n = 0;
    bool end = false;
    x->suspended = false;
    if (!file_read_now(x->stream, to, most, &n, &end, &e))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (end)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n > 0)
        return (ssize_t)n;
    if (!loop_watch(&x->server->loop, &x->stream_watch, EPOLLIN | EPOLLONESHOT, &e))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    exchange_suspend(x);
    return 0;
}

static struct MHD_Response *from_stream(struct exchange *x, int fd)
{
    int flags = fcntl(fd, F_GETFL);
    x->stream = fd;
    x->stream_watch = (struct watch){.fd = fd, .ready = stream_ready, .of = x};
    x->endless = true;
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return NULL;
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, stream_read, x, NULL);
}

/* To HEAD: libmicrohttpd would end the chunks that it never began. */
static struct MHD_Response *without_stream(int fd)
{
    file_close(&fd);
    return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *from_file(int fd, uint64_t offset, uint64_t length)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || offset > (uint64_t)st.st_size ||
        length > (uint64_t)st.st_size - offset) {
        file_close(&fd);
        return NULL;
    }
    struct MHD_Response *r = MHD_create_response_from_fd_at_offset64(length, fd, offset);
    if (r == NULL)
        file_close(&fd);
    return r; /* which owns the descriptor */
}

static bool make_response(struct exchange *x, const struct msg_CALL_REPLY *m, int fd)
{
    if (fd < 0)
        x->response = MHD_create_response_from_buffer(m->body.left, (void *)(uintptr_t)m->body.at,
                                                      MHD_RESPMEM_MUST_COPY);
    else if (m->length == UINT64_MAX && !x->head_only)
        x->response = from_stream(x, fd);
    else if (m->length == UINT64_MAX)
        x->response = without_stream(fd);
    else
        x->response = from_file(fd, m->offset, m->length);
    return x->response != NULL;
}

static bool read_reply(struct exchange *x, const struct msg_CALL_REPLY *m, int fd, struct err *e)
{
    struct reader headers = m->headers;
    struct record_PAIR pair;
    x->status = m->status;
    if (!make_response(x, m, fd))
        return err_set(e, ERR_INTERNAL, "reply body");
    if (m->status < 200 || m->status > 599)
        return err_set(e, ERR_INTERNAL, "reply status %u", m->status);
    begin_early(x);
    while (headers.left > 0) {
        if (!record_PAIR_next(&headers, &pair))
            return err_set(e, ERR_IPC_MESSAGE, "reply headers");
        if (!is_ours(pair.name) && !add_header(x, pair.name, pair.value))
            return err_set(e, ERR_INTERNAL, "a reply header that may not be sent");
    }
    end_early(x, m->body);
    if (fd >= 0)
        writer_reset(&x->early);
    return true;
}

void reply_from_core(struct exchange *x, const struct msg_CALL_REPLY *m, struct message *carrier)
{
    struct err e = {0};
    reply_done(x);
    if (!read_reply(x, m, message_take_fd(carrier, 0), &e))
        reply_problem(x, &e);
}

bool reply_queue(struct exchange *x)
{
    if (x->response == NULL)
        return false;
    /* Chunk lines that end in LF alone pass in libmicrohttpd, and a proxy may see other chunks in
     * them (RFC 9112 11.2): what follows on such a connection is never a request. */
    if (x->server->draining || x->length == UINT64_MAX)
        (void)MHD_add_response_header(x->response, "Connection", "close");
    x->stage = SENDING;
    x->answered = true;
    x->connection->marked = 0;
    return MHD_queue_response(x->connection->mhd, x->status, x->response) == MHD_YES;
}

static bool send_some(struct exchange *x, struct reader bytes)
{
    const union MHD_ConnectionInfo *tls =
        MHD_get_connection_info(x->connection->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    ssize_t n = tls != NULL ? gnutls_record_send(tls->tls_session, bytes.at, bytes.left)
                            : send(x->connection->watch.fd, bytes.at, bytes.left,
                                   MSG_NOSIGNAL | MSG_DONTWAIT);
    return n == (ssize_t)bytes.left;
}

/* libmicrohttpd takes a reply before the body or behind it. In between it has nothing of its own
 * to send, so one small write of ours does not mix with anything. */
bool reply_early(struct exchange *x)
{
    struct reader text = writer_view(&x->early);
    if (text.left == 0 || x->early.failed || !send_some(x, text))
        return false;
    x->answered = true;
    (void)MHD_set_connection_option(x->connection->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 1u);
    return true;
}

void reply_done(struct exchange *x)
{
    if (x->response != NULL)
        MHD_destroy_response(x->response);
    x->response = NULL;
    loop_forget(&x->server->loop, &x->stream_watch);
    file_close(&x->stream);
    x->stream = -1;
    x->endless = false;
}
