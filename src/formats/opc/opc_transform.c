/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/xml_c14n.h"
#include "formats/opc/opc.h"
#include <stdlib.h>
#include <string.h>

static const struct xml_limits limits = {OPC_TEXT_MAX, 1000000, 16, 64};

static bool listed(const char *value, const char *const *list, size_t count)
{
    for (size_t i = 0; value != NULL && i < count; i++)
        if (strcmp(value, list[i]) == 0)
            return true;
    return false;
}

static bool selected(const struct xml_span *s, const struct opc_selection *x)
{
    return x->all || listed(xml_span_value(s, "Id"), x->ids, x->id_count) ||
           listed(xml_span_value(s, "Type"), x->types, x->type_count);
}

static int id_order(const void *a, const void *b)
{
    const char *x = xml_span_value(*(const struct xml_span *const *)a, "Id");
    const char *y = xml_span_value(*(const struct xml_span *const *)b, "Id");
    return strcmp(x, y);
}

static void put_slice(struct writer *w, struct reader text, size_t from, size_t to)
{
    struct reader part;
    if (to >= from && reader_slice(text, from, to - from, &part))
        writer_reader(w, part);
    else
        w->failed = true;
}

/* A start tag up to its '>' or "/>". */
static void put_start(struct writer *w, struct reader text, const struct xml_span *s)
{
    put_slice(w, text, s->from, s->empty ? s->to - 2 : s->inside - 1);
}

/* 13.2.4.24: relationships that are not selected go, the others are sorted by Id, what is between
 * and inside of them goes, TargetMode is stated. */
static bool reduced(struct arena *a, const struct xml_spans *s, const struct opc_selection *x,
                    struct writer *w, struct err *e)
{
    const struct xml_span **list = ARENA_ARRAY(a, s->count, const struct xml_span *);
    size_t n = 0;
    if (list == NULL)
        return arena_err(e);
    for (size_t i = 1; i < s->count; i++)
        if (opc_is_relation(&s->list[i]) && selected(&s->list[i], x)) {
            if (xml_span_value(&s->list[i], "Id") == NULL)
                return err_user(e, ERR_OPC, "A relationship of the package has no Id.");
            list[n++] = &s->list[i];
        }
    if (n > 0)
        qsort(list, n, sizeof(const struct xml_span *), id_order);
    put_start(w, s->text, &s->list[0]);
    writer_text(w, ">");
    for (size_t i = 0; i < n; i++) {
        put_start(w, s->text, list[i]);
        if (xml_span_value(list[i], "TargetMode") == NULL)
            writer_text(w, " TargetMode=\"Internal\"");
        writer_text(w, "/>");
    }
    writer_text(w, "</");
    writer_reader(w, xml_span_raw_name(s->text, &s->list[0]));
    writer_text(w, ">");
    return writer_ok(w, e);
}

bool opc_transform(struct arena *a, struct reader text, const struct opc_selection *s,
                   struct writer *out, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    struct xml_spans spans;
    writer_init(&w, OPC_TEXT_MAX);
    TRY(xml_spans_load(a, text, &limits, 2, &spans, e));
    TRY(reduced(a, &spans, s, &w, e));
    CLEANUP(xml_document_cleanup) struct xml_document *d = NULL;
    TRY(xml_document_new(a, writer_view(&w), &limits, &d, e));
    return xml_canonical(d, 0, XML_C14N_INCLUSIVE, false, out, e);
}
