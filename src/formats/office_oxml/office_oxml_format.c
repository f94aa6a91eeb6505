/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/office_oxml/office_oxml.h"

enum { PROBE_MEMORY = 256 << 20 };

/* A package of Office with or without macros; signing says it when there are none. */
static bool probe(struct reader head, const struct source *in)
{
    static const char *const main_parts[] = {"word/document.xml", "xl/workbook.xml",
                                             "xl/workbook.bin", "ppt/presentation.xml",
                                             "visio/document.xml"};
    struct zip *z;
    struct err e = {0};
    bool found = false;
    if (!zip_starts(head))
        return false;
    CLEANUP(arena_cleanup) struct arena *a = arena_new(PROBE_MEMORY);
    if (a == NULL || !zip_open(a, in, ZIP_UNIQUE_FOLDED, NULL, &z, &e))
        return false;
    for (size_t i = 0; i < COUNT_OF(main_parts); i++)
        found = found || oxml_find_part(z, main_parts[i]) != SIZE_MAX;
    return found && oxml_find_part(z, "[Content_Types].xml") != SIZE_MAX;
}

static bool inspect(struct arena *a, const struct source *in, struct file_facts *ret, struct err *e)
{
    struct file_facts facts = {0};
    struct oxml o;
    TRY(oxml_open(a, in, &o, e));
    for (enum vba_kind k = VBA_LEGACY; k < VBA_KINDS; k++)
        facts.signatures += o.signatures[k] != SIZE_MAX ? 1 : 0;
    *ret = facts;
    return true;
}

static bool slots(struct arena *a, const struct source *in, const char *directive,
                  struct attributes attributes, uint32_t *ret, struct err *e)
{
    struct oxml o;
    struct vba v;
    (void)directive;
    (void)attributes;
    TRY(oxml_open(a, in, &o, e) && oxml_project(a, &o, &v, e));
    *ret = v.no_v3 == NULL ? VBA_KINDS : VBA_KINDS - 1;
    vba_done(&v);
    return true;
}

static bool verify_all(const struct verify_job *job, const struct oxml *o, const struct vba *v,
                       struct signature *list, size_t *count, struct err *e)
{
    for (enum vba_kind k = VBA_LEGACY; k < VBA_KINDS; k++) {
        struct reader info;
        if (o->signatures[k] == SIZE_MAX)
            continue;
        TRY(oxml_load(job->arena, o->zip, o->signatures[k], &info, e) &&
            vba_verify(job->arena, v, k, info, list, count, e));
    }
    return true;
}

static bool verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                   struct err *e)
{
    struct oxml o;
    struct vba v;
    size_t count = 0;
    struct signature *list = ARENA_ARRAY(job->arena, VBA_SIGNATURES, struct signature);
    if (list == NULL)
        return arena_err(e);
    TRY(oxml_open(job->arena, job->in, &o, e));
    if (o.project != SIZE_MAX) {
        TRY(oxml_project(job->arena, &o, &v, e));
        bool ok = verify_all(job, &o, &v, list, &count, e);
        vba_done(&v);
        TRY(ok);
    }
    *ret = list;
    *ret_count = count;
    return true;
}

const struct format office_oxml_format = {
    .facts = &office_oxml_facts,
    .probe = probe,
    .inspect = inspect,
    .slots = slots,
    .sign = oxml_sign,
    .verify = verify,
    .unchanged = oxml_unchanged,
};
