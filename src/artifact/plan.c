/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/plan.h"
#include "ipc/messages.h"

/* Calls each step in the order of work. */
typedef bool (*step_fn)(void *ctx, struct part *p, struct step *s, struct err *e);

static bool each_step(struct part *p, step_fn each, void *ctx, struct err *e)
{
    for (size_t i = 0; i < p->child_count; i++)
        TRY(each_step(p->children[i], each, ctx, e));
    for (size_t i = 0; i < p->step_count; i++)
        TRY(each(ctx, p, &p->steps[i], e));
    return true;
}

static bool number_step(void *ctx, struct part *p, struct step *s, struct err *e)
{
    struct tree *t = ctx;
    (void)p;
    s->slot = t->slots;
    if (__builtin_add_overflow(t->slots, s->slots, &t->slots))
        return err_set(e, ERR_FILE_LIMIT, "slots");
    t->items++;
    return true;
}

bool plan_number(struct tree *t, struct err *e)
{
    t->items = t->slots = 0;
    return each_step(t->root, number_step, t, e);
}

static void write_pairs(struct writer *w, const struct attributes *list)
{
    for (size_t i = 0; i < list->count; i++)
        record_PAIR_write(w, &(struct record_PAIR){.name = reader_text(list->list[i].name),
                                                   .value = reader_text(list->list[i].value)});
}

struct plan_writer {
    struct arena *arena;
    struct writer *out;
};

static bool write_step(void *ctx, struct part *p, struct step *s, struct err *e)
{
    struct plan_writer *pw = ctx;
    CLEANUP(writer_done) struct writer attributes = {0};
    CLEANUP(writer_done) struct writer facts = {0};
    writer_init(&attributes, SIZE_MAX);
    writer_init(&facts, SIZE_MAX);
    write_pairs(&attributes, &s->attributes);
    write_pairs(&facts, &p->facts);
    write_pairs(&facts, &s->facts);
    const char *output = "";
    if ((s->can & DIRECTIVE_NEW_FILE) != 0 && (output = part_output_path(pw->arena, p, s)) == NULL)
        return arena_err(e);
    TRY(writer_ok(&attributes, e));
    TRY(writer_ok(&facts, e));
    const struct format *of = p->format != NULL ? p->format : s->format;
    record_PLAN_ITEM_write(
        pw->out, &(struct record_PLAN_ITEM){.path = reader_text(p->path),
                                            .format = reader_text(of->facts->id),
                                            .directive = reader_text(s->directive->name),
                                            .attributes = writer_view(&attributes),
                                            .sha256 = reader_over(p->sha256, sizeof p->sha256),
                                            .size = p->in.size,
                                            .slot = s->slot,
                                            .slots = s->slots,
                                            .line = s->directive->at.line,
                                            .output = reader_text(output),
                                            .facts = writer_view(&facts)});
    return true;
}

bool plan_write(struct arena *a, const struct tree *t, struct writer *w, struct refusal *r)
{
    if (t->slots == 0)
        return err_user(&r->err, ERR_NOTHING_TO_SIGN,
                        "Nothing in \"%.200s\" is to be signed: no file is matched by an element "
                        "with a signing directive.",
                        t->root->name);
    struct plan_writer pw = {a, w};
    TRY(each_step(t->root, write_step, &pw, &r->err));
    return writer_ok(w, &r->err);
}

bool plan_check(struct arena *a, const struct tree *t, struct reader plan, struct refusal *r)
{
    CLEANUP(writer_done) struct writer mine = {0};
    writer_init(&mine, SIZE_MAX);
    TRY(plan_write(a, t, &mine, r));
    if (!reader_equal(writer_view(&mine), plan))
        return err_set(&r->err, ERR_PLAN_DIFFERS, "plan of %zu bytes instead of %zu", mine.len,
                       plan.left);
    return true;
}
