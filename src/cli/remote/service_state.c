/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "cli/remote/service_state.h"
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { URL_MOST = 4096 };

/* The supervisor holds an exclusive lock for as long as it runs. */
static bool is_locked(int folder, bool *ret, struct err *e)
{
    CLEANUP(file_close) int fd = openat(folder, "run/pid", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    *ret = false;
    if (fd < 0)
        return errno == ENOENT || err_errno(e, "run/pid");
    if (flock(fd, LOCK_SH | LOCK_NB) == 0)
        return true;
    *ret = true;
    return errno == EWOULDBLOCK || err_errno(e, "run/pid");
}

bool service_state_read(struct arena *a, const char *data, struct service_state *ret, struct err *e)
{
    struct reader text;
    struct err missing = {0};
    *ret = (struct service_state){.url = ""};
    CLEANUP(file_close) int folder = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return err_user(e, ERR_USAGE, "The data folder %.200s cannot be opened: %s.", data,
                        strerror(errno));
    TRY(is_locked(folder, &ret->running, e));
    if (!ret->running || !file_read(folder, "run/url", URL_MOST, a, &text, &missing))
        return true;
    while (text.left > 0 && text.at[text.left - 1] == '\n')
        text.left--;
    const char *url = arena_text(a, text);
    if (url == NULL)
        return arena_err(e);
    ret->url = url;
    return true;
}
