/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/digest.h"
#include "formats/msi/msi_package.h"
#include <stdlib.h>

enum { TABLES_MAX = 256 << 20 };

/* Numbers the cabinets and files beside the installer that hold entries. */
static bool list_outsides(struct arena *a, struct msi_package *p, struct container *x,
                          struct err *e)
{
    size_t most = p->cab_count + 1;
    for (size_t i = 0; i < p->file_count; i++)
        most += p->files[i].apart != NULL;
    struct outside *list = ARENA_ARRAY(a, most, struct outside);
    if (list == NULL)
        return arena_err(e);
    for (size_t i = 0; i < p->cab_count; i++)
        if (p->cabs[i].beside && p->cabs[i].cab != NULL) {
            list[x->outside_count++] = (struct outside){.path = p->cabs[i].name};
            p->cabs[i].outside = (uint32_t)x->outside_count;
        }
    for (size_t i = 0; i < p->file_count; i++) {
        struct msi_file *f = &p->files[i];
        if (f->apart != NULL) {
            list[x->outside_count++] = (struct outside){.path = f->apart, .whole = true};
            f->outside = (uint32_t)x->outside_count;
        } else if (f->cab != SIZE_MAX) {
            f->outside = p->cabs[f->cab].outside;
        }
    }
    x->outsides = list;
    return true;
}

bool msi_container(struct arena *a, const struct source *in, struct budget *budget,
                   struct container **ret, struct err *e)
{
    return msi_container_near(a, in, budget, NULL, ret, e);
}

bool msi_container_near(struct arena *a, const struct source *in, struct budget *budget,
                        const struct surroundings *around, struct container **ret, struct err *e)
{
    struct container *x = ARENA_NEW(a, struct container);
    struct msi_package *p = ARENA_NEW(a, struct msi_package);
    struct msi m;
    if (x == NULL || p == NULL)
        return arena_err(e);
    TRY(msi_open(a, in, &m, e) && msi_package_read(a, &m, p, e));
    p->around = around;
    TRY(msi_package_cabs(a, p, budget, e) && list_outsides(a, p, x, e));
    struct entry *entries = ARENA_ARRAY(a, p->file_count + 1, struct entry);
    if (entries == NULL)
        return arena_err(e);
    for (size_t i = 0; i < p->file_count; i++) {
        const struct msi_file *f = &p->files[i];
        entries[i] =
            (struct entry){.path = f->path, .size = (uint64_t)f->size, .outside = f->outside};
        if (f->in_cab != SIZE_MAX)
            entries[i].size = p->cabs[f->cab].cab->files[f->in_cab].size;
    }
    x->format = &msi_format;
    x->in = *in;
    x->entries = entries;
    x->count = p->file_count;
    x->budget = budget;
    x->own = p;
    *ret = x;
    return true;
}

bool msi_extract(const struct container *c, size_t index, struct sink *out, struct err *e)
{
    const struct msi_package *p = c->own;
    struct cab *cab;
    struct source apart;
    size_t in_cab;
    if (p->files[index].apart != NULL)
        return msi_package_apart(p, index, &apart, e) && sink_source(out, &apart, e);
    return msi_package_find(p, index, &cab, &in_cab, e) && cab_extract(cab, in_cab, out, e);
}

/* --- several at once -------------------------------------------------------------------------- */
/* Files of one cabinet, in the order of the cabinet. */
struct chosen {
    size_t cab, in_cab, from; /* from: which of the caller's list it is */
};

static int chosen_order(const void *a, const void *b)
{
    const struct chosen *x = a, *y = b;
    if (x->cab != y->cab)
        return x->cab < y->cab ? -1 : 1;
    return x->in_cab < y->in_cab ? -1 : x->in_cab > y->in_cab;
}

/* Those of the list that lie in cabinets. */
static bool choose(const struct msi_package *p, const size_t *indexes, size_t count,
                   struct chosen *list, size_t *ret, struct err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        struct cab *cab;
        if (p->files[indexes[i]].apart != NULL)
            continue;
        struct chosen *x = &list[n++];
        x->cab = p->files[indexes[i]].cab;
        x->from = i;
        TRY(msi_package_find(p, indexes[i], &cab, &x->in_cab, e));
    }
    if (n > 1)
        qsort(list, n, sizeof *list, chosen_order);
    for (size_t i = 1; i < n; i++)
        if (chosen_order(&list[i - 1], &list[i]) == 0)
            return msi_bad(e, "two rows of the table File name one file of a cabinet");
    *ret = n;
    return true;
}

static size_t same_cab(const struct chosen *list, size_t count)
{
    size_t n = 1;
    while (n < count && list[n].cab == list[0].cab)
        n++;
    return n;
}

bool msi_extract_many(const struct container *c, const size_t *indexes, size_t count,
                      struct sink *outs, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(count * 256 + 4096);
    const struct msi_package *p = c->own;
    struct chosen *list = a == NULL ? NULL : ARENA_ARRAY(a, count + 1, struct chosen);
    size_t *numbers = a == NULL ? NULL : ARENA_ARRAY(a, count + 1, size_t);
    struct sink *sinks = a == NULL ? NULL : ARENA_ARRAY(a, count + 1, struct sink);
    if (list == NULL || numbers == NULL || sinks == NULL)
        return arena_err(e);
    for (size_t i = 0; i < count; i++)
        if (p->files[indexes[i]].apart != NULL)
            TRY(msi_extract(c, indexes[i], &outs[i], e));
    TRY(choose(p, indexes, count, list, &count, e));
    for (size_t i = 0, n; i < count; i += n) {
        n = same_cab(&list[i], count - i);
        for (size_t k = 0; k < n; k++) {
            numbers[k] = list[i + k].in_cab;
            sinks[k] = outs[list[i + k].from];
        }
        TRY(cab_extract_many(p->cabs[list[i].cab].cab, numbers, n, sinks, e));
        for (size_t k = 0; k < n; k++)
            outs[list[i + k].from] = sinks[k];
    }
    return true;
}

/* --- repacking -------------------------------------------------------------------------------- */
/* A cabinet that is written anew. */
struct cab_job {
    const struct cab *cab;
    struct cab_change *changes;
    size_t count;
};

static bool produce_cab(void *ctx, struct sink *out, struct err *e)
{
    const struct cab_job *job = ctx;
    return cab_repack(job->cab, job->changes, job->count, out, e);
}

static bool describe(const struct msi_package *p, const struct change *changes, size_t count,
                     struct msi_file_facts *facts, struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        struct digest_value md5;
        facts[i] =
            (struct msi_file_facts){.index = changes[i].index, .size = changes[i].content.size};
        if (p->files[changes[i].index].hash_row == SIZE_MAX)
            continue;
        TRY(digest_of_source(HASH_MD5, &changes[i].content, &md5, e));
        struct reader r = digest_view(&md5);
        TRY(reader_copy(&r, facts[i].md5, sizeof facts[i].md5));
    }
    return true;
}

static int by_stream(const void *a, const void *b)
{
    const struct cfb_change *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

static bool cab_jobs(const struct msi_package *p, const struct change *changes, size_t count,
                     struct arena *a, struct cfb_change *streams, size_t *ret, struct err *e)
{
    struct chosen *list = ARENA_ARRAY(a, count + 1, struct chosen);
    size_t *indexes = ARENA_ARRAY(a, count + 1, size_t);
    struct cab_change *inner = ARENA_ARRAY(a, count + 1, struct cab_change);
    if (list == NULL || indexes == NULL || inner == NULL)
        return arena_err(e);
    for (size_t i = 0; i < count; i++)
        indexes[i] = changes[i].index;
    TRY(choose(p, indexes, count, list, &count, e));
    for (size_t i = 0, n; i < count; i += n) {
        n = same_cab(&list[i], count - i);
        const struct msi_cab *cab = &p->cabs[list[i].cab];
        if (cab->beside)
            continue;
        struct cab_job *job = ARENA_NEW(a, struct cab_job);
        if (job == NULL)
            return arena_err(e);
        *job = (struct cab_job){cab->cab, &inner[i], n};
        for (size_t k = 0; k < n; k++)
            inner[i + k] =
                (struct cab_change){list[i + k].in_cab, changes[list[i + k].from].content};
        streams[(*ret)++] = (struct cfb_change){.action = CFB_REPLACE,
                                                .index = cfb_index(p->msi.file, cab->entry),
                                                .produce = produce_cab,
                                                .ctx = job};
    }
    return true;
}

static void add_table(const struct msi_package *p, const struct msi_table *t,
                      const struct writer *w, struct cfb_change *streams, size_t *count)
{
    if (w->len > 0)
        streams[(*count)++] = (struct cfb_change){.action = CFB_REPLACE,
                                                  .index = cfb_index(p->msi.file, t->entry),
                                                  .content = source_memory(writer_view(w))};
}

static bool rewrite(const struct msi_package *p, const struct change *changes, size_t count,
                    struct arena *a, struct writer tables[2], struct sink *out, struct err *e)
{
    struct cfb_change *streams = ARENA_ARRAY(a, count + 4, struct cfb_change);
    struct msi_file_facts *facts = ARENA_ARRAY(a, count + 1, struct msi_file_facts);
    if (streams == NULL || facts == NULL)
        return arena_err(e);
    size_t n = msi_signature_removed(&p->msi, streams);
    TRY(describe(p, changes, count, facts, e));
    TRY(msi_package_tables(p, facts, count, tables, e));
    TRY(cab_jobs(p, changes, count, a, streams, &n, e));
    add_table(p, &p->table, &tables[0], streams, &n);
    add_table(p, &p->hashes, &tables[1], streams, &n);
    qsort(streams, n, sizeof *streams, by_stream);
    for (size_t i = 1; i < n; i++)
        if (streams[i].index == streams[i - 1].index)
            return msi_bad(e, "a stream is a table and a cabinet at once");
    return cfb_write(p->msi.file, streams, n, out, e);
}

/* A signature is left out, because it no longer holds. */
bool msi_repack(const struct container *c, const struct change *changes, size_t count,
                struct sink *out, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(count * 1024 + (1 << 16));
    struct writer tables[2];
    if (a == NULL)
        return arena_err(e);
    for (size_t i = 0; i < count; i++)
        if (changes[i].index == SIZE_MAX)
            return err_user(e, ERR_DIRECTIVE, "Files cannot be added to an installer file.");
    writer_init(&tables[0], TABLES_MAX);
    writer_init(&tables[1], TABLES_MAX);
    bool ok = rewrite(c->own, changes, count, a, tables, out, e);
    writer_done(&tables[0]);
    writer_done(&tables[1]);
    return ok;
}

/* --- files beside the installer --------------------------------------------------------------- */
static int by_index(const void *a, const void *b)
{
    const struct cab_change *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

bool msi_rebuild(const struct container *c, size_t outside, const struct change *changes,
                 size_t count, struct sink *out, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(count * 128 + 4096);
    const struct msi_package *p = c->own;
    struct cab_change *inner = a == NULL ? NULL : ARENA_ARRAY(a, count + 1, struct cab_change);
    struct cab *cab = NULL;
    size_t n = 0;
    if (inner == NULL)
        return arena_err(e);
    for (size_t i = 0; i < count; i++) {
        if (changes[i].index == SIZE_MAX || c->entries[changes[i].index].outside != outside + 1)
            continue;
        if (c->outsides[outside].whole)
            return sink_source(out, &changes[i].content, e);
        TRY(msi_package_find(p, changes[i].index, &cab, &inner[n].index, e));
        inner[n++].content = changes[i].content;
    }
    if (cab == NULL)
        return err_set(e, ERR_INTERNAL, "nothing in %s changes", c->outsides[outside].path);
    qsort(inner, n, sizeof *inner, by_index);
    return cab_repack(cab, inner, n, out, e);
}
