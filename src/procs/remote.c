/* SPDX-License-Identifier: Apache-2.0 */
/* chancery-remote. Serves: `chancery`, which executes it for what needs HTTP or YAML, so that it
 * starts without those libraries. May: connect to the service and to the time-stamp servers that
 * its arguments and settings name; read and write the files that it is told to.
 * Must never see: a signing key.
 *
 *   chancery-remote COMMAND [OPTION]...   a client command of chancery(1), said in its words
 *   chancery-remote tsa URL               posts stdin as an RFC 3161 request, answer on stdout */
#include "cli/remote/commands.h"
#include "crypto/digest.h"
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct command commands[] = {
    {"submit",   remote_submit,   ""},
    {"wait",     remote_wait,     ""},
    {"get",      remote_get,      ""},
    {"status",   remote_status,   ""},
    {"cancel",   remote_cancel,   ""},
    {"resubmit", remote_resubmit, ""},
    {"requests", remote_requests, ""},
    {"apply",    remote_apply,    ""},
    {"invite",   remote_invite,   ""},
    {"doctor",   remote_doctor,   ""},
    {"tsa",      remote_tsa,      ""},
};
/* clang-format on */

enum { COMMAND_MEMORY = 256 * 1024 * 1024 };

static int run(const struct command *command, int argc, char **argv)
{
    struct err e = {0};
    struct cli c = {.arena = arena_new(COMMAND_MEMORY)};
    if (c.arena == NULL || !crypto_start(&e) || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        (void)err_set(&e, ERR_NO_MEMORY, "start");
        return cli_fail(&c, NULL, &e);
    }
    int status = command->run(&c, argc, argv);
    arena_free(c.arena);
    return status;
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; argc > 1 && i < COUNT_OF(commands); i++)
        if (strcmp(commands[i].name, argv[1]) == 0)
            return run(&commands[i], argc - 1, &argv[1]);
    (void)fprintf(stderr, "chancery-remote is started by chancery: chancery --help\n");
    return CLI_UNUSABLE;
}
