/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_REMOTE_COMMANDS_H
#define CLI_REMOTE_COMMANDS_H
#include "cli/cli.h"

/* The commands of chancery that chancery-remote carries out; argv[0] is the command's name. */
int remote_submit(struct cli *c, int argc, char **argv);
int remote_wait(struct cli *c, int argc, char **argv);
int remote_get(struct cli *c, int argc, char **argv);
int remote_status(struct cli *c, int argc, char **argv);
int remote_cancel(struct cli *c, int argc, char **argv);
int remote_resubmit(struct cli *c, int argc, char **argv);
int remote_requests(struct cli *c, int argc, char **argv);
int remote_invite(struct cli *c, int argc, char **argv);
int remote_apply(struct cli *c, int argc, char **argv);
int remote_doctor(struct cli *c, int argc, char **argv);
int remote_tsa(struct cli *c, int argc, char **argv);
#endif
