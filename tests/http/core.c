/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for core, for the tests of the HTTP side: starts the server in a process of its own
 * and answers calls as the path asks. Prints the port. Arguments: NAME=VALUE, see `arguments`. */
#define _GNU_SOURCE
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "ipc/channel.h"
#include "web/http/server.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct file {
    struct file *next;
    pthread_t thread;
    char name[256], filename[512], type[256];
    int fd;
    uint64_t size, hash;
    unsigned wait_ms;
    bool skip_hash;
};

struct call {
    struct call *next;
    uint64_t number;
    char target[512];
    bool answered;
    struct writer fields; /* JSON pairs */
    struct json json;
    struct file *files, **last;
};

static struct channel to_front, to_server;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct call *calls;
static unsigned gone, cuts, finished;

static void must(bool ok, const struct err *e)
{
    if (ok)
        return;
    (void)fprintf(stderr, "test core: %s %s\n", e->user, e->detail);
    exit(3);
}

static void sent(bool ok, const struct err *e)
{
    if (!ok)
        (void)fprintf(stderr, "test core: %s\n", e->detail);
}

static unsigned long option(const char *target, const char *name, unsigned long otherwise)
{
    char key[40];
    (void)snprintf(key, sizeof key, "%s=", name);
    const char *at = strstr(target, key);
    return at == NULL ? otherwise : strtoul(at + strlen(key), NULL, 10);
}

static void copy(struct reader from, char *to, size_t size)
{
    (void)snprintf(to, size, "%.*s", (int)from.left, (const char *)from.at);
}

static bool is_path(const char *target, const char *path)
{
    size_t n = strlen(path);
    return strncmp(target, path, n) == 0 && (target[n] == '\0' || target[n] == '?');
}

static void reply_fd(uint64_t call, unsigned status, struct reader body, int fd, uint64_t offset,
                     uint64_t length)
{
    struct err e = {0};
    CLEANUP(writer_done) struct writer headers = {0};
    writer_init(&headers, 4096);
    record_PAIR_write(&headers, &(struct record_PAIR){reader_text("Content-Type"),
                                                      reader_text("application/json")});
    record_PAIR_write(&headers, &(struct record_PAIR){reader_text("X-Core"), reader_text("yes")});
    (void)pthread_mutex_lock(&lock);
    sent(channel_send_CALL_REPLY(&to_front,
                                 &(struct msg_CALL_REPLY){.call = call,
                                                          .status = status,
                                                          .headers = writer_view(&headers),
                                                          .body = body,
                                                          .offset = offset,
                                                          .length = length},
                                 &fd, fd >= 0, &e),
         &e);
    (void)pthread_mutex_unlock(&lock);
}

static void reply_text(uint64_t call, unsigned status, const char *text)
{
    reply_fd(call, status, reader_text(text), -1, 0, 0);
}

static void admit(uint64_t call, uint64_t limit)
{
    struct err e = {0};
    (void)pthread_mutex_lock(&lock);
    sent(channel_send_CALL_ADMIT(&to_front, &(struct msg_CALL_ADMIT){call, limit}, NULL, 0, &e),
         &e);
    (void)pthread_mutex_unlock(&lock);
}

static struct call *find(uint64_t number)
{
    for (struct call *c = calls; c != NULL; c = c->next)
        if (c->number == number)
            return c;
    return NULL;
}

static void *read_file(void *of)
{
    struct file *f = of;
    static _Thread_local uint8_t piece[256 * 1024];
    (void)usleep(f->wait_ms * 1000);
    f->hash = 14695981039346656037ull;
    for (;;) {
        ssize_t n = read(f->fd, piece, sizeof piece);
        if (n <= 0)
            break;
        f->size += (uint64_t)n;
        for (ssize_t i = 0; i < n && !f->skip_hash; i++)
            f->hash = (f->hash ^ piece[i]) * 1099511628211ull;
    }
    (void)close(f->fd);
    return NULL;
}

struct later {
    uint64_t call;
    unsigned long ms;
};

static void *answer_later(void *of)
{
    struct later *l = of;
    (void)usleep((useconds_t)(l->ms * 1000));
    reply_text(l->call, 200, "\"late\"");
    free(l);
    return NULL;
}

struct streaming {
    int fd;
    unsigned long count, ms;
};

static void *stream(void *of)
{
    struct streaming *s = of;
    char line[64];
    for (unsigned long i = 0; i < s->count; i++) {
        int n = snprintf(line, sizeof line, "data: %lu\n\n", i);
        if (write(s->fd, line, (size_t)n) != n)
            break;
        (void)usleep((useconds_t)(s->ms * 1000));
    }
    (void)close(s->fd);
    free(s);
    return NULL;
}

static void in_thread(void *(*run)(void *), void *of)
{
    pthread_t t;
    pthread_attr_t a;
    (void)pthread_attr_init(&a);
    (void)pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&a, 1024 * 1024);
    if (pthread_create(&t, &a, run, of) != 0)
        abort();
    (void)pthread_attr_destroy(&a);
}

static void echo(const struct msg_CALL_OPEN *m)
{
    struct reader headers = m->headers;
    struct record_PAIR p;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 100 * 1024);
    struct json j = json_into(&w);
    json_open_object(&j, NULL);
    json_bytes(&j, "method", m->method);
    json_bytes(&j, "target", m->target);
    json_bytes(&j, "peer", m->peer);
    json_bool(&j, "tls", m->tls != 0);
    json_open_array(&j, "headers");
    while (headers.left > 0 && record_PAIR_next(&headers, &p)) {
        json_open_array(&j, NULL);
        json_bytes(&j, NULL, p.name);
        json_bytes(&j, NULL, p.value);
        json_end_array(&j);
    }
    json_end_array(&j);
    json_end_object(&j);
    reply_fd(m->call, 200, writer_view(&w), -1, 0, 0);
}

static void hold_call(const struct msg_CALL_OPEN *m, const char *target)
{
    struct call *c = calloc(1, sizeof *c);
    if (c == NULL)
        abort();
    c->number = m->call;
    copy(reader_text(target), c->target, sizeof c->target);
    writer_init(&c->fields, 4 << 20);
    c->json = json_into(&c->fields);
    json_open_array(&c->json, NULL);
    c->last = &c->files;
    c->next = calls;
    calls = c;
    admit(m->call, option(target, "limit", 8ul << 30));
}

static void send_file(const struct msg_CALL_OPEN *m, const char *target)
{
    unsigned long size = option(target, "size", 1000), offset = option(target, "offset", 0);
    CLEANUP(file_close) int fd = memfd_create("reply", MFD_CLOEXEC);
    char block[4096];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)('a' + i % 23);
    for (unsigned long at = 0; at < size + offset; at += sizeof block)
        if (write(fd, block, sizeof block) != sizeof block)
            abort();
    reply_fd(m->call, 200, reader_text(""), fd, offset, option(target, "length", size));
}

static void send_stream(const struct msg_CALL_OPEN *m, const char *target)
{
    int ends[2];
    struct streaming *s = calloc(1, sizeof *s);
    if (s == NULL || pipe2(ends, O_CLOEXEC) != 0)
        abort();
    *s = (struct streaming){ends[1], option(target, "n", 3), option(target, "ms", 50)};
    reply_fd(m->call, 200, reader_text(""), ends[0], 0, UINT64_MAX);
    (void)close(ends[0]);
    in_thread(stream, s);
}

static void new_channel(void)
{
    int ends[2];
    struct err e = {0};
    must(channel_pair(ends, &e), &e);
    channel_close(&to_front);
    to_front = (struct channel){ends[0], ROLE_CORE, ROLE_FRONT};
    must(channel_send_PEER(&to_server, &(struct msg_PEER){ROLE_CORE}, &ends[1], 1, &e), &e);
    (void)close(ends[1]);
}

static void bad_header(uint64_t call)
{
    struct err e = {0};
    CLEANUP(writer_done) struct writer headers = {0};
    writer_init(&headers, 4096);
    record_PAIR_write(&headers, &(struct record_PAIR){reader_text("X-Bad"),
                                                      reader_text("a\r\nSet-Cookie: evil=1")});
    sent(channel_send_CALL_REPLY(&to_front,
                                 &(struct msg_CALL_REPLY){
                                     .call = call, .status = 200, .headers = writer_view(&headers)},
                                 NULL, 0, &e),
         &e);
}

static void opened(const struct msg_CALL_OPEN *m)
{
    char target[9000], text[100];
    (void)snprintf(target, sizeof target, "%.*s", (int)m->target.left, (const char *)m->target.at);
    struct err e = {0};
    if (is_path(target, "/echo")) {
        echo(m);
    } else if (is_path(target, "/refuse")) {
        reply_text(m->call, 401, "{\"code\":\"token.missing\"}");
    } else if (is_path(target, "/status")) {
        reply_text(m->call, (unsigned)option(target, "code", 200), "{}");
    } else if (is_path(target, "/late")) {
        struct later *l = calloc(1, sizeof *l);
        if (l == NULL)
            abort();
        *l = (struct later){m->call, option(target, "ms", 100)};
        in_thread(answer_later, l);
    } else if (is_path(target, "/file")) {
        send_file(m, target);
    } else if (is_path(target, "/stream")) {
        send_stream(m, target);
    } else if (is_path(target, "/badheader")) {
        bad_header(m->call);
    } else if (is_path(target, "/counts")) {
        (void)snprintf(text, sizeof text, "{\"gone\":%u,\"cut\":%u,\"ends\":%u}", gone, cuts,
                       finished);
        reply_text(m->call, 200, text);
    } else if (is_path(target, "/die")) {
        channel_close(&to_front);
        (void)usleep((useconds_t)(option(target, "ms", 500) * 1000));
        new_channel();
    } else if (is_path(target, "/drain")) {
        reply_text(m->call, 200, "\"draining\"");
        must(channel_send_STOP(&to_server, &(struct msg_STOP){5}, NULL, 0, &e), &e);
    } else if (!is_path(target, "/never")) {
        hold_call(m, target);
    }
}

static void field(const struct msg_CALL_FIELD *m)
{
    struct call *c = find(m->call);
    if (c == NULL)
        return;
    json_open_array(&c->json, NULL);
    json_bytes(&c->json, NULL, m->name);
    json_bytes(&c->json, NULL, m->value);
    json_end_array(&c->json);
    if (is_path(c->target, "/midreply") && !c->answered) {
        c->answered = true;
        reply_text(c->number, 422, "{\"code\":\"slug.unknown\"}");
    }
}

static void add_file(const struct msg_CALL_FILE *m, int fd)
{
    struct call *c = find(m->call);
    struct file *f = calloc(1, sizeof *f);
    if (c == NULL || f == NULL || is_path(c->target, "/closepipe")) {
        (void)close(fd);
        free(f);
        if (c != NULL && !c->answered)
            reply_text(m->call, 422, "{\"code\":\"file.unwanted\"}");
        if (c != NULL)
            c->answered = true;
        return;
    }
    copy(m->name, f->name, sizeof f->name);
    copy(m->filename, f->filename, sizeof f->filename);
    copy(m->content_type, f->type, sizeof f->type);
    f->fd = fd;
    f->wait_ms = (unsigned)option(c->target, "stall", 0);
    f->skip_hash = option(c->target, "fast", 0) != 0;
    if (pthread_create(&f->thread, NULL, read_file, f) != 0)
        abort();
    *c->last = f;
    c->last = &f->next;
}

static void answer_body(struct call *c)
{
    CLEANUP(writer_done) struct writer w = {0};
    char hash[20];
    writer_init(&w, 120 * 1024);
    struct json j = json_into(&w);
    json_end_array(&c->json);
    json_open_object(&j, NULL);
    json_raw(&j, "fields", writer_view(&c->fields));
    json_open_array(&j, "files");
    for (const struct file *f = c->files; f != NULL; f = f->next) {
        (void)snprintf(hash, sizeof hash, "%016llx", (unsigned long long)f->hash);
        json_open_object(&j, NULL);
        json_text(&j, "name", f->name);
        json_text(&j, "filename", f->filename);
        json_text(&j, "type", f->type);
        json_u64(&j, "size", f->size);
        json_text(&j, "hash", hash);
        json_end_object(&j);
    }
    json_end_array(&j);
    json_end_object(&j);
    reply_fd(c->number, 200, writer_view(&w), -1, 0, 0);
}

static void drop(struct call *c)
{
    struct call **at = &calls;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    writer_done(&c->fields);
    while (c->files != NULL) {
        struct file *f = c->files;
        c->files = f->next;
        free(f);
    }
    free(c);
}

static void ended(const struct msg_CALL_END *m)
{
    struct call *c = find(m->call);
    struct err e = {0};
    char code[64], detail[256], text[512];
    finished++;
    if (c == NULL)
        return;
    for (struct file *f = c->files; f != NULL; f = f->next)
        (void)pthread_join(f->thread, NULL);
    copy(m->code, code, sizeof code);
    copy(m->detail, detail, sizeof detail);
    if (strcmp(code, "http.cut") == 0)
        cuts++;
    if (!c->answered && m->complete != 0) {
        answer_body(c);
    } else if (!c->answered) {
        (void)err_from(&e, code, "", detail);
        CLEANUP(writer_done) struct writer w = {0};
        writer_init(&w, sizeof text - 1);
        struct json j = json_into(&w);
        json_open_object(&j, NULL);
        json_text(&j, "code", code);
        json_text(&j, "detail", detail);
        json_end_object(&j);
        reply_fd(c->number, (unsigned)err_http_status(e.code), writer_view(&w), -1, 0, 0);
    }
    drop(c);
}

static void dispatch(struct message *m)
{
    struct err e = {0};
    struct msg_CALL_OPEN open;
    struct msg_CALL_FIELD part;
    struct msg_CALL_FILE file;
    struct msg_CALL_END end;
    struct msg_CALL_GONE left;
    switch (m->type) {
    case MSG_CALL_OPEN:
        must(message_as_CALL_OPEN(m, &open, &e), &e);
        opened(&open);
        break;
    case MSG_CALL_FIELD:
        must(message_as_CALL_FIELD(m, &part, &e), &e);
        field(&part);
        break;
    case MSG_CALL_FILE:
        must(message_as_CALL_FILE(m, &file, &e), &e);
        add_file(&file, message_take_fd(m, 0));
        break;
    case MSG_CALL_END:
        must(message_as_CALL_END(m, &end, &e), &e);
        ended(&end);
        break;
    case MSG_CALL_GONE:
        must(message_as_CALL_GONE(m, &left, &e), &e);
        gone++;
        if (find(left.call) != NULL) {
            for (struct file *f = find(left.call)->files; f != NULL; f = f->next)
                (void)pthread_join(f->thread, NULL);
            drop(find(left.call));
        }
        break;
    default:
        abort();
    }
}

/* --- the server process ----------------------------------------------------------------- */

struct serving {
    struct server *server;
    struct channel supervisor;
    struct message message;
};

static void supervisor_ready(void *ctx, uint32_t events)
{
    (void)events;
    struct serving *s = ctx;
    struct err e = {0};
    struct msg_STOP stop;
    if (!channel_receive(&s->supervisor, &s->message, &e)) {
        server_drain(s->server, 0);
    } else if (s->message.type == MSG_PEER) {
        int fd = message_take_fd(&s->message, 0);
        must(server_core(s->server, (struct channel){fd, ROLE_FRONT, ROLE_CORE}, &e), &e);
    } else if (s->message.type == MSG_STOP) {
        must(message_as_STOP(&s->message, &stop, &e), &e);
        server_drain(s->server, stop.drain_seconds);
    }
}

static void log_done(void *ctx, const struct server_done *d)
{
    (void)ctx;
    if (getenv("HTTP_TEST_LOG") != NULL)
        (void)fprintf(stderr, "%s %s %s %u %llu\n", d->peer, d->method, d->path, d->status,
                      (unsigned long long)d->received);
}

static int serve(struct server_options *o, int core, int supervisor)
{
    struct err e = {0};
    struct serving s = {.supervisor = {supervisor, ROLE_FRONT, ROLE_SUPERVISOR}};
    (void)signal(SIGPIPE, SIG_IGN);
    o->done = log_done;
    must(server_new(o, &s.server, &e), &e);
    must(server_watch(s.server, supervisor, supervisor_ready, &s, &e), &e);
    must(server_core(s.server, (struct channel){core, ROLE_FRONT, ROLE_CORE}, &e), &e);
    must(server_run(s.server, &e), &e);
    server_free(s.server);
    message_done(&s.message);
    return 0;
}

static int listener(unsigned *ret_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, size) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        abort();
    *ret_port = ntohs(at.sin_port);
    return fd;
}

static char *whole_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = calloc(1, 100000);
    if (f == NULL || text == NULL || fread(text, 1, 99999, f) == 0)
        abort();
    (void)fclose(f);
    return text;
}

static void arguments(struct server_options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *value = strchr(a, '=') + 1;
        unsigned long n = strtoul(value, NULL, 10);
        if (strncmp(a, "cert=", 5) == 0)
            o->certificate = whole_file(value);
        else if (strncmp(a, "key=", 4) == 0)
            o->key = whole_file(value);
        else if (strncmp(a, "head_ms=", 8) == 0)
            o->head_ms = (int64_t)n;
        else if (strncmp(a, "idle_ms=", 8) == 0)
            o->idle_ms = (int64_t)n;
        else if (strncmp(a, "rate=", 5) == 0)
            o->least_rate = (uint32_t)n;
        else if (strncmp(a, "per_loopback=", 13) == 0)
            o->per_loopback = (uint32_t)n;
        else if (strncmp(a, "connections=", 12) == 0)
            o->connections = (uint32_t)n;
        else if (strncmp(a, "trusted=", 8) == 0 &&
                 address_range_read(reader_text(value), &o->trusted[o->trusted_count]))
            o->trusted_count++;
        else
            abort();
    }
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct server_options o = server_defaults();
    struct rlimit limit;
    int core[2], supervisor[2];
    unsigned port = 0;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    o.listeners[0] = listener(&port);
    o.listener_count = 1;
    arguments(&o, argc, argv);
    must(channel_pair(core, &e) && channel_pair(supervisor, &e), &e);
    pid_t child = fork();
    if (child == 0) {
        (void)close(core[0]);
        (void)close(supervisor[0]);
        return serve(&o, core[1], supervisor[1]);
    }
    (void)close(core[1]);
    (void)close(supervisor[1]);
    (void)close(o.listeners[0]);
    to_front = (struct channel){core[0], ROLE_CORE, ROLE_FRONT};
    to_server = (struct channel){supervisor[0], ROLE_SUPERVISOR, ROLE_FRONT};
    (void)signal(SIGPIPE, SIG_IGN);
    (void)printf("%u %d\n", port, (int)child);
    (void)fflush(stdout);
    struct message m = {0};
    while (channel_receive(&to_front, &m, &e))
        dispatch(&m);
    message_done(&m);
    return 0;
}
