/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "procs/launch.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] = "usage: chancery key show --data DIR\n"
                            "       chancery key unpin --data DIR [--operator NAME] KEY\n"
                            "Both want the service stopped. unpin takes all pins off a key and "
                            "unfreezes it; the journal keeps who did it.\n";

/* chancery-key takes our place: no other program opens the key folder. */
static bool execute(const char *const *args, struct err *e)
{
    char path[LAUNCH_PATH];
    TRY(launch_find("chancery-key", path, e));
    (void)execv(path, (char *const *)(uintptr_t)args);
    return err_errno(e, path);
}

int cmd_key(struct cli *c, int argc, char **argv)
{
    const char *data = NULL, *operator_name = NULL, *rest[2];
    const struct option_row rows[] = {
        {"--data", OPTION_VALUE, &data, "the data folder"},
        {"--operator", OPTION_VALUE, &operator_name, "name for the journal; default: the user id"},
        {0},
    };
    size_t count = 0;
    struct err e = {0};
    if (cli_help(argc, argv, usage, rows))
        return CLI_OK;
    if (!cli_options(c, argc, argv, rows, rest, 2, &count, &e))
        return cli_fail(c, NULL, &e);
    bool show = count == 1 && strcmp(rest[0], "show") == 0;
    bool unpin = count == 2 && strcmp(rest[0], "unpin") == 0;
    if (data == NULL || (!show && !unpin)) {
        (void)err_user(&e, ERR_USAGE, "chancery key wants --data DIR and show, or unpin KEY.");
        return cli_fail(c, NULL, &e);
    }
    char *folder = arena_format(c->arena, "%s/key", data);
    char *user = arena_format(c->arena, "uid %u", (unsigned)getuid());
    if (folder == NULL || user == NULL) {
        (void)arena_err(&e);
        return cli_fail(c, NULL, &e);
    }
    const char *args[6] = {"chancery-key", rest[0], folder};
    if (unpin) {
        args[3] = rest[1];
        args[4] = operator_name == NULL ? user : operator_name;
    }
    (void)execute(args, &e);
    return cli_fail(c, data, &e);
}
