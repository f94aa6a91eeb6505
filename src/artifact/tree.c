/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/tree.h"
#include "artifact/examine.h"
#include "artifact/match.h"
#include "base/text.h"
#include "crypto/digest.h"
#include <stdlib.h>
#include <string.h>

/* --- workspace -------------------------------------------------------------------------------- */

struct workspace_limits workspace_default_limits(void)
{
    const uint64_t gib = (uint64_t)1 << 30;
    return (struct workspace_limits){.entries = 200000,
                                     .expanded_bytes = 64 * gib,
                                     .scratch_bytes = 512 * gib,
                                     .depth = 16,
                                     .ratio = 1000,
                                     .memory = (size_t)(2 * gib)};
}

bool workspace_init(struct workspace *w, struct pool *pool, int scratch_fd,
                    const struct workspace_limits *limits, struct err *e)
{
    *w = (struct workspace){.pool = pool};
    w->scratch.fd = scratch_fd;
    w->scratch.limit = limits->scratch_bytes;
    w->budget.max_entries = limits->entries;
    w->budget.max_bytes = limits->expanded_bytes;
    w->budget.max_depth = limits->depth;
    w->budget.max_ratio = limits->ratio;
    unsigned lanes = pool_lanes(pool);
    w->arenas = calloc(lanes, sizeof(struct arena *));
    if (w->arenas == NULL)
        return err_set(e, ERR_NO_MEMORY, "workspace");
    for (unsigned i = 0; i < lanes; i++)
        if ((w->arenas[i] = arena_new(limits->memory / lanes)) == NULL)
            return err_set(e, ERR_NO_MEMORY, "workspace");
    return true;
}

void workspace_done(struct workspace *w)
{
    if (w->arenas != NULL)
        for (unsigned i = 0; i < pool_lanes(w->pool); i++)
            arena_free(w->arenas[i]);
    free(w->arenas);
    w->arenas = NULL;
}

/* --- parts ------------------------------------------------------------------------------------ */

/* What part_open lets a format see. */
struct around {
    struct surroundings seen;
    struct workspace *w;
    const struct container *holder;
    const char *entry;
};

static bool find_around(void *ctx, const char *path, struct source *ret, bool *ret_found,
                        struct err *e)
{
    const struct around *x = ctx;
    size_t index;
    TRY(part_near(x->holder, x->entry, path, &index, e));
    *ret_found = index != SIZE_MAX;
    return !*ret_found || part_extract(x->w, x->holder, index, ret, e);
}

bool part_open(struct workspace *w, struct budget *budget, struct arena *a, const struct part *p,
               const struct source *in, const struct container *holder, struct container **ret,
               struct err *e)
{
    if (p->format->open_near == NULL || holder == NULL)
        return p->format->open(a, in, budget, ret, e);
    struct around *x = ARENA_NEW(a, struct around);
    if (x == NULL)
        return arena_err(e);
    *x = (struct around){.seen = {x, find_around}, .w = w, .holder = holder, .entry = p->entry};
    return p->format->open_near(a, in, budget, &x->seen, ret, e);
}

bool part_changes(const struct part *p)
{
    if (p->rebuilt_by != NULL)
        return true;
    for (size_t i = 0; i < p->step_count; i++)
        if ((p->steps[i].can & (DIRECTIVE_SIGN | DIRECTIVE_NEW_FILE)) == DIRECTIVE_SIGN)
            return true;
    for (size_t i = 0; i < p->child_count; i++)
        if (part_changes(p->children[i]) || part_new_files(p->children[i]) > 0)
            return true;
    return false;
}

size_t part_new_files(const struct part *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->step_count; i++)
        n += (p->steps[i].can & DIRECTIVE_NEW_FILE) != 0;
    return n;
}

char *part_output_path(struct arena *a, const struct part *p, const struct step *s)
{
    int folders = (int)(strlen(p->entry) - strlen(p->name));
    return arena_format(a, "%.*s%s", folders, p->entry, s->output);
}

bool part_extract(struct workspace *w, const struct container *c, size_t index, struct source *ret,
                  struct err *e)
{
    struct sink to;
    TRY(scratch_take(&w->scratch, c->entries[index].size, &to, e));
    TRY(c->format->extract(c, index, &to, e));
    *ret = scratch_close(&w->scratch, &to);
    return true;
}

bool parts_extract(struct workspace *w, struct arena *a, const struct container *c,
                   const size_t *indexes, size_t count, struct source *ret, struct err *e)
{
    struct sink *outs = ARENA_ARRAY(a, count + 1, struct sink);
    if (outs == NULL)
        return arena_err(e);
    if (c->format->extract_many == NULL) {
        for (size_t i = 0; i < count; i++)
            TRY(part_extract(w, c, indexes[i], &ret[i], e));
        return true;
    }
    for (size_t i = 0; i < count; i++)
        TRY(scratch_take(&w->scratch, c->entries[indexes[i]].size, &outs[i], e));
    TRY(c->format->extract_many(c, indexes, count, outs, e));
    for (size_t i = 0; i < count; i++)
        ret[i] = scratch_close(&w->scratch, &outs[i]);
    return true;
}

static const char *last_name(const char *path)
{
    const char *name = path;
    for (const char *at = path; *at != '\0'; at++)
        if (*at == '/' || *at == '\\')
            name = at + 1;
    return name;
}

/* The separator of nested paths cannot be forged by a file name: it is doubled there. */
static const char *shown_path(struct arena *a, const char *container, const char *entry)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, SIZE_MAX);
    writer_text(&w, container);
    if (container[0] != '\0')
        writer_text(&w, " » ");
    struct reader r = reader_text(entry);
    uint32_t c;
    while (text_next(&r, &c)) {
        text_put(&w, c);
        if (c == 0xbb)
            text_put(&w, c);
    }
    struct err e = {0};
    return writer_ok(&w, &e) ? arena_text(a, writer_view(&w)) : NULL;
}

/* --- building --------------------------------------------------------------------------------- */

struct builder {
    struct workspace *w;
    struct tree *tree;
    bool digests;
    size_t from; /* first part of the level */
    size_t room, level_room;
};

static int text_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool refuse_clash(const struct part *p, const char *name, struct refusal *r)
{
    (void)err_user(&r->err, ERR_OUTPUT_CLASH,
                   "The new file \"%.250s\" would have the name of another file in \"%.250s\".",
                   name, p->path);
    return refusal_at(r, p->path, p->typed->at.line, p->typed->at.column);
}

/* New files of two sources, or of a source and an entry, may not have one name. */
static bool check_outputs(struct arena *a, const struct part *p, struct refusal *r)
{
    size_t new_files = 0, n = 0;
    for (size_t i = 0; i < p->child_count; i++)
        new_files += part_new_files(p->children[i]);
    if (new_files == 0)
        return true;
    const char **names = ARENA_ARRAY(a, new_files, const char *);
    if (names == NULL)
        return arena_err(&r->err);
    for (size_t i = 0; i < p->child_count; i++) {
        const struct part *child = p->children[i];
        for (size_t k = 0; k < child->step_count; k++) {
            if ((child->steps[k].can & DIRECTIVE_NEW_FILE) == 0)
                continue;
            char *path = part_output_path(a, child, &child->steps[k]);
            if (path == NULL || (names[n++] = match_fold(a, path)) == NULL)
                return arena_err(&r->err);
        }
    }
    qsort(names, n, sizeof *names, text_order);
    for (size_t i = 1; i < n; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return refuse_clash(p, names[i], r);
    for (size_t i = 0; i < p->container->count; i++) {
        const char *folded = match_fold(a, p->container->entries[i].path);
        if (folded == NULL)
            return arena_err(&r->err);
        if (bsearch(&folded, names, n, sizeof *names, text_order) != NULL)
            return refuse_clash(p, folded, r);
    }
    return true;
}

static bool add_child(struct arena *a, struct part *p, const struct claim *c, struct err *e)
{
    struct part *child = ARENA_NEW(a, struct part);
    if (child == NULL)
        return arena_err(e);
    const char *entry = p->container->entries[c->index].path;
    *child = (struct part){.parent = p,
                           .index = c->index,
                           .entry = entry,
                           .name = last_name(entry),
                           .path = shown_path(a, p->path, entry),
                           .depth = p->depth + 1,
                           .typed = c->typed,
                           .file = c->file,
                           .typed_match = c->typed_match,
                           .file_match = c->file_match};
    if (child->path == NULL)
        return arena_err(e);
    p->children[p->child_count++] = child;
    return true;
}

static bool extract_children(struct workspace *w, struct arena *a, struct part *p, struct err *e)
{
    size_t *indexes = ARENA_ARRAY(a, p->child_count + 1, size_t);
    struct source *contents = ARENA_ARRAY(a, p->child_count + 1, struct source);
    if (indexes == NULL || contents == NULL)
        return arena_err(e);
    for (size_t i = 0; i < p->child_count; i++)
        indexes[i] = p->children[i]->index;
    TRY(parts_extract(w, a, p->container, indexes, p->child_count, contents, e));
    for (size_t i = 0; i < p->child_count; i++) {
        p->children[i]->in = contents[i];
        p->children[i]->extracted = true;
    }
    return true;
}

/* Where a child asks for the files around it. */
static bool sort_near(struct arena *a, struct part *p, struct err *e)
{
    for (size_t i = 0; i < p->child_count; i++) {
        const struct configuration_node *typed = p->children[i]->typed;
        const struct format *f =
            typed == NULL || typed->facts == NULL ? NULL : format_of(typed->facts->id);
        if (f != NULL && (f->open_near != NULL || f->turn != NULL))
            return part_sort_near(a, p->container, e);
    }
    return true;
}

static bool open_container(struct workspace *w, struct arena *a, struct part *p, struct refusal *r)
{
    struct xml_position at = p->typed_match->at;
    CLEANUP(arena_cleanup) struct arena *work = arena_new((size_t)512 * 1024 * 1024);
    if (work == NULL)
        return err_set(&r->err, ERR_NO_MEMORY, "matching");
    struct claim *claims = NULL;
    size_t count = 0;
    if (!budget_depth(&w->budget, p->depth + 1, &r->err) ||
        !part_open(w, &w->budget, a, p, &p->in, p->parent == NULL ? NULL : p->parent->container,
                   &p->container, &r->err) ||
        !match_container(work, p->container, p->typed, p->path, &claims, &count, r))
        return refusal_at(r, p->path, at.line, at.column);
    if ((p->children = ARENA_ARRAY(a, count, struct part *)) == NULL)
        return arena_err(&r->err);
    for (size_t i = 0; i < count; i++)
        TRY(add_child(a, p, &claims[i], &r->err));
    if (!sort_near(a, p, &r->err) ||
        (p->format->extract_many != NULL && !extract_children(w, work, p, &r->err)))
        return refusal_at(r, p->path, at.line, at.column);
    return true;
}

static bool build_part(void *ctx, size_t index, unsigned lane, struct refusal *r)
{
    struct builder *b = ctx;
    struct part *p = b->tree->parts[b->from + index];
    struct arena *a = b->w->arenas[lane];
    if (p->parent != NULL && !p->extracted &&
        !part_extract(b->w, p->parent->container, p->index, &p->in, &r->err))
        return refusal_at(r, p->path, 0, 0);
    if (b->digests) {
        struct digest_value sha256;
        if (!digest_of_source(HASH_SHA256, &p->in, &sha256, &r->err) ||
            !reader_copy(&(struct reader){sha256.bytes, sha256.len}, p->sha256, sizeof p->sha256))
            return refusal_at(r, p->path, 0, 0);
    }
    TRY(examine_part(a, &b->w->judging, p, r));
    /* a file that a directory's own directive works on holds nothing of the directory */
    return p->typed == NULL || p->typed->kind == CONFIGURATION_DIRECTORY ||
           p->typed->child_count == 0 || open_container(b->w, a, p, r);
}

/* --- files beside containers ------------------------------------------------------------------ */

static bool refuse_beside(const struct part *p, const char *path, const char *why,
                          struct refusal *r)
{
    (void)err_user(&r->err, ERR_MATCH_TWICE, "\"%.200s\" beside \"%.160s\" changes with it, %s.",
                   path, p->path, why);
    return refusal_at(r, p->path, p->typed_match->at.line, p->typed_match->at.column);
}

/* Who changes an entry of a container. */
struct entry_claim {
    struct part *part; /* by its own element; or NULL */
    bool beside;       /* with a file in the same container */
};

static bool make_claims(struct arena *a, struct part *p, struct err *e)
{
    if (p->claims != NULL)
        return true;
    p->claims = ARENA_ARRAY(a, p->container->count, struct entry_claim);
    if (p->claims == NULL)
        return arena_err(e);
    for (size_t i = 0; i < p->child_count; i++)
        p->claims[p->children[i]->index].part = p->children[i];
    return true;
}

/* A file changes for one reason only; but a cabinet may then be signed as a whole. */
static bool check_beside(const struct part *p, const struct outside *o,
                         const struct entry_claim *claim, struct refusal *r)
{
    const struct part *same = claim->part;
    if (claim->beside)
        return refuse_beside(p, o->path, "but with another file of an installer as well", r);
    if (same == p)
        return refuse_beside(p, o->path, "but it is that file itself", r);
    if (same == NULL || !part_changes(same))
        return true;
    if (o->whole)
        return refuse_beside(p, o->path,
                             "but is also signed by itself, after which the sizes "
                             "and hashes in the installer would be wrong",
                             r);
    for (size_t i = 0; i < same->child_count; i++)
        if (part_changes(same->children[i]) || part_new_files(same->children[i]) > 0)
            return refuse_beside(p, o->path, "but files in it are also signed by another element",
                                 r);
    return true;
}

static bool link_outside(struct arena *a, struct part *p, size_t outside, struct refusal *r)
{
    const struct outside *o = &p->container->outsides[outside];
    size_t index;
    TRY(part_near(p->parent->container, p->entry, o->path, &index, &r->err));
    if (index == SIZE_MAX)
        return err_set(&r->err, ERR_INTERNAL, "%s is gone", o->path);
    TRY(make_claims(a, p->parent, &r->err));
    struct entry_claim *claim = &p->parent->claims[index];
    struct part *same = claim->part;
    TRY(check_beside(p, o, claim, r));
    claim->beside = true;
    if (p->besides == NULL &&
        (p->besides = ARENA_ARRAY(a, p->container->outside_count, struct beside)) == NULL)
        return arena_err(&r->err);
    p->besides[p->beside_count++] =
        (struct beside){.outside = outside, .index = index, .part = same};
    if (same != NULL) {
        same->rebuilt_by = p;
        same->rebuilt_as = outside;
    }
    return true;
}

/* Which files beside a container follow the entries that are signed; known when all levels are. */
static bool link_outsides(struct arena *a, struct part *p, struct refusal *r)
{
    if (p->container == NULL || p->container->outside_count == 0)
        return true;
    bool *changed = ARENA_ARRAY(a, p->container->outside_count + 1, bool);
    if (changed == NULL)
        return arena_err(&r->err);
    for (size_t i = 0; i < p->child_count; i++)
        changed[p->container->entries[p->children[i]->index].outside] |=
            part_changes(p->children[i]);
    for (size_t i = 0; i < p->container->outside_count; i++)
        if (changed[i + 1])
            TRY(link_outside(a, p, i, r));
    return true;
}

/* --- levels ----------------------------------------------------------------------------------- */

static bool add_part(struct builder *b, struct part *p, struct err *e)
{
    struct tree *t = b->tree;
    if (t->count == b->room) {
        size_t room = 2 * b->room + 16;
        struct part **more =
            arena_grow(b->w->arenas[0], t->parts, t->count, room, sizeof(struct part *));
        if (more == NULL)
            return arena_err(e);
        t->parts = more;
        b->room = room;
    }
    p->number = t->count;
    t->parts[t->count++] = p;
    return true;
}

static bool begin_level(struct builder *b, struct err *e)
{
    struct tree *t = b->tree;
    if (t->level_count + 1 >= b->level_room) {
        size_t room = 2 * b->level_room + 16;
        size_t *more = arena_grow(b->w->arenas[0], t->levels, t->level_count, room, sizeof *more);
        if (more == NULL)
            return arena_err(e);
        t->levels = more;
        b->level_room = room;
    }
    t->levels[t->level_count++] = b->from;
    return true;
}

/* One level after the other, because a level is known only when the one above has been opened. */
static bool build_levels(struct builder *b, struct refusal *r)
{
    struct tree *t = b->tree;
    while (b->from < t->count) {
        TRY(begin_level(b, &r->err));
        size_t to = t->count;
        TRY(pool_run(b->w->pool, to - b->from, build_part, b, r));
        for (size_t i = b->from; i < to; i++) {
            const struct part *p = t->parts[i];
            for (size_t k = 0; k < p->child_count; k++)
                TRY(add_part(b, p->children[k], &r->err));
        }
        b->from = to;
    }
    t->levels[t->level_count] = t->count;
    for (size_t i = t->count; i-- > 0;)
        TRY(link_outsides(b->w->arenas[0], t->parts[i], r));
    for (size_t i = 0; i < t->count; i++) /* output names are known only now */
        TRY(check_outputs(b->w->arenas[0], t->parts[i], r));
    return true;
}

static bool check_root_name(const struct part *p, struct refusal *r)
{
    const struct configuration_match *m = p->typed_match;
    if (m->pattern == NULL || pattern_matches(m->pattern, p->name))
        return true;
    (void)err_user(&r->err, ERR_ROOT_NAME,
                   "The artifact is named \"%.200s\", but the artifact configuration wants "
                   "\"%.200s\".",
                   p->name, pattern_text(m->pattern));
    return refusal_at(r, p->path, m->at.line, m->at.column);
}

bool tree_build(struct workspace *w, const struct artifact *artifact, bool digests,
                struct tree **ret, struct refusal *r)
{
    struct arena *a = w->arenas[0];
    struct tree *t = ARENA_NEW(a, struct tree);
    struct part *root = ARENA_NEW(a, struct part);
    const struct configuration_node *node = artifact->configuration->root;
    if (t == NULL || root == NULL)
        return arena_err(&r->err);
    *root = (struct part){.entry = artifact->name,
                          .name = artifact->name,
                          .path = shown_path(a, "", artifact->name),
                          .typed = node,
                          .typed_match = &node->matches[0],
                          .in = artifact->in};
    if (root->path == NULL)
        return arena_err(&r->err);
    TRY(check_root_name(root, r));
    t->root = root;
    struct builder b = {.w = w, .tree = t, .digests = digests};
    TRY(add_part(&b, root, &r->err));
    TRY(build_levels(&b, r));
    *ret = t;
    return true;
}
