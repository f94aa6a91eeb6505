/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "cli/offline.h"
#include "artifact/examine.h"
#include "base/clock.h"
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SMALL_FILE = 16 * 1024 * 1024 };

const char *offline_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

const char *offline_folder(struct arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return ".";
    return slash == path ? "/" : arena_text(a, reader_over(path, (size_t)(slash - path)));
}

bool offline_open_file(const char *path, int *ret, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_user(e, ERR_IO, "\"%.250s\" cannot be read: %s.", path, strerror(errno));
    *ret = fd;
    return true;
}

bool offline_read(struct cli *c, const char *path, struct reader *ret, struct err *e)
{
    CLEANUP(file_close) int fd = -1;
    TRY(offline_open_file(path, &fd, e));
    struct err why = {0};
    if (file_read_fd(fd, SMALL_FILE, c->arena, ret, &why))
        return true;
    return err_user(e, why.code, "\"%.250s\" cannot be read: %.200s.", path, why.detail);
}

bool offline_scratch(const char *folder, int *ret, struct err *e)
{
    int fd = folder == NULL ? -1 : open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        fd = memfd_create("scratch", MFD_CLOEXEC);
    if (fd < 0)
        return err_errno(e, "scratch file");
    *ret = fd;
    return true;
}

/* The directive that embeds a signature in files of this format. */
static const char *embedding(const struct format_facts *f)
{
    for (const struct directive_facts *d = f->directives; d->name != NULL; d++)
        if ((d->can & (DIRECTIVE_SIGN | DIRECTIVE_NEW_FILE)) == DIRECTIVE_SIGN)
            return d->name;
    return NULL;
}

/* The same tree that the language gives for one element with one directive, made by hand: reading
 * it from XML would load libxml2 for every small file. */
static bool default_configuration(struct offline *o, const char *hash, struct err *e)
{
    struct arena *a = o->cli->arena;
    const struct format *f = examine_detect(a, &o->artifact.in, o->artifact.name, e);
    if (e->code != ERR_NONE)
        return false;
    const char *directive = f == NULL ? NULL : embedding(f->facts);
    if (directive == NULL)
        return err_user(e, ERR_FILE_TYPE,
                        "\"%.200s\" takes no signature of its own (%s). Say with --config what is "
                        "to be signed.",
                        o->path, f == NULL ? "its type is not known" : f->facts->title);
    struct configuration *c = ARENA_NEW(a, struct configuration);
    struct configuration_node *node = ARENA_NEW(a, struct configuration_node);
    struct configuration_match *match = ARENA_NEW(a, struct configuration_match);
    struct configuration_directive *d = ARENA_NEW(a, struct configuration_directive);
    struct configuration_attribute *attribute = ARENA_NEW(a, struct configuration_attribute);
    struct template_piece *piece = ARENA_NEW(a, struct template_piece);
    if (c == NULL || node == NULL || match == NULL || d == NULL || attribute == NULL ||
        piece == NULL)
        return arena_err(e);
    *piece = (struct template_piece){TEMPLATE_LITERAL, hash};
    *attribute = (struct configuration_attribute){
        .name = "hash-algorithm", .value = {.source = hash, .pieces = piece, .count = 1}};
    *match = (struct configuration_match){.min = 1, .max = 1};
    *d = (struct configuration_directive){.name = directive,
                                          .facts = directive_facts_of(f->facts, directive),
                                          .attributes = attribute,
                                          .attribute_count = hash != NULL};
    *node = (struct configuration_node){.kind = CONFIGURATION_TYPED,
                                        .element = f->facts->element,
                                        .facts = f->facts,
                                        .matches = match,
                                        .match_count = 1,
                                        .directives = d,
                                        .directive_count = 1};
    *c = (struct configuration){.arena = a, .root = node, .resolved = true};
    o->artifact.configuration = c;
    return true;
}

static bool split_parameters(struct arena *a, const struct option_list *list,
                             struct parameter_value **ret, struct err *e)
{
    struct parameter_value *values = ARENA_ARRAY(a, list->count, struct parameter_value);
    if (values == NULL)
        return arena_err(e);
    for (size_t i = 0; i < list->count; i++) {
        const char *equals = strchr(list->values[i], '=');
        if (equals == NULL)
            return err_user(e, ERR_USAGE, "--parameter wants NAME=VALUE, not \"%.200s\".",
                            list->values[i]);
        values[i].name =
            arena_text(a, reader_over(list->values[i], (size_t)(equals - list->values[i])));
        values[i].value = equals + 1;
        if (values[i].name == NULL)
            return arena_err(e);
    }
    *ret = values;
    return true;
}

static bool take_problems(const struct cli *c, const char *config,
                          const struct configuration_problems *p, bool ok, struct refusal *r)
{
    size_t errors = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct configuration_problem *x = &p->list[i];
        if (x->warning)
            cli_say(c, "%s:%u:%u: warning: %s", config, x->at.line, x->at.column, x->text);
        else if (errors++ > 0) /* the first one is the refusal */
            cli_say(c, "%s:%u:%u: %s", config, x->at.line, x->at.column, x->text);
        else
            (void)refusal_at(r, NULL, x->at.line, x->at.column);
    }
    return ok;
}

static bool read_configuration(struct offline *o, const char *config, struct reader xml,
                               const struct option_list *parameters, struct refusal *r)
{
    struct arena *a = o->cli->arena;
    struct configuration *parsed = NULL, *resolved = NULL;
    struct configuration_problems on_parse = {0}, on_resolve = {0};
    struct parameter_value *values = NULL;
    TRY(take_problems(o->cli, config, &on_parse,
                      configuration_parse(a, xml, &parsed, &on_parse, &r->err), r));
    TRY(split_parameters(a, parameters, &values, &r->err));
    TRY(take_problems(
        o->cli, config, &on_resolve,
        configuration_resolve(parsed, values, parameters->count, &resolved, &on_resolve, &r->err),
        r));
    o->artifact.configuration = resolved;
    return true;
}

bool offline_open(struct offline *o, const char *input, const char *config,
                  const struct option_list *parameters, const char *hash, const char *folder,
                  struct refusal *r)
{
    struct err *e = &r->err;
    struct reader xml;
    o->path = input;
    o->artifact.name = offline_name(input);
    TRY(cli_open_input(input, &o->input, &o->artifact.in, e));
    if (config == NULL)
        TRY(default_configuration(o, hash, e));
    else
        TRY(offline_read(o->cli, config, &xml, e) &&
            read_configuration(o, config, xml, parameters, r));
    long processors =
        o->artifact.configuration->root->child_count > 0 ? sysconf(_SC_NPROCESSORS_ONLN) : 1;
    TRY(pool_new(processors < 1 ? 1 : (unsigned)processors, &o->pool, e));
    /* Hardly used then, and a file system takes longer to make a file than to sign a small one. */
    bool small =
        o->artifact.configuration->root->child_count == 0 && o->artifact.in.size <= SMALL_FILE;
    TRY(offline_scratch(small ? NULL : folder, &o->scratch, e));
    struct workspace_limits limits = workspace_default_limits();
    return workspace_init(&o->workspace, o->pool, o->scratch, &limits, e);
}

bool offline_roots(struct cli *c, const struct option_list *files, const struct reader **ret,
                   size_t *ret_count, struct err *e)
{
    struct reader *all = NULL;
    size_t count = 0;
    for (size_t i = 0; i < files->count; i++) {
        struct reader file, *some = NULL;
        size_t n = 0;
        TRY(offline_read(c, files->values[i], &file, e));
        TRY(certificates_read(c->arena, file, &some, &n, e));
        all = arena_grow(c->arena, all, count, count + n + 1, sizeof *all);
        if (all == NULL)
            return arena_err(e);
        for (size_t k = 0; k < n; k++)
            all[count++] = some[k];
    }
    *ret = all;
    *ret_count = count;
    return true;
}

bool offline_trust(struct offline *o, const struct option_list *files, struct err *e)
{
    const struct reader *roots;
    size_t count;
    if (files->count == 0)
        return true;
    TRY(offline_roots(o->cli, files, &roots, &count, e));
    TRY(root_store_new(roots, count, &o->store, e));
    o->workspace.judging = (struct judging){o->store, clock_wall_ms() / 1000};
    return true;
}

void offline_done(struct offline *o)
{
    root_store_free(o->store);

    if (o->pool != NULL)
        workspace_done(&o->workspace);
    pool_free(o->pool);
    file_close(&o->input);
    file_close(&o->scratch);
}

int offline_fail(const struct cli *c, const char *config, const struct refusal *r)
{
    char place[1400];
    int n = 0;
    if (r->line > 0 && config != NULL)
        n = snprintf(place, sizeof place, "%.300s:%u:%u%s", config, r->line, r->column,
                     r->path[0] != '\0' ? ": " : "");
    if (n >= 0)
        (void)snprintf(place + n, sizeof place - (size_t)n, "%s", r->path);
    return cli_fail(c, place, &r->err);
}
