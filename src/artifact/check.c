/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/check.h"
#include "crypto/digest.h"
#include <stdlib.h>
#include <string.h>

/* An entry of the output, to be found by its path. */
struct named {
    const char *path;
    size_t index;
};

/* The counterpart of a part in the output. */
struct seen {
    struct source out;
    bool extracted;              /* `out` is there, with the others of its container */
    struct container *container; /* when something inside has changed */
    struct named *names;         /* of the container, sorted */
};

struct check {
    struct workspace *w;
    struct tree *tree;
    const struct check_wants *wants;
    struct seen *seen; /* as tree->parts */
    struct found *found;
    struct reader certificate; /* SHA-256 */
    struct budget input, output;
    size_t from;
};

static bool embeds(const struct step *s)
{
    return (s->can & (DIRECTIVE_SIGN | DIRECTIVE_NEW_FILE)) == DIRECTIVE_SIGN;
}

static bool signs(const struct part *p)
{
    for (size_t i = 0; i < p->step_count; i++)
        if (embeds(&p->steps[i]))
            return true;
    return false;
}

static int name_order(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->path, ((const struct named *)b)->path);
}

static bool sort_names(struct arena *a, const struct container *c, struct named **ret,
                       struct err *e)
{
    struct named *names = ARENA_ARRAY(a, c->count, struct named);
    if (names == NULL)
        return arena_err(e);
    for (size_t i = 0; i < c->count; i++)
        names[i] = (struct named){c->entries[i].path, i};
    qsort(names, c->count, sizeof *names, name_order);
    *ret = names;
    return true;
}

static const struct named *find_name(const struct named *names, size_t count, const char *path)
{
    struct named key = {.path = path};
    if (count == 0)
        return NULL;
    return bsearch(&key, names, count, sizeof *names, name_order);
}

static bool find_entry(const struct seen *in, const char *path, size_t *ret, struct err *e)
{
    const struct named *x = find_name(in->names, in->container->count, path);
    if (x == NULL)
        return err_user(e, ERR_VERIFY_CHANGED, "\"%.250s\" is missing in the output.", path);
    *ret = x->index;
    return true;
}

/* --- structure -------------------------------------------------------------------------------- */

static bool is_own(const struct container *c, size_t index)
{
    return c->format->own_entry != NULL && c->format->own_entry(c, index);
}

/* Names of the new files that the plan puts into this container, sorted. */
static bool planned_names(struct arena *a, const struct part *p, struct named **ret,
                          size_t *ret_count, struct err *e)
{
    size_t count = 0, n = 0;
    for (size_t i = 0; i < p->child_count; i++)
        count += part_new_files(p->children[i]);
    struct named *names = ARENA_ARRAY(a, count, struct named);
    if (names == NULL)
        return arena_err(e);
    for (size_t i = 0; i < p->child_count; i++)
        for (size_t k = 0; k < p->children[i]->step_count; k++) {
            const struct step *s = &p->children[i]->steps[k];
            if ((s->can & DIRECTIVE_NEW_FILE) == 0)
                continue;
            if ((names[n++].path = part_output_path(a, p->children[i], s)) == NULL)
                return arena_err(e);
        }
    qsort(names, n, sizeof *names, name_order);
    *ret = names;
    *ret_count = n;
    return true;
}

/* No entry was lost, none was added but the planned ones and the format's own. */
static bool check_entries(struct arena *a, const struct part *p, const struct container *old_one,
                          const struct seen *x, struct err *e)
{
    struct named *before, *planned;
    size_t planned_count, kept = 0, added = 0, old = 0;
    TRY(sort_names(a, old_one, &before, e));
    TRY(planned_names(a, p, &planned, &planned_count, e));
    for (size_t i = 0; i < x->container->count; i++) {
        const char *path = x->container->entries[i].path;
        if (is_own(x->container, i))
            continue;
        if (find_name(before, old_one->count, path) != NULL)
            kept++;
        else if (find_name(planned, planned_count, path) != NULL)
            added++;
        else
            return err_user(e, ERR_VERIFY_CHANGED, "\"%.250s\" is in the output, but not planned.",
                            path);
    }
    for (size_t i = 0; i < old_one->count; i++)
        old += !is_own(old_one, i);
    if (kept != old || added != planned_count)
        return err_set(e, ERR_VERIFY_CHANGED, "%zu of %zu entries kept, %zu of %zu added", kept,
                       old, added, planned_count);
    return true;
}

/* The parts inside that have changed, when the format decodes them together. */
static bool fetch_together(struct check *c, const struct part *p, const struct seen *x,
                           struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(p->child_count * 512 + 65536);
    size_t *indexes = a == NULL ? NULL : ARENA_ARRAY(a, p->child_count + 1, size_t);
    struct source *contents = a == NULL ? NULL : ARENA_ARRAY(a, p->child_count + 1, struct source);
    size_t n = 0;
    if (indexes == NULL || contents == NULL)
        return arena_err(e);
    for (size_t i = 0; i < p->child_count; i++)
        if (part_changes(p->children[i]))
            TRY(find_entry(x, p->children[i]->entry, &indexes[n++], e));
    TRY(parts_extract(c->w, a, x->container, indexes, n, contents, e));
    n = 0;
    for (size_t i = 0; i < p->child_count; i++)
        if (part_changes(p->children[i])) {
            struct seen *child = &c->seen[p->children[i]->number];
            child->out = contents[n++];
            child->extracted = true;
        }
    return true;
}

/* The entry of the part and the files beside it that follow it; their content is looked at by
 * `compare` of the part's own format. */
static void mark_changed(const struct part *p, bool *changed)
{
    changed[p->index] |= part_changes(p);
    for (size_t i = 0; i < p->beside_count; i++)
        changed[p->besides[i].index] = true;
}

/* The same files lie outside as before; which of them may be signed by themselves. */
static bool find_outsides(const struct part *p, struct container *after, struct err *e)
{
    for (size_t i = 0; i < p->beside_count; i++) {
        const struct beside *b = &p->besides[i];
        const char *path = p->container->outsides[b->outside].path;
        if (b->outside >= after->outside_count ||
            strcmp(after->outsides[b->outside].path, path) != 0)
            return err_user(e, ERR_VERIFY_CHANGED, "\"%.200s\" beside \"%.200s\" is missing.", path,
                            p->path);
        after->outsides[b->outside].signs = b->part != NULL && signs(b->part);
    }
    return true;
}

static bool check_container(struct check *c, struct arena *a, const struct part *p, struct seen *x,
                            struct err *e)
{
    struct container *before = p->container; /* NULL: nothing inside is named */
    struct container *holder = p->beside_count > 0 ? c->seen[p->parent->number].container : NULL;
    if (before == NULL)
        TRY(part_open(c->w, &c->input, a, p, &p->in, NULL, &before, e));
    bool *changed = ARENA_ARRAY(a, before->count, bool);
    if (changed == NULL)
        return arena_err(e);
    for (size_t i = 0; i < p->child_count; i++)
        mark_changed(p->children[i], changed);
    TRY(part_open(c->w, &c->output, a, p, &x->out, holder, &x->container, e));
    if (before->near != NULL)
        TRY(part_sort_near(a, x->container, e));
    TRY(find_outsides(p, x->container, e));
    TRY(sort_names(a, x->container, &x->names, e));
    TRY(check_entries(a, p, before, x, e));
    TRY(p->format->compare(a, before, x->container, changed, e));
    return p->format->extract_many == NULL || fetch_together(c, p, x, e);
}

/* Whether `compare` has to look: entries changed, or a container was signed whose format has no
 * other way to say that nothing else did. */
static bool container_changes(const struct part *p)
{
    if (p->rebuilt_by != NULL) /* which compares it */
        return false;
    if (signs(p) && p->format->open != NULL && p->format->unchanged == NULL)
        return true;
    for (size_t i = 0; i < p->child_count; i++)
        if (part_changes(p->children[i]) || part_new_files(p->children[i]) > 0)
            return true;
    return false;
}

/* --- signatures ------------------------------------------------------------------------------- */

static bool keep_found(struct check *c, struct arena *a, const struct step *s, uint32_t nth,
                       const struct signature *x, const char *path, const uint8_t sha256[32],
                       struct err *e)
{
    if (!x->intact)
        return err_user(e, ERR_VERIFY_INVALID, "The signature in \"%.160s\" is not valid: %.160s",
                        path, x->problem != NULL ? x->problem : "");
    /* Forms that carry no certificate (raw) were verified with the wanted one. */
    bool named = x->certificate_count > 0;
    if (named ? !reader_equal(x->certificates[0], c->wants->certificate) : embeds(s))
        return err_user(e, ERR_VERIFY_INVALID,
                        "The signature in \"%.200s\" was not made with the expected certificate.",
                        path);
    if (c->wants->stamps && (s->can & DIRECTIVE_STAMP) != 0 && !x->stamped)
        return err_user(e, ERR_VERIFY_MISSING, "The signature in \"%.200s\" has no time stamp.",
                        path);
    struct found *f = &c->found[s->slot + nth];
    *f = (struct found){.there = true,
                        .algorithm = x->algorithm,
                        .digest = arena_bytes(a, x->signed_digest),
                        .certificate = c->certificate,
                        .stamp_time = x->stamped ? x->stamp_time : 0,
                        .path = path};
    struct reader digest = reader_over(sha256, 32);
    if (f->digest.at == NULL)
        return arena_err(e);
    return reader_copy(&digest, f->sha256, sizeof f->sha256) ||
           err_set(e, ERR_INTERNAL, "digest length");
}

static bool sha256_of(const struct source *s, uint8_t ret[32], struct err *e)
{
    struct digest_value v;
    TRY(digest_of_source(HASH_SHA256, s, &v, e));
    struct reader r = digest_view(&v);
    return reader_copy(&r, ret, 32) || err_set(e, ERR_INTERNAL, "digest length");
}

static bool is_old(const struct signature *x, const struct signature *old, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (reader_equal(x->signed_digest, old[i].signed_digest) &&
            x->certificate_count == old[i].certificate_count &&
            (x->certificate_count == 0 || reader_equal(x->certificates[0], old[i].certificates[0])))
            return true;
    return false;
}

struct neighbours {
    struct check *check;
    const struct part *part;
};

/* Files of the output near a part of it. */
static bool find_neighbour(void *ctx, const char *path, struct source *ret, bool *ret_found,
                           struct err *e)
{
    const struct neighbours *n = ctx;
    const struct container *c = n->check->seen[n->part->parent->number].container;
    size_t index;
    TRY(part_near(c, n->part->entry, path, &index, e));
    *ret_found = index != SIZE_MAX;
    return !*ret_found || part_extract(n->check->w, c, index, ret, e);
}

static bool list_signatures(struct arena *a, const struct format *f, const struct part *p,
                            const struct source *in, const struct surroundings *around,
                            struct signature **ret, size_t *ret_count, struct err *e)
{
    struct verify_job job = {.arena = a, .in = in, .file_name = p->name, .around = around};
    return format_verify(f, &job, ret, ret_count, e);
}

static size_t slots_of(const struct part *p, const struct format *f)
{
    size_t n = 0;
    for (size_t i = 0; i < p->step_count; i++)
        n += embeds(&p->steps[i]) && p->steps[i].format == f ? p->steps[i].slots : 0;
    return n;
}

/* Signatures of one format that the unsigned file does not have, in the order of the file, are
 * those of the slots, in the order of the plan. Signed again by the same key, a new one may equal
 * an old one: so many may be old as there are more than planned. */
static bool check_embedded(struct check *c, struct arena *a, const struct part *p,
                           const struct seen *x, const struct format *f, const uint8_t sha256[32],
                           struct err *e)
{
    struct signature *all = NULL, *old = NULL;
    size_t count = 0, old_count = 0, at = 0, planned = slots_of(p, f);
    struct neighbours near = {c, p};
    const struct surroundings around = {&near, find_neighbour};
    bool looks =
        f->turn != NULL && p->parent != NULL && c->seen[p->parent->number].container != NULL;
    TRY(list_signatures(a, f, p, &x->out, looks ? &around : NULL, &all, &count, e));
    TRY(list_signatures(a, f, p, &p->in, NULL, &old, &old_count, e));
    size_t kept = count > planned ? count - planned : 0;
    for (size_t i = 0; i < p->step_count; i++) {
        const struct step *s = &p->steps[i];
        for (uint32_t k = 0; embeds(s) && s->format == f && k < s->slots; k++) {
            for (; at < count && kept > 0 && is_old(&all[at], old, old_count); kept--)
                at++;
            if (at == count)
                return err_user(e, ERR_VERIFY_MISSING,
                                "A signature that was planned is missing in \"%.250s\".", p->path);
            TRY(keep_found(c, a, s, k, &all[at++], p->path, sha256, e));
        }
    }
    while (at < count && is_old(&all[at], old, old_count))
        at++;
    if (at < count)
        return err_user(e, ERR_VERIFY_CHANGED, "\"%.250s\" has a signature that was not planned.",
                        p->path);
    return true;
}

static bool check_signed(struct check *c, struct arena *a, const struct part *p, struct seen *x,
                         struct err *e)
{
    uint8_t sha256[32];
    TRY(sha256_of(&x->out, sha256, e));
    if (p->format->unchanged != NULL)
        TRY(p->format->unchanged(a, &p->in, &x->out, e));
    else if (x->container == NULL && p->rebuilt_by == NULL)
        return err_set(e, ERR_INTERNAL, "format %s cannot compare", p->format->facts->id);
    for (size_t i = 0; i < p->step_count; i++) {
        const struct format *f = p->steps[i].format;
        bool seen_before = !embeds(&p->steps[i]);
        for (size_t k = 0; k < i; k++)
            seen_before |= embeds(&p->steps[k]) && p->steps[k].format == f;
        if (!seen_before)
            TRY(check_embedded(c, a, p, x, f, sha256, e));
    }
    return true;
}

static bool check_new_file(struct check *c, struct arena *a, const struct part *p,
                           const struct step *s, const struct seen *x, struct err *e)
{
    const struct seen *in = &c->seen[p->parent->number];
    const char *path = part_output_path(a, p, s);
    size_t index = 0, count = 0;
    struct source file;
    uint8_t sha256[32];
    struct signature *all = NULL;
    if (path == NULL)
        return arena_err(e);
    TRY(find_entry(in, path, &index, e));
    TRY(part_extract(c->w, in->container, index, &file, e));
    TRY(sha256_of(&file, sha256, e));
    struct verify_job job = {.arena = a,
                             .in = &file,
                             .content = &x->out,
                             .directive = s->directive->name,
                             .attributes = s->attributes,
                             .certificate = &c->wants->certificate,
                             .file_name = p->name};
    TRY(format_verify(s->format, &job, &all, &count, e));
    if (count != s->slots)
        return err_user(e, ERR_VERIFY_MISSING, "\"%.200s\" holds %zu signatures instead of %u.",
                        path, count, s->slots);
    const char *shown = arena_format(a, "%s » %s", p->parent->path, path);
    if (shown == NULL)
        return arena_err(e);
    for (uint32_t k = 0; k < s->slots; k++)
        TRY(keep_found(c, a, s, k, &all[k], shown, sha256, e));
    return true;
}

/* --- one part --------------------------------------------------------------------------------- */

static bool fetch_output(struct check *c, const struct part *p, struct seen *x, struct err *e)
{
    if (x->extracted)
        return true;
    x->out = p->in;
    if (p->parent == NULL || !part_changes(p))
        return true;
    const struct seen *in = &c->seen[p->parent->number];
    size_t index = 0;
    TRY(find_entry(in, p->entry, &index, e));
    return part_extract(c->w, in->container, index, &x->out, e);
}

static bool check_part(void *ctx, size_t index, unsigned lane, struct refusal *r)
{
    struct check *c = ctx;
    const struct part *p = c->tree->parts[c->from + index];
    struct seen *x = &c->seen[c->from + index];
    struct arena *a = c->w->arenas[lane];
    struct err *e = &r->err;
    bool ok = (p->parent == NULL || fetch_output(c, p, x, e)) &&
              (!container_changes(p) || check_container(c, a, p, x, e)) &&
              (!signs(p) || check_signed(c, a, p, x, e));
    for (size_t i = 0; ok && i < p->step_count; i++)
        if ((p->steps[i].can & DIRECTIVE_NEW_FILE) != 0)
            ok = check_new_file(c, a, p, &p->steps[i], x, e);
    return ok || refusal_at(r, p->path, 0, 0);
}

/* The tree has spent the budget of the workspace: what is opened again has one of its own, and in
 * the output there is room for what signing adds. */
static void give_budgets(struct check *c)
{
    enum { SIGNATURE = 16 * 1024 * 1024 };
    const struct budget *b = &c->w->budget;
    c->input = (struct budget){b->max_entries, b->max_bytes, b->max_depth, b->max_ratio, 0, 0};
    c->output = (struct budget){b->max_entries, b->max_bytes, b->max_depth, b->max_ratio, 0, 0};
    c->output.max_entries += c->tree->slots;
    c->output.max_bytes += (uint64_t)c->tree->slots * SIGNATURE;
}

bool check_output(struct workspace *w, struct tree *t, const struct source *output,
                  const struct check_wants *wants, struct found **ret, struct refusal *r)
{
    struct arena *a = w->arenas[0];
    struct check c = {.w = w, .tree = t, .wants = wants};
    struct digest_value certificate;
    c.seen = ARENA_ARRAY(a, t->count, struct seen);
    c.found = ARENA_ARRAY(a, t->slots, struct found);
    if (c.seen == NULL || c.found == NULL)
        return arena_err(&r->err);
    TRY(digest_of(HASH_SHA256, wants->certificate, &certificate, &r->err));
    c.certificate = arena_bytes(a, digest_view(&certificate));
    if (c.certificate.at == NULL)
        return arena_err(&r->err);
    c.seen[0].out = *output;
    give_budgets(&c);
    for (size_t level = 0; level < t->level_count; level++) {
        c.from = t->levels[level];
        TRY(pool_run(w->pool, t->levels[level + 1] - c.from, check_part, &c, r));
    }
    for (uint32_t i = 0; i < t->slots; i++)
        if (!c.found[i].there)
            return err_set(&r->err, ERR_VERIFY_MISSING, "slot %u", i);
    *ret = c.found;
    return true;
}
