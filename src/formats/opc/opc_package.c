/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "formats/opc/opc.h"
#include <stdlib.h>
#include <string.h>

#define TYPES_SPACE "http://schemas.openxmlformats.org/package/2006/content-types"
static const struct xml_limits limits = {OPC_TEXT_MAX, 1000000, 16, 64};

/* --- names ------------------------------------------------------------------------------------ */

/* Part names are equal without regard to ASCII case (9.1.1.1). */
static char *lower(struct arena *a, const char *text)
{
    char *copy = arena_text(a, reader_text(text));
    for (char *at = copy; at != NULL && *at != '\0'; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at + 32);
    return copy;
}

static int name_order(const void *a, const void *b)
{
    return strcmp(((const struct opc_named *)a)->name, ((const struct opc_named *)b)->name);
}

static bool add_name(struct arena *a, struct opc_names *n, const char *name, size_t at,
                     struct err *e)
{
    n->list[n->count] = (struct opc_named){lower(a, name), at};
    return n->list[n->count++].name != NULL || arena_err(e);
}

static size_t find_name(struct arena *a, const struct opc_names *n, const char *name)
{
    const struct opc_named key = {.name = lower(a, name)};
    const struct opc_named *found =
        key.name == NULL || n->count == 0
            ? NULL
            : bsearch(&key, n->list, n->count, sizeof *n->list, name_order);
    return found == NULL ? SIZE_MAX : found->at;
}

size_t opc_part(struct arena *a, const struct opc *p, const char *name)
{
    return name[0] == '/' ? find_name(a, &p->parts, &name[1]) : SIZE_MAX;
}

char *opc_rels_name(struct arena *a, const char *part)
{
    const char *slash = strrchr(part, '/');
    int folder = slash == NULL ? 0 : (int)(slash - part);
    return arena_format(a, "%.*s/_rels/%s.rels", folder, part, slash == NULL ? part : slash + 1);
}

bool opc_is_rels(const char *path)
{
    size_t n = strlen(path);
    const char *slash = strrchr(path, '/');
    if (n < 5 || !text_equal_ascii_fold(&path[n - 5], ".rels") || slash == NULL)
        return false;
    size_t folder = (size_t)(slash - path);
    return folder >= 5 && strncasecmp(&path[folder - 5], "_rels", 5) == 0 &&
           (folder == 5 || path[folder - 6] == '/');
}

/* 9.1.1.2: characters of segments; all others are percent-encoded. */
static bool is_part_name(const char *path)
{
    for (const char *c = path; *c != '\0'; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || strchr("-._~!$&'()*+,;=:@/%", *c) != NULL;
        if (!plain || (*c == '.' && (c[1] == '/' || c[1] == '\0')))
            return false;
    }
    return path[0] != '\0';
}

/* --- content types ---------------------------------------------------------------------------- */

static bool bad_types(struct err *e, const char *what)
{
    return err_user(e, ERR_OPC, "[Content_Types].xml of the package %s.", what);
}

static bool unique(struct opc_names *n, struct err *e)
{
    if (n->count > 0)
        qsort(n->list, n->count, sizeof *n->list, name_order);
    for (size_t i = 1; i < n->count; i++)
        if (strcmp(n->list[i - 1].name, n->list[i].name) == 0)
            return err_user(e, ERR_OPC, "The package names \"%.200s\" twice.", n->list[i].name);
    return true;
}

static bool read_row(struct arena *a, struct opc *p, size_t i, struct err *e)
{
    const struct xml_span *s = &p->rows.list[i];
    const char *type = xml_span_value(s, "ContentType");
    const char *extension = xml_span_value(s, "Extension"), *part = xml_span_value(s, "PartName");
    if (s->depth != 2 || strcmp(s->space, TYPES_SPACE) != 0)
        return true;
    if (type == NULL)
        return bad_types(e, "has a row without ContentType");
    if (strcmp(s->name, "Default") == 0)
        return extension != NULL ? add_name(a, &p->by_extension, extension, i, e)
                                 : bad_types(e, "has a Default without Extension");
    if (strcmp(s->name, "Override") != 0)
        return bad_types(e, "has an element that it must not have");
    if (part == NULL || part[0] != '/' || !is_part_name(&part[1]) || part[strlen(part) - 1] == '/')
        return err_user(e, ERR_OPC,
                        "[Content_Types].xml names the part \"%.160s\", which is no part name.",
                        part == NULL ? "" : part);
    return add_name(a, &p->by_part, &part[1], i, e);
}

static bool read_types(struct arena *a, struct opc *p, struct err *e)
{
    struct reader text;
    TRY(opc_entry(a, p->zip, p->types, &text, e));
    TRY(xml_spans_load(a, text, &limits, 2, &p->rows, e));
    const struct xml_span *root = &p->rows.list[0];
    if (strcmp(root->name, "Types") != 0 || strcmp(root->space, TYPES_SPACE) != 0)
        return bad_types(e, "has another root element than Types");
    if (p->rows.text.left + 3 < text.left)
        return bad_types(e, "is not in UTF-8");
    p->by_part.list = ARENA_ARRAY(a, p->rows.count, struct opc_named);
    p->by_extension.list = ARENA_ARRAY(a, p->rows.count, struct opc_named);
    if (p->by_part.list == NULL || p->by_extension.list == NULL)
        return arena_err(e);
    for (size_t i = 1; i < p->rows.count; i++)
        TRY(read_row(a, p, i, e));
    return unique(&p->by_part, e) && unique(&p->by_extension, e);
}

const char *opc_type_of(struct arena *a, const struct opc *p, const char *path)
{
    size_t row = find_name(a, &p->by_part, path);
    if (row == SIZE_MAX) {
        const char *slash = strrchr(path, '/'), *dot = strrchr(slash == NULL ? path : slash, '.');
        row = dot == NULL ? SIZE_MAX : find_name(a, &p->by_extension, dot + 1);
    }
    return row == SIZE_MAX ? NULL : xml_span_value(&p->rows.list[row], "ContentType");
}

/* --- relationships ---------------------------------------------------------------------------- */

bool opc_relations(struct arena *a, const struct opc *p, size_t index, struct xml_spans *ret,
                   struct err *e)
{
    struct reader text;
    struct xml_spans s;
    TRY(opc_entry(a, p->zip, index, &text, e));
    TRY(xml_spans_load(a, text, &limits, 2, &s, e));
    if (strcmp(s.list[0].name, "Relationships") != 0 || strcmp(s.list[0].space, OPC_RELATIONS) != 0)
        return err_user(e, ERR_OPC, "\"%.200s\" holds no relationships.",
                        p->zip->entries[index].path);
    if (s.text.left + 3 < text.left)
        return err_user(e, ERR_OPC, "\"%.200s\" is not in UTF-8.", p->zip->entries[index].path);
    *ret = s;
    return true;
}

bool opc_is_relation(const struct xml_span *s)
{
    return s->depth == 2 && strcmp(s->name, "Relationship") == 0 &&
           strcmp(s->space, OPC_RELATIONS) == 0;
}

bool opc_has_type(const struct xml_span *s, const char *type)
{
    const char *is = xml_span_value(s, "Type");
    return opc_is_relation(s) && is != NULL && strcmp(is, type) == 0;
}

/* Drops the last segment; a target may not lead out of the package. */
static bool up(struct writer *w)
{
    if (w->len == 0)
        return false;
    while (w->len > 0 && w->data[w->len - 1] != '/')
        w->len--;
    if (w->len > 0)
        w->len--;
    return true;
}

/* The part that a relationship of `source` points at; *ret NULL: outside, or no part at all. */
static bool target_of(struct arena *a, const char *source, const struct xml_span *s,
                      const char **ret, struct err *e)
{
    const char *target = xml_span_value(s, "Target"), *mode = xml_span_value(s, "TargetMode");
    const char *slash = strrchr(source, '/');
    *ret = NULL;
    if (target == NULL || (mode != NULL && strcmp(mode, "External") == 0))
        return true;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 64 * 1024);
    if (target[0] != '/' && slash != NULL)
        writer_bytes(&w, source, (size_t)(slash - source));
    while (*target != '\0' && *target != '#') {
        size_t n = strcspn(target, "/#");
        if (n == 2 && strncmp(target, "..", 2) == 0) {
            if (!up(&w))
                return true;
        } else if (n > 0 && !(n == 1 && target[0] == '.')) {
            writer_u8(&w, '/');
            writer_bytes(&w, target, n);
        }
        target += n + (target[n] == '/');
    }
    TRY(writer_ok(&w, e));
    *ret = arena_text(a, writer_view(&w));
    return *ret != NULL || arena_err(e);
}

/* --- signatures ------------------------------------------------------------------------------- */

static bool claim(struct arena *a, struct opc *p, const char *name, const char *type, size_t *ret,
                  struct err *e)
{
    size_t index = name == NULL ? SIZE_MAX : opc_part(a, p, name);
    if (index == SIZE_MAX && arena_failed(a))
        return arena_err(e);
    if (index == SIZE_MAX || p->type[index] == NULL || strcmp(p->type[index], type) != 0)
        return err_user(
            e, ERR_OPC,
            "A relationship says that \"%.160s\" belongs to a signature, but there is no "
            "such part with the content type of one.",
            name == NULL ? "" : name);
    p->own[index] = true;
    *ret = index;
    return true;
}

static size_t claim_rels(struct arena *a, struct opc *p, const char *part)
{
    const char *name = opc_rels_name(a, part);
    size_t index = name == NULL ? SIZE_MAX : opc_part(a, p, name);
    if (index != SIZE_MAX)
        p->own[index] = true;
    return index;
}

static bool claim_certificates(struct arena *a, struct opc *p, const char *part, struct err *e)
{
    struct xml_spans s;
    const char *target;
    size_t rels = claim_rels(a, p, part), index;
    if (rels == SIZE_MAX)
        return !arena_failed(a) || arena_err(e);
    TRY(opc_relations(a, p, rels, &s, e));
    for (size_t i = 0; i < s.count; i++)
        if (opc_has_type(&s.list[i], OPC_CERTIFICATE))
            TRY(target_of(a, part, &s.list[i], &target, e) &&
                claim(a, p, target, OPC_TYPE_CERT, &index, e));
    return true;
}

static bool claim_signatures(struct arena *a, struct opc *p, const char *origin, struct err *e)
{
    struct xml_spans s;
    size_t rels = claim_rels(a, p, origin), index;
    if (rels == SIZE_MAX)
        return !arena_failed(a) || arena_err(e);
    TRY(opc_relations(a, p, rels, &s, e));
    for (size_t i = 0; i < s.count; i++) {
        const char *part;
        TRY(target_of(a, origin, &s.list[i], &part, e));
        if (!opc_has_type(&s.list[i], OPC_SIGNATURE))
            continue;
        TRY(claim(a, p, part, OPC_TYPE_SIGN, &index, e));
        if (p->signature_count == p->zip->count)
            return err_user(e, ERR_OPC, "The package names a signature twice.");
        p->signatures[p->signature_count++] = index;
        TRY(claim_certificates(a, p, part, e));
    }
    return true;
}

static bool find_signatures(struct arena *a, struct opc *p, struct err *e)
{
    struct xml_spans s;
    size_t index, origins = 0, all = 0;
    if (p->root == SIZE_MAX)
        return true;
    TRY(opc_relations(a, p, p->root, &s, e));
    for (size_t i = 0; i < s.count; i++) {
        all += opc_is_relation(&s.list[i]);
        if (!opc_has_type(&s.list[i], OPC_ORIGIN))
            continue;
        const char *origin;
        TRY(target_of(a, "/", &s.list[i], &origin, e));
        if (origins++ > 0)
            return err_user(e, ERR_OPC, "The package has two origins of signatures.");
        TRY(claim(a, p, origin, OPC_TYPE_ORIGIN, &index, e));
        TRY(claim_signatures(a, p, origin, e));
    }
    p->own[p->root] = all == origins;
    return true;
}

/* --- open ------------------------------------------------------------------------------------- */

bool opc_entry(struct arena *a, const struct zip *z, size_t index, struct reader *ret,
               struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    if (z->entries[index].size > OPC_TEXT_MAX)
        return err_user(e, ERR_FILE_LIMIT, "\"%.200s\" is too large.", z->entries[index].path);
    writer_init(&w, OPC_TEXT_MAX);
    struct sink k = sink_memory(&w);
    TRY(zip_extract(z, index, &k, e));
    *ret = arena_bytes(a, writer_view(&w));
    return ret->at != NULL || arena_err(e);
}

static bool index_parts(struct arena *a, struct opc *p, struct err *e)
{
    size_t count = p->zip->count;
    p->parts.list = ARENA_ARRAY(a, count, struct opc_named);
    p->type = ARENA_ARRAY(a, count, const char *);
    p->own = ARENA_ARRAY(a, count, bool);
    p->signatures = ARENA_ARRAY(a, count, size_t);
    if (p->parts.list == NULL || p->type == NULL || p->own == NULL || p->signatures == NULL)
        return arena_err(e);
    p->types = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct zip_entry *x = &p->zip->entries[i];
        if (x->folder)
            continue;
        if (text_equal_ascii_fold(x->path, OPC_TYPES))
            p->types = i;
        else
            TRY(add_name(a, &p->parts, x->path, i, e));
    }
    return unique(&p->parts, e);
}

bool opc_of(struct arena *a, struct zip *z, struct opc *ret, struct err *e)
{
    struct opc p = {.zip = z};
    TRY(index_parts(a, &p, e));
    if (p.types == SIZE_MAX)
        return err_user(e, ERR_OPC, "The package has no [Content_Types].xml.");
    TRY(read_types(a, &p, e));
    for (size_t i = 0; i < z->count; i++)
        if (!z->entries[i].folder && i != p.types)
            p.type[i] = opc_type_of(a, &p, z->entries[i].path);
    p.root = opc_part(a, &p, "/_rels/.rels");
    TRY(find_signatures(a, &p, e));
    if (arena_failed(a))
        return arena_err(e);
    *ret = p;
    return true;
}

bool opc_open(struct arena *a, const struct source *in, struct opc *ret, struct err *e)
{
    struct zip *z;
    return zip_open(a, in, ZIP_UNIQUE_FOLDED, NULL, &z, e) && opc_of(a, z, ret, e);
}

bool opc_check_parts(const struct opc *p, struct err *e)
{
    for (size_t i = 0; i < p->zip->count; i++) {
        const char *path = p->zip->entries[i].path;
        if (p->zip->entries[i].folder || i == p->types)
            continue;
        if (!is_part_name(path) || strstr(path, ".piece") != NULL)
            return err_user(e, ERR_OPC,
                            "\"%.160s\" is no part name (ECMA-376 part 2, 9.1.1), so no signature "
                            "can cover it.",
                            path);
        if (p->type[i] == NULL && i != p->root)
            return err_user(e, ERR_OPC,
                            "[Content_Types].xml has no row for \"%.160s\", so no signature can "
                            "cover it.",
                            path);
    }
    return true;
}
