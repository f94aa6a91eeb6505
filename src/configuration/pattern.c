/* SPDX-License-Identifier: Apache-2.0 */
#include "configuration/pattern.h"
#include "base/text.h"
#include "configuration/problems.h"

/* Matching takes as long as these are large, for every file of a container. */
enum { PATTERN_BYTES_MAX = 16384, RANGES_MAX = 16384 };

enum atom_kind { ATOM_CHAR, ATOM_ONE, ATOM_ANY, ATOM_CLASS };
struct atom {
    enum atom_kind kind;
    bool negated;
    uint32_t folded;              /* ATOM_CHAR */
    uint32_t first_range, ranges; /* ATOM_CLASS */
};
struct range {
    uint32_t first, last; /* of folded code points */
};
struct segment {
    bool any_depth; /* "**" */
    size_t first_atom, atoms;
};

struct pattern {
    const char *text;
    struct atom *atoms;
    struct range *ranges;
    struct segment *segments;
    size_t segment_count;
    bool root, wildcards;
};

/* --- compiling ------------------------------------------------------------------------------- */
struct mark { /* a character of the pattern */
    uint32_t c;
    bool literal;
    bool behind_gap; /* a parameter without a value stands between it and the one before */
};
struct compiler {
    struct arena *arena;
    struct pattern *p;
    struct mark *marks;
    size_t count, at;
    bool ends_in_gap;
    size_t atoms, ranges, range_room;
};

static bool refuse(struct compiler *c, const char *why, struct err *e)
{
    const char *shown = problem_excerpt(c->arena, c->p->text);
    return err_user(e, ERR_CONFIGURATION_PATTERN, "The path pattern '%s' is not valid: %s", shown,
                    why);
}

static bool is_separator(uint32_t c)
{
    return c == '/' || c == '\\';
}

/* The character at `at + ahead` when it is not from a parameter; 0 otherwise. */
static uint32_t special(const struct compiler *c, size_t ahead)
{
    size_t i = c->at + ahead;
    return i < c->count && !c->marks[i].literal ? c->marks[i].c : 0;
}

/* What a character means together with the one before it ("**", "[!", "a-z") it means only when
 * the author wrote them side by side: a parameter that turns out empty must not make more match. */
static bool is_joined(const struct compiler *c, size_t ahead)
{
    return c->at + ahead >= c->count || !c->marks[c->at + ahead].behind_gap;
}

static bool is_any_depth(const struct compiler *c)
{
    return special(c, 0) == '*' && special(c, 1) == '*' && is_joined(c, 1);
}

static bool join_parts(struct compiler *c, const struct pattern_part *parts, size_t count,
                       struct err *e)
{
    struct writer all;
    writer_init(&all, PATTERN_BYTES_MAX);
    for (size_t i = 0; i < count; i++)
        writer_text(&all, parts[i].text);
    bool too_long = all.failed && !all.no_memory;
    c->p->text = too_long     ? parts[0].text
                 : all.failed ? NULL
                              : arena_text(c->arena, writer_view(&all));
    c->marks = ARENA_ARRAY(c->arena, all.len + 1, struct mark);
    writer_done(&all);
    if (c->p->text == NULL || c->marks == NULL)
        return arena_err(e);
    return !too_long || refuse(c, "it is longer than 16384 bytes.", e);
}

static bool read_marks(struct compiler *c, const struct pattern_part *parts, size_t count,
                       struct err *e)
{
    bool gap = false;
    TRY(join_parts(c, parts, count, e));
    for (size_t i = 0; i < count; i++) {
        struct reader rest = reader_text(parts[i].text);
        gap |= rest.left == 0;
        for (; text_next(&rest, &c->marks[c->count].c); gap = false) {
            struct mark *mark = &c->marks[c->count++];
            mark->literal = parts[i].literal;
            mark->behind_gap = gap;
        }
        if (rest.left > 0)
            return refuse(c, "it is not well-formed UTF-8.", e);
    }
    c->ends_in_gap = gap;
    return true;
}

static bool add_range(void *ctx, uint32_t first, uint32_t last)
{
    struct compiler *c = ctx;
    if (c->ranges >= RANGES_MAX)
        return false;
    if (c->ranges == c->range_room) {
        size_t room = c->range_room == 0 ? 16 : c->range_room * 2;
        void *larger = arena_grow(c->arena, c->p->ranges, c->ranges, room, sizeof(struct range));
        if (larger == NULL)
            return false;
        c->p->ranges = larger;
        c->range_room = room;
    }
    c->p->ranges[c->ranges++] = (struct range){first, last};
    return true;
}

static bool class_item(struct compiler *c, struct err *e)
{
    uint32_t first = c->marks[c->at++].c, last = first;
    bool range = special(c, 0) == '-' && is_joined(c, 0) && c->at + 1 < c->count &&
                 is_joined(c, 1) && special(c, 1) != ']';
    if (range) {
        last = c->marks[c->at + 1].c;
        c->at += 2;
    }
    if (is_separator(first) || is_separator(last))
        return refuse(c, "a class in brackets cannot hold a separator.", e);
    if (last < first)
        return refuse(c, "a range in brackets goes backwards.", e);
    if (!add_range(c, first, last) || !text_fold_range(first, last, add_range, c))
        return c->ranges >= RANGES_MAX
                   ? refuse(c, "its classes in brackets hold too many ranges.", e)
                   : arena_err(e);
    return true;
}

/* Behind the '['. A ']' right after it, or after "[!", is a member. */
static bool class_atom(struct compiler *c, struct atom *atom, struct err *e)
{
    *atom = (struct atom){.kind = ATOM_CLASS, .first_range = (uint32_t)c->ranges};
    atom->negated = special(c, 0) == '!' && is_joined(c, 0);
    c->at += atom->negated ? 1 : 0;
    if (special(c, 0) == ']' && !is_joined(c, 0))
        return refuse(c, "a class in brackets is empty, because a parameter has no value.", e);
    for (bool first = true;; first = false) {
        if (c->at >= c->count)
            return refuse(c,
                          "a class begins with '[' but has no ']'. Write '[[]' for the character "
                          "'[' itself.",
                          e);
        if (!first && special(c, 0) == ']')
            break;
        TRY(class_item(c, e));
    }
    c->at++;
    atom->ranges = (uint32_t)c->ranges - atom->first_range;
    return true;
}

static bool one_atom(struct compiler *c, struct atom *atom, struct err *e)
{
    uint32_t code_point = c->marks[c->at].c, meaning = special(c, 0);
    c->at++;
    if (meaning == '*' || meaning == '?' || meaning == '[')
        c->p->wildcards = true;
    if (meaning == '[')
        return class_atom(c, atom, e);
    *atom = (struct atom){.kind = meaning == '*'   ? ATOM_ANY
                                  : meaning == '?' ? ATOM_ONE
                                                   : ATOM_CHAR,
                          .folded = text_fold(code_point)};
    return true;
}

static size_t segment_length(const struct compiler *c)
{
    size_t n = 0;
    while (c->at + n < c->count && !is_separator(c->marks[c->at + n].c))
        n++;
    return n;
}

static bool only_dots(const struct compiler *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (c->marks[c->at + i].c != '.')
            return false;
    return true;
}

static bool one_segment(struct compiler *c, struct segment *segment, struct err *e)
{
    size_t length = segment_length(c), end = c->at + length;
    if (length == 0)
        return refuse(c, "it has an empty folder name. Remove the extra separator.", e);
    if (length == 2 && only_dots(c, length))
        return refuse(c, "'..' is not allowed.", e);
    if (length == 1 && only_dots(c, length))
        return refuse(c, "'.' is allowed only as the whole path of a directory.", e);
    segment->first_atom = c->atoms;
    if (length == 2 && is_any_depth(c)) {
        bool gap = c->marks[c->at].behind_gap ||
                   (end < c->count ? c->marks[end].behind_gap : c->ends_in_gap);
        if (gap) /* "${folder}**" is not meant to be everything */
            return refuse(c, "'**' stands next to a parameter that has no value.", e);
        segment->any_depth = c->p->wildcards = true;
        c->at = end;
        return true;
    }
    while (c->at < c->count && !is_separator(c->marks[c->at].c)) {
        if (is_any_depth(c))
            return refuse(c, "'**' must stand alone between separators.", e);
        TRY(one_atom(c, &c->p->atoms[c->atoms], e));
        c->atoms++;
    }
    segment->atoms = c->atoms - segment->first_atom;
    return true;
}

static bool check_start(struct compiler *c, struct err *e)
{
    if (c->count == 0)
        return refuse(c, "it is empty.", e);
    for (size_t i = 0; i < c->count; i++)
        if (c->marks[i].c < 0x20 || (c->marks[i].c >= 0x7f && c->marks[i].c < 0xa0))
            return refuse(c, "it contains a control character.", e);
    if (is_separator(c->marks[0].c))
        return refuse(c, "it begins with a separator. Paths are relative to the container.", e);
    if (is_separator(c->marks[c->count - 1].c))
        return refuse(c, "it ends with a separator.", e);
    uint32_t drive = c->marks[0].c | 0x20;
    if (c->count > 1 && c->marks[1].c == ':' && drive >= 'a' && drive <= 'z')
        return refuse(c, "it begins with a drive letter. Paths are relative to the container.", e);
    return true;
}

static bool all_segments(struct compiler *c, struct err *e)
{
    struct pattern *p = c->p;
    while (c->at < c->count) {
        struct segment *segment = &p->segments[p->segment_count];
        TRY(one_segment(c, segment, e));
        bool repeated = segment->any_depth && p->segment_count > 0 &&
                        p->segments[p->segment_count - 1].any_depth;
        p->segment_count += repeated ? 0 : 1;
        c->at += c->at < c->count ? 1 : 0;
    }
    return true;
}

static size_t most_segments(const struct compiler *c)
{
    size_t n = 1;
    for (size_t i = 0; i < c->count; i++)
        n += is_separator(c->marks[i].c);
    return n;
}

bool pattern_compile(struct arena *a, const struct pattern_part *parts, size_t count,
                     struct pattern **ret, struct err *e)
{
    struct compiler c = {.arena = a, .p = ARENA_NEW(a, struct pattern)};
    if (c.p == NULL)
        return arena_err(e);
    TRY(read_marks(&c, parts, count, e));
    TRY(check_start(&c, e));
    c.p->atoms = ARENA_ARRAY(a, c.count, struct atom);
    c.p->segments = ARENA_ARRAY(a, most_segments(&c), struct segment);
    if (c.p->atoms == NULL || c.p->segments == NULL)
        return arena_err(e);
    c.p->root = c.count == 1 && c.marks[0].c == '.';
    if (!c.p->root)
        TRY(all_segments(&c, e));
    *ret = c.p;
    return true;
}

bool pattern_compile_text(struct arena *a, const char *text, struct pattern **ret, struct err *e)
{
    struct pattern_part part = {text, false};
    return pattern_compile(a, &part, 1, ret, e);
}

/* --- matching -------------------------------------------------------------------------------- */
static bool atom_matches(const struct pattern *p, const struct atom *atom, uint32_t folded)
{
    if (atom->kind != ATOM_CLASS)
        return atom->kind == ATOM_ONE || atom->folded == folded;
    for (size_t i = 0; i < atom->ranges; i++) {
        const struct range *r = &p->ranges[atom->first_range + i];
        if (folded >= r->first && folded <= r->last)
            return !atom->negated;
    }
    return atom->negated;
}

/* Only the last '*' is ever tried again, one character further: what earlier ones matched cannot
 * matter any more. So the time is at most pattern times name. */
static bool segment_matches(const struct pattern *p, const struct segment *segment,
                            struct reader name)
{
    size_t i = 0, star = SIZE_MAX;
    struct reader star_name = name;
    while (name.left > 0) {
        const struct atom *atom = &p->atoms[segment->first_atom + i];
        if (i < segment->atoms && atom->kind == ATOM_ANY) {
            star = i++;
            star_name = name;
            continue;
        }
        struct reader next = name;
        uint32_t c = 0;
        if (!text_next(&next, &c))
            return false;
        if (i < segment->atoms && atom_matches(p, atom, text_fold(c))) {
            i++;
            name = next;
            continue;
        }
        if (star == SIZE_MAX || !text_next(&star_name, &c))
            return false;
        name = star_name;
        i = star + 1;
    }
    while (i < segment->atoms && p->atoms[segment->first_atom + i].kind == ATOM_ANY)
        i++;
    return i == segment->atoms;
}

/* The next name of a path and what is behind it. */
static struct reader take_name(struct reader *path)
{
    size_t n = 0;
    while (n < path->left && !is_separator(path->at[n]))
        n++;
    struct reader name = reader_text("");
    (void)!reader_take(path, n, &name);
    (void)!reader_skip(path, 1);
    return name;
}

static bool is_whole(struct reader path)
{
    if (path.left == 0 || is_separator(path.at[path.left - 1]) || !text_is_utf8(path))
        return false;
    while (path.left > 0)
        if (take_name(&path).left == 0)
            return false;
    return true;
}

bool pattern_matches(const struct pattern *p, const char *path)
{
    struct reader rest = reader_text(path), star_rest = rest;
    if (p->root)
        return rest.left == 0 || reader_equal_text(rest, ".");
    if (!is_whole(rest))
        return false;
    size_t i = 0, star = SIZE_MAX;
    while (rest.left > 0) {
        const struct segment *segment = &p->segments[i];
        if (i < p->segment_count && segment->any_depth) {
            if (i + 1 == p->segment_count)
                return true; /* at the end: every file below, so one name at least */
            star = i++;
            star_rest = rest;
            continue;
        }
        struct reader after = rest, name = take_name(&after);
        if (i < p->segment_count && segment_matches(p, segment, name)) {
            i++;
            rest = after;
            continue;
        }
        if (star == SIZE_MAX)
            return false;
        (void)take_name(&star_rest);
        rest = star_rest;
        i = star + 1;
    }
    return i == p->segment_count;
}

const char *pattern_text(const struct pattern *p)
{
    return p->text;
}

bool pattern_is_root(const struct pattern *p)
{
    return p->root;
}

bool pattern_has_wildcards(const struct pattern *p)
{
    return p->wildcards;
}

bool pattern_is_name(const struct pattern *p)
{
    return p->segment_count == 1 && !p->segments[0].any_depth;
}
