/* SPDX-License-Identifier: Apache-2.0 */
/* chancery-fetch: every connection that leaves this service, for core, many at a time.
 * May: look up names, connect, speak TLS. Never sees: the database, a key, a file of the data
 * folder. What servers answer is passed on unread; who asked decides what it is worth.
 * Addresses of the operator (tsa) are used as written; those of users pass fetch_filter first. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/settings.h"
#include "base/text.h"
#include "procs/child.h"
#include <curl/curl.h>
#include <fcntl.h>
#include <nss.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SERVERS_MOST = 16,
    CALLS_MOST = 64,
    REQUEST_MOST = 64 * 1024,
    ANSWER_MOST = 96 * 1024, /* fits into a message */
    ROOTS_MOST = 4 << 20,
    CONNECT_MS = 10 * 1000,
    WAIT_MS = 1000,
};

struct server {
    const char *url;
    struct curl_blob roots; /* data NULL: those of the system */
};

/* One request on its way. */
struct fetch_call {
    bool used;
    uint64_t call;
    unsigned server;
    CURL *easy;
    struct curl_slist *headers;
    struct writer request, answer;
    char error[CURL_ERROR_SIZE];
    int64_t began;
};

struct fetch {
    struct child child;
    struct channel core;
    struct arena *arena;
    CURLM *multi;
    struct server servers[SERVERS_MOST];
    size_t server_count;
    struct curl_blob system_roots;
    struct fetch_call calls[CALLS_MOST];
    long timeout_ms;
    bool stopping;
    int64_t stop_due;
};

/* --- settings ------------------------------------------------------------------------------ */

static const char *const system_files[] = {"/etc/ssl/certs/ca-certificates.crt",
                                           "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};

/* Once, before the walls; a machine without roots can still speak to servers with ca=FILE. */
static bool load_system_roots(struct fetch *f, struct err *e)
{
    for (size_t i = 0; i < COUNT_OF(system_files); i++) {
        struct reader text;
        int fd = open(system_files[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        bool ok = file_read_fd(fd, ROOTS_MOST, f->arena, &text, e);
        file_close(&fd);
        TRY(ok);
        f->system_roots =
            (struct curl_blob){(void *)(uintptr_t)text.at, text.left, CURL_BLOB_NOCOPY};
        return true;
    }
    return true;
}

static bool load_own_roots(struct fetch *f, unsigned index, struct err *e)
{
    char name[24];
    struct reader own;
    (void)snprintf(name, sizeof name, "tsa_ca.%u", index);
    CLEANUP(file_close) int fd = child_take_secret(&f->child, name);
    if (fd < 0)
        return true;
    TRY(file_read_fd(fd, ROOTS_MOST, f->arena, &own, e));
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 2 * ROOTS_MOST);
    writer_bytes(&w, f->system_roots.data, f->system_roots.len);
    writer_u8(&w, '\n');
    writer_reader(&w, own);
    TRY(writer_ok(&w, e));
    struct reader all = arena_bytes(f->arena, writer_view(&w));
    if (all.at == NULL)
        return arena_err(e);
    f->servers[index].roots =
        (struct curl_blob){(void *)(uintptr_t)all.at, all.left, CURL_BLOB_NOCOPY};
    return true;
}

static bool load_servers(struct fetch *f, struct err *e)
{
    struct reader list = reader_text(child_setting(&f->child, "tsa")), item;
    for (; settings_item(&list, &item); f->server_count++) {
        struct setting_tsa tsa;
        if (f->server_count == SERVERS_MOST)
            return err_user(e, ERR_SETTING, "tsa: at most %d servers.", SERVERS_MOST);
        TRY(settings_tsa(item, &tsa, e));
        struct server *s = &f->servers[f->server_count];
        if ((s->url = arena_text(f->arena, tsa.url)) == NULL)
            return arena_err(e);
        s->roots = f->system_roots;
        TRY(load_own_roots(f, (unsigned)f->server_count, e));
    }
    f->timeout_ms = (long)child_number(&f->child, "tsa_timeout") * 1000;
    return true;
}

/* --- one request --------------------------------------------------------------------------- */

static size_t take_answer(char *data, size_t size, size_t n, void *ctx)
{
    struct fetch_call *c = ctx;
    writer_bytes(&c->answer, data, size * n);
    return c->answer.failed ? 0 : size * n; /* too much: curl ends the transfer */
}

static void drop(struct fetch *f, struct fetch_call *c)
{
    if (c->easy != NULL) {
        (void)curl_multi_remove_handle(f->multi, c->easy);
        curl_easy_cleanup(c->easy);
    }
    curl_slist_free_all(c->headers);
    writer_done(&c->request);
    writer_done(&c->answer);
    *c = (struct fetch_call){0};
}

static bool send_failure(struct fetch *f, uint64_t call, const struct err *why, struct err *e)
{
    struct msg_FAILED m = {.call = call,
                           .code = reader_text(err_machine_code(why->code)),
                           .user = reader_text(why->user),
                           .detail = reader_text(why->detail)};
    return channel_send_FAILED(&f->core, &m, NULL, 0, e);
}

/* What holds for every request: no redirect, no proxy, no cookie, no file, a limit on all. */
static bool restrict_easy(CURL *easy, struct fetch_call *c)
{
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_MAXFILESIZE, (long)ANSWER_MOST) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "chancery") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, c) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, c) == CURLE_OK;
}

/* RFC 3161 3.4. */
static bool prepare_stamp(struct fetch *f, struct fetch_call *c)
{
    const struct server *s = &f->servers[c->server];
    static const char *const headers[] = {"Content-Type: application/timestamp-query",
                                          "Accept: application/timestamp-reply", "Expect:"};
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        struct curl_slist *longer = curl_slist_append(c->headers, headers[i]);
        if (longer == NULL)
            return false;
        c->headers = longer;
    }
    return restrict_easy(c->easy, c) &&
           curl_easy_setopt(c->easy, CURLOPT_URL, s->url) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE, (long)c->request.len) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, c->request.data) == CURLE_OK &&
           curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, f->timeout_ms) == CURLE_OK &&
           (s->roots.len == 0 ||
            curl_easy_setopt(c->easy, CURLOPT_CAINFO_BLOB, &s->roots) == CURLE_OK);
}

static bool begin_stamp(struct fetch *f, const struct msg_FETCH_STAMP *m, struct err *why)
{
    if (m->server >= f->server_count)
        return err_set(why, ERR_USAGE, "there is no time-stamp server %u", m->server);
    if (m->request.left > REQUEST_MOST)
        return err_set(why, ERR_USAGE, "a request of %zu bytes", m->request.left);
    for (size_t i = 0; i < CALLS_MOST; i++) {
        struct fetch_call *c = &f->calls[i];
        if (c->used)
            continue;
        *c = (struct fetch_call){
            .used = true, .call = m->call, .server = m->server, .began = clock_boot_ms()};
        writer_init(&c->request, REQUEST_MOST);
        writer_init(&c->answer, ANSWER_MOST);
        writer_reader(&c->request, m->request);
        c->easy = curl_easy_init();
        if (c->easy != NULL && !c->request.failed && prepare_stamp(f, c) &&
            curl_multi_add_handle(f->multi, c->easy) == CURLM_OK)
            return true;
        drop(f, c);
        return err_set(why, ERR_NO_MEMORY, "request");
    }
    return err_set(why, ERR_FETCH, "more than %d requests at a time", CALLS_MOST);
}

static bool judge(struct fetch_call *c, CURLcode result, const char *url, struct err *why)
{
    long status = 0;
    const char *type = NULL;
    (void)curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(c->easy, CURLINFO_CONTENT_TYPE, &type);
    if (result != CURLE_OK)
        return err_set(why, ERR_FETCH, "%s: %s", url,
                       c->answer.failed      ? "the answer is too long"
                       : c->error[0] != '\0' ? c->error
                                             : curl_easy_strerror(result));
    if (status != 200)
        return err_set(why, ERR_FETCH, "%s answered with status %ld", url, status);
    if (type == NULL || strncasecmp(type, "application/timestamp-reply", 27) != 0)
        return err_set(why, ERR_FETCH, "%s answered with %.60s, no time-stamp reply", url,
                       type == NULL ? "no type" : type);
    return true;
}

static bool finish(struct fetch *f, CURLMsg *done, struct err *e)
{
    char *private = NULL;
    struct err why = {0};
    (void)curl_easy_getinfo(done->easy_handle, CURLINFO_PRIVATE, &private);
    struct fetch_call *c = (struct fetch_call *)(void *)private;
    const char *url = f->servers[c->server].url;
    bool ok = judge(c, done->data.result, url, &why);
    log_line(ok ? LOG_DEBUG : LOG_WARNING, url, "time stamp %s after %lld ms%s%s",
             ok ? "answered" : "failed", (long long)(clock_boot_ms() - c->began), ok ? "" : ": ",
             why.detail);
    struct msg_FETCHED m = {.call = c->call, .status = 200, .answer = writer_view(&c->answer)};
    ok = ok ? channel_send_FETCHED(&f->core, &m, NULL, 0, e) : send_failure(f, c->call, &why, e);
    drop(f, c);
    return ok;
}

/* --- the loop ------------------------------------------------------------------------------ */

static void drop_all(struct fetch *f)
{
    for (size_t i = 0; i < CALLS_MOST; i++)
        if (f->calls[i].used)
            drop(f, &f->calls[i]);
}

static bool serve_core(struct fetch *f, struct message *m, struct err *e)
{
    struct msg_HELLO hello;
    struct msg_FETCH_STAMP stamp;
    struct err why = {0};
    if (m->type == MSG_HELLO) {
        TRY(message_as_HELLO(m, &hello, e));
        if (!reader_equal_text(hello.build, channel_build_id()))
            return err_set(e, ERR_IPC_MESSAGE, "core is of another build");
        hello.build = reader_text(channel_build_id());
        return channel_send_HELLO(&f->core, &hello, NULL, 0, e);
    }
    TRY(message_as_FETCH_STAMP(m, &stamp, e));
    return begin_stamp(f, &stamp, &why) || send_failure(f, stamp.call, &why, e);
}

/* A core that went away takes its calls along; the next one asks anew. */
static void lose_core(struct fetch *f, const struct err *why)
{
    if (!f->stopping)
        log_err(LOG_WARNING, NULL, "core is away", why);
    drop_all(f);
    channel_close(&f->core);
}

static bool take_event(struct fetch *f, struct err *e)
{
    struct child_event event;
    TRY(child_next(&f->child, 0, &event, e));
    if (event.kind == CHILD_STOP) {
        f->stopping = true;
        f->stop_due = clock_boot_ms() + 1000 * (int64_t)event.drain_seconds;
    }
    if (event.kind == CHILD_PEER && event.peer.peer == ROLE_CORE) {
        drop_all(f);
        channel_close(&f->core);
        f->core = event.peer;
    } else if (event.kind == CHILD_PEER) {
        channel_close(&event.peer);
    }
    return true;
}

static bool any_call(const struct fetch *f)
{
    for (size_t i = 0; i < CALLS_MOST; i++)
        if (f->calls[i].used)
            return true;
    return false;
}

static bool turn(struct fetch *f, struct message *m, struct err *e)
{
    int running, left;
    struct err lost = {0};
    struct curl_waitfd ours[] = {{.fd = f->child.supervisor.fd, .events = CURL_WAIT_POLLIN},
                                 {.fd = f->core.fd, .events = CURL_WAIT_POLLIN}};
    unsigned count = f->core.fd < 0 ? 1 : 2;
    if (curl_multi_poll(f->multi, ours, count, WAIT_MS, NULL) != CURLM_OK ||
        curl_multi_perform(f->multi, &running) != CURLM_OK)
        return err_set(e, ERR_INTERNAL, "curl");
    for (CURLMsg *done; (done = curl_multi_info_read(f->multi, &left)) != NULL;)
        if (done->msg == CURLMSG_DONE && !finish(f, done, &lost)) {
            lose_core(f, &lost);
            return true;
        }
    if (count == 2 && ours[1].revents != 0 &&
        (!channel_receive(&f->core, m, &lost) || !serve_core(f, m, &lost)))
        lose_core(f, &lost);
    return ours[0].revents == 0 || take_event(f, e);
}

static bool serve(struct fetch *f, struct err *e)
{
    CLEANUP(message_done) struct message m = {0};
    while (!f->stopping || (any_call(f) && clock_boot_ms() < f->stop_due))
        TRY(turn(f, &m, e));
    return true;
}

static bool prepare(struct fetch *f, struct err *e)
{
    f->arena = arena_new(64 << 20);
    if (f->arena == NULL)
        return err_set(e, ERR_NO_MEMORY, "fetch");
    TRY(load_system_roots(f, e));
    TRY(load_servers(f, e));
    /* Only what the C library brings itself: nothing is loaded behind the walls. */
    if (__nss_configure_lookup("hosts", "files dns") != 0)
        return err_errno(e, "nss");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        (f->multi = curl_multi_init()) == NULL ||
        curl_multi_setopt(f->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CALLS_MOST) != CURLM_OK)
        return err_set(e, ERR_NO_MEMORY, "curl");
    f->core = f->child.peers[ROLE_CORE];
    f->child.peers[ROLE_CORE].fd = -1;
    return true;
}

static void end(struct fetch *f)
{
    drop_all(f);
    if (f->multi != NULL)
        (void)curl_multi_cleanup(f->multi);
    channel_close(&f->core);
    arena_free(f->arena);
    child_done(&f->child);
}

int main(int argc, char **argv)
{
    static struct fetch f = {.core = {.fd = -1}};
    struct err e = {0};
    (void)signal(SIGPIPE, SIG_IGN);
    if (!child_begin(&f.child, ROLE_FETCH, argc, argv, &e) || !prepare(&f, &e) ||
        !child_walls(&f.child, &e) || !child_ready(&f.child, &e))
        return child_fail(&f.child, &e);
    bool ok = serve(&f, &e);
    if (!ok)
        log_err(LOG_ERROR, NULL, "fetch ends", &e);
    end(&f);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
