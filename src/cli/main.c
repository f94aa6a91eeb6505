/* SPDX-License-Identifier: Apache-2.0 */
/* chancery. Serves: people and build jobs at a command line; the table of its subcommands.
 * May: read and write the files it is told to. */
#include "base/text.h"
#include "cli/cli.h"
#include "crypto/digest.h"
#include "ipc/channel.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>

#ifndef CHANCERY_VERSION
#define CHANCERY_VERSION "unknown"
#endif

/* clang-format off */
static const struct command commands[] = {
    {"init",     cmd_init,   "make a new data folder: organisation, key folder, first token"},
    {"serve",    cmd_serve,  "run the service on a data folder until SIGTERM"},
    {"doctor",   cmd_remote, "what is set, what is reached, and what is missing"},
    {"apply",    cmd_remote, "make the organisation what a YAML file says"},
    {"invite",   cmd_remote, "issue the link by which an invited person sets the first password"},
    {"submit",   cmd_remote, "have a file signed by the service, and fetch it"},
    {"wait",     cmd_remote, "wait for a signing request and fetch its file"},
    {"get",      cmd_remote, "fetch the file of a signing request"},
    {"status",   cmd_remote, "how a signing request stands"},
    {"cancel",   cmd_remote, "cancel a signing request"},
    {"resubmit", cmd_remote, "the same file again, under another signing policy"},
    {"requests", cmd_remote, "list signing requests"},
    {"sign",     cmd_sign,   "sign a file with a key of your own, without a server"},
    {"verify",   cmd_verify, "check every signature in a file, nested ones as well"},
    {"audit",    cmd_audit,  "verify or export the audit log of a data folder or an exported file"},
    {"plan",     cmd_plan,   "say what would be signed, without a key"},
    {"key",      cmd_key,    "show the pins of the keys of a stopped service, or take them off"},
};
/* clang-format on */

enum { COMMAND_MEMORY = 256 * 1024 * 1024 };

static int usage(FILE *to, int status)
{
    (void)fprintf(to, "usage: chancery COMMAND [OPTION]... (chancery COMMAND --help)\n\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        (void)fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    return status;
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int unknown(const char *name)
{
    const char *near = NULL;
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (near == NULL && text_distance(commands[i].name, name) <= 2)
            near = commands[i].name;
    (void)fprintf(stderr, "chancery: there is no command \"%s\".", name);
    if (near != NULL)
        (void)fprintf(stderr, " Did you mean \"%s\"?", near);
    (void)fputc('\n', stderr);
    return CLI_UNUSABLE;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr, CLI_UNUSABLE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return usage(stdout, CLI_OK);
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("chancery %s (build %s)\n", CHANCERY_VERSION, channel_build_id());
        return CLI_OK;
    }
    const struct command *command = find(argv[1]);
    if (command == NULL)
        return unknown(argv[1]);
    (void)signal(SIGPIPE, SIG_IGN);
    struct err e = {0};
    struct cli c = {.arena = arena_new(COMMAND_MEMORY)};
    if (c.arena == NULL || !crypto_start(&e)) {
        (void)err_set(&e, ERR_NO_MEMORY, "start");
        return cli_fail(&c, NULL, &e);
    }
    int status = command->run(&c, argc - 1, argv + 1);
    arena_free(c.arena);
    return status;
}
