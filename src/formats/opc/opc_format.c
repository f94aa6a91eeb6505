/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "formats/opc/opc.h"
#include "formats/zip/zip_format.h"
#include <string.h>

enum { PROBE_MEMORY = 1 << 30 };

/* What is wrong inside is said by those who read it. */
static bool probe(struct reader head, const struct source *in)
{
    struct zip *z;
    struct err e = {0};
    if (!zip_starts(head))
        return false;
    CLEANUP(arena_cleanup) struct arena *a = arena_new(PROBE_MEMORY);
    if (a == NULL || !zip_open(a, in, ZIP_UNIQUE_FOLDED, NULL, &z, &e))
        return false;
    for (size_t i = 0; i < z->count; i++)
        if (text_equal_ascii_fold(z->entries[i].path, OPC_TYPES))
            return true;
    return false;
}

/* Visual Studio extensions say who they are in a part of their own. One that cannot be read gives
 * no facts: then no restriction holds. */
static void vsix_facts(struct arena *a, const struct opc *p, struct attributes *facts)
{
    static const struct xml_limits limits = {OPC_TEXT_MAX, 100000, 64, 256};
    static const char *const names[][2] = {
        {"package-id", "Id"}, {"package-version", "Version"}, {"publisher", "Publisher"}};
    struct attribute *list = ARENA_ARRAY(a, COUNT_OF(names), struct attribute);
    size_t index = opc_part(a, p, "/extension.vsixmanifest"), n = 0;
    struct reader text;
    struct xml_spans s;
    struct err bad = {0};
    if (index == SIZE_MAX || list == NULL || !opc_entry(a, p->zip, index, &text, &bad) ||
        !xml_spans_load(a, text, &limits, 3, &s, &bad))
        return;
    for (size_t i = 0; i < s.count; i++) {
        if (s.list[i].depth != 3 || strcmp(s.list[i].name, "Identity") != 0)
            continue;
        for (size_t k = 0; k < COUNT_OF(names) && n < COUNT_OF(names); k++) {
            const char *value = xml_span_value(&s.list[i], names[k][1]);
            if (value != NULL)
                list[n++] = (struct attribute){names[k][0], value};
        }
    }
    *facts = (struct attributes){list, n};
}

static bool inspect(struct arena *a, const struct source *in, struct file_facts *ret, struct err *e)
{
    struct opc p;
    TRY(opc_open(a, in, &p, e));
    *ret = (struct file_facts){.signatures = (uint32_t)p.signature_count};
    vsix_facts(a, &p, &ret->facts);
    return true;
}

/* --- container -------------------------------------------------------------------------------- */

/* 9.2.3.2: what is percent-encoded in the ZIP file has its plain name in patterns. */
static bool plain_name(struct arena *a, const char **path, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 64 * 1024);
    if (strchr(*path, '%') == NULL)
        return true;
    if (!text_unpercent(&w, reader_text(*path), false) || !text_is_utf8(writer_view(&w)) ||
        reader_find(writer_view(&w), 0, "", 1) != SIZE_MAX)
        return err_user(e, ERR_OPC, "\"%.200s\" is not a name that a package may use.", *path);
    *path = arena_text(a, writer_view(&w));
    return *path != NULL || arena_err(e);
}

static bool open(struct arena *a, const struct source *in, struct budget *budget,
                 struct container **ret, struct err *e)
{
    struct container *c;
    struct opc *p = ARENA_NEW(a, struct opc);
    if (p == NULL)
        return arena_err(e);
    TRY(zip_format_open(a, in, &opc_format, ZIP_UNIQUE_FOLDED, budget, &c, e));
    TRY(opc_of(a, c->own, p, e));
    c->own = p;
    for (size_t i = 0; i < c->count; i++)
        TRY(plain_name(a, &c->entries[i].path, e));
    *ret = c;
    return true;
}

/* The same container for the functions of ZIP files. */
static struct container as_zip(const struct container *c)
{
    struct container zip = *c;
    zip.own = ((const struct opc *)c->own)->zip;
    return zip;
}

static bool extract(const struct container *c, size_t index, struct sink *out, struct err *e)
{
    struct container zip = as_zip(c);
    return zip_format_extract(&zip, index, out, e);
}

static bool prepare(const struct container *c, struct arena *a, struct change *change,
                    struct sink *scratch, struct err *e)
{
    struct container zip = as_zip(c);
    return zip_format_prepare(&zip, a, change, scratch, e);
}

static bool own_entry(const struct container *c, size_t index)
{
    return ((const struct opc *)c->own)->own[index];
}

static bool is_own_change(const struct opc *p, const struct change *c)
{
    return c->index == p->types || c->index == p->root ||
           (c->index < p->zip->count && p->own[c->index]);
}

/* Signatures that are there do not hold for other contents: they go. */
static bool strip(struct arena *a, const struct opc *p, struct zip_change *list, size_t *count,
                  struct err *e)
{
    struct opc_strip s;
    TRY(opc_strip(a, p, 0, &s, e));
    if (s.count == 0)
        return true;
    for (size_t i = 0; i < s.count; i++)
        list[(*count)++] = s.list[i];
    TRY(opc_put_text(a, p, p->types, NULL, s.types, &list[(*count)++], e));
    return s.root.left == 0 || opc_put_text(a, p, p->root, NULL, s.root, &list[(*count)++], e);
}

static bool repack(const struct container *c, const struct change *changes, size_t count,
                   struct sink *out, struct err *e)
{
    const struct opc *p = c->own;
    struct container zip = as_zip(c);
    struct zip_change *list;
    size_t all = count;
    CLEANUP(arena_cleanup)
    struct arena *a = arena_new(zip_format_room(count + p->zip->count) + 4 * (size_t)OPC_TEXT_MAX);
    if (a == NULL)
        return arena_err(e);
    for (size_t i = 0; i < count; i++)
        if (is_own_change(p, &changes[i]))
            return err_user(
                e, ERR_DIRECTIVE,
                "\"%.120s\" is part of how the package is built; it cannot be signed by "
                "itself.",
                c->entries[changes[i].index].path);
    TRY(zip_format_changes(&zip, a, changes, count, p->zip->count + 2, &list, e));
    if (count > 0)
        TRY(strip(a, p, list, &all, e));
    return zip_repack(p->zip, list, all, NULL, out, e);
}

/* --- what signing may change ------------------------------------------------------------------ */

static bool is_ours(struct arena *a, const struct opc *p, const struct xml_span *s)
{
    const char *type = xml_span_value(s, "ContentType"), *part = xml_span_value(s, "PartName");
    const char *extension = xml_span_value(s, "Extension");
    size_t index = part == NULL ? SIZE_MAX : opc_part(a, p, part);
    if (s->depth != 2 || type == NULL)
        return false;
    if (strcmp(type, OPC_TYPE_ORIGIN) == 0 || strcmp(type, OPC_TYPE_SIGN) == 0 ||
        strcmp(type, OPC_TYPE_CERT) == 0)
        return true;
    return strcmp(type, OPC_TYPE_RELS) == 0 &&
           ((extension != NULL && text_equal_ascii_fold(extension, "rels")) ||
            (index != SIZE_MAX && p->own[index]) || (index != SIZE_MAX && index == p->root));
}

static const char *or_none(const char *text)
{
    return text == NULL ? "" : text;
}

/* The rows that are not about signatures, one after the other. */
static bool same_types(struct arena *a, const struct opc *x, const struct opc *y)
{
    static const char *const names[] = {"Extension", "PartName", "ContentType"};
    size_t i = 1, k = 1;
    for (;; i++, k++) {
        while (i < x->rows.count && is_ours(a, x, &x->rows.list[i]))
            i++;
        while (k < y->rows.count && is_ours(a, y, &y->rows.list[k]))
            k++;
        if (i >= x->rows.count || k >= y->rows.count)
            return i >= x->rows.count && k >= y->rows.count;
        for (size_t n = 0; n < COUNT_OF(names); n++)
            if (strcmp(or_none(xml_span_value(&x->rows.list[i], names[n])),
                       or_none(xml_span_value(&y->rows.list[k], names[n]))) != 0)
                return false;
    }
}

/* The package's relationships but for that to the signatures, in canonical form. */
static bool root_rest(struct arena *a, const struct opc *p, struct writer *w, struct err *e)
{
    struct reader text;
    struct xml_spans s;
    if (p->root == SIZE_MAX || p->own[p->root])
        return true;
    TRY(opc_entry(a, p->zip, p->root, &text, e) && opc_relations(a, p, p->root, &s, e));
    const char **ids = ARENA_ARRAY(a, s.count, const char *);
    struct opc_selection others = {.ids = ids};
    if (ids == NULL)
        return arena_err(e);
    for (size_t i = 1; i < s.count; i++)
        if (opc_is_relation(&s.list[i]) && !opc_has_type(&s.list[i], OPC_ORIGIN))
            ids[others.id_count++] = or_none(xml_span_value(&s.list[i], "Id"));
    return opc_transform(a, text, &others, w, e);
}

static bool compare_rest(struct arena *a, const struct opc *old, const struct opc *new,
                         struct err *e)
{
    CLEANUP(writer_done) struct writer left = {0};
    CLEANUP(writer_done) struct writer right = {0};
    writer_init(&left, OPC_TEXT_MAX);
    writer_init(&right, OPC_TEXT_MAX);
    if (!same_types(a, old, new))
        return err_user(e, ERR_VERIFY_CHANGED,
                        "[Content_Types].xml changed in more than rows of signatures.");
    TRY(root_rest(a, old, &left, e) && root_rest(a, new, &right, e));
    return reader_equal(writer_view(&left), writer_view(&right)) ||
           err_user(e, ERR_VERIFY_CHANGED, "_rels/.rels changed in more than a row.");
}

static bool compare(struct arena *a, const struct container *before, const struct container *after,
                    const bool *changed, struct err *e)
{
    const struct opc *old = before->own, *new = after->own;
    struct zip left, right;
    size_t n = 0;
    bool *flags = ARENA_ARRAY(a, before->count, bool);
    if (flags == NULL)
        return arena_err(e);
    for (size_t i = 0; i < before->count; i++)
        if (!old->own[i])
            flags[n++] = changed[i] || i == old->types || i == old->root;
    TRY(compare_rest(a, old, new, e));
    TRY(zip_format_keep(a, old->zip, old->own, &left, e));
    TRY(zip_format_keep(a, new->zip, new->own, &right, e));
    return zip_compare(&left, &right, flags, e);
}

const struct format opc_format = {
    .facts = &opc_facts,
    .probe = probe,
    .inspect = inspect,
    .sign = opc_sign,
    .verify = opc_verify,
    .open = open,
    .extract = extract,
    .prepare = prepare,
    .repack = repack,
    .compare = compare,
    .own_entry = own_entry,
};
