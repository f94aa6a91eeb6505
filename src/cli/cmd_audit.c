/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"
#include "cli/cli.h"
#include "procs/launch.h"
#include <unistd.h>

/* A program of its own, so that `chancery` does not load databases at every start. */
int cmd_audit(struct cli *c, int argc, char **argv)
{
    struct err e = {0};
    char path[LAUNCH_PATH];
    (void)argc;
    if (launch_find("chancery-audit", path, &e)) {
        (void)execv(path, argv);
        (void)err_errno(&e, path);
    }
    return cli_fail(c, NULL, &e);
}
