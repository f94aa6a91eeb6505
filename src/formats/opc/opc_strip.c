/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "formats/opc/opc.h"
#include <string.h>

/* Takes signatures out of a package: their parts, their rows in the content types and the
 * relationship that leads to them. */

struct edits {
    struct arena *arena;
    struct xml_cut *list;
    size_t count;
};

static bool begin(struct edits *x, struct arena *a, size_t most, struct err *e)
{
    *x = (struct edits){.arena = a, .list = ARENA_ARRAY(a, most, struct xml_cut)};
    return x->list != NULL || arena_err(e);
}

static bool finish(struct edits *x, struct reader text, struct reader *ret, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, OPC_TEXT_MAX);
    if (!xml_cuts_apply(text, x->list, x->count, &w))
        return w.failed ? writer_ok(&w, e) : err_set(e, ERR_INTERNAL, "cuts are not in order");
    *ret = arena_bytes(x->arena, writer_view(&w));
    return ret->at != NULL || arena_err(e);
}

static void leave_out(struct edits *x, const struct xml_span *s)
{
    x->list[x->count++] = (struct xml_cut){s->from, s->to, reader_text("")};
}

static bool types_without(struct arena *a, const struct opc *p, struct reader *ret, struct err *e)
{
    struct edits x;
    TRY(begin(&x, a, p->rows.count, e));
    for (size_t i = 1; i < p->rows.count; i++) {
        const char *part = xml_span_value(&p->rows.list[i], "PartName");
        size_t index = part == NULL ? SIZE_MAX : opc_part(a, p, part);
        if (index != SIZE_MAX && p->own[index])
            leave_out(&x, &p->rows.list[i]);
    }
    return finish(&x, p->rows.text, ret, e);
}

static bool root_without(struct arena *a, const struct opc *p, struct reader *ret, struct err *e)
{
    struct edits x;
    struct xml_spans s;
    *ret = reader_text("");
    if (p->root == SIZE_MAX || p->own[p->root])
        return true;
    TRY(opc_relations(a, p, p->root, &s, e) && begin(&x, a, s.count, e));
    for (size_t i = 1; i < s.count; i++)
        if (opc_has_type(&s.list[i], OPC_ORIGIN))
            leave_out(&x, &s.list[i]);
    return finish(&x, s.text, ret, e);
}

bool opc_strip(struct arena *a, const struct opc *p, size_t room, struct opc_strip *ret,
               struct err *e)
{
    struct opc_strip made = {.list = ARENA_ARRAY(a, p->zip->count + room, struct zip_change)};
    if (made.list == NULL)
        return arena_err(e);
    for (size_t i = 0; i < p->zip->count; i++)
        if (p->own[i])
            made.list[made.count++] = (struct zip_change){.action = ZIP_REMOVE, .index = i};
    TRY(types_without(a, p, &made.types, e) && root_without(a, p, &made.root, e));
    *ret = made;
    return true;
}

bool opc_put_text(struct arena *a, const struct opc *p, size_t index, const char *new_path,
                  struct reader text, struct zip_change *ret, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 2 * OPC_TEXT_MAX);
    struct sink k = sink_memory(&w);
    struct source content = source_memory(text);
    struct zip_change c = {.action = index == SIZE_MAX ? ZIP_ADD : ZIP_REPLACE,
                           .index = index == SIZE_MAX ? p->types : index,
                           .path = new_path};
    if (index == SIZE_MAX)
        TRY(zip_pack(&content, text.left == 0 ? ZIP_STORED : ZIP_DEFLATED, &k, &c.packed, e));
    else
        TRY(zip_pack_again(p->zip, index, &content, &k, &c.packed, e));
    if (c.packed.method != ZIP_STORED) {
        struct reader kept = arena_bytes(a, writer_view(&w));
        if (kept.at == NULL)
            return arena_err(e);
        c.packed.data = source_memory(kept);
    }
    *ret = c;
    return true;
}
