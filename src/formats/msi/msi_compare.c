/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/digest.h"
#include "formats/cab/cab.h"
#include "formats/msi/msi_package.h"
#include <stdlib.h>

enum { TABLES_MAX = 256 << 20 };

static bool differs(struct err *e, const char *what, const char *name)
{
    return err_user(e, ERR_VERIFY_CHANGED, "In the installer file the %s \"%.160s\" changed.", what,
                    name);
}

/* What changes by the plan, seen from the file before. */
struct comparison {
    const struct msi_package *before, *after;
    const struct container *output; /* that of `after` */
    const bool *changed;
    struct arena *a;
    bool *cabs; /* which cabinets hold a changed file */
    size_t count;
    struct writer tables[2]; /* what File and MsiFileHash have to be */
};

/* --- the database ----------------------------------------------------------------------------- */
static bool md5_of(const struct container *c, size_t index, uint8_t ret[16], struct err *e)
{
    CLEANUP(digest_done) struct digest d = {0};
    struct sink k = sink_discard();
    struct digest_value v;
    TRY(digest_begin(&d, HASH_MD5, e));
    k.tee = digest_tee;
    k.tee_ctx = &d;
    TRY(msi_extract(c, index, &k, e) && digest_end(&d, &v, e));
    struct reader r = digest_view(&v);
    return reader_copy(&r, ret, 16) || err_set(e, ERR_INTERNAL, "length of a digest");
}

static bool size_of(const struct comparison *x, size_t index, uint64_t *ret, struct err *e)
{
    struct source apart;
    struct cab *cab;
    size_t in_cab;
    bool is_apart = x->after->files[index].apart != NULL;
    if (is_apart != (x->before->files[index].apart != NULL))
        return differs(e, "place of the file", x->before->files[index].path);
    if (is_apart)
        TRY(msi_package_apart(x->after, index, &apart, e));
    else
        TRY(msi_package_find(x->after, index, &cab, &in_cab, e));
    *ret = is_apart ? apart.size : cab->files[in_cab].size;
    return true;
}

/* Sizes and hashes have to be those of the files that are in the new cabinets. */
static bool expect_tables(struct comparison *x, struct err *e)
{
    struct msi_file_facts *facts =
        ARENA_ARRAY(x->a, x->before->file_count + 1, struct msi_file_facts);
    if (facts == NULL)
        return arena_err(e);
    for (size_t i = 0; i < x->before->file_count; i++) {
        if (!x->changed[i])
            continue;
        struct msi_file_facts *f = &facts[x->count++];
        *f = (struct msi_file_facts){.index = i};
        TRY(size_of(x, i, &f->size, e));
        if (x->before->files[i].hash_row != SIZE_MAX)
            TRY(md5_of(x->output, i, f->md5, e));
        if (x->before->files[i].apart == NULL)
            x->cabs[x->before->files[i].cab] = true;
    }
    return x->count == 0 || msi_package_tables(x->before, facts, x->count, x->tables, e);
}

/* --- streams ---------------------------------------------------------------------------------- */
static bool counterpart(const struct comparison *x, const struct cfb_entry *entry,
                        struct source *ret, struct err *e)
{
    const struct cfb_entry *y = cfb_find(x->after->msi.file, 0, entry->name);
    if (y == NULL || y->type != CFB_STREAM)
        return err_user(e, ERR_VERIFY_CHANGED, "A stream of the installer file is missing.");
    return cfb_source(x->a, x->after->msi.file, y, ret, e);
}

static bool add_replaced(const struct comparison *x, const struct cfb_entry *entry,
                         struct cfb_change *list, size_t *n, struct err *e)
{
    struct cfb_change *c = &list[(*n)++];
    *c = (struct cfb_change){.action = CFB_REPLACE, .index = cfb_index(x->before->msi.file, entry)};
    return counterpart(x, entry, &c->content, e);
}

static int by_stream(const void *a, const void *b)
{
    const struct cfb_change *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

static bool add_signature(const struct comparison *x, struct cfb_change *list, size_t *n,
                          struct err *e)
{
    const struct msi *m = &x->after->msi;
    struct source pkcs7, metadata;
    if (m->signature == NULL)
        return true;
    if (m->signature_ex == NULL)
        return err_user(e, ERR_VERIFY_CHANGED, "The installer file is signed without metadata.");
    TRY(cfb_source(x->a, m->file, m->signature, &pkcs7, e) &&
        cfb_source(x->a, m->file, m->signature_ex, &metadata, e));
    *n += msi_signature_added(pkcs7, metadata, &list[*n]);
    return true;
}

/* The whole file has to be what is written when these streams take the place of the old ones: so
 * all other streams, names, classes, times and the order are the same, and no byte is left over. */
static bool same_layout(const struct comparison *x, struct err *e)
{
    const struct msi_package *p = x->before;
    struct cfb_change *list = ARENA_ARRAY(x->a, p->cab_count + 8, struct cfb_change);
    bool same;
    if (list == NULL)
        return arena_err(e);
    size_t n = msi_signature_removed(&p->msi, list);
    for (size_t i = 0; i < p->cab_count; i++)
        if (x->cabs[i] && !p->cabs[i].beside)
            TRY(add_replaced(x, p->cabs[i].entry, list, &n, e));
    const struct msi_table *const tables[] = {&p->table, &p->hashes};
    for (size_t i = 0; i < 2; i++)
        if (x->tables[i].len > 0) {
            TRY(add_replaced(x, tables[i]->entry, list, &n, e));
            list[n - 1].content = source_memory(writer_view(&x->tables[i]));
        }
    qsort(list, n, sizeof *list, by_stream);
    TRY(add_signature(x, list, &n, e));
    TRY(cfb_is_written(p->msi.file, list, n, &x->after->msi.file->in, &same, e));
    return same || err_user(e, ERR_VERIFY_CHANGED,
                            "The installer file differs from the unsigned one in more than the "
                            "signatures and what has to follow them.");
}

/* --- cabinets --------------------------------------------------------------------------------- */
/* A cabinet beside the installer is signed by the plan of its own part, if at all. */
static bool may_sign(const struct comparison *x, size_t cab)
{
    uint32_t outside = x->after->cabs[cab].outside;
    return outside > 0 && x->output->outsides[outside - 1].signs;
}

static bool same_cabs(const struct comparison *x, struct err *e)
{
    for (size_t i = 0; i < x->before->cab_count; i++) {
        if (!x->cabs[i])
            continue;
        const struct msi_cab *cab = &x->before->cabs[i];
        if (x->after->cab_count <= i || x->after->cabs[i].cab == NULL ||
            (x->after->cabs[i].cab->signature.left > 0 && !may_sign(x, i)))
            return differs(e, "cabinet", cab->name);
        bool *flags = ARENA_ARRAY(x->a, cab->cab->file_count + 1, bool);
        if (flags == NULL)
            return arena_err(e);
        for (size_t k = 0; k < x->before->file_count; k++)
            if (x->changed[k] && x->before->files[k].cab == i)
                flags[x->before->files[k].in_cab] = true;
        TRY(cab_compare(cab->cab, x->after->cabs[i].cab, flags, e));
    }
    return true;
}

static bool compare(struct comparison *x, struct err *e)
{
    if (x->before->file_count != x->after->file_count)
        return err_user(e, ERR_VERIFY_CHANGED, "The installer file has other files.");
    return expect_tables(x, e) && same_layout(x, e) && same_cabs(x, e);
}

bool msi_compare(struct arena *a, const struct container *before, const struct container *after,
                 const bool *changed, struct err *e)
{
    const struct msi_package *p = before->own;
    struct comparison x = {
        .before = p, .after = after->own, .output = after, .changed = changed, .a = a};
    x.cabs = ARENA_ARRAY(a, p->cab_count + 1, bool);
    if (x.cabs == NULL)
        return arena_err(e);
    writer_init(&x.tables[0], TABLES_MAX);
    writer_init(&x.tables[1], TABLES_MAX);
    bool ok = compare(&x, e);
    writer_done(&x.tables[0]);
    writer_done(&x.tables[1]);
    return ok;
}
