/* SPDX-License-Identifier: Apache-2.0 */
#include "web/templates/view.h"

struct view {
    struct arena *arena;
    struct view *root, *next, *first, *last;
    const char *name;
    enum view_kind kind;
    bool failed; /* of the root */
    int64_t number;
    struct reader text;
};

struct view *view_new(struct arena *a)
{
    struct view *v = ARENA_NEW(a, struct view);
    if (v == NULL)
        return NULL;
    *v = (struct view){.arena = a, .root = v, .kind = VIEW_OBJECT};
    return v;
}

bool view_ok(const struct view *root, struct err *e)
{
    return (root != NULL && !root->failed) || arena_err(e);
}

static struct view *add(struct view *to, const char *name, enum view_kind kind)
{
    if (to == NULL)
        return NULL;
    struct view *v = ARENA_NEW(to->arena, struct view);
    if (v == NULL) {
        to->root->failed = true;
        return NULL;
    }
    *v = (struct view){.arena = to->arena, .root = to->root, .name = name, .kind = kind};
    if (to->last == NULL)
        to->first = v;
    else
        to->last->next = v;
    to->last = v;
    return v;
}

void view_bytes(struct view *object, const char *name, struct reader utf8)
{
    struct view *v = add(object, name, VIEW_TEXT);
    if (v == NULL || utf8.left == 0)
        return;
    v->text = arena_bytes(v->arena, utf8);
    if (v->text.at == NULL)
        v->root->failed = true;
}

void view_text(struct view *object, const char *name, const char *value)
{
    view_bytes(object, name, reader_text(value));
}

void view_number(struct view *object, const char *name, int64_t value)
{
    struct view *v = add(object, name, VIEW_NUMBER);
    if (v != NULL)
        v->number = value;
}

void view_bool(struct view *object, const char *name, bool value)
{
    struct view *v = add(object, name, VIEW_BOOL);
    if (v != NULL)
        v->number = value;
}

struct view *view_object(struct view *object, const char *name)
{
    return add(object, name, VIEW_OBJECT);
}

struct view *view_list(struct view *object, const char *name)
{
    return add(object, name, VIEW_LIST);
}

struct view *view_item(struct view *list)
{
    return add(list, "", VIEW_OBJECT);
}

void view_item_text(struct view *list, const char *value)
{
    view_bytes(list, "", reader_text(value));
}

enum view_kind view_kind(const struct view *v)
{
    return v->kind;
}

struct reader view_as_text(const struct view *v)
{
    return v->text;
}

int64_t view_as_number(const struct view *v)
{
    return v->number;
}

bool view_holds(const struct view *v)
{
    switch (v->kind) {
    case VIEW_TEXT:
        return v->text.left > 0;
    case VIEW_NUMBER:
    case VIEW_BOOL:
        return v->number != 0;
    case VIEW_LIST:
        return v->first != NULL;
    case VIEW_OBJECT:
        break;
    }
    return true;
}

const struct view *view_first(const struct view *v)
{
    return v->first;
}

const struct view *view_next(const struct view *v)
{
    return v->next;
}

const struct view *view_find(const struct view *object, struct reader name)
{
    if (object->kind != VIEW_OBJECT)
        return NULL;
    for (const struct view *v = object->first; v != NULL; v = v->next)
        if (reader_equal_text(name, v->name))
            return v;
    return NULL;
}
