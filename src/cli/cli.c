/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "cli/cli.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/source.h"
#include "base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- options ---------------------------------------------------------------------------------- */

static const struct option_row *find_row(const struct option_row *rows, const char *name, size_t n)
{
    for (const struct option_row *o = rows; o->name != NULL; o++)
        if (strlen(o->name) == n && strncmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

static const char *nearest(const struct option_row *rows, const char *name)
{
    const char *best = NULL;
    size_t least = 4;
    for (const struct option_row *o = rows; o->name != NULL; o++) {
        size_t d = text_distance(o->name, name);
        if (d < least) {
            least = d;
            best = o->name;
        }
    }
    return best;
}

static bool add_value(struct cli *c, struct option_list *list, const char *value, struct err *e)
{
    const char **more =
        arena_grow(c->arena, list->values, list->count, list->count + 1, sizeof(const char *));
    if (more == NULL)
        return arena_err(e);
    more[list->count] = value;
    *list = (struct option_list){more, list->count + 1};
    return true;
}

static bool set_option(struct cli *c, const struct option_row *o, const char *value, struct err *e)
{
    switch (o->kind) {
    case OPTION_FLAG:
        if (value != NULL)
            return err_user(e, ERR_USAGE, "%s takes no value.", o->name);
        *(bool *)o->to = true;
        return true;
    case OPTION_VALUE:
        if (*(const char **)o->to != NULL)
            return err_user(e, ERR_USAGE, "%s is given twice.", o->name);
        *(const char **)o->to = value;
        return true;
    case OPTION_LIST:
        return add_value(c, o->to, value, e);
    }
    return err_set(e, ERR_INTERNAL, "option kind");
}

/* One argument that begins with '-'. *at is its index and moves over a value of its own. */
static bool take_option(struct cli *c, int argc, char **argv, int *at,
                        const struct option_row *rows, struct err *e)
{
    const struct option_row common[] = {{"--json", OPTION_FLAG, &c->json, NULL},
                                        {"-q", OPTION_FLAG, &c->quiet, NULL},
                                        {"--quiet", OPTION_FLAG, &c->quiet, NULL},
                                        {"-v", OPTION_FLAG, &c->verbose, NULL},
                                        {"--verbose", OPTION_FLAG, &c->verbose, NULL},
                                        {"--settings", OPTION_VALUE, (void *)&c->settings, NULL},
                                        {0}};
    const char *text = argv[*at], *equals = strchr(text, '=');
    size_t n = equals == NULL ? strlen(text) : (size_t)(equals - text);
    const struct option_row *o = find_row(rows, text, n);
    if (o == NULL)
        o = find_row(common, text, n);
    if (o == NULL) {
        const char *near = nearest(rows, text);
        return err_user(e, ERR_USAGE, "There is no option %s.%s%s%s", text,
                        near != NULL ? " Did you mean " : "", near != NULL ? near : "",
                        near != NULL ? "?" : "");
    }
    const char *value = equals == NULL ? NULL : equals + 1;
    if (o->kind != OPTION_FLAG && value == NULL) {
        if (*at + 1 >= argc)
            return err_user(e, ERR_USAGE, "%s needs a value.", o->name);
        value = argv[++*at];
    }
    return set_option(c, o, value, e);
}

bool cli_options(struct cli *c, int argc, char **argv, const struct option_row *rows,
                 const char **rest, size_t most, size_t *ret_count, struct err *e)
{
    bool options = true;
    *ret_count = 0;
    for (int i = 1; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && argv[i][0] == '-' && argv[i][1] != '\0') {
            TRY(take_option(c, argc, argv, &i, rows, e));
        } else {
            if (*ret_count == most)
                return err_user(e, ERR_USAGE, "Unexpected argument \"%.200s\".", argv[i]);
            rest[(*ret_count)++] = argv[i];
        }
    }
    return true;
}

bool cli_help(int argc, char **argv, const char *usage, const struct option_row *rows)
{
    bool wanted = false;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        wanted |= strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
    if (!wanted)
        return false;
    (void)printf("usage: chancery %s\n\n", usage);
    for (const struct option_row *o = rows; o->name != NULL; o++)
        (void)printf("  %-20s %s\n", o->name, o->help);
    (void)printf("  %-20s %s\n", "--json", "one JSON document on stdout, messages on stderr");
    (void)printf("  %-20s %s\n", "-q, -v", "say less, say more");
    return true;
}

/* --- output ----------------------------------------------------------------------------------- */

/* What is printed may hold a new token. */
static bool print(struct writer *w, struct err *e)
{
    bool ok = writer_ok(w, e) && file_write_fd(STDOUT_FILENO, writer_view(w), e);
    secret_wipe(w->data, w->len);
    writer_done(w);
    return ok;
}

bool cli_print_text(struct reader lines, struct err *e)
{
    struct writer w;
    writer_init(&w, SIZE_MAX);
    text_put_visible(&w, lines, "\n");
    return print(&w, e);
}

bool cli_print_json(struct reader document, struct err *e)
{
    struct writer w;
    uint32_t c;
    writer_init(&w, SIZE_MAX);
    while (text_next(&document, &c)) {
        if (c < 0x80 || !text_is_hidden(c))
            text_put(&w, c);
        else if (c < 0x10000)
            writer_format(&w, "\\u%04X", c);
        else
            writer_format(&w, "\\u%04X\\u%04X", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
    }
    return print(&w, e);
}

bool cli_print(const struct cli *c, struct reader output, struct err *e)
{
    return c->json ? cli_print_json(output, e) : cli_print_text(output, e);
}

static void say(const char *fmt, va_list ap)
{
    CLEANUP(writer_done) struct writer w = {0};
    struct err ignored = {0};
    char *text = NULL;
    if (vasprintf(&text, fmt, ap) < 0)
        return;
    writer_init(&w, SIZE_MAX);
    text_put_visible(&w, reader_text(text), "");
    writer_u8(&w, '\n');
    free(text);
    if (!file_write_fd(STDERR_FILENO, writer_view(&w), &ignored))
        return; /* whom to tell? */
}

void cli_say(const struct cli *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (!c->quiet)
        say(fmt, ap);
    va_end(ap);
}

PRINTF(1, 2) static void say_always(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
}

bool cli_open_input(const char *path, int *ret_fd, struct source *ret, struct err *e)
{
    struct err kind = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* else a pipe waits for its writer */
    if (fd < 0)
        return err_user(e, ERR_IO, "\"%.250s\" cannot be read: %s.", path, strerror(errno));
    *ret_fd = fd;
    return source_file(fd, ret, &kind) ||
           err_user(e, ERR_IO, "\"%.250s\" is not a regular file.", path);
}

int cli_status_of(const struct err *e)
{
    switch ((unsigned)e->code) {
    case ERR_NONE:
        return CLI_OK;
    case ERR_VERIFY_MISSING:
    case ERR_VERIFY_INVALID:
    case ERR_VERIFY_CHANGED:
    case ERR_SIGNATURE:
    case ERR_UNTRUSTED:
        return CLI_NO;
    case ERR_UNAUTHENTICATED:
    case ERR_FORBIDDEN:
        return CLI_FORBIDDEN;
    case ERR_STAMP:
    case ERR_FETCH:
    case ERR_DB_AWAY:
        return CLI_UNREACHABLE;
    case ERR_IO:
    case ERR_STORAGE_FULL:
        return CLI_UNUSABLE;
    case ERR_NO_MEMORY:
    case ERR_INTERNAL:
        return CLI_INTERNAL;
    }
    return err_http_status(e->code) >= 500 ? CLI_INTERNAL : CLI_UNUSABLE;
}

int cli_fail(const struct cli *c, const char *place, const struct err *e)
{
    bool detail = e->detail[0] != '\0' && (c->verbose || e->code == ERR_IO || e->user[0] == '\0' ||
                                           cli_status_of(e) == CLI_INTERNAL);
    say_always("chancery: %s%s%s%s%s%s [%s]", place != NULL ? place : "",
               place != NULL && place[0] != '\0' ? ": " : "", e->user, detail ? " (" : "",
               detail ? e->detail : "", detail ? ")" : "", err_machine_code(e->code));
    return cli_status_of(e);
}
