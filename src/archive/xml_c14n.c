/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/xml_c14n.h"
#include "base/fault.h"
#include <libxml/c14n.h>
#include <libxml/parser.h>
#include <limits.h>
#include <stdlib.h>

struct xml_document {
    xmlDocPtr tree;
};

static bool check(struct arena *a, struct reader text, const struct xml_limits *limits,
                  struct err *e)
{
    struct xml_event event = {.kind = XML_TEXT};
    struct xml_reader *x CLEANUP(xml_reader_cleanup) = NULL;
    TRY(xml_reader_new(a, text, limits, &x, e));
    while (event.kind != XML_DONE)
        TRY(xml_next(x, &event, e));
    return true;
}

bool xml_document_new(struct arena *a, struct reader text, const struct xml_limits *limits,
                      struct xml_document **ret, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *own = a == NULL ? NULL : arena_new((size_t)1 << 30);
    if (own == NULL || text.left > INT_MAX)
        return arena_err(e);
    TRY(check(own, text, limits, e));
    struct xml_document *d = ARENA_NEW(a, struct xml_document);
    if (d == NULL)
        return arena_err(e);
    d->tree = fault_now()
                  ? NULL
                  : xmlReadMemory((const char *)text.at, (int)text.left, NULL, NULL,
                                  XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (d->tree == NULL)
        return err_set(e, ERR_NO_MEMORY, "xml tree");
    *ret = d;
    return true;
}

void xml_document_free(struct xml_document *d)
{
    if (d == NULL)
        return;
    xmlFreeDoc(d->tree);
    d->tree = NULL;
}

void xml_document_cleanup(struct xml_document **d)
{
    xml_document_free(*d);
}

static bool is_element(const xmlNode *n)
{
    return n->type == XML_ELEMENT_NODE;
}

/* The next node in document order. */
static xmlNode *after(xmlNode *n)
{
    if (is_element(n) && n->children != NULL)
        return n->children;
    while (n != NULL && n->next == NULL)
        n = n->parent != NULL && is_element(n->parent) ? n->parent : NULL;
    return n == NULL ? NULL : n->next;
}

static xmlNode *find(xmlDocPtr tree, size_t element)
{
    xmlNode *n = tree->children;
    for (size_t seen = 0; n != NULL; n = after(n)) {
        if (!is_element(n))
            continue;
        if (seen++ == element)
            return n;
    }
    return NULL;
}

/* libxml2 asks for namespace declarations as well, with the element as their parent. */
static int is_inside(void *apex, xmlNodePtr node, xmlNodePtr parent)
{
    const xmlNode *n = node != NULL && node->type != XML_NAMESPACE_DECL ? node : parent;
    for (; n != NULL; n = n->parent)
        if (n == (xmlNode *)apex)
            return 1;
    return 0;
}

static int put(void *to, const char *bytes, int n)
{
    struct writer *w = to;
    writer_bytes(w, bytes, (size_t)n);
    return w->failed ? -1 : n;
}

static int put_nothing(void *to)
{
    (void)to;
    return 0;
}

bool xml_canonical(struct xml_document *d, size_t element, enum xml_c14n method, bool comments,
                   struct writer *out, struct err *e)
{
    xmlNode *apex = find(d->tree, element);
    if (apex == NULL)
        return err_set(e, ERR_INTERNAL, "element %zu is not there", element);
    xmlOutputBufferPtr buffer =
        fault_now() ? NULL : xmlOutputBufferCreateIO(put, put_nothing, out, NULL);
    if (buffer == NULL)
        return err_set(e, ERR_NO_MEMORY, "xml output");
    int mode = method == XML_C14N_EXCLUSIVE ? XML_C14N_EXCLUSIVE_1_0 : XML_C14N_1_0;
    int n = xmlC14NExecute(d->tree, is_inside, apex, mode, NULL, comments ? 1 : 0, buffer);
    int closed = xmlOutputBufferClose(buffer);
    if (n < 0 || closed < 0)
        return out->failed ? writer_ok(out, e)
                           : err_user(e, ERR_XML, "The XML document has no canonical form.");
    return writer_ok(out, e);
}
