/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/office_binary/office_binary.h"

enum { PROBE_MEMORY = 256 << 20, INFO_MAX = 4 * 1024 * 1024 };

/* Protected ones and those of Visio too, so that the refusal can say why. */
static bool probe(struct reader head, const struct source *in)
{
    struct cfb *file;
    struct err e = {0};
    if (!cfb_starts(head))
        return false;
    CLEANUP(arena_cleanup) struct arena *a = arena_new(PROBE_MEMORY);
    return a != NULL && cfb_open(a, in, &file, &e) && office_binary_is_one(file);
}

static bool inspect(struct arena *a, const struct source *in, struct file_facts *ret, struct err *e)
{
    struct file_facts facts = {0};
    struct office_binary b;
    struct office_binary_signatures s;
    TRY(office_binary_open(a, in, &b, e) && office_binary_read(a, &b, &s, e));
    for (enum vba_kind k = VBA_LEGACY; k < VBA_KINDS; k++)
        facts.signatures += s.info[k].at != NULL ? 1 : 0;
    *ret = facts;
    return true;
}

/* Only Word has a place for more than the legacy signature; that of V3 needs data all readers agree
 * about. */
static uint32_t kinds_of(const struct office_binary *b, const struct vba *v)
{
    if (b->program != OFFICE_BINARY_WORD)
        return 1;
    return v->no_v3 == NULL ? VBA_KINDS : VBA_KINDS - 1;
}

static bool slots(struct arena *a, const struct source *in, const char *directive,
                  struct attributes attributes, uint32_t *ret, struct err *e)
{
    struct office_binary b;
    struct vba v;
    (void)directive;
    (void)attributes;
    TRY(office_binary_open(a, in, &b, e) && office_binary_project(a, &b, &v, e));
    *ret = kinds_of(&b, &v);
    vba_done(&v);
    return true;
}

static bool sign_project(const struct sign_job *job, const struct office_binary *b,
                         const struct vba *v, struct office_binary_signatures *s, struct err *e)
{
    for (uint32_t k = 0; k < kinds_of(b, v); k++) {
        CLEANUP(writer_done) struct writer info = {0};
        writer_init(&info, INFO_MAX);
        TRY(vba_sign(job, v, (enum vba_kind)k, job->slot + k, &info, e));
        s->info[k] = arena_bytes(job->arena, writer_view(&info));
        if (s->info[k].at == NULL)
            return arena_err(e);
    }
    return true;
}

static bool sign(const struct sign_job *job, struct err *e)
{
    struct office_binary b;
    struct vba v;
    struct office_binary_signatures s = {0};
    struct cfb_change changes[OFFICE_BINARY_CHANGES];
    size_t count;
    TRY(office_binary_open(job->arena, job->in, &b, e));
    if (b.sealed)
        return err_user(e, ERR_DIRECTIVE,
                        "The Office file has a digital signature over the whole document, which "
                        "would not hold when its macros are signed. Submit the file without it, "
                        "and sign the document last.");
    TRY(office_binary_project(job->arena, &b, &v, e));
    bool ok = sign_project(job, &b, &v, &s, e);
    vba_done(&v);
    return ok && office_binary_changes(job->arena, &b, &s, changes, &count, e) &&
           cfb_write(b.file, changes, count, job->out, e);
}

static bool verify_all(const struct verify_job *job, const struct vba *v,
                       const struct office_binary_signatures *s, struct signature *list,
                       size_t *count, struct err *e)
{
    for (enum vba_kind k = VBA_LEGACY; k < VBA_KINDS; k++)
        if (s->info[k].at != NULL)
            TRY(vba_verify(job->arena, v, k, s->info[k], list, count, e));
    return true;
}

static bool verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                   struct err *e)
{
    struct office_binary b;
    struct office_binary_signatures s;
    struct vba v;
    size_t count = 0;
    struct signature *list = ARENA_ARRAY(job->arena, VBA_SIGNATURES, struct signature);
    if (list == NULL)
        return arena_err(e);
    TRY(office_binary_open(job->arena, job->in, &b, e) &&
        office_binary_read(job->arena, &b, &s, e));
    if (b.macros != NULL) {
        TRY(office_binary_project(job->arena, &b, &v, e));
        bool ok = verify_all(job, &v, &s, list, &count, e);
        vba_done(&v);
        TRY(ok);
    }
    *ret = list;
    *ret_count = count;
    return true;
}

/* The new file is exactly what is written when its signatures are put into the old one. */
static bool unchanged(struct arena *a, const struct source *before, const struct source *after,
                      struct err *e)
{
    struct office_binary old, new;
    struct office_binary_signatures s;
    struct cfb_change changes[OFFICE_BINARY_CHANGES];
    size_t count;
    bool same = false;
    TRY(office_binary_open(a, before, &old, e) && office_binary_open(a, after, &new, e));
    if (old.program == new.program)
        TRY(office_binary_read(a, &new, &s, e) &&
            office_binary_changes(a, &old, &s, changes, &count, e) &&
            cfb_is_written(old.file, changes, count, after, &same, e));
    return same || err_user(e, ERR_VERIFY_CHANGED, "The content of the Office file was changed.");
}

const struct format office_binary_format = {
    .facts = &office_binary_facts,
    .probe = probe,
    .inspect = inspect,
    .slots = slots,
    .sign = sign,
    .verify = verify,
    .unchanged = unchanged,
};
