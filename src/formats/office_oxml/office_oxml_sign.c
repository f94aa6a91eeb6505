/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/office_oxml/office_oxml.h"
#include "formats/zip/zip_format.h"

enum { XML_MAX = 8 * 1024 * 1024, INFO_MAX = 4 * 1024 * 1024 };
/* Two lists of parts, up to two old signatures of each kind, the new ones. */
enum { CHANGES_MAX = 2 + 3 * VBA_KINDS };

struct changes {
    struct zip_change list[CHANGES_MAX];
    size_t count;
};

/* Kept sorted by index, as zip_repack wants them; what is added comes last. */
static void add_change(struct changes *c, struct zip_change change)
{
    size_t at = c->count++;
    size_t key = change.action == ZIP_ADD ? SIZE_MAX : change.index;
    for (; at > 0; at--) {
        const struct zip_change *before = &c->list[at - 1];
        if ((before->action == ZIP_ADD ? SIZE_MAX : before->index) <= key)
            break;
        c->list[at] = *before;
    }
    c->list[at] = change;
}

static bool pack(struct arena *a, struct reader content, uint16_t method, struct zip_packed *ret,
                 struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    const struct source in = source_memory(content);
    writer_init(&w, XML_MAX);
    struct sink scratch = sink_memory(&w);
    TRY(zip_pack(&in, method, &scratch, ret, e));
    if (method == ZIP_STORED)
        return true; /* borrows the content */
    struct reader packed = arena_bytes(a, writer_view(&w));
    if (packed.at == NULL)
        return arena_err(e);
    ret->data = source_memory(packed);
    return true;
}

/* Replaces the entry, or adds it with this path. */
static bool put_entry(const struct sign_job *job, struct changes *c, const struct oxml *o,
                      size_t index, const char *path, const struct writer *text, struct err *e)
{
    struct zip_change change = {.action = index == SIZE_MAX ? ZIP_ADD : ZIP_REPLACE,
                                .index = index == SIZE_MAX ? o->project : index,
                                .path = path};
    uint16_t method = index == SIZE_MAX ? ZIP_DEFLATED : o->zip->entries[index].method;
    struct reader bytes = arena_bytes(job->arena, writer_view(text));
    TRY(writer_ok(text, e) && (bytes.at != NULL || arena_err(e)) &&
        pack(job->arena, bytes, method, &change.packed, e));
    add_change(c, change);
    return true;
}

static bool put_lists(const struct sign_job *job, struct changes *c, const struct oxml *o,
                      const char *const parts[VBA_KINDS], struct err *e)
{
    CLEANUP(writer_done) struct writer links = {0};
    CLEANUP(writer_done) struct writer types = {0};
    writer_init(&links, XML_MAX);
    writer_init(&types, XML_MAX);
    oxml_put_links(&links, o, parts);
    oxml_put_types(&types, o, parts);
    return put_entry(job, c, o, o->types, NULL, &types, e) &&
           put_entry(job, c, o, o->rels, o->rels_path, &links, e);
}

/* All signatures that are there go, also parts of their names that nothing leads to: Office would
 * take an old V3 signature before a new one of another kind. */
static void remove_old(struct changes *c, const struct oxml *o)
{
    for (enum vba_kind k = VBA_LEGACY; k < VBA_KINDS; k++) {
        if (o->signatures[k] != SIZE_MAX)
            add_change(c, (struct zip_change){.action = ZIP_REMOVE, .index = o->signatures[k]});
        if (o->stale[k] != SIZE_MAX)
            add_change(c, (struct zip_change){.action = ZIP_REMOVE, .index = o->stale[k]});
    }
}

static bool put_signature(const struct sign_job *job, struct changes *c, const struct oxml *o,
                          const struct vba *v, enum vba_kind kind, const char *path, struct err *e)
{
    CLEANUP(writer_done) struct writer info = {0};
    struct zip_change change = {.action = ZIP_ADD, .index = o->project, .path = path};
    writer_init(&info, INFO_MAX);
    TRY(vba_sign(job, v, kind, job->slot + (uint32_t)kind, &info, e));
    struct reader bytes = arena_bytes(job->arena, writer_view(&info));
    if (bytes.at == NULL)
        return arena_err(e);
    TRY(pack(job->arena, bytes, ZIP_STORED, &change.packed, e));
    add_change(c, change);
    return true;
}

static bool sign_project(const struct sign_job *job, const struct oxml *o, const struct vba *v,
                         struct err *e)
{
    struct changes c = {0};
    const char *parts[VBA_KINDS] = {0};
    for (enum vba_kind k = VBA_LEGACY; k < VBA_KINDS; k++)
        if ((k != VBA_V3 || v->no_v3 == NULL) &&
            (parts[k] = oxml_part_path(job->arena, o, k)) == NULL)
            return arena_err(e);
    remove_old(&c, o);
    TRY(put_lists(job, &c, o, parts, e));
    for (enum vba_kind k = VBA_LEGACY; k < VBA_KINDS; k++)
        if (parts[k] != NULL)
            TRY(put_signature(job, &c, o, v, k, parts[k], e));
    return zip_repack(o->zip, c.list, c.count, NULL, job->out, e);
}

bool oxml_sign(const struct sign_job *job, struct err *e)
{
    struct oxml o;
    struct vba v;
    TRY(oxml_open(job->arena, job->in, &o, e));
    if (o.sealed)
        return err_user(e, ERR_DIRECTIVE,
                        "The Office file has a digital signature over the whole document, which "
                        "would not hold when its macros are signed. Submit the file without it, "
                        "and sign the document last.");
    TRY(oxml_project(job->arena, &o, &v, e));
    bool ok = sign_project(job, &o, &v, e);
    vba_done(&v);
    return ok;
}

/* --- what may differ -------------------------------------------------------------------------- */

static bool is_signature(const struct oxml *o, size_t index)
{
    bool found = false;
    for (enum vba_kind k = VBA_LEGACY; k < VBA_KINDS; k++)
        found = found || index == o->signatures[k] || index == o->stale[k];
    return found;
}

/* The directory without signatures; also without the relationships if the other file has none. */
static bool rest(struct arena *a, const struct oxml *o, const struct oxml *other, struct zip *ret,
                 struct err *e)
{
    *ret = *o->zip;
    for (size_t i = o->zip->count; i-- > 0;) {
        const struct zip all = *ret;
        if (is_signature(o, i) || (i == o->rels && other->rels == SIZE_MAX))
            TRY(zip_format_without(a, &all, i, ret, e));
    }
    return true;
}

/* Of the parts that signing writes anew the bytes are not compared, but what they say. */
static bool same_entries(struct arena *a, const struct zip *was, const struct zip *is,
                         const struct oxml *old, struct err *e)
{
    bool *anew = ARENA_ARRAY(a, was->count + 1, bool);
    if (anew == NULL)
        return arena_err(e);
    if (was->count != is->count)
        return err_user(e, ERR_VERIFY_CHANGED, "Parts of the Office file were added or removed.");
    for (size_t i = 0; i < was->count; i++) {
        uint64_t at = was->entries[i].header;
        anew[i] = at == old->zip->entries[old->types].header ||
                  (old->rels != SIZE_MAX && at == old->zip->entries[old->rels].header);
    }
    return zip_compare(was, is, anew, e);
}

static bool same_rows(struct arena *a, const struct oxml_rows *before,
                      const struct oxml_rows *after, struct err *e)
{
    struct oxml_rows both[2] = {*before, *after};
    for (size_t i = 0; i < 2; i++) {
        struct oxml_row *list = ARENA_ARRAY(a, both[i].count + 1, struct oxml_row);
        size_t n = 0;
        enum vba_kind kind;
        if (list == NULL)
            return arena_err(e);
        for (size_t k = 0; k < both[i].count; k++)
            if (!oxml_is_signature(&both[i].list[k], &kind))
                list[n++] = both[i].list[k];
        both[i] = (struct oxml_rows){list, n};
    }
    return oxml_rows_equal(&both[0], &both[1]) ||
           err_user(e, ERR_VERIFY_CHANGED, "The list of parts of the Office file was changed.");
}

bool oxml_unchanged(struct arena *a, const struct source *before, const struct source *after,
                    struct err *e)
{
    struct oxml old, new;
    struct zip was, is;
    TRY(oxml_open(a, before, &old, e) && oxml_open(a, after, &new, e));
    TRY(rest(a, &old, &new, &was, e) && rest(a, &new, &old, &is, e));
    return same_entries(a, &was, &is, &old, e) &&
           same_rows(a, &old.content_types, &new.content_types, e) &&
           same_rows(a, &old.links, &new.links, e);
}
