/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CLI_H
#define CLI_CLI_H
#include "base/arena.h"
#include "base/json.h"

/* The program `chancery`: one table of subcommands (main.c), one file cmd_x.c for each. */

/* Exit status; what it means everywhere is in man/chancery.1. */
enum cli_exit {
    CLI_OK = 0,
    CLI_NO = 1,          /* the answer is no: invalid or missing signature, request failed */
    CLI_UNUSABLE = 2,    /* wrong usage, unusable input, invalid configuration */
    CLI_TIMEOUT = 3,     /* the request goes on */
    CLI_FORBIDDEN = 4,   /* 401, 403 */
    CLI_UNREACHABLE = 5, /* server, time-stamp server or another dependency */
    CLI_INTERNAL = 6,
    CLI_CHANGES = 10, /* apply --dry-run */
};

/* Options that every command takes, and what the command works with. */
struct cli {
    bool json, quiet, verbose;
    const char *settings;
    struct arena *arena; /* as long as the command */
};

struct command {
    const char *name;
    int (*run)(struct cli *c, int argc, char **argv); /* argv[0] is the command's name */
    const char *summary;                              /* one line of `chancery --help` */
};

/* An option of a command. A value may follow as the next argument or after '='. */
enum option_kind { OPTION_FLAG, OPTION_VALUE, OPTION_LIST };
struct option_list {
    const char **values;
    size_t count;
};
struct option_row {
    const char *name; /* "--key" or "-o" */
    enum option_kind kind;
    void *to; /* bool, const char * or struct option_list */
    const char *help;
};
/* Takes the options out of argv; what is left goes to `rest`, at most `most`. "--" ends options.
 * Rows end with a row without name; the common options are added. ERR_USAGE with a sentence. */
MUST_CHECK bool cli_options(struct cli *c, int argc, char **argv, const struct option_row *rows,
                            const char **rest, size_t most, size_t *ret_count, struct err *e);
/* True when --help was given: the usage text has been printed. */
bool cli_help(int argc, char **argv, const char *usage, const struct option_row *rows);

struct source;
/* The file to work on; a pipe or a folder is refused at once. The user text names it. */
MUST_CHECK bool cli_open_input(const char *path, int *ret_fd, struct source *ret, struct err *e);

/* Says on stderr what went wrong (place may be NULL) and gives the exit status. */
int cli_fail(const struct cli *c, const char *place, const struct err *e);
int cli_status_of(const struct err *e);
/* A message for people, on stderr; nothing with -q. */
void cli_say(const struct cli *c, const char *fmt, ...) PRINTF(2, 3);
/* To stdout: lines for people, or a JSON document. Names in them may come from hostile files and
 * users; hidden characters are shown ([U+202E]), or escaped. */
MUST_CHECK bool cli_print_text(struct reader lines, struct err *e);
MUST_CHECK bool cli_print_json(struct reader document, struct err *e);
/* Whichever was asked for (--json). */
MUST_CHECK bool cli_print(const struct cli *c, struct reader output, struct err *e);

int cmd_audit(struct cli *c, int argc, char **argv);
int cmd_init(struct cli *c, int argc, char **argv);
int cmd_key(struct cli *c, int argc, char **argv);
int cmd_remote(struct cli *c, int argc, char **argv); /* argv[0] says which */
int cmd_serve(struct cli *c, int argc, char **argv);
int cmd_sign(struct cli *c, int argc, char **argv);
int cmd_plan(struct cli *c, int argc, char **argv);
int cmd_verify(struct cli *c, int argc, char **argv);
#endif
