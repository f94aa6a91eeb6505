/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/examine.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/offline.h"
#include "cli/report.h"
#include "formats/format.h"
#include <string.h>

struct verify_options {
    struct option_list roots, stamp_roots;
    const char *content, *certificate, *at;
    const char *directive; /* --as: for detached signatures that do not say what they are */
    struct option_list attributes;
};

struct verify {
    struct cli *cli;
    struct verify_options options;
    const char *input;
    int fd, content_fd, scratch;
    struct pool *pool;
    struct workspace workspace;
    struct report_trust trust;
    struct report report;
};

/* --- trust ------------------------------------------------------------------------------------ */

static bool read_trust(struct verify *v, struct err *e)
{
    struct report_trust *t = &v->trust;
    int64_t ms = clock_wall_ms();
    if (v->options.at != NULL && !clock_from_iso(reader_text(v->options.at), &ms))
        return err_user(e, ERR_USAGE, "--at wants a time like 2026-11-21T12:00:00Z.");
    t->time = ms / 1000;
    TRY(offline_roots(v->cli, &v->options.roots, &t->roots, &t->root_count, e));
    return offline_roots(v->cli, &v->options.stamp_roots, &t->stamp_roots, &t->stamp_root_count, e);
}

/* --- files ------------------------------------------------------------------------------------ */

static bool verify_file(struct verify *v, struct arena *a, const struct source *in,
                        const char *name, const char *path, uint32_t depth, struct err *e);

/* What lies outside of the file, or cannot be read, is told and not judged. */
static bool fetch_entry(struct verify *v, const struct container *c, size_t index,
                        const char *inner, struct source *ret, bool *ret_there, struct err *e)
{
    struct err missing = {0};
    *ret_there = part_extract(&v->workspace, c, index, ret, &missing);
    if (*ret_there)
        return true;
    if (missing.code == ERR_MSI_EXTERNAL || missing.code == ERR_CAB_SET)
        return report_note(&v->report, inner, missing.user, e);
    *e = missing;
    return false;
}

/* together: the entry where it was extracted with all others; NULL: it was not. */
static bool verify_entry(struct verify *v, const struct container *c, size_t index,
                         const struct source *together, const char *path, uint32_t depth,
                         struct err *e)
{
    const char *entry = c->entries[index].path;
    const char *inner = arena_format(v->cli->arena, "%s » %s", path, entry);
    CLEANUP(arena_cleanup) struct arena *a = arena_new((size_t)512 * 1024 * 1024);
    if (inner == NULL || a == NULL)
        return arena_err(e);
    uint64_t mark = atomic_load(&v->workspace.scratch.used);
    struct source in;
    bool there = together != NULL;
    if (there)
        in = *together;
    else
        TRY(fetch_entry(v, c, index, inner, &in, &there, e));
    bool ok = !there || verify_file(v, a, &in, offline_name(entry), inner, depth, e);
    atomic_store(&v->workspace.scratch.used, mark);
    return ok;
}

/* All entries at once, for formats that decode them together; *ret NULL: one by one. */
static bool extract_together(struct verify *v, struct arena *a, const struct container *c,
                             struct source **ret, struct err *e)
{
    size_t *indexes = ARENA_ARRAY(a, c->count + 1, size_t);
    struct source *list = ARENA_ARRAY(a, c->count + 1, struct source);
    struct err closed = {0};
    *ret = NULL;
    if (indexes == NULL || list == NULL)
        return arena_err(e);
    for (size_t i = 0; i < c->count; i++)
        indexes[i] = i;
    if (c->format->extract_many == NULL)
        return true;
    if (parts_extract(&v->workspace, a, c, indexes, c->count, list, &closed))
        *ret = list;
    else if (err_is_ours(&closed))
        *e = closed;
    return e->code == ERR_NONE;
}

/* What cannot be opened here is told, not judged: no plan says that it has to be a container. */
static bool verify_inside(struct verify *v, struct arena *a, const struct format *f,
                          const struct source *in, const char *path, uint32_t depth, struct err *e)
{
    struct container *c = NULL;
    struct err closed = {0};
    TRY(budget_depth(&v->workspace.budget, depth + 1, e));
    if (!f->open(a, in, &v->workspace.budget, &c, &closed)) {
        if (depth == 0 || err_http_status(closed.code) >= 500) {
            *e = closed;
            return false;
        }
        return report_note(&v->report, path, closed.user, e);
    }
    uint64_t mark = atomic_load(&v->workspace.scratch.used);
    struct source *together;
    bool ok = extract_together(v, a, c, &together, e);
    for (size_t i = 0; ok && i < c->count; i++)
        if (!c->entries[i].folder)
            ok = verify_entry(v, c, i, together == NULL ? NULL : &together[i], path, depth + 1, e);
    atomic_store(&v->workspace.scratch.used, mark);
    return ok;
}

/* Signatures of other formats that the file is as well: that of an Office document as an OPC
 * package stands beside those of its macros. */
static bool verify_otherwise(struct verify *v, struct arena *a, const struct format *f,
                             const struct source *in, const char *name, const char *path,
                             struct err *e)
{
    struct verify_job job = {.arena = v->cli->arena, .in = in, .file_name = name};
    while ((f = examine_detect_after(a, f, in, name, e)) != NULL) {
        struct signature *list = NULL;
        size_t count = 0;
        struct err bad = {0};
        if (f->verify == NULL)
            continue;
        if (format_verify(f, &job, &list, &count, &bad))
            TRY(report_add(&v->report, path, list, count, &v->trust, e));
        else
            TRY(err_theirs(&bad, e));
    }
    return e->code == ERR_NONE;
}

/* Signatures are kept until the report is written, so they live in the command's arena. */
static bool verify_file(struct verify *v, struct arena *a, const struct source *in,
                        const char *name, const char *path, uint32_t depth, struct err *e)
{
    v->report.files++;
    const struct format *f = examine_detect(a, in, name, e);
    if (f == NULL)
        return e->code == ERR_NONE;
    if (f->verify != NULL) {
        struct verify_job job = {.arena = v->cli->arena, .in = in, .file_name = name};
        struct signature *list = NULL;
        size_t count = 0;
        struct err bad = {0};
        if (format_verify(f, &job, &list, &count, &bad)) {
            TRY(report_add(&v->report, path, list, count, &v->trust, e));
        } else if (depth == 0 || err_http_status(bad.code) >= 500) {
            *e = bad;
            return false;
        } else {
            TRY(report_note(&v->report, path, bad.user, e));
        }
    }
    return verify_otherwise(v, a, f, in, name, path, e) &&
           (f->open == NULL || verify_inside(v, a, f, in, path, depth, e));
}

/* --- detached --------------------------------------------------------------------------------- */

/* CMS is recognised by how it begins; everything else is taken for a bare signature. */
static const char *guess_directive(struct reader head)
{
    return reader_starts_with(head, "-----BEGIN", 10) ||
                   (reader_starts_with(head, "\x30\x82", 2) && head.left > 512)
               ? "create-cms-signature"
               : "create-raw-signature";
}

static const struct format *format_with(const char *directive)
{
    for (const struct format *const *f = all_formats; *f != NULL; f++)
        if (directive_facts_of((*f)->facts, directive) != NULL)
            return *f;
    return NULL;
}

static bool split_attributes(struct verify *v, struct attributes *ret, struct err *e)
{
    const struct option_list *list = &v->options.attributes;
    struct attribute *all = ARENA_ARRAY(v->cli->arena, list->count, struct attribute);
    if (all == NULL)
        return arena_err(e);
    for (size_t i = 0; i < list->count; i++) {
        const char *equals = strchr(list->values[i], '=');
        if (equals == NULL)
            return err_user(e, ERR_USAGE, "--attribute wants NAME=VALUE.");
        all[i].value = equals + 1;
        all[i].name = arena_text(v->cli->arena,
                                 reader_over(list->values[i], (size_t)(equals - list->values[i])));
        if (all[i].name == NULL)
            return arena_err(e);
    }
    *ret = (struct attributes){all, list->count};
    return true;
}

static bool read_signer(struct verify *v, struct reader *ret, struct err *e)
{
    struct reader file, *list = NULL;
    size_t count = 0;
    if (v->options.certificate == NULL)
        return true;
    TRY(offline_read(v->cli, v->options.certificate, &file, e));
    TRY(certificates_read(v->cli->arena, file, &list, &count, e));
    if (count == 0)
        return err_user(e, ERR_USAGE, "\"%.200s\" holds no certificate.", v->options.certificate);
    *ret = list[0];
    return true;
}

static bool verify_detached(struct verify *v, const struct source *in, struct err *e)
{
    struct source content;
    struct reader head, signer = {0};
    struct signature *list = NULL;
    size_t count = 0;
    TRY(cli_open_input(v->options.content, &v->content_fd, &content, e));
    TRY(source_head(v->cli->arena, in, 4096, &head, e));
    TRY(read_signer(v, &signer, e));
    const char *directive =
        v->options.directive != NULL ? v->options.directive : guess_directive(head);
    const struct format *f = format_with(directive);
    if (f == NULL)
        return err_user(e, ERR_USAGE, "There is no directive \"%.100s\".", directive);
    struct verify_job job = {.arena = v->cli->arena,
                             .in = in,
                             .content = &content,
                             .directive = directive,
                             .certificate = signer.at != NULL ? &signer : NULL,
                             .file_name = offline_name(v->options.content)};
    TRY(split_attributes(v, &job.attributes, e));
    TRY(format_verify(f, &job, &list, &count, e));
    v->report.files++;
    return report_add(&v->report, v->input, list, count, &v->trust, e);
}

/* --- the command ------------------------------------------------------------------------------ */

static bool run(struct verify *v, struct err *e)
{
    struct source in;
    struct workspace_limits limits = workspace_default_limits();
    TRY(read_trust(v, e));
    TRY(cli_open_input(v->input, &v->fd, &in, e));
    TRY(pool_new(1, &v->pool, e));
    TRY(offline_scratch("/tmp", &v->scratch, e));
    TRY(workspace_init(&v->workspace, v->pool, v->scratch, &limits, e));
    if (v->options.content != NULL)
        return verify_detached(v, &in, e);
    return verify_file(v, v->workspace.arenas[0], &in, offline_name(v->input),
                       offline_name(v->input), 0, e);
}

static bool print_report(struct verify *v, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, SIZE_MAX);
    if (v->cli->json)
        TRY(report_json(&v->report, v->input, &w, e));
    else
        TRY(report_text(&v->report, v->input, &w, e));
    return (v->cli->quiet && !v->cli->json) || cli_print(v->cli, writer_view(&w), e);
}

static void verify_done(struct verify *v)
{
    if (v->pool != NULL)
        workspace_done(&v->workspace);
    pool_free(v->pool);
    file_close(&v->fd);
    file_close(&v->content_fd);
    file_close(&v->scratch);
}

int cmd_verify(struct cli *c, int argc, char **argv)
{
    CLEANUP(verify_done)
    struct verify v = {.cli = c, .fd = -1, .content_fd = -1, .scratch = -1};
    struct verify_options *o = &v.options;
    v.report.arena = c->arena;
    const struct option_row rows[] = {
        {"--ca", OPTION_LIST, &o->roots, "FILE  roots that signers must chain to; repeat"},
        {"--tsa-ca", OPTION_LIST, &o->stamp_roots, "FILE  roots of time-stamp servers; repeat"},
        {"--at", OPTION_VALUE, (void *)&o->at, "TIME  judge as of then (where no time stamp says)"},
        {"--content", OPTION_VALUE, (void *)&o->content, "FILE  IN is a detached signature of it"},
        {"--cert", OPTION_VALUE, (void *)&o->certificate, "FILE  signer, for a bare signature"},
        {"--as", OPTION_VALUE, (void *)&o->directive, "NAME  directive that made the signature"},
        {"--attribute", OPTION_LIST, &o->attributes, "NAME=VALUE  of that directive; repeat"},
        {0}};
    if (cli_help(argc, argv, "verify [OPTION]... IN", rows))
        return CLI_OK;
    struct err e = {0};
    size_t count = 0;
    const char *rest[1];
    if (!cli_options(c, argc, argv, rows, rest, 1, &count, &e) ||
        (count != 1 && !err_user(&e, ERR_USAGE, "chancery verify wants one input file.")))
        return cli_fail(c, NULL, &e);
    v.input = rest[0];
    if (!run(&v, &e) || !print_report(&v, &e))
        return cli_fail(c, v.input, &e);
    return report_good(&v.report) ? CLI_OK : CLI_NO;
}
