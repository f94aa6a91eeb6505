/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/digest.h"
#include "formats/cab/cab.h"

static bool differs(struct err *e, const char *what, const char *path)
{
    return err_user(e, ERR_VERIFY_CHANGED, "In the cabinet the %s of \"%.120s\" changed.", what,
                    path);
}

/* Time, attributes, folder and name: the record without size and place. */
static bool same_record(const struct cab_file *x, const struct cab_file *y)
{
    struct reader a = x->record, b = y->record;
    return reader_skip(&a, 8) && reader_skip(&b, 8) && reader_equal(a, b);
}

static bool same_header(const struct cab *before, const struct cab *after)
{
    struct reader a, b;
    return reader_slice(before->header, 24, 6, &a) && reader_slice(after->header, 24, 6, &b) &&
           reader_equal(a, b) && reader_slice(before->header, 32, 4, &a) &&
           reader_slice(after->header, 32, 4, &b) && reader_equal(a, b) &&
           before->folder_reserve == after->folder_reserve &&
           before->data_reserve == after->data_reserve &&
           before->folder_count == after->folder_count && before->file_count == after->file_count &&
           reader_equal(before->first, after->first);
}

/* All that is said of the files, apart from their content. */
static bool same_tables(const struct cab *before, const struct cab *after, struct err *e)
{
    if (!same_header(before, after))
        return err_user(e, ERR_VERIFY_CHANGED, "The header of the cabinet changed.");
    for (size_t i = 0; i < before->file_count; i++) {
        if (!same_record(&before->files[i], &after->files[i]))
            return differs(e, "description", before->files[i].path);
        if (before->order[i] != after->order[i])
            return differs(e, "place", before->files[i].path);
    }
    for (size_t i = 0; i < before->folder_count; i++)
        if (!reader_equal(before->folders[i].reserve, after->folders[i].reserve))
            return err_user(e, ERR_VERIFY_CHANGED, "A folder of the cabinet changed.");
    return true;
}

static bool digest_of_folder(const struct cab *c, const struct cab_folder *f,
                             struct digest_value *ret, struct err *e)
{
    struct source part;
    return source_slice(&c->in, f->data, f->end - f->data, &part, e) &&
           digest_of_source(HASH_SHA256, &part, ret, e);
}

/* Digests of the files of a folder that stay, in one pass over it. */
struct digesting {
    const struct cab *c;
    const struct cab_folder *f;
    const bool *changed;
    struct digest d;
    struct digest_value *ret; /* by place in the folder */
    size_t file;              /* place of the one at work */
    uint64_t left;            /* bytes of it that are to come */
};

static bool stays(const struct digesting *x)
{
    return !x->changed[x->c->order[x->f->first + x->file]];
}

/* Goes on to the next file that is not empty. */
static bool next_file(struct digesting *x, struct err *e)
{
    for (; x->file < x->f->count; x->file++) {
        x->left = x->c->files[x->c->order[x->f->first + x->file]].size;
        if (x->left > 0)
            return !stays(x) || digest_begin(&x->d, HASH_SHA256, e);
    }
    return true;
}

static bool digest_piece(void *ctx, struct reader piece, struct err *e)
{
    struct digesting *x = ctx;
    while (piece.left > 0) {
        size_t n = x->left < piece.left ? (size_t)x->left : piece.left;
        struct reader part;
        TRY(reader_take(&piece, n, &part));
        if (stays(x))
            digest_add(&x->d, part);
        x->left -= n;
        if (x->left > 0)
            continue;
        if (stays(x))
            TRY(digest_end(&x->d, &x->ret[x->file], e));
        x->file++;
        TRY(next_file(x, e));
    }
    return true;
}

static bool digest_files(const struct cab *c, const struct cab_folder *f, const bool *changed,
                         struct digest_value *ret, struct err *e)
{
    struct digesting x = {.c = c, .f = f, .changed = changed, .ret = ret};
    bool ok = next_file(&x, e) && cab_expand_folder(c, f, digest_piece, &x, e);
    digest_done(&x.d);
    return ok;
}

static bool same_files(const struct cab *before, const struct cab *after, size_t folder,
                       const bool *changed, struct err *e)
{
    const struct cab_folder *f = &before->folders[folder];
    CLEANUP(arena_cleanup)
    struct arena *a = arena_new(2 * f->count * sizeof(struct digest_value) + 4096);
    struct digest_value *x = a == NULL ? NULL : ARENA_ARRAY(a, f->count, struct digest_value);
    struct digest_value *y = a == NULL ? NULL : ARENA_ARRAY(a, f->count, struct digest_value);
    if (x == NULL || y == NULL)
        return arena_err(e);
    TRY(digest_files(before, f, changed, x, e));
    TRY(digest_files(after, &after->folders[folder], changed, y, e));
    for (size_t i = 0; i < f->count; i++)
        if (!reader_equal(digest_view(&x[i]), digest_view(&y[i])))
            return differs(e, "content", before->files[before->order[f->first + i]].path);
    return true;
}

static bool compare_folder(const struct cab *before, const struct cab *after, size_t i,
                           const bool *changed, struct err *e)
{
    const struct cab_folder *x = &before->folders[i], *y = &after->folders[i];
    unsigned old = x->kind & 15;
    struct digest_value a, b;
    bool any = false;
    for (size_t k = 0; k < x->count; k++)
        any |= changed[before->order[x->first + k]];
    if (x->count == 0)
        return true;
    if (any) {
        if (y->kind != x->kind && (old == CAB_STORED || y->kind != CAB_MSZIP))
            return differs(e, "compression", before->files[before->order[x->first]].path);
        return same_files(before, after, i, changed, e);
    }
    TRY(digest_of_folder(before, x, &a, e) && digest_of_folder(after, y, &b, e));
    if (x->kind != y->kind || x->blocks != y->blocks ||
        !reader_equal(digest_view(&a), digest_view(&b)))
        return differs(e, "folder", before->files[before->order[x->first]].path);
    return true;
}

bool cab_compare(const struct cab *before, const struct cab *after, const bool *changed,
                 struct err *e)
{
    TRY(same_tables(before, after, e));
    for (size_t i = 0; i < before->folder_count; i++)
        TRY(compare_folder(before, after, i, changed, e));
    return true;
}
