/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "formats/clickonce/clickonce.h"
#include <string.h>

static bool malformed(struct err *e, const char *what)
{
    return err_user(e, ERR_XML, "The ClickOnce manifest is malformed: %s.", what);
}

size_t clickonce_find(const struct xml_spans *s, size_t parent, size_t from, const char *space,
                      const char *name)
{
    const struct xml_span *p = &s->list[parent];
    for (size_t i = from + 1; i < s->count && s->list[i].from < p->outside; i++)
        if (s->list[i].depth == p->depth + 1 && strcmp(s->list[i].name, name) == 0 &&
            (space == NULL || strcmp(s->list[i].space, space) == 0))
            return i;
    return SIZE_MAX;
}

struct reader clickonce_inside(const struct xml_spans *s, size_t span)
{
    const struct xml_span *x = &s->list[span];
    struct reader r = {0};
    return reader_slice(s->text, x->inside, x->outside - x->inside, &r) ? r : reader_text("");
}

bool clickonce_bytes(struct arena *a, const struct xml_spans *s, size_t span, struct reader *ret)
{
    CLEANUP(writer_done) struct writer w = {0};
    struct reader text = clickonce_inside(s, span);
    writer_init(&w, text.left + 1);
    for (uint8_t c; reader_u8(&text, &c);)
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
            writer_u8(&w, c);
    return !w.failed && text_unbase64(a, writer_view(&w), ret);
}

bool clickonce_parse(struct arena *a, struct reader text, struct clickonce *ret, struct err *e)
{
    struct clickonce m = {.publisher = SIZE_MAX, .signature = SIZE_MAX};
    m.marked = reader_starts_with(text, "\xef\xbb\xbf", 3);
    TRY(xml_spans_load(a, text, &clickonce_limits, CLICKONCE_DEPTH, &m.spans, e));
    const struct xml_span *root = &m.spans.list[0];
    if (strcmp(root->name, "assembly") != 0 || strcmp(root->space, CLICKONCE_V1) != 0 ||
        root->empty)
        return malformed(e, "its outer element is not an assembly");
    m.identity = clickonce_find(&m.spans, 0, 0, CLICKONCE_V1, "assemblyIdentity");
    m.deployment = clickonce_find(&m.spans, 0, 0, NULL, "deployment") != SIZE_MAX;
    m.publisher = clickonce_find(&m.spans, 0, 0, NULL, "publisherIdentity");
    m.signature = clickonce_find(&m.spans, 0, 0, CLICKONCE_DSIG, "Signature");
    if (m.identity == SIZE_MAX)
        return malformed(e, "it does not say which assembly it is of");
    if (m.signature != SIZE_MAX &&
        clickonce_find(&m.spans, 0, m.signature, CLICKONCE_DSIG, "Signature") != SIZE_MAX)
        return malformed(e, "it has two signatures");
    *ret = m;
    return true;
}

bool clickonce_open(struct arena *a, const struct source *in, struct clickonce *ret, struct err *e)
{
    struct reader text;
    if (in->size > CLICKONCE_MAX)
        return err_user(e, ERR_FILE_LIMIT, "A ClickOnce manifest may have at most 16 MiB.");
    return source_load(a, in, 0, (size_t)in->size, &text, e) && clickonce_parse(a, text, ret, e);
}

/* --- files that the manifest names ------------------------------------------------------------ */

static char *path_of(struct arena *a, const char *name)
{
    char *path = arena_format(a, "%s", name);
    for (char *c = path; c != NULL && *c != '\0'; c++)
        *c = *c == '\\' ? '/' : *c;
    return path;
}

/* False with an error only when it has a hash that cannot be understood; path NULL: no hash. */
static bool read_reference(struct arena *a, const struct clickonce *m, size_t element,
                           struct clickonce_reference *ret, struct err *e)
{
    const struct xml_spans *s = &m->spans;
    const struct xml_span *x = &s->list[element];
    const char *name = xml_span_value(x, strcmp(x->name, "file") == 0 ? "name" : "codebase");
    size_t hash = clickonce_find(s, element, element, NULL, "hash"), method;
    *ret = (struct clickonce_reference){.element = element, .token = SIZE_MAX};
    if (name == NULL || hash == SIZE_MAX || strstr(name, "://") != NULL)
        return true;
    method = clickonce_find(s, hash, hash, CLICKONCE_DSIG, "DigestMethod");
    ret->digest = clickonce_find(s, hash, hash, CLICKONCE_DSIG, "DigestValue");
    if (method == SIZE_MAX || ret->digest == SIZE_MAX ||
        !clickonce_hash_of(xml_span_value(&s->list[method], "Algorithm"), &ret->hash))
        return malformed(e, "the hash of a file cannot be read");
    ret->token = clickonce_find(s, element, element, NULL, "assemblyIdentity");
    ret->path = path_of(a, name);
    return ret->path != NULL || arena_err(e);
}

bool clickonce_references(struct arena *a, const struct clickonce *m,
                          struct clickonce_reference **ret, size_t *ret_count, struct err *e)
{
    const struct xml_spans *s = &m->spans;
    struct clickonce_reference *list = ARENA_ARRAY(a, s->count, struct clickonce_reference);
    size_t n = 0;
    if (list == NULL)
        return arena_err(e);
    for (size_t i = 1; i < s->count; i++) {
        const struct xml_span *x = &s->list[i];
        bool file = x->depth == 2 && strcmp(x->name, "file") == 0;
        bool assembly = x->depth == 3 && strcmp(x->name, "dependentAssembly") == 0;
        if (!file && !assembly)
            continue;
        TRY(read_reference(a, m, i, &list[n], e));
        n += list[n].path != NULL;
    }
    *ret = list;
    *ret_count = n;
    return true;
}

/* Files of a deployment may have ".deploy" behind their names. */
bool clickonce_look(const struct surroundings *around, struct arena *a,
                    const struct clickonce_reference *r, struct clickonce_file *ret,
                    bool *ret_found, struct err *e)
{
    struct source file;
    const char *mapped = arena_format(a, "%s.deploy", r->path);
    if (mapped == NULL)
        return arena_err(e);
    TRY(around->find(around->ctx, r->path, &file, ret_found, e));
    if (!*ret_found)
        TRY(around->find(around->ctx, mapped, &file, ret_found, e));
    if (!*ret_found)
        return true;
    ret->size = file.size;
    return digest_of_source(r->hash, &file, &ret->digest, e);
}
