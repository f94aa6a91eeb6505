/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "procs/launch.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char usage[] = "usage: chancery serve --data DIR [--listen ADDRESS:PORT] "
                            "[--settings FILE]\n";

/* The supervisor takes our place: whoever watches this process watches the service. */
int cmd_serve(struct cli *c, int argc, char **argv)
{
    const char *data = NULL, *listen = NULL, *rest[1];
    const struct option_row rows[] = {
        {"--data", OPTION_VALUE, &data, "the data folder (chancery init makes one)"},
        {"--listen", OPTION_VALUE, &listen, "address and port; port 0 takes a free one"},
        {0},
    };
    size_t count;
    struct err e = {0};
    char path[LAUNCH_PATH];
    if (cli_help(argc, argv, usage, rows))
        return CLI_OK;
    if (!cli_options(c, argc, argv, rows, rest, 0, &count, &e))
        return cli_fail(c, NULL, &e);
    if (data == NULL) {
        (void)err_user(&e, ERR_USAGE, "serve needs the data folder: --data DIR");
        return cli_fail(c, NULL, &e);
    }
    if (!launch_find("chanceryd", path, &e))
        return cli_fail(c, NULL, &e);
    const char *args[8] = {path, "--data", data};
    size_t n = 3;
    if (listen != NULL) {
        args[n++] = "--listen";
        args[n++] = listen;
    }
    if (c->settings != NULL) {
        args[n++] = "--settings";
        args[n++] = c->settings;
    }
    (void)execv(path, (char *const *)(uintptr_t)args);
    (void)err_errno(&e, path);
    return cli_fail(c, NULL, &e);
}
