/* SPDX-License-Identifier: Apache-2.0 */
#include "web/templates/template.h"
#include "web/templates/escape.h"

enum { LOOPS_MOST = 8 };

struct run {
    const struct template *t;
    const struct view *data;
    struct writer *out;
    struct {
        const char *variable;
        const struct view *item;
    } loops[LOOPS_MOST];
    size_t depth;
};

static struct reader cut_name(struct reader *path)
{
    size_t dot = reader_find(*path, 0, ".", 1);
    struct reader name = *path;
    if (dot == SIZE_MAX || !reader_take(path, dot, &name) || !reader_skip(path, 1))
        *path = (struct reader){0};
    return name;
}

/* NULL when there is no such value. */
static const struct view *look_up(const struct run *r, const char *text)
{
    struct reader path = reader_text(text), first = cut_name(&path);
    const struct view *v = NULL;
    for (size_t i = r->depth; i > 0 && v == NULL; i--)
        if (reader_equal_text(first, r->loops[i - 1].variable))
            v = r->loops[i - 1].item;
    if (v == NULL)
        v = view_find(r->data, first);
    while (v != NULL && path.left > 0)
        v = view_find(v, cut_name(&path));
    return v;
}

static bool bug(const struct run *r, const struct template_op *op, const char *what, struct err *e)
{
    return err_set(e, ERR_INTERNAL, "template %s, line %u: %s %s", r->t->name, op->line, op->text,
                   what);
}

static bool put_value(struct run *r, const struct template_op *op, struct err *e)
{
    static void (*const escapes[])(struct writer *, struct reader) = {
        [TEMPLATE_IN_TEXT] = escape_html,
        [TEMPLATE_IN_ATTRIBUTE] = escape_html,
        [TEMPLATE_IN_URL] = escape_url,
        [TEMPLATE_IN_URL_PART] = escape_url_part,
    };
    const struct view *v = look_up(r, op->text);
    if (v == NULL)
        return bug(r, op, "is missing", e);
    if (view_kind(v) == VIEW_NUMBER)
        writer_format(r->out, "%lld", (long long)view_as_number(v));
    else if (view_kind(v) == VIEW_TEXT)
        escapes[op->place](r->out, view_as_text(v));
    else
        return bug(r, op, "is no text and no number", e);
    return true;
}

static bool begin_loop(struct run *r, const struct template_op *op, size_t *at, struct err *e)
{
    const struct view *v = look_up(r, op->text);
    if (v == NULL || view_kind(v) != VIEW_LIST)
        return bug(r, op, "is no list", e);
    if (r->depth == LOOPS_MOST)
        return bug(r, op, "is nested too deep", e);
    if (view_first(v) == NULL) {
        *at = op->jump;
        return true;
    }
    r->loops[r->depth].variable = op->variable;
    r->loops[r->depth++].item = view_first(v);
    return true;
}

static void next_turn(struct run *r, const struct template_op *op, size_t *at)
{
    const struct view **item = &r->loops[r->depth - 1].item;
    *item = view_next(*item);
    if (*item == NULL)
        r->depth--;
    else
        *at = op->jump + 1;
}

static bool step(struct run *r, size_t *at, struct err *e)
{
    const struct template_op *op = &r->t->ops[(*at)++];
    const struct view *v;
    switch (op->kind) {
    case TEMPLATE_LITERAL:
        writer_bytes(r->out, op->text, op->len);
        return true;
    case TEMPLATE_VALUE:
        return put_value(r, op, e);
    case TEMPLATE_IF:
    case TEMPLATE_UNLESS:
        v = look_up(r, op->text);
        if ((v != NULL && view_holds(v)) != (op->kind == TEMPLATE_IF))
            *at = op->jump;
        return true;
    case TEMPLATE_JUMP:
        *at = op->jump;
        return true;
    case TEMPLATE_FOR:
        return begin_loop(r, op, at, e);
    case TEMPLATE_NEXT:
        next_turn(r, op, at);
        return true;
    }
    return err_set(e, ERR_INTERNAL, "template %s", r->t->name);
}

bool template_run(const struct template *t, const struct view *data, struct writer *out,
                  struct err *e)
{
    struct run r = {.t = t, .data = data, .out = out};
    TRY(view_ok(data, e));
    for (size_t at = 0; at < t->count;)
        TRY(step(&r, &at, e));
    return writer_ok(out, e);
}
