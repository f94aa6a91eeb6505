/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "formats/clickonce/clickonce.h"
#include <stdlib.h>
#include <string.h>

/* Manifests of ClickOnce use both namespaces; those of side-by-side assemblies only the first. */
static bool probe(struct reader head, const struct source *in)
{
    (void)in;
    return reader_find(head, 0, CLICKONCE_V1, sizeof CLICKONCE_V1 - 1) != SIZE_MAX &&
           reader_find(head, 0, CLICKONCE_V2, sizeof CLICKONCE_V2 - 1) != SIZE_MAX &&
           reader_find(head, 0, "<", 1) < 4;
}

static bool inspect(struct arena *a, const struct source *in, struct file_facts *ret, struct err *e)
{
    struct clickonce m;
    struct file_facts facts = {0};
    TRY(clickonce_open(a, in, &m, e));
    facts.signatures = m.signature == SIZE_MAX ? 0 : CLICKONCE_SLOTS;
    *ret = facts;
    return true;
}

static bool slots(struct arena *a, const struct source *in, const char *directive,
                  struct attributes attributes, uint32_t *ret, struct err *e)
{
    struct clickonce m;
    (void)directive;
    (void)attributes;
    TRY(clickonce_open(a, in, &m, e));
    *ret = CLICKONCE_SLOTS;
    return true;
}

/* --- what may differ -------------------------------------------------------------------------- */

struct cuts {
    struct xml_cut *list;
    size_t count;
};

static void cut(struct cuts *c, size_t from, size_t to)
{
    c->list[c->count++] = (struct xml_cut){from, to, reader_text("")};
}

/* With the blank in front of it: it may have been added. */
static void cut_attribute(struct cuts *c, const struct xml_span *x, const char *name)
{
    const struct xml_attribute *at = xml_span_attribute(x, name);
    size_t before = strlen(name) + 3;
    if (at != NULL && at->value_from >= before)
        cut(c, at->value_from - before, at->value_to + 1);
}

static int by_place(const void *a, const void *b)
{
    const struct xml_cut *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

static bool rest(struct arena *a, const struct source *in, struct clickonce *m, struct reader *ret,
                 struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    struct clickonce_reference *list = NULL;
    struct cuts c = {0};
    size_t count = 0;
    TRY(clickonce_open(a, in, m, e) && clickonce_references(a, m, &list, &count, e));
    const struct xml_span *spans = m->spans.list;
    if ((c.list = ARENA_ARRAY(a, 3 * count + 3, struct xml_cut)) == NULL)
        return arena_err(e);
    cut_attribute(&c, &spans[m->identity], "publicKeyToken");
    if (m->publisher != SIZE_MAX)
        cut(&c, spans[m->publisher].from, spans[m->publisher].to);
    if (m->signature != SIZE_MAX)
        cut(&c, spans[m->signature].from, spans[m->signature].to);
    for (size_t i = 0; i < count; i++) {
        cut(&c, spans[list[i].digest].inside, spans[list[i].digest].outside);
        cut_attribute(&c, &spans[list[i].element], "size");
        if (m->deployment && list[i].token != SIZE_MAX)
            cut_attribute(&c, &spans[list[i].token], "publicKeyToken");
    }
    qsort(c.list, c.count, sizeof *c.list, by_place);
    writer_init(&w, CLICKONCE_MAX);
    if (!xml_cuts_apply(m->spans.text, c.list, c.count, &w))
        return err_user(e, ERR_XML, "The ClickOnce manifest is malformed.");
    *ret = arena_bytes(a, writer_view(&w));
    return writer_ok(&w, e) && (ret->at != NULL || arena_err(e));
}

static bool unchanged(struct arena *a, const struct source *before, const struct source *after,
                      struct err *e)
{
    struct clickonce old, new;
    struct reader was, is;
    TRY(rest(a, before, &old, &was, e) && rest(a, after, &new, &is, e));
    return (old.marked == new.marked &&reader_equal(was, is)) ||
           err_user(e, ERR_VERIFY_CHANGED, "The content of the ClickOnce manifest was changed.");
}

/* Manifests of applications first: those of deployments name them. */
static unsigned turn(const char *file_name)
{
    const char *dot = strrchr(file_name, '.');
    return dot != NULL && text_equal_ascii_fold(dot, ".manifest") ? 1 : 2;
}

const struct format clickonce_format = {
    .facts = &clickonce_facts,
    .probe = probe,
    .inspect = inspect,
    .slots = slots,
    .sign = clickonce_sign,
    .turn = turn,
    .verify = clickonce_verify,
    .unchanged = unchanged,
};
