/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/ovba.h"
#include "base/text.h"
#include "formats/office_oxml/vba.h"
#include <string.h>

enum { DATA_MAX = 64 * 1024 * 1024, FORM_BLOCK = 1023, STORAGE_DEPTH = 16, BLOCK_LINES = 4096 };

static bool too_large(struct err *e)
{
    return err_user(e, ERR_VBA, "The VBA project of the file is larger than this server reads.");
}

bool vba_fits(const struct writer *w, struct err *e)
{
    return !w->failed || (w->no_memory ? writer_ok(w, e) : too_large(e));
}

/* --- the compound file ------------------------------------------------------------------------ */

static bool load(struct arena *a, const struct cfb *file, const struct cfb_entry *x,
                 struct reader *ret, struct err *e)
{
    struct source s;
    if (x == NULL || x->type != CFB_STREAM)
        return err_user(e, ERR_VBA, "A stream of the VBA project is missing.");
    if (x->size > DATA_MAX)
        return too_large(e);
    return cfb_source(a, file, x, &s, e) && source_load(a, &s, 0, (size_t)s.size, ret, e);
}

/* In order, with a stack of its own: the tree may be as deep as it has entries. */
bool vba_children(struct arena *a, const struct cfb *file, uint32_t storage, const uint32_t **ret,
                  size_t *ret_count, struct err *e)
{
    const size_t all = cfb_child_count(file, storage);
    uint32_t *list = ARENA_ARRAY(a, all + 1, uint32_t);
    uint32_t *stack = ARENA_ARRAY(a, all + 1, uint32_t);
    uint32_t at = file->entries[storage].child;
    size_t n = 0, depth = 0;
    if (list == NULL || stack == NULL)
        return arena_err(e);
    while (at < file->count || depth > 0) {
        for (; at < file->count && depth < all; at = file->entries[at].left)
            stack[depth++] = at;
        if (n == all || at < file->count)
            return err_user(e, ERR_VBA, "The directory of the VBA project is damaged.");
        at = stack[--depth];
        list[n++] = at;
        at = file->entries[at].right;
    }
    *ret = list;
    *ret_count = n;
    return true;
}

/* --- forms ------------------------------------------------------------------------------------ */

static bool add_form_stream(void *ctx, struct reader piece, struct err *e)
{
    struct vba *v = ctx;
    (void)e;
    writer_reader(&v->forms, piece);
    return true;
}

/* Each stream in blocks of 1023 bytes, the last one filled up; sub-storages at their place
 * ([MS-OVBA] 2.4.2.2). */
static bool add_storage(struct arena *a, struct vba *v, uint32_t storage, unsigned depth,
                        struct err *e)
{
    const uint32_t *list;
    size_t count;
    if (depth == STORAGE_DEPTH)
        return err_user(e, ERR_VBA, "The storages of a form are nested too deeply.");
    TRY(vba_children(a, v->file, storage, &list, &count, e));
    for (size_t i = 0; i < count; i++) {
        const struct cfb_entry *x = &v->file->entries[list[i]];
        if (x->type == CFB_STORAGE) {
            TRY(add_storage(a, v, list[i], depth + 1, e));
        } else if (x->type == CFB_STREAM) {
            if (x->size > v->forms.limit - v->forms.len)
                return too_large(e);
            TRY(cfb_each(v->file, x, add_form_stream, v, e));
            writer_zeros(&v->forms, (size_t)((FORM_BLOCK - x->size % FORM_BLOCK) % FORM_BLOCK));
        }
    }
    return vba_fits(&v->forms, e);
}

/* The PROJECT stream while it is read. */
struct reading {
    struct arena *a;
    const struct vba_dir *dir;
    struct vba *v;
    bool *forms; /* by entry: which storages were added */
};

/* The storage of a form has the name of its module's stream. */
static bool add_form(const struct reading *x, struct reader name, struct err *e)
{
    struct vba *v = x->v;
    size_t from = v->forms.len, i = 0;
    struct reader added;
    while (i < x->dir->count && !reader_equal(x->dir->modules[i].name, name))
        i++;
    const struct cfb_entry *form =
        i == x->dir->count ? NULL : cfb_find(v->file, v->root, x->dir->modules[i].wide_stream);
    if (form == NULL || form->type != CFB_STORAGE)
        return err_user(e, ERR_VBA, "A form of the VBA project is missing.");
    bool *seen = &x->forms[cfb_index(v->file, form)];
    if (*seen)
        return err_user(e, ERR_VBA, "A form of the VBA project is named twice.");
    *seen = true;
    TRY(add_storage(x->a, v, cfb_index(v->file, form), 0, e));
    if (!reader_slice(writer_view(&v->forms), from, v->forms.len - from, &added))
        return err_set(e, ERR_INTERNAL, "form outside of the data");
    writer_reader(&v->project, added);
    return true;
}

/* --- the PROJECT stream ----------------------------------------------------------------------- */

static bool next_line(struct reader *text, struct reader *line)
{
    size_t n = reader_find(*text, 0, "\r\n", 2);
    if (text->left == 0)
        return false;
    return reader_take(text, n == SIZE_MAX ? text->left : n, line) &&
           reader_skip(text, n == SIZE_MAX ? 0 : 2);
}

static bool is_one_of(struct reader name, const char *const *list)
{
    while (*list != NULL && !reader_equal_text(name, *list))
        list++;
    return *list != NULL;
}

static bool property(const struct reading *x, struct reader line, struct err *e)
{
    static const char *const left_out[] = {"ID", "Document", "CMG", "DPB", "GC", NULL};
    struct reader name, value = line;
    size_t n = reader_find(line, 0, "=", 1);
    if (n == SIZE_MAX)
        return true;
    if (!reader_take(&value, n, &name) || !reader_skip(&value, 1))
        return err_set(e, ERR_INTERNAL, "property outside of its line");
    if (reader_equal_text(name, "BaseClass"))
        TRY(add_form(x, value, e));
    if (is_one_of(name, left_out))
        return true;
    if (value.left >= 2 && value.at[0] == '"')
        TRY(reader_slice(value, 1, value.left - 2, &value) ||
            err_set(e, ERR_INTERNAL, "value outside of its line"));
    writer_reader(&x->v->project, name);
    writer_reader(&x->v->project, value);
    return true;
}

bool vba_read_project(struct arena *a, struct reader project, const struct vba_dir *dir,
                      struct vba *v, struct err *e)
{
    const struct reading x = {a, dir, v, ARENA_ARRAY(a, v->file->count, bool)};
    struct reader line;
    bool section = false, host = false;
    if (x.forms == NULL)
        return arena_err(e);
    for (size_t lines = 0; next_line(&project, &line); lines++) {
        if (lines == BLOCK_LINES)
            return too_large(e);
        if (line.left >= 2 && line.at[0] == '[' && line.at[line.left - 1] == ']') {
            section = true;
            host = reader_equal_text(line, "[Host Extender Info]");
            if (host)
                writer_text(&v->project, "Host Extender Info");
        } else if (host) {
            writer_reader(&v->project, line);
        } else if (!section) {
            TRY(property(&x, line, e));
        }
    }
    return vba_fits(&v->project, e);
}

/* --- the project ------------------------------------------------------------------------------ */

static bool add_modules(struct arena *a, struct vba *v, const struct vba_dir *dir, struct err *e)
{
    CLEANUP(writer_done) struct writer text = {0};
    size_t left = DATA_MAX; /* of the source of all modules: a short stream can expand to a lot */
    for (size_t i = 0; i < dir->count; i++, left -= text.len) {
        const struct vba_module *m = &dir->modules[i];
        struct reader stream;
        TRY(load(a, v->file, cfb_find(v->file, v->storage, m->wide_stream), &stream, e));
        if (!reader_skip(&stream, m->offset))
            return err_user(e, ERR_VBA, "A module of the VBA project has no source.");
        writer_reset(&text);
        text.limit = left;
        TRY(ovba_expand(stream, &text, e) && vba_add_module(m, writer_view(&text), v, e));
    }
    writer_bytes(&v->v3, "\x10\0\0\0\0", 6);
    return true;
}

static bool fill(struct arena *a, struct vba *v, struct err *e)
{
    struct vba_dir dir;
    struct reader stream, project;
    CLEANUP(writer_done) struct writer plain = {0};
    writer_init(&plain, DATA_MAX);
    TRY(load(a, v->file, cfb_find_text(v->file, v->storage, "dir"), &stream, e));
    TRY(ovba_expand(stream, &plain, e));
    TRY(vba_read_dir(a, writer_view(&plain), v, &dir, e) && add_modules(a, v, &dir, e));
    TRY(load(a, v->file, cfb_find_text(v->file, v->root, "PROJECT"), &project, e));
    TRY(vba_read_project(a, project, &dir, v, e));
    return vba_fits(&v->content, e) && vba_fits(&v->v3, e);
}

bool vba_open(struct arena *a, const struct cfb *file, uint32_t root, struct vba *ret,
              bool *ret_found, struct err *e)
{
    const struct cfb_entry *storage = cfb_find_text(file, root, "VBA");
    *ret_found = storage != NULL && storage->type == CFB_STORAGE;
    if (!*ret_found)
        return true;
    struct vba v = {.file = file, .root = root, .storage = cfb_index(file, storage)};
    writer_init(&v.content, DATA_MAX);
    writer_init(&v.forms, DATA_MAX);
    writer_init(&v.v3, DATA_MAX);
    writer_init(&v.project, DATA_MAX);
    if (!fill(a, &v, e)) {
        vba_done(&v);
        return false;
    }
    *ret = v;
    return true;
}

void vba_done(struct vba *v)
{
    writer_done(&v->content);
    writer_done(&v->forms);
    writer_done(&v->v3);
    writer_done(&v->project);
}
