/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "procs/handout.h"
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SECRET_MOST = 1 << 20, PAIRS_MOST = 100 * 1024 };

void handout_init(struct handout *h)
{
    *h = (struct handout){0};
    writer_init(&h->pairs, PAIRS_MOST);
}

void handout_done(struct handout *h)
{
    for (size_t i = h->borrowed; i < h->fd_count; i++)
        file_close(&h->fds[i]);
    writer_done(&h->pairs);
}

bool handout_borrow(struct handout *h, const int *fds, size_t count, struct err *e)
{
    if (count > MESSAGE_FDS)
        return err_set(e, ERR_INTERNAL, "%zu descriptors", count);
    for (size_t i = 0; i < count; i++)
        h->fds[i] = fds[i];
    h->fd_count = h->borrowed = count;
    return true;
}

void handout_pair(struct handout *h, const char *name, const char *value)
{
    record_PAIR_write(&h->pairs, &(struct record_PAIR){reader_text(name), reader_text(value)});
}

void handout_number(struct handout *h, const char *name, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    handout_pair(h, name, text);
}

/* "file:PATH", "credential:NAME" or a plain path. */
static int open_secret(const struct handout_place *place, const char *value, const char *name,
                       struct err *e)
{
    int fd = -1;
    if (strncmp(value, "credential:", 11) == 0) {
        char path[4096];
        if (strchr(value + 11, '/') != NULL || place->credentials == NULL) {
            (void)err_user(e, ERR_SETTING,
                           "%s is %s, but this service was not started with such a credential "
                           "(LoadCredential= of systemd).",
                           name, value);
            return -1;
        }
        (void)snprintf(path, sizeof path, "%s/%s", place->credentials, value + 11);
        fd = open(path, O_RDONLY | O_CLOEXEC);
    } else {
        fd = openat(place->data, strncmp(value, "file:", 5) == 0 ? value + 5 : value,
                    O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0)
        (void)err_user(e, ERR_SETTING, "%s: %s cannot be read: %s.", name, value, strerror(errno));
    return fd;
}

static bool is_plain_file(int fd, const char *name, const char *value, bool secret, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > SECRET_MOST)
        return err_user(e, ERR_SETTING, "%s: %s is no plain file of at most %d bytes.", name, value,
                        SECRET_MOST);
    if (secret && (st.st_mode & 04) != 0)
        return err_user(e, ERR_SETTING,
                        "%s: every user of this machine can read %s. Close it: chmod o-r.", name,
                        value);
    return true;
}

static bool load(int fd, struct writer *w, struct err *e)
{
    size_t got = 1;
    while (got > 0) {
        uint8_t *room = writer_room(w, 4096);
        if (room == NULL)
            return writer_ok(w, e);
        TRY(file_read_some(fd, room, 4096, &got, e));
        w->len -= 4096 - got;
    }
    return true;
}

static bool add_secret(struct handout *h, const struct handout_place *place, const char *name,
                       const char *value, bool secret, struct err *e)
{
    if (h->fd_count == MESSAGE_FDS)
        return err_user(e, ERR_SETTING, "%s: too many files for one program.", name);
    CLEANUP(file_close) int fd = open_secret(place, value, name, e);
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, SECRET_MOST + 8192);
    TRY(fd >= 0 && is_plain_file(fd, name, value, secret, e) && load(fd, &w, e));
    /* A password file ends with a line end that is not meant. A seal is any 32 bytes. */
    bool seal = strcmp(name, setting_row(SET_key_seal)->name) == 0 && w.len == 32;
    if (secret && !seal)
        while (w.len > 0 && (w.data[w.len - 1] == '\n' || w.data[w.len - 1] == '\r'))
            w.len--;
    TRY(file_memfd("secret", writer_view(&w), &h->fds[h->fd_count], e));
    char index[16];
    (void)snprintf(index, sizeof index, "fd:%zu", h->fd_count++);
    handout_pair(h, name, index);
    return true;
}

/* Roots of each time-stamp server: "tsa_ca.0" for the first of the list. */
static bool add_tsa_roots(struct handout *h, const struct settings *s,
                          const struct handout_place *place, struct err *e)
{
    struct reader list = reader_text(settings_text(s, SET_tsa)), item;
    for (unsigned i = 0; settings_item(&list, &item); i++) {
        struct setting_tsa tsa;
        TRY(settings_tsa(item, &tsa, e));
        if (tsa.ca.left == 0)
            continue;
        char name[24], path[4096];
        if (tsa.ca.left >= sizeof path)
            return err_user(e, ERR_SETTING, "tsa: the path behind ca= is too long.");
        (void)snprintf(name, sizeof name, "tsa_ca.%u", i);
        (void)snprintf(path, sizeof path, "%.*s", (int)tsa.ca.left, (const char *)tsa.ca.at);
        TRY(add_secret(h, place, name, path, false, e));
    }
    return true;
}

static bool add(struct handout *h, enum setting which, const struct settings *s,
                const struct handout_place *place, struct err *e)
{
    const struct setting_row *row = setting_row(which);
    const char *value = settings_text(s, which);
    bool secret = row->kind == SETTING_SECRET || which == SET_tls_key;
    /* The key process reads its own folder by itself. */
    if (which == SET_key_seal && strncmp(value, "file:key/", 9) == 0)
        handout_pair(h, row->name, value);
    else if ((row->kind == SETTING_FILE || row->kind == SETTING_SECRET) && value[0] != '\0')
        return add_secret(h, place, row->name, value, secret, e);
    else
        handout_pair(h, row->name, settings_plain(s, which));
    return true;
}

bool handout_settings(struct handout *h, enum role to, const struct settings *s,
                      const struct handout_place *place, struct err *e)
{
    static const char letters[ROLE__COUNT] = {
        [ROLE_FRONT] = 'f', [ROLE_CORE] = 'c', [ROLE_KEY] = 'k', [ROLE_FETCH] = 'x'};
    for (size_t i = 0; i < SET__COUNT; i++)
        if (letters[to] != '\0' && strchr(setting_row((enum setting)i)->to, letters[to]) != NULL)
            TRY(add(h, (enum setting)i, s, place, e));
    if (strchr(setting_row(SET_tsa)->to, letters[to]) != NULL)
        TRY(add_tsa_roots(h, s, place, e));
    return writer_ok(&h->pairs, e);
}
