/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "procs/launch.h"
#include <stdint.h>
#include <unistd.h>

enum { ARGUMENTS = 4096 };

/* What needs HTTP or YAML is a program of its own, which takes our place. */
int cmd_remote(struct cli *c, int argc, char **argv)
{
    struct err e = {0};
    char path[LAUNCH_PATH];
    const char **arguments = ARENA_ARRAY(c->arena, (size_t)argc + 2, const char *);
    if (argc > ARGUMENTS || arguments == NULL)
        (void)err_user(&e, ERR_USAGE, "There are too many arguments.");
    else if (launch_find("chancery-remote", path, &e)) {
        arguments[0] = path;
        for (int i = 0; i < argc; i++)
            arguments[i + 1] = argv[i];
        (void)execv(path, (char *const *)(uintptr_t)arguments);
        (void)err_errno(&e, path);
    }
    return cli_fail(c, NULL, &e);
}
