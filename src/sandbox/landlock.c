/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/file.h"
#include "sandbox/profiles.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's interface (Documentation/userspace-api/landlock.rst), spelled out here because
 * Debian 12's header ends at ABI 2. */
#define VERSION_QUERY (1u << 0)
enum { RULE_PATH_BENEATH = 1 };
enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_CHAR = 1 << 6,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SOCK = 1 << 9,
    FS_MAKE_FIFO = 1 << 10,
    FS_MAKE_BLOCK = 1 << 11,
    FS_MAKE_SYM = 1 << 12,
    FS_REFER = 1 << 13,     /* ABI 2 */
    FS_TRUNCATE = 1 << 14,  /* ABI 3 */
    FS_IOCTL_DEV = 1 << 15, /* ABI 5 */
    FS_FIRST = (1 << 13) - 1,
    NET_BIND_TCP = 1 << 0, /* ABI 4 */
    NET_CONNECT_TCP = 1 << 1,
    SCOPE_ABSTRACT_UNIX = 1 << 0, /* ABI 6 */
    SCOPE_SIGNAL = 1 << 1,
    RIGHTS_FILE = FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE,
    RIGHTS_READ = FS_READ_FILE | FS_READ_DIR,
    RIGHTS_WRITE = FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG |
                   FS_REFER | FS_TRUNCATE,
};

struct ruleset_attr {
    uint64_t fs, net, scoped;
};
struct path_attr {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

int sandbox_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_QUERY);
    return abi < 0 ? 0 : (int)abi;
}

static uint64_t fs_rights(int abi)
{
    return FS_FIRST | (abi >= 2 ? FS_REFER : 0u) | (abi >= 3 ? FS_TRUNCATE : 0u) |
           (abi >= 5 ? FS_IOCTL_DEV : 0u);
}

/* -1 with *e unset: there is no such path on this machine, so there is nothing to allow. */
static int open_path(const struct profile_path *path, const struct sandbox_want *want,
                     struct err *e)
{
    CLEANUP(file_close) int base = -1;
    const char *where = path->base == BASE_DATA ? want->data : "/";
    if (path->base == BASE_FOLDER)
        base = fcntl(want->folder, F_DUPFD_CLOEXEC, 0);
    else if (where != NULL)
        base = open(where, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (base < 0) {
        (void)err_errno(e, path->path);
        return -1;
    }
    int fd = openat(base, path->path, O_PATH | O_CLOEXEC);
    if (fd < 0 && path->base != BASE_ROOT)
        (void)err_errno(e, path->path);
    return fd;
}

static bool allow(int ruleset, const struct profile_path *path, const struct sandbox_want *want,
                  uint64_t handled, struct err *e)
{
    struct stat st;
    CLEANUP(file_close) int fd = open_path(path, want, e);
    if (fd < 0)
        return e->code == ERR_NONE;
    if (fstat(fd, &st) != 0)
        return err_errno(e, path->path);
    uint64_t rights = ((path->rights & PATH_READ) != 0 ? RIGHTS_READ : 0u) |
                      ((path->rights & PATH_WRITE) != 0 ? RIGHTS_WRITE : 0u);
    struct path_attr attr = {.fd = fd};
    attr.allowed = handled & (S_ISDIR(st.st_mode) ? rights : rights & RIGHTS_FILE);
    if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &attr, 0) != 0)
        return err_errno(e, "landlock_add_rule");
    return true;
}

bool landlock_enter(const struct profile *p, const struct sandbox_want *want, int *ret_abi,
                    struct err *e)
{
    int abi = sandbox_landlock_abi();
    *ret_abi = abi;
    if (abi == 0)
        return true;
    struct ruleset_attr attr = {.fs = fs_rights(abi)};
    size_t size = sizeof attr.fs;
    if (abi >= 4) {
        attr.net = NET_BIND_TCP | (p->network ? 0u : NET_CONNECT_TCP);
        size += sizeof attr.net;
    }
    if (abi >= 6) {
        attr.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
        size += sizeof attr.scoped;
    }
    CLEANUP(file_close) int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0)
        return err_errno(e, "landlock_create_ruleset");
    for (size_t i = 0; i < COUNT_OF(p->paths) && p->paths[i].path != NULL; i++)
        TRY(allow(ruleset, &p->paths[i], want, attr.fs, e));
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        return err_errno(e, "landlock_restrict_self");
    return true;
}
