/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "cli/output.h"
#include "base/file.h"
#include "base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool refuse_existing(const char *path, struct err *e)
{
    return err_user(e, ERR_USAGE, "\"%.250s\" exists already; --force replaces it.", path);
}

bool output_open(struct arena *a, const char *path, bool force, unsigned mode, struct output *ret,
                 struct err *e)
{
    struct stat st;
    if (!force && lstat(path, &st) == 0)
        return refuse_existing(path, e);
    uint8_t random[6];
    char hex[13];
    TRY(file_random(random, sizeof random, e));
    text_hex(random, sizeof random, hex);
    hex[12] = '\0';
    const char *temporary = arena_format(a, "%s.%s.tmp", path, hex);
    if (temporary == NULL)
        return arena_err(e);
    int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode & 0777);
    if (fd < 0)
        return err_user(e, ERR_IO, "\"%.250s\" cannot be written: %s.", path, strerror(errno));
    *ret = (struct output){.fd = fd, .path = path, .temporary = temporary, .force = force};
    return true;
}

bool output_keep(struct output *o, struct err *e)
{
    if (close(o->fd) != 0) {
        o->fd = -1;
        return err_errno(e, o->path);
    }
    o->fd = -1;
    if (o->force ? rename(o->temporary, o->path) != 0 : link(o->temporary, o->path) != 0) {
        if (errno == EEXIST)
            return refuse_existing(o->path, e);
        return err_user(e, ERR_IO, "\"%.250s\" cannot be written: %s.", o->path, strerror(errno));
    }
    if (!o->force)
        (void)unlink(o->temporary);
    o->temporary = NULL;
    return true;
}

void output_done(struct output *o)
{
    file_close(&o->fd);
    if (o->temporary != NULL)
        (void)unlink(o->temporary);
    o->temporary = NULL;
}
