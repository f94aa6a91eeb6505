/* SPDX-License-Identifier: Apache-2.0 */
#include "web/pages/tree.h"
#include "base/text.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SHOWN = 300, MOST_DEPTH = 64 };

/* One planned file as the page shows it. */
struct file {
    const char *path, *directive, *before, *after, *output, *algorithm, *stamp;
    int64_t line, slots;
};
enum progress { PLANNED, GIVEN_UP, RELEASED };
struct files {
    struct arena *arena;
    enum progress progress;
    struct file *list;
    size_t count, all;
};

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

static const char *hex(struct arena *a, struct reader bytes)
{
    char *text = arena_alloc(a, bytes.left * 2 + 1);
    if (text == NULL)
        return "";
    text_hex(bytes.at, bytes.left, text);
    return text;
}

static const char *member(struct files *f, const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    const char *copy = text == NULL ? NULL : arena_text(f->arena, reader_text(text));
    return copy == NULL ? "" : copy;
}

static void add_file(struct files *f, const struct file *file)
{
    f->all++;
    if (f->count < MOST_SHOWN && file->path != NULL)
        f->list[f->count++] = *file;
}

static bool from_plan(struct files *f, struct reader plan, struct err *e)
{
    struct record_PLAN_ITEM item;
    while (plan.left > 0) {
        if (!record_PLAN_ITEM_next(&plan, &item))
            return err_set(e, ERR_INTERNAL, "plan");
        add_file(f, &(struct file){.path = arena_text(f->arena, item.path),
                                   .directive = arena_text(f->arena, item.directive),
                                   .before = hex(f->arena, item.sha256),
                                   .output = arena_text(f->arena, item.output),
                                   .line = item.line,
                                   .slots = item.slots});
    }
    return true;
}

static bool from_receipt(struct files *f, struct reader receipt, struct err *e)
{
    json_error_t problem;
    json_t *root = json_loadb((const char *)receipt.at, receipt.left, 0, &problem);
    const json_t *list = json_object_get(root, "files");
    if (root == NULL)
        return err_set(e, ERR_INTERNAL, "receipt: %s", problem.text);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const json_t *signature = json_array_get(json_object_get(item, "signatures"), 0);
        add_file(f, &(struct file){.path = member(f, item, "path"),
                                   .directive = member(f, item, "directive"),
                                   .before = member(f, item, "sha256"),
                                   .after = member(f, signature, "sha256"),
                                   .output = member(f, item, "output"),
                                   .algorithm = member(f, signature, "algorithm"),
                                   .stamp = member(f, signature, "timestamp"),
                                   .line = json_integer_value(json_object_get(item, "line")),
                                   .slots = json_integer_value(json_object_get(item, "slots"))});
    }
    json_decref(root);
    return true;
}

/* Parts of "a.zip » lib/b.exe": a container is a folder too. */
static size_t split(struct arena *a, const char *path, const char *parts[MOST_DEPTH])
{
    static const char inside[] = " \xc2\xbb ";
    struct reader rest = reader_text(path), part, skipped;
    size_t n = 0;
    while (n < MOST_DEPTH - 1) {
        size_t slash = reader_find(rest, 0, "/", 1);
        size_t mark = reader_find(rest, 0, inside, strlen(inside));
        size_t at = slash < mark ? slash : mark;
        if (at == SIZE_MAX || !reader_take(&rest, at, &part) ||
            !reader_take(&rest, slash < mark ? 1 : strlen(inside), &skipped))
            break;
        parts[n++] = arena_text(a, part);
    }
    parts[n++] = arena_text(a, rest);
    for (size_t i = 0; i < n; i++)
        parts[i] = parts[i] == NULL ? "" : parts[i];
    return n;
}

static void close_folders(struct view *tree, size_t n)
{
    for (size_t i = 0; i < n; i++)
        view_bool(view_item(tree), "close", true);
}

/* [verified only, signed] by how far the request is. */
static const char *const words[][2] = {
    {"to be verified", "to be signed"},
    {"not verified", "not signed"},
    {"verified", "signed"},
};

static void add_node(struct view *tree, const char *name, const struct file *f, enum progress how)
{
    struct view *n = view_item(tree);
    view_bool(n, "file", true);
    view_text(n, "name", name);
    view_text(n, "path", f->path);
    view_text(n, "directive", f->directive);
    view_text(n, "before", f->before);
    view_text(n, "after", f->after);
    view_text(n, "output", f->output);
    view_text(n, "algorithm", f->algorithm);
    view_text(n, "stamp", f->stamp);
    view_number(n, "line", f->line);
    view_text(n, "tone", how == RELEASED ? "ok" : "neu");
    view_text(n, "what", words[how][f->slots != 0]);
}

static void add_tree(struct view *tree, const struct files *f)
{
    const char *open[MOST_DEPTH];
    size_t depth = 0;
    for (size_t i = 0; i < f->count; i++) {
        const char *parts[MOST_DEPTH];
        size_t n = split(f->arena, f->list[i].path, parts), same = 0;
        while (same < depth && same + 1 < n && strcmp(open[same], parts[same]) == 0)
            same++;
        close_folders(tree, depth - same);
        for (depth = same; depth + 1 < n; depth++) {
            struct view *folder = view_item(tree);
            view_bool(folder, "open", true);
            view_text(folder, "name", parts[depth]);
            open[depth] = parts[depth];
        }
        add_node(tree, parts[n - 1], &f->list[i], f->progress);
    }
    close_folders(tree, depth);
}

bool tree_add(struct sheet *s, const struct request_view *v, struct err *e)
{
    struct arena *a = s->call->arena;
    struct files f = {.arena = a, .list = ARENA_ARRAY(a, MOST_SHOWN, struct file)};
    struct reader plan;
    if (f.list == NULL)
        return arena_err(e);
    if (!v->may_read_artifacts) {
        view_text(s->root, "treeNote", "You may not see the files of this request.");
        return true;
    }
    f.progress = v->receipt.left > 0 ? RELEASED : v->final ? GIVEN_UP : PLANNED;
    if (f.progress == RELEASED) {
        TRY(from_receipt(&f, v->receipt, e));
    } else {
        TRY(request_plan(s->call->service, v, a, &plan, e));
        TRY(from_plan(&f, plan, e));
    }
    const char *note = "";
    if (f.all == 0)
        note = v->final ? "There is no plan: the request ended before it was made."
                        : "The plan is made when the artifact has been checked.";
    else if (f.all > f.count)
        note = arena_format(a, "The first %zu of %zu files; the receipt has all.", f.count, f.all);
    view_text(s->root, "treeNote", note);
    qsort(f.list, f.count, sizeof f.list[0], by_path);
    add_tree(view_list(s->root, "tree"), &f);
    return true;
}
