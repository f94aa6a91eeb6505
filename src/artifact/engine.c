/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/engine.h"
#include <stdlib.h>
#include <string.h>

/* Up to here a file is signed in memory; the rule looks at sizes of the input only. */
enum { SMALL = 4 * 1024 * 1024, SLACK = 1024 * 1024, SIGNATURE_ROOM = 16 * 1024 * 1024, TURNS = 3 };
enum { USUAL = 32 * 1024 }; /* most of what signing adds */

/* What became of a part: replaces its entry and adds new files to its container. */
struct work {
    struct source now; /* its bytes so far */
    bool changed;
    struct change *changes; /* for the container: the entry itself first, then new files */
    size_t change_count;
};

struct run {
    struct workspace *w;
    struct tree *tree;
    const struct signer *signer;
    const struct engine_progress *progress;
    struct sink *out;
    struct work *works; /* as tree->parts */
    size_t from;        /* first part of the level */
    unsigned turn;      /* of struct format */
    atomic_uint done;
};

/* --- room ------------------------------------------------------------------------------------- */

/* A sink for one piece of output: memory for small inputs, else a range of scratch. */
struct room {
    struct writer memory;
    struct sink sink;
    bool in_memory;
};

static void room_done(struct room *x)
{
    if (x->in_memory)
        writer_done(&x->memory);
}

static bool room_open(struct workspace *w, uint64_t input, uint64_t most, struct room *x,
                      struct err *e)
{
    x->in_memory = input <= SMALL;
    if (!x->in_memory)
        return scratch_take(&w->scratch, most, &x->sink, e);
    writer_init(&x->memory, (size_t)most);
    x->sink = sink_memory(&x->memory);
    return true;
}

/* Moves the output to scratch, where it lives as long as the job. */
static bool room_keep(struct workspace *w, struct room *x, struct source *ret, struct err *e)
{
    if (!x->in_memory) {
        *ret = scratch_close(&w->scratch, &x->sink);
        return true;
    }
    struct source view = sink_view(&x->sink);
    struct sink to;
    TRY(scratch_take(&w->scratch, view.size, &to, e));
    TRY(sink_source(&to, &view, e));
    *ret = scratch_close(&w->scratch, &to);
    return true;
}

static uint64_t sign_room(uint64_t size)
{
    return size + size / 8 + SIGNATURE_ROOM;
}

/* --- files around ----------------------------------------------------------------------------- */

static unsigned turn_of(const struct part *p)
{
    unsigned turn = 0;
    for (size_t i = 0; i < p->step_count; i++)
        if (p->steps[i].format->turn != NULL)
            turn = p->steps[i].format->turn(p->name);
    return turn;
}

struct neighbours {
    struct run *run;
    const struct part *part;
};

/* An entry that no element matches, but that followed another one of its container. */
static const struct source *find_beside(const struct run *x, const struct part *p, size_t index)
{
    for (size_t i = 0; i < p->child_count; i++) {
        const struct work *w = &x->works[p->children[i]->number];
        for (size_t k = 0; k < w->change_count; k++)
            if (w->changes[k].index == index)
                return &w->changes[k].content;
    }
    return NULL;
}

static bool find_neighbour(void *ctx, const char *path, struct source *ret, bool *ret_found,
                           struct err *e)
{
    const struct neighbours *n = ctx;
    const struct part *p = n->part->parent;
    const struct source *beside;
    size_t index;
    TRY(part_near(p->container, n->part->entry, path, &index, e));
    *ret_found = index != SIZE_MAX;
    if (!*ret_found)
        return true;
    for (size_t i = 0; i < p->child_count; i++)
        if (p->children[i]->index == index) {
            const struct part *other = p->children[i];
            *ret = turn_of(other) < n->run->turn ? n->run->works[other->number].now : other->in;
            return true;
        }
    if ((beside = find_beside(n->run, p, index)) != NULL) {
        *ret = *beside;
        return true;
    }
    return part_extract(n->run->w, p->container, index, ret, e);
}

/* --- one directive ---------------------------------------------------------------------------- */

static bool run_sign(struct run *x, const struct part *p, const struct step *s,
                     const struct source *in, struct sink *out, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new((size_t)256 * 1024 * 1024);
    if (a == NULL)
        return err_set(e, ERR_NO_MEMORY, "signing");
    CLEANUP(room_done) struct room scratch = {0};
    TRY(room_open(x->w, in->size, 2 * sign_room(in->size), &scratch, e));
    struct neighbours near = {x, p};
    const struct surroundings around = {&near, find_neighbour};
    struct sign_job job = {.arena = a,
                           .around = p->parent == NULL || s->format->turn == NULL ? NULL : &around,
                           .in = in,
                           .file_name = p->name,
                           .directive = s->directive->name,
                           .attributes = s->attributes,
                           .slot = s->slot,
                           .signer = x->signer,
                           .scratch = scratch.sink,
                           .out = out};
    bool ok = format_sign(s->format, &job, e);
    if (!scratch.in_memory) { /* the format wrote to its own copy of the sink: all is given back */
        scratch.sink.used = 0;
        (void)scratch_close(&x->w->scratch, &scratch.sink);
    }
    return ok;
}

static bool sign_to_scratch(struct run *x, const struct part *p, const struct step *s,
                            const struct source *in, struct source *ret, struct err *e)
{
    CLEANUP(room_done) struct room out = {0};
    TRY(room_open(x->w, in->size, sign_room(in->size), &out, e));
    if (out.in_memory) { /* all at once: it does not grow by copies of itself */
        (void)writer_room(&out.memory, (size_t)in->size + USUAL);
        writer_reset(&out.memory);
    }
    TRY(run_sign(x, p, s, in, &out.sink, e));
    return room_keep(x->w, &out, ret, e);
}

/* --- containers ------------------------------------------------------------------------------- */

static int change_order(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* What is not changed may have to be compressed again, by a weaker method than it was. */
static uint64_t most_room(const struct part *p)
{
    uint64_t room = p->in.size + SLACK;
    const struct container *c = p->container;
    if (c->format->extract_many != NULL)
        for (size_t i = 0; i < c->count; i++)
            room += c->entries[i].size + c->entries[i].size / 256;
    return room;
}

/* Replaced entries by index, then new files in the order of work. */
static bool collect_changes(struct run *x, const struct part *p, struct arena *a,
                            struct change **ret, size_t *ret_count, uint64_t *ret_room,
                            struct err *e)
{
    size_t replaced = 0, count = 0, most = 0;
    for (size_t i = 0; i < p->child_count; i++)
        most += x->works[p->children[i]->number].change_count;
    struct change *list = ARENA_ARRAY(a, most, struct change);
    if (list == NULL)
        return arena_err(e);
    uint64_t room = most_room(p);
    for (int added = 0; added < 2; added++) {
        for (size_t i = 0; i < p->child_count; i++) {
            const struct work *w = &x->works[p->children[i]->number];
            for (size_t k = 0; k < w->change_count; k++)
                if ((w->changes[k].index == SIZE_MAX) == (added == 1)) {
                    list[count++] = w->changes[k];
                    room += w->changes[k].content.size + w->changes[k].content.size / 256 + 65536;
                }
        }
        if (added == 0)
            replaced = count;
    }
    qsort(list, replaced, sizeof *list, change_order);
    *ret = list;
    *ret_count = count;
    *ret_room = room;
    return true;
}

static bool repack(struct run *x, const struct part *p, struct arena *a, struct sink *to,
                   struct source *ret, struct err *e)
{
    struct change *changes = NULL;
    size_t count = 0;
    uint64_t room = 0;
    TRY(collect_changes(x, p, a, &changes, &count, &room, e));
    struct sink own;
    if (to == NULL) {
        TRY(scratch_take(&x->w->scratch, room, &own, e));
        TRY(p->format->repack(p->container, changes, count, &own, e));
        *ret = scratch_close(&x->w->scratch, &own);
        return true;
    }
    return p->format->repack(p->container, changes, count, to, e);
}

/* A file beside the container of `p`, with the entries of it that lie there. */
static bool rebuild(struct run *x, const struct part *p, size_t outside, struct arena *a,
                    struct source *ret, struct err *e)
{
    struct change *changes = NULL;
    size_t count = 0;
    uint64_t room = 0;
    struct sink own;
    TRY(collect_changes(x, p, a, &changes, &count, &room, e));
    TRY(scratch_take(&x->w->scratch, room, &own, e));
    TRY(p->format->rebuild(p->container, outside, changes, count, &own, e));
    *ret = scratch_close(&x->w->scratch, &own);
    return true;
}

static bool prepare(struct run *x, const struct part *p, struct arena *a, struct change *c,
                    struct err *e)
{
    const struct format *f = p->parent->format;
    if (f->prepare == NULL)
        return true;
    struct sink scratch;
    uint64_t room = c->content.size + c->content.size / 256 + 65536;
    TRY(scratch_take(&x->w->scratch, room, &scratch, e));
    TRY(f->prepare(p->parent->container, a, c, &scratch, e));
    (void)scratch_close(&x->w->scratch, &scratch);
    return true;
}

/* --- one part --------------------------------------------------------------------------------- */

static bool embeds(const struct step *s)
{
    return (s->can & (DIRECTIVE_SIGN | DIRECTIVE_NEW_FILE)) == DIRECTIVE_SIGN;
}

static size_t count_embedding(const struct part *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->step_count; i++)
        n += embeds(&p->steps[i]);
    return n;
}

static bool content_changes(const struct part *p)
{
    for (size_t i = 0; i < p->child_count; i++)
        if (part_changes(p->children[i]) || part_new_files(p->children[i]) > 0)
            return true;
    return false;
}

/* Everything that gives new bytes for the part. The last step of the artifact writes to its
 * place at once: a large file is written only once. */
static bool work_inside(struct run *x, const struct part *p, struct work *w, struct arena *a,
                        struct refusal *r)
{
    size_t left = count_embedding(p);
    struct sink *final = p->parent == NULL ? x->out : NULL;
    if (p->rebuilt_by != NULL) {
        if (!rebuild(x, p->rebuilt_by, p->rebuilt_as, a, &w->now, &r->err))
            return refusal_at(r, p->path, 0, 0);
        w->changed = true;
    } else if (content_changes(p)) {
        if (!repack(x, p, a, left == 0 ? final : NULL, &w->now, &r->err))
            return refusal_at(r, p->path, 0, 0);
        w->changed = true;
    }
    for (size_t i = 0; i < p->step_count; i++) {
        const struct step *s = &p->steps[i];
        if (!embeds(s))
            continue;
        struct source in = w->now;
        bool ok = --left == 0 && final != NULL ? run_sign(x, p, s, &in, final, &r->err)
                                               : sign_to_scratch(x, p, s, &in, &w->now, &r->err);
        if (!ok)
            return refusal_at(r, p->path, s->directive->at.line, s->directive->at.column);
        w->changed = true;
    }
    return true;
}

static bool add_change(struct run *x, const struct part *p, struct work *w, struct arena *a,
                       const struct change *c, struct refusal *r)
{
    w->changes[w->change_count] = *c;
    if (!prepare(x, p, a, &w->changes[w->change_count], &r->err))
        return refusal_at(r, p->path, 0, 0);
    w->change_count++;
    return true;
}

static bool work_beside(struct run *x, const struct part *p, struct work *w, struct arena *a,
                        struct refusal *r)
{
    w->changes = ARENA_ARRAY(a, 1 + part_new_files(p) + p->beside_count, struct change);
    if (w->changes == NULL)
        return arena_err(&r->err);
    if (w->changed)
        TRY(add_change(x, p, w, a, &(struct change){.index = p->index, .content = w->now}, r));
    for (size_t i = 0; i < p->beside_count; i++) {
        const struct beside *b = &p->besides[i];
        struct change c = {.index = b->index};
        if (b->part != NULL) /* which does it itself */
            continue;
        if (!rebuild(x, p, b->outside, a, &c.content, &r->err))
            return refusal_at(r, p->path, 0, 0);
        TRY(add_change(x, p, w, a, &c, r));
    }
    for (size_t i = 0; i < p->step_count; i++) {
        const struct step *s = &p->steps[i];
        if ((s->can & DIRECTIVE_NEW_FILE) == 0)
            continue;
        struct change c = {.index = SIZE_MAX, .like = p->index, .path = part_output_path(a, p, s)};
        if (c.path == NULL)
            return arena_err(&r->err);
        if (!sign_to_scratch(x, p, s, &w->now, &c.content, &r->err))
            return refusal_at(r, p->path, s->directive->at.line, s->directive->at.column);
        TRY(add_change(x, p, w, a, &c, r));
    }
    return true;
}

static bool work_part(void *ctx, size_t index, unsigned lane, struct refusal *r)
{
    struct run *x = ctx;
    const struct part *p = x->tree->parts[x->from + index];
    struct work *w = &x->works[x->from + index];
    struct arena *a = x->w->arenas[lane];
    if (turn_of(p) != x->turn)
        return true;
    w->now = p->in;
    TRY(work_inside(x, p, w, a, r));
    if (p->parent != NULL)
        TRY(work_beside(x, p, w, a, r));
    unsigned done = atomic_fetch_add(&x->done, 1) + 1;
    if (x->progress != NULL)
        x->progress->done(x->progress->ctx, done, (uint32_t)x->tree->count, p->path);
    return true;
}

bool engine_sign(struct workspace *w, struct tree *t, const struct signer *signer,
                 const struct engine_progress *progress, struct sink *out, struct refusal *r)
{
    struct run x = {.w = w, .tree = t, .signer = signer, .progress = progress, .out = out};
    if (t->slots == 0)
        return err_set(&r->err, ERR_NOTHING_TO_SIGN, NULL);
    x.works = ARENA_ARRAY(w->arenas[0], t->count, struct work);
    if (x.works == NULL)
        return arena_err(&r->err);
    for (size_t level = t->level_count; level-- > 0;) {
        x.from = t->levels[level];
        for (x.turn = 0; x.turn < TURNS; x.turn++)
            TRY(pool_run(w->pool, t->levels[level + 1] - x.from, work_part, &x, r));
    }
    return true;
}
