/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/xml_tree.h"
#include "base/text.h"
#include "formats/office_oxml/office_oxml.h"
#include <string.h>

enum { PART_MAX = 64 * 1024 * 1024, XML_MAX = 4 * 1024 * 1024 };
#define MICROSOFT "http://schemas.microsoft.com/"
#define PACKAGE   "http://schemas.openxmlformats.org/package/2006/"

static const char types_path[] = "[Content_Types].xml";

/* Relationship type, content type and name of the signatures' parts (as Office writes them). */
static const struct {
    const char *link, *old_link, *content, *name;
} kinds[VBA_KINDS] = {
    {MICROSOFT "office/2006/relationships/vbaProjectSignature", NULL,
     "application/vnd.ms-office.vbaProjectSignature", "vbaProjectSignature.bin"},
    {MICROSOFT "office/2014/relationships/vbaProjectSignatureAgile",
     MICROSOFT "office/2006/relationships/vbaProjectSignatureAgile", /* [MS-XLSB] 2.1.7.58 */
     "application/vnd.ms-office.vbaProjectSignatureAgile", "vbaProjectSignatureAgile.bin"},
    {MICROSOFT "office/2020/07/relationships/vbaProjectSignatureV3", NULL,
     "application/vnd.ms-office.vbaProjectSignatureV3", "vbaProjectSignatureV3.bin"},
};

static bool malformed(struct err *e, const char *what)
{
    return err_user(e, ERR_VBA, "The Office file is malformed: %s.", what);
}

/* --- parts ------------------------------------------------------------------------------------ */

bool oxml_load(struct arena *a, const struct zip *z, size_t index, struct reader *ret,
               struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    if (z->entries[index].size > PART_MAX)
        return malformed(e, "a part of it is too large");
    writer_init(&w, PART_MAX);
    struct sink k = sink_memory(&w);
    TRY(zip_extract(z, index, &k, e));
    *ret = arena_bytes(a, writer_view(&w));
    return ret->at != NULL || arena_err(e);
}

/* Names of parts compare without case ([ISO 29500-2] 6.2.2.3). */
size_t oxml_find_part(const struct zip *z, const char *path)
{
    for (size_t i = 0; i < z->count; i++)
        if (!z->entries[i].folder && text_equal_ascii_fold(z->entries[i].path, path))
            return i;
    return SIZE_MAX;
}

static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* The part that a target names, seen from a part: "a/b.bin" without slash in front. NULL: it leaves
 * the package, or is no name of a part. */
static const char *resolve(struct arena *a, const char *from, const char *target)
{
    char *path = target[0] == '/'
                     ? arena_format(a, "%s", &target[1])
                     : arena_format(a, "%.*s%s", (int)folder_length(from), from, target);
    struct reader rest = reader_text(path), one;
    size_t n = 0;
    if (path == NULL || strpbrk(target, "%?#\\:") != NULL)
        return NULL;
    while (rest.left > 0) {
        size_t slash = reader_find(rest, 0, "/", 1);
        if (!reader_take(&rest, slash == SIZE_MAX ? rest.left : slash, &one) ||
            (slash != SIZE_MAX && !reader_skip(&rest, 1)) || one.left == 0)
            return NULL;
        if (reader_equal_text(one, "."))
            continue;
        if (reader_equal_text(one, "..")) {
            if (n == 0)
                return NULL;
            for (n--; n > 0 && path[n - 1] != '/'; n--)
                ;
            continue;
        }
        for (size_t i = 0; i < one.left; i++)
            path[n++] = (char)one.at[i];
        if (slash != SIZE_MAX)
            path[n++] = '/';
    }
    path[n] = '\0';
    return n == 0 || path[n - 1] == '/' ? NULL : path;
}

static const char *rels_of(struct arena *a, const char *part)
{
    size_t n = folder_length(part);
    return arena_format(a, "%.*s_rels/%s.rels", (int)n, part, &part[n]);
}

/* --- relationships and content types ---------------------------------------------------------- */

static const char *attribute(const struct xml_element *x, const char *name)
{
    for (size_t i = 0; i < x->attribute_count; i++)
        if (strcmp(x->attributes[i].name, name) == 0 && x->attributes[i].space[0] == '\0')
            return x->attributes[i].value;
    return NULL;
}

static bool read_row(const struct xml_element *x, struct oxml_row *row)
{
    *row = (struct oxml_row){.type = x->name};
    if (x->first != NULL || x->text != NULL)
        return false;
    if (strcmp(x->name, "Relationship") == 0) {
        row->id = attribute(x, "Id");
        row->target = attribute(x, "Target");
        row->mode = attribute(x, "TargetMode");
        row->content = attribute(x, "Type");
        return row->id != NULL && row->target != NULL && row->content != NULL &&
               x->attribute_count == (row->mode == NULL ? 3u : 4u);
    }
    row->id = attribute(x, strcmp(x->name, "Default") == 0 ? "Extension" : "PartName");
    row->content = attribute(x, "ContentType");
    return row->id != NULL && row->content != NULL && x->attribute_count == 2;
}

static const char links_root[] = "Relationships", types_root[] = "Types";

/* All children of the root, which may have no others than these. */
static bool read_rows(struct arena *a, const struct zip *z, size_t index, const char *root,
                      struct oxml_rows *ret, struct err *e)
{
    const char *space = root == links_root ? PACKAGE "relationships" : PACKAGE "content-types";
    static const struct xml_limits limits = {XML_MAX, 100000, 8, 16};
    struct xml_tree tree;
    struct reader text;
    size_t n = 0;
    if (z->entries[index].size > XML_MAX)
        return malformed(e, "a list of its parts is too large");
    TRY(oxml_load(a, z, index, &text, e) && xml_tree_load(a, text, &limits, &tree, e));
    if (strcmp(tree.root->name, root) != 0 || strcmp(tree.root->space, space) != 0 ||
        tree.root->attribute_count != 0 || tree.root->text != NULL)
        return malformed(e, "a list of its parts is something else");
    for (const struct xml_element *x = tree.root->first; x != NULL; x = x->next)
        n++;
    struct oxml_row *list = ARENA_ARRAY(a, n + 1, struct oxml_row);
    if (list == NULL)
        return arena_err(e);
    n = 0;
    for (const struct xml_element *x = tree.root->first; x != NULL; x = x->next)
        if (strcmp(x->space, space) != 0 || !read_row(x, &list[n++]))
            return malformed(e, "a list of its parts has an entry that is not understood");
    *ret = (struct oxml_rows){list, n};
    return true;
}

static bool kind_of(const char *content, enum vba_kind *ret)
{
    for (enum vba_kind k = VBA_LEGACY; k < VBA_KINDS; k++) {
        if (strcmp(content, kinds[k].link) != 0 && strcmp(content, kinds[k].content) != 0 &&
            (kinds[k].old_link == NULL || strcmp(content, kinds[k].old_link) != 0))
            continue;
        *ret = k;
        return true;
    }
    return false;
}

bool oxml_is_signature(const struct oxml_row *row, enum vba_kind *ret)
{
    return strcmp(row->type, "Default") != 0 && kind_of(row->content, ret);
}

/* [ISO 29500-2] 6.2.3.7; NULL: none. */
static const char *content_type(const struct oxml_rows *types, const char *part)
{
    const char *dot = strrchr(&part[folder_length(part)], '.'), *found = NULL;
    for (size_t i = 0; i < types->count; i++) {
        const struct oxml_row *row = &types->list[i];
        if (strcmp(row->type, "Default") != 0) {
            if (row->id[0] == '/' && text_equal_ascii_fold(&row->id[1], part))
                return row->content;
        } else if (dot != NULL && text_equal_ascii_fold(row->id, dot + 1)) {
            found = row->content;
        }
    }
    return found;
}

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool oxml_rows_equal(const struct oxml_rows *a, const struct oxml_rows *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++) {
        const struct oxml_row *x = &a->list[i], *y = &b->list[i];
        equal = same(x->type, y->type) && same(x->id, y->id) && same(x->target, y->target) &&
                same(x->mode, y->mode) && same(x->content, y->content);
    }
    return equal;
}

/* --- the package ------------------------------------------------------------------------------ */

/* Exactly one relationship of one of these types: its target. *ret NULL: none. */
static bool follow(struct arena *a, const struct zip *z, const char *from, const char *const *types,
                   const char **ret, struct err *e)
{
    struct oxml_rows rows;
    const char *path = from[0] == '\0' ? "_rels/.rels" : rels_of(a, from);
    size_t index = path == NULL ? SIZE_MAX : oxml_find_part(z, path);
    *ret = NULL;
    if (path == NULL)
        return arena_err(e);
    if (index == SIZE_MAX)
        return true;
    TRY(read_rows(a, z, index, links_root, &rows, e));
    for (size_t i = 0; i < rows.count; i++) {
        const struct oxml_row *row = &rows.list[i];
        bool wanted = false;
        for (const char *const *t = types; *t != NULL; t++)
            wanted = wanted || strcmp(row->content, *t) == 0;
        if (!wanted)
            continue;
        if (*ret != NULL)
            return malformed(e, "it has two main parts, or two macro projects");
        *ret = resolve(a, from, row->target);
        if (*ret == NULL && arena_failed(a))
            return arena_err(e);
        if (*ret == NULL || (row->mode != NULL && strcmp(row->mode, "Internal") != 0))
            return malformed(e, "its macro project is not inside");
    }
    return true;
}

static bool find_stale(struct arena *a, struct oxml *o, struct err *e)
{
    for (enum vba_kind k = VBA_LEGACY; k < VBA_KINDS; k++) {
        const char *path = oxml_part_path(a, o, k);
        if (path == NULL)
            return arena_err(e);
        o->stale[k] = oxml_find_part(o->zip, path);
        for (enum vba_kind other = VBA_LEGACY; other < VBA_KINDS; other++)
            o->stale[k] = o->signatures[other] == o->stale[k] ? SIZE_MAX : o->stale[k];
    }
    return true;
}

static bool read_links(struct arena *a, struct oxml *o, struct err *e)
{
    const char *project = o->zip->entries[o->project].path;
    o->rels_path = rels_of(a, project);
    if (o->rels_path == NULL)
        return arena_err(e);
    o->rels = oxml_find_part(o->zip, o->rels_path);
    if (o->rels == SIZE_MAX)
        return find_stale(a, o, e);
    TRY(read_rows(a, o->zip, o->rels, links_root, &o->links, e));
    for (size_t i = 0; i < o->links.count; i++) {
        enum vba_kind kind, other;
        const struct oxml_row *row = &o->links.list[i];
        if (!oxml_is_signature(row, &kind))
            continue;
        const char *path = resolve(a, project, row->target);
        size_t index = path == NULL ? SIZE_MAX : oxml_find_part(o->zip, path);
        if (path == NULL && arena_failed(a))
            return arena_err(e);
        if (o->signatures[kind] != SIZE_MAX || index == SIZE_MAX || index == o->project)
            return malformed(e, "a signature of its macros is missing, or there twice");
        /* Signing removes the part: it must not be one of the document. */
        const char *type = content_type(&o->content_types, o->zip->entries[index].path);
        if (type == NULL || !kind_of(type, &other))
            return malformed(e, "what should be a signature of its macros is something else");
        o->signatures[kind] = index;
    }
    return find_stale(a, o, e);
}

static bool is_sealed(const struct zip *z)
{
    static const char folder[] = "_xmlsignatures/";
    for (size_t i = 0; i < z->count; i++)
        if (strncmp(z->entries[i].path, folder, sizeof folder - 1) == 0)
            return true;
    return false;
}

static bool refuse_encrypted(struct arena *a, const struct source *in, struct err *e)
{
    struct reader head;
    TRY(source_head(a, in, 8, &head, e));
    if (reader_starts_with(head, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8))
        return err_user(e, ERR_FILE_TYPE,
                        "The Office file is protected by a password, or is of the older binary "
                        "form. Remove the password, or use office-binary-file.");
    return true;
}

bool oxml_open(struct arena *a, const struct source *in, struct oxml *ret, struct err *e)
{
    static const char *const main_types[] = {
        "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument",
        "http://purl.oclc.org/ooxml/officeDocument/relationships/officeDocument",
        MICROSOFT "visio/2010/relationships/document", NULL};
    static const char *const project_types[] = {MICROSOFT "office/2006/relationships/vbaProject",
                                                NULL};
    struct oxml o = {.project = SIZE_MAX, .rels = SIZE_MAX};
    struct zip *z;
    const char *main_part, *project = NULL;
    for (enum vba_kind k = VBA_LEGACY; k < VBA_KINDS; k++)
        o.signatures[k] = o.stale[k] = SIZE_MAX;
    TRY(refuse_encrypted(a, in, e) && zip_open(a, in, ZIP_UNIQUE_FOLDED, NULL, &z, e));
    o.zip = z;
    o.types = oxml_find_part(z, types_path);
    o.sealed = is_sealed(z);
    if (o.types == SIZE_MAX)
        return malformed(e, "it has no [Content_Types].xml");
    TRY(read_rows(a, z, o.types, types_root, &o.content_types, e));
    TRY(follow(a, z, "", main_types, &main_part, e));
    if (main_part == NULL)
        return malformed(e, "it has no main part");
    TRY(follow(a, z, main_part, project_types, &project, e));
    if (project != NULL) {
        o.project = oxml_find_part(z, project);
        if (o.project == SIZE_MAX)
            return malformed(e, "its macro project is missing");
        TRY(read_links(a, &o, e));
    }
    *ret = o;
    return true;
}

bool oxml_project(struct arena *a, const struct oxml *o, struct vba *ret, struct err *e)
{
    struct reader bytes;
    struct cfb *file;
    bool found;
    if (o->project == SIZE_MAX)
        return err_user(e, ERR_FILE_TYPE,
                        "The Office file contains no macros, so there is nothing to sign.");
    TRY(oxml_load(a, o->zip, o->project, &bytes, e));
    const struct source in = source_memory(bytes);
    TRY(cfb_open(a, &in, &file, e) && vba_open(a, file, 0, ret, &found, e));
    return found || malformed(e, "its macro project is empty");
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put_escaped(struct writer *w, const char *value)
{
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '&')
            writer_text(w, "&amp;");
        else if (*c == '<')
            writer_text(w, "&lt;");
        else if (*c == '"')
            writer_text(w, "&quot;");
        else if (*c == '\t' || *c == '\n' || *c == '\r')
            writer_format(w, "&#%d;", *c);
        else
            writer_u8(w, (uint8_t)*c);
    }
}

static void put_quoted(struct writer *w, const char *name, const char *value)
{
    if (value == NULL)
        return;
    writer_format(w, " %s=\"", name);
    put_escaped(w, value);
    writer_u8(w, '"');
}

static const char declaration[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\r\n";

static void put_link(struct writer *w, const struct oxml_row *row)
{
    writer_text(w, "<Relationship");
    put_quoted(w, "Id", row->id);
    put_quoted(w, "Type", row->content);
    put_quoted(w, "Target", row->target);
    put_quoted(w, "TargetMode", row->mode);
    writer_text(w, "/>");
}

/* Behind the last of rId1, rId2 ... that another relationship has. */
static uint32_t free_id(const struct oxml *o)
{
    uint64_t last = 0, number;
    enum vba_kind kind;
    for (size_t i = 0; i < o->links.count; i++) {
        const struct oxml_row *row = &o->links.list[i];
        if (strncmp(row->id, "rId", 3) == 0 && text_u64(reader_text(&row->id[3]), &number) &&
            number > last && number < INT32_MAX && !oxml_is_signature(row, &kind))
            last = number;
    }
    return (uint32_t)last + 1;
}

void oxml_put_links(struct writer *w, const struct oxml *o, const char *const parts[VBA_KINDS])
{
    enum vba_kind kind;
    uint32_t id = free_id(o);
    writer_text(w, declaration);
    writer_text(w, "<Relationships xmlns=\"" PACKAGE "relationships\">");
    for (size_t i = 0; i < o->links.count; i++)
        if (!oxml_is_signature(&o->links.list[i], &kind))
            put_link(w, &o->links.list[i]);
    for (kind = VBA_LEGACY; kind < VBA_KINDS; kind++) {
        if (parts[kind] == NULL)
            continue;
        writer_format(w, "<Relationship Id=\"rId%u\" Type=\"%s\" Target=\"%s\"/>", id++,
                      kinds[kind].link, kinds[kind].name);
    }
    writer_text(w, "</Relationships>");
}

void oxml_put_types(struct writer *w, const struct oxml *o, const char *const parts[VBA_KINDS])
{
    enum vba_kind kind;
    writer_text(w, declaration);
    writer_text(w, "<Types xmlns=\"" PACKAGE "content-types\">");
    for (size_t i = 0; i < o->content_types.count; i++) {
        const struct oxml_row *row = &o->content_types.list[i];
        if (oxml_is_signature(row, &kind))
            continue;
        writer_format(w, "<%s", row->type);
        put_quoted(w, strcmp(row->type, "Default") == 0 ? "Extension" : "PartName", row->id);
        put_quoted(w, "ContentType", row->content);
        writer_text(w, "/>");
    }
    for (kind = VBA_LEGACY; kind < VBA_KINDS; kind++) {
        if (parts[kind] == NULL)
            continue;
        writer_text(w, "<Override PartName=\"/");
        put_escaped(w, parts[kind]);
        writer_format(w, "\" ContentType=\"%s\"/>", kinds[kind].content);
    }
    writer_text(w, "</Types>");
}

const char *oxml_part_path(struct arena *a, const struct oxml *o, enum vba_kind kind)
{
    const char *project = o->zip->entries[o->project].path;
    return arena_format(a, "%.*s%s", (int)folder_length(project), project, kinds[kind].name);
}
