/* SPDX-License-Identifier: Apache-2.0 */
/* chancery-key: holds the signing keys and decides by itself whether each use was authorised.
 * Serves core, over the channel that the supervisor made. May read and write its key folder and
 * nothing else. Must never see the network, the database, a file of a user, or another program's
 * secrets. By hand, with the service stopped: create, show, unpin, restore (chancery-key --help).
 */
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "keystore/serve.h"
#include "procs/child.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct instant now(void)
{
    return (struct instant){clock_wall_ms(), clock_boot_ms()};
}

/* One key process for one folder, whoever started it. */
static bool lock_folder(int folder, int64_t patience_ms, struct err *e)
{
    int64_t end = clock_boot_ms() + patience_ms;
    while (flock(folder, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return err_errno(e, "lock key folder");
        if (clock_boot_ms() >= end)
            return err_user(e, ERR_KEY_FOLDER,
                            "The key folder is in use by a running service. Stop it first.");
        (void)poll(NULL, 0, 20);
    }
    return true;
}

/* Keys must not reach the swap; dumps are off by the sandbox. Under a limit (RLIMIT_MEMLOCK) later
 * allocations would fail, so it is tried: without enough room it goes on unlocked and says so. */
static void lock_memory(void)
{
    enum { ROOM = 256 << 20 };
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0) {
        void *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (room != MAP_FAILED) {
            (void)munmap(room, ROOM);
            return;
        }
        (void)munlockall();
    }
    log_line(LOG_WARNING, NULL,
             "memory is not locked: raise LimitMEMLOCK to infinity, or turn swap off");
}

/* --- service ------------------------------------------------------------------------------- */

static void note(const char *what, const struct err *e)
{
    log_err(e->code == ERR_GRANT_BROKEN ? LOG_ERROR : LOG_WARNING, NULL, what, e);
}

/* Takes what the supervisor says. *ret_stop: to end, in peace. */
static bool control(struct child *c, struct channel *core, bool *ret_fresh, bool *ret_stop,
                    struct err *e)
{
    struct child_event event;
    TRY(child_next(c, core->fd < 0 ? -1 : 0, &event, e));
    *ret_stop = event.kind == CHILD_STOP;
    if (event.kind == CHILD_PEER && event.peer.peer == ROLE_CORE) {
        channel_close(core);
        *core = event.peer;
        *ret_fresh = true;
    } else if (event.kind == CHILD_PEER) {
        channel_close(&event.peer);
    }
    return true;
}

static bool serve(struct child *c, struct serve *s, struct err *e)
{
    struct channel core = c->peers[ROLE_CORE];
    bool fresh = true, stop = false;
    enum serve_end end = SERVE_CONTROL;
    while (!stop) {
        if (core.fd >= 0) {
            TRY(serve_core(s, &core, fresh, c->supervisor.fd, &end, e));
            fresh = false;
            if (end == SERVE_CLOSED)
                channel_close(&core);
        }
        if (core.fd < 0 || end == SERVE_CONTROL)
            TRY(control(c, &core, &fresh, &stop, e));
    }
    channel_close(&core);
    return true;
}

static bool run(struct child *c, struct err *e)
{
    struct keystore *k = NULL;
    struct serve *s = NULL;
    CLEANUP(file_close) int folder = child_take_fd(c, 0);
    CLEANUP(file_close) int kek = child_take_secret(c, "key_seal");
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (folder < 0)
        return err_set(e, ERR_KEY_FOLDER, "the supervisor gave no key folder");
    /* The key process of a service that was killed a moment ago may still be at its end. */
    TRY(lock_folder(folder, 5000, e));
    lock_memory();
    TRY(child_walls(c, e));
    bool ok = keystore_open(folder, kek, now(), &k, e) &&
              serve_new(k, processors < 1 ? 1 : (unsigned)processors, note, &s, e);
    if (ok && k->journal.tail_dropped)
        log_line(LOG_WARNING, NULL,
                 "the journal ended in the middle of a write, which is dropped: "
                 "nobody was answered for it");
    ok = ok && child_ready(c, e) && serve(c, s, e);
    serve_free(s);
    keystore_free(k);
    return ok;
}

static int as_child(int argc, char **argv)
{
    struct child c;
    struct err e = {0};
    if (!child_begin(&c, ROLE_KEY, argc, argv, &e) || !crypto_start(&e) || !run(&c, &e))
        return child_fail(&c, &e);
    child_done(&c);
    return 0;
}

/* --- by hand ------------------------------------------------------------------------------- */

static bool open_folder(const char *path, int *ret, struct err *e)
{
    CLEANUP(file_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return err_errno(e, path);
    if ((st.st_mode & 077) != 0)
        return err_user(e, ERR_KEY_FOLDER,
                        "%s must belong to the service alone: make its mode 0700.", path);
    TRY(lock_folder(fd, 0, e));
    *ret = fd;
    fd = -1;
    return true;
}

static void show_pin(struct json *j, const struct pin *p)
{
    json_open_object(j, "pin");
    json_u64(j, "kinds", p->kinds);
    json_open_array(j, "algorithms");
    for (uint32_t i = 0; i < p->algorithm_count; i++)
        json_u64(j, NULL, p->algorithms[i]);
    json_end_array(j);
    json_u64(j, "maxSlots", p->max_slots);
    json_u64(j, "expires", p->expires);
    json_bool(j, "frozen", p->frozen);
    json_end_object(j);
}

/* One JSON document on stdout: nothing in it is secret. */
static bool show(const struct keystore *k, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    const struct state *s = &k->state;
    writer_init(&w, 16 << 20);
    struct json j = json_into(&w);
    json_open_object(&j, NULL);
    json_text(&j, "node", s->node);
    json_hex(&j, "logKey", s->log_key, s->log_key_len);
    json_u64(&j, "epoch", s->epoch);
    json_u64(&j, "journal", k->journal.next - 1);
    json_u64(&j, "size", s->head_size);
    json_hex(&j, "root", s->head_root.bytes, sizeof s->head_root.bytes);
    json_u64(&j, "openGrants", s->open_grants);
    json_open_array(&j, "keys");
    for (size_t i = 0; i < s->key_count; i++) {
        if (s->keys[i]->dropped)
            continue;
        json_open_object(&j, NULL);
        json_text(&j, "id", s->keys[i]->id);
        json_text(&j, "type", s->keys[i]->type_name);
        show_pin(&j, &s->keys[i]->pin);
        json_end_object(&j);
    }
    json_end_array(&j);
    json_end_object(&j);
    writer_text(&w, "\n");
    return writer_ok(&w, e) && file_write_fd(STDOUT_FILENO, writer_view(&w), e);
}

static bool do_create(int folder, char **argv, struct err *e)
{
    return keystore_create(folder, reader_text(argv[0]), now(), e);
}

static bool do_unpin(struct keystore *k, char **argv, struct err *e)
{
    static const struct pin none;
    return keystore_unpin(k, now(), reader_text(argv[0]), reader_text(argv[1]), &none, e);
}

static bool do_restore(struct keystore *k, char **argv, struct err *e)
{
    uint64_t size;
    uint8_t root[MERKLE_HASH];
    if (!text_u64(reader_text(argv[1]), &size) ||
        !text_unhex(reader_text(argv[2]), root, sizeof root))
        return err_user(e, ERR_USAGE,
                        "SIZE is a decimal number and ROOT has 64 hexadecimal digits.");
    return keystore_restore(k, now(), reader_text(argv[0]), size, reader_over(root, sizeof root),
                            e);
}

static const struct {
    const char *name, *arguments, *help;
    int count;
    bool (*on_folder)(int folder, char **argv, struct err *e);
    bool (*on_keystore)(struct keystore *k, char **argv, struct err *e);
} commands[] = {
    {"create", "FOLDER NODE", "make an empty folder the key folder of this node", 1, do_create,
     NULL},
    {"show", "FOLDER", "print its state", 0, NULL, NULL},
    {"unpin", "FOLDER KEY OPERATOR", "take all pins off a key, and unfreeze it", 2, NULL, do_unpin},
    {"restore", "FOLDER OPERATOR SIZE ROOT", "begin a new epoch over a restored log", 3, NULL,
     do_restore},
};

static int usage(void)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        (void)printf("chancery-key %s %s\n    %s\n", commands[i].name, commands[i].arguments,
                     commands[i].help);
    return 2;
}

static bool by_hand(size_t which, char **argv, struct err *e)
{
    CLEANUP(file_close) int folder = -1;
    struct keystore *k = NULL;
    TRY(crypto_start(e));
    TRY(open_folder(argv[0], &folder, e));
    lock_memory();
    if (commands[which].on_folder != NULL)
        TRY(commands[which].on_folder(folder, argv + 1, e));
    bool ok =
        keystore_open(folder, -1, now(), &k, e) &&
        (commands[which].on_keystore == NULL || commands[which].on_keystore(k, argv + 1, e)) &&
        show(k, e);
    keystore_free(k);
    return ok;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    if (argc == 1 || strncmp(argv[1], "--crash", 7) == 0)
        return as_child(argc, argv);
    log_start("chancery-key", LOG_INFO, LOG_AUTO);
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        if (argc != 3 + commands[i].count)
            return usage();
        if (by_hand(i, argv + 2, &e))
            return 0;
        log_err(LOG_ERROR, NULL, commands[i].name, &e);
        bool theirs = e.code == ERR_USAGE || e.code == ERR_KEY_FOLDER || e.code == ERR_KEY_UNKNOWN;
        return theirs ? 2 : 6;
    }
    return usage();
}
