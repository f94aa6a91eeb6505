/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "archive/cfb_internal.h"
#include <stdlib.h>

/* One entry of the new directory. */
struct node {
    const struct cfb_entry *old; /* NULL: added */
    struct reader name;
    const struct cfb_change *change; /* NULL: the stream stays as it is */
    struct source content;           /* when it changes */
    uint8_t type;
    bool red;
    uint64_t size;
    uint32_t parent, left, right, child, start; /* numbers in the new file */
};

/* Sectors are numbered as if the range lock were not there; `sector` says where they really are. */
struct layout {
    const struct cfb *c;
    struct arena *a;
    struct node *nodes;
    uint32_t count;
    uint64_t mini_used;                                           /* small sectors */
    uint32_t large, mini_stream, mini_fat, directory, fat, difat; /* how many sectors */
    uint64_t total;
    struct sink *out;
    struct writer buffer; /* words that wait to be written */
};

static uint64_t lock_of(const struct cfb *c)
{
    return RANGE_LOCK / c->sector - 1;
}

static uint32_t sector(const struct layout *l, uint64_t number)
{
    return (uint32_t)(number < lock_of(l->c) ? number : number + 1);
}

static uint64_t sectors(const struct layout *l, uint64_t bytes)
{
    return bytes / l->c->sector + (bytes % l->c->sector != 0);
}

/* --- the tree --------------------------------------------------------------------------------- */
static int tree_order(const void *a, const void *b, void *ctx)
{
    const struct layout *l = ctx;
    return cfb_name_order(l->nodes[*(const uint32_t *)a].name, l->nodes[*(const uint32_t *)b].name);
}

/* A tree that is full but for its deepest level, which is red: so all paths have the same number
 * of black entries. Recursion is as deep as the logarithm of what a directory can hold. */
static uint32_t balance(struct layout *l, const uint32_t *list, size_t n, unsigned depth,
                        unsigned deepest)
{
    if (n == 0)
        return NO_ENTRY;
    size_t middle = n / 2;
    struct node *x = &l->nodes[list[middle]];
    x->red = depth == deepest && depth > 0;
    x->left = balance(l, list, middle, depth + 1, deepest);
    x->right = balance(l, &list[middle + 1], n - middle - 1, depth + 1, deepest);
    return list[middle];
}

static bool build_tree(struct layout *l, struct err *e)
{
    uint32_t *list = ARENA_ARRAY(l->a, l->count, uint32_t);
    uint32_t *first = ARENA_ARRAY(l->a, l->count + 2, uint32_t);
    if (list == NULL || first == NULL)
        return arena_err(e);
    for (uint32_t i = 1; i < l->count; i++)
        first[l->nodes[i].parent + 2]++;
    for (uint32_t i = 2; i < l->count + 2; i++)
        first[i] += first[i - 1];
    for (uint32_t i = 1; i < l->count; i++)
        list[first[l->nodes[i].parent + 1]++] = i;
    for (uint32_t i = 0; i < l->count; i++) {
        size_t n = first[i + 1] - first[i];
        unsigned deepest = 0;
        while (n >> (deepest + 1) > 0)
            deepest++;
        if (n > 1)
            qsort_r(&list[first[i]], n, sizeof *list, tree_order, l);
        l->nodes[i].child = n == 0 ? NO_ENTRY : balance(l, &list[first[i]], n, 0, deepest);
    }
    return true;
}

/* --- what goes in ----------------------------------------------------------------------------- */
static void add_node(struct layout *l, const struct cfb_change *change, const struct cfb_entry *old,
                     uint32_t parent)
{
    struct node *x = &l->nodes[l->count++];
    *x = (struct node){.old = old,
                       .name = old == NULL ? change->name : old->name,
                       .change = change,
                       .type = old == NULL ? CFB_STREAM : old->type,
                       .size = old == NULL || old->type != CFB_STREAM ? 0 : old->size,
                       .parent = parent,
                       .left = NO_ENTRY,
                       .right = NO_ENTRY,
                       .child = NO_ENTRY};
    if (change != NULL) {
        x->content = change->content;
        x->size = change->content.size;
    }
}

static bool collect(struct layout *l, const struct cfb_change *changes, size_t count, struct err *e)
{
    const struct cfb *c = l->c;
    uint32_t *number = ARENA_ARRAY(l->a, c->count, uint32_t);
    l->nodes = ARENA_ARRAY(l->a, c->count + count, struct node);
    if (number == NULL || l->nodes == NULL)
        return arena_err(e);
    size_t next = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        const struct cfb_change *change = NULL;
        while (next < count && changes[next].action != CFB_ADD && changes[next].index < i)
            next++;
        if (next < count && changes[next].action != CFB_ADD && changes[next].index == i)
            change = &changes[next];
        if (c->entries[i].type == 0 || (change != NULL && change->action == CFB_REMOVE))
            continue;
        number[i] = l->count;
        add_node(l, change, &c->entries[i], i == 0 ? NO_ENTRY : c->entries[i].parent);
    }
    static const char root[] = "R\0o\0o\0t\0 \0E\0n\0t\0r\0y"; /* 2.6.2; not every writer does */
    l->nodes[0].name = reader_over(root, sizeof root);
    for (uint32_t i = 1; i < l->count; i++)
        l->nodes[i].parent = number[l->nodes[i].parent];
    for (size_t i = 0; i < count; i++)
        if (changes[i].action == CFB_ADD)
            add_node(l, &changes[i], NULL, 0);
    return true;
}

static bool lay_out(struct layout *l, struct err *e)
{
    const uint64_t words = l->c->sector / 4;
    uint64_t large = 0, fat = 0, difat = 0, total;
    for (uint32_t i = 1; i < l->count; i++) {
        struct node *x = &l->nodes[i];
        if (x->type != CFB_STREAM)
            continue;
        bool small_one = x->size < MINI_CUTOFF;
        if (l->c->major == 3 && x->size > UINT32_MAX)
            return err_user(e, ERR_FILE_LIMIT, "A stream passes what a version 3 file can hold.");
        x->start = x->size == 0 ? SECTOR_END
                   : small_one  ? (uint32_t)l->mini_used
                                : sector(l, large);
        if (small_one)
            l->mini_used += x->size / MINI_SECTOR + (x->size % MINI_SECTOR != 0);
        else
            large += sectors(l, x->size);
    }
    uint64_t mini_stream = sectors(l, l->mini_used * MINI_SECTOR);
    uint64_t mini_fat = sectors(l, l->mini_used * 4);
    uint64_t directory = sectors(l, (uint64_t)l->count * ENTRY_SIZE);
    for (;;) { /* the table describes itself as well */
        total = large + mini_stream + mini_fat + directory + fat + difat;
        uint64_t described = total > lock_of(l->c) ? total + 1 : total;
        uint64_t need = described / words + (described % words != 0);
        uint64_t more =
            need <= HEADER_DIFATS ? 0 : (need - HEADER_DIFATS + words - 2) / (words - 1);
        if (need <= fat && more <= difat)
            break;
        fat = need > fat ? need : fat;
        difat = more > difat ? more : difat;
    }
    if (total >= SECTOR_MAX)
        return err_user(e, ERR_FILE_LIMIT, "The compound file has more sectors than it can name.");
    l->large = (uint32_t)large;
    l->mini_stream = (uint32_t)mini_stream;
    l->mini_fat = (uint32_t)mini_fat;
    l->directory = (uint32_t)directory;
    l->fat = (uint32_t)fat;
    l->difat = (uint32_t)difat;
    l->total = total;
    return true;
}

/* --- output ----------------------------------------------------------------------------------- */
/* Writes bytes and leaves out the sector of the range lock. */
static bool emit(void *ctx, struct reader bytes, struct err *e)
{
    struct layout *l = ctx;
    const uint64_t lock = (lock_of(l->c) + 1) * l->c->sector;
    while (bytes.left > 0) {
        struct reader part;
        if (l->out->used == lock)
            TRY(sink_zeros(l->out, l->c->sector, e));
        uint64_t room = l->out->used < lock ? lock - l->out->used : UINT64_MAX;
        size_t n = bytes.left < room ? bytes.left : (size_t)room;
        TRY(reader_take(&bytes, n, &part) && sink_reader(l->out, part, e));
    }
    return true;
}

static bool pad(struct layout *l, uint64_t used, uint64_t unit, uint8_t with, struct err *e)
{
    uint8_t bytes[4096];
    size_t n = (size_t)((unit - used % unit) % unit);
    for (size_t i = 0; i < n; i++)
        bytes[i] = with;
    return emit(l, reader_over(bytes, n), e);
}

static bool put_content(struct layout *l, const struct node *x, uint64_t unit, struct err *e)
{
    if (x->change != NULL)
        TRY(source_each(&x->content, emit, l, e));
    else
        TRY(cfb_each(l->c, x->old, emit, l, e));
    return pad(l, x->size, unit, 0, e);
}

static bool small(const struct node *x)
{
    return x->size < MINI_CUTOFF;
}

/* What is produced goes to the output at once. Should it be so short that it belongs into the
 * stream of small streams, it is taken back and kept in memory. */
static bool put_produced(struct layout *l, struct node *x, struct err *e)
{
    const uint64_t lock = (lock_of(l->c) + 1) * l->c->sector;
    struct source view, part;
    struct reader bytes;
    if (l->out->used == lock)
        TRY(sink_zeros(l->out, l->c->sector, e));
    const uint64_t start = l->out->used;
    TRY(x->change->produce(x->change->ctx, l->out, e));
    x->size = l->out->used - start;
    if (start < lock && l->out->used > lock)
        return err_user(e, ERR_FILE_LIMIT,
                        "With its signed files a stream of the compound file passes the place at "
                        "2 GiB that has to stay free.");
    if (!small(x))
        return pad(l, x->size, l->c->sector, 0, e);
    view = sink_view(l->out);
    TRY(source_slice(&view, start, x->size, &part, e));
    TRY(source_load(l->a, &part, 0, (size_t)x->size, &bytes, e));
    bytes = arena_bytes(l->a, bytes);
    if (bytes.at == NULL)
        return arena_err(e);
    x->content = source_memory(bytes);
    return sink_cut(l->out, start, e);
}

static bool put_large(struct layout *l, struct err *e)
{
    for (uint32_t i = 1; i < l->count; i++) {
        struct node *x = &l->nodes[i];
        if (x->type == CFB_STREAM && x->change != NULL && x->change->produce != NULL)
            TRY(put_produced(l, x, e));
        else if (x->type == CFB_STREAM && !small(x))
            TRY(put_content(l, x, l->c->sector, e));
    }
    return true;
}

static bool put_small(struct layout *l, struct err *e)
{
    for (uint32_t i = 1; i < l->count; i++)
        if (l->nodes[i].type == CFB_STREAM && small(&l->nodes[i]))
            TRY(put_content(l, &l->nodes[i], MINI_SECTOR, e));
    return pad(l, l->mini_used * MINI_SECTOR, l->c->sector, 0, e);
}

static bool flush(struct layout *l, struct err *e)
{
    TRY(writer_ok(&l->buffer, e) && emit(l, writer_view(&l->buffer), e));
    writer_reset(&l->buffer);
    return true;
}

static bool word(struct layout *l, uint32_t value, struct err *e)
{
    writer_u32le(&l->buffer, value);
    return l->buffer.len < BUFFER || flush(l, e);
}

static bool put_mini_fat(struct layout *l, struct err *e)
{
    uint32_t at = 0;
    for (uint32_t i = 1; i < l->count; i++) {
        const struct node *x = &l->nodes[i];
        if (x->type != CFB_STREAM || x->size >= MINI_CUTOFF)
            continue;
        for (uint64_t left = x->size; left > 0; at++) {
            uint64_t n = left < MINI_SECTOR ? left : MINI_SECTOR;
            left -= n;
            TRY(word(l, left > 0 ? at + 1 : SECTOR_END, e));
        }
    }
    TRY(flush(l, e));
    return pad(l, (uint64_t)at * 4, l->c->sector, 0xff, e);
}

static bool put_directory(struct layout *l, struct err *e)
{
    static const uint8_t zeros[CFB_CLSID];
    const struct reader nothing = reader_over(zeros, sizeof zeros);
    uint64_t slots = (uint64_t)l->directory * (l->c->sector / ENTRY_SIZE);
    for (uint64_t i = 0; i < slots; i++) {
        static const struct node unused = {.left = NO_ENTRY, .right = NO_ENTRY, .child = NO_ENTRY};
        const struct node *x = i < l->count ? &l->nodes[i] : &unused;
        struct writer *w = &l->buffer;
        writer_reader(w, x->name);
        writer_zeros(w, NAME_BYTES - x->name.left);
        writer_u16le(w, (uint16_t)(x->type == 0 ? 0 : x->name.left + 2));
        writer_u8(w, x->type);
        writer_u8(w, x->type == 0 || x->red ? 0 : 1);
        writer_u32le(w, x->left);
        writer_u32le(w, x->right);
        writer_u32le(w, x->child);
        writer_reader(w, x->old == NULL ? nothing : x->old->clsid);
        writer_reader(w, x->old == NULL ? reader_over(zeros, 4) : x->old->state);
        writer_reader(w, x->old == NULL ? nothing : x->old->times);
        writer_u32le(w, x->start);
        writer_u64le(w, x->size);
        if (w->len >= BUFFER)
            TRY(flush(l, e));
    }
    return flush(l, e);
}

static bool put_chain(struct layout *l, uint64_t *at, uint64_t n, struct err *e)
{
    for (uint64_t i = 0; i < n; i++, ++*at) {
        if (*at == lock_of(l->c))
            TRY(word(l, SECTOR_END, e));
        TRY(word(l, i + 1 < n ? sector(l, *at + 1) : SECTOR_END, e));
    }
    return true;
}

static bool put_marks(struct layout *l, uint64_t *at, uint64_t n, uint32_t mark, struct err *e)
{
    for (uint64_t i = 0; i < n; i++, ++*at) {
        if (*at == lock_of(l->c))
            TRY(word(l, SECTOR_END, e));
        TRY(word(l, mark, e));
    }
    return true;
}

static bool put_fat(struct layout *l, struct err *e)
{
    uint64_t at = 0;
    for (uint32_t i = 1; i < l->count; i++)
        if (l->nodes[i].type == CFB_STREAM && l->nodes[i].size >= MINI_CUTOFF)
            TRY(put_chain(l, &at, sectors(l, l->nodes[i].size), e));
    TRY(put_chain(l, &at, l->mini_stream, e) && put_chain(l, &at, l->mini_fat, e) &&
        put_chain(l, &at, l->directory, e));
    TRY(put_marks(l, &at, l->fat, SECTOR_FAT, e) && put_marks(l, &at, l->difat, SECTOR_DIFAT, e));
    at = at > lock_of(l->c) ? at + 1 : at;
    for (uint64_t words = (uint64_t)l->fat * (l->c->sector / 4); at < words; at++)
        TRY(word(l, SECTOR_FREE, e));
    return flush(l, e);
}

static uint64_t first_fat(const struct layout *l)
{
    return (uint64_t)l->large + l->mini_stream + l->mini_fat + l->directory;
}

static bool put_difat(struct layout *l, struct err *e)
{
    const uint32_t words = l->c->sector / 4 - 1;
    uint64_t next = HEADER_DIFATS;
    for (uint32_t i = 0; i < l->difat; i++) {
        for (uint32_t k = 0; k < words; k++, next++)
            TRY(word(l, next < l->fat ? sector(l, first_fat(l) + next) : SECTOR_FREE, e));
        TRY(word(l, i + 1 < l->difat ? sector(l, first_fat(l) + l->fat + i + 1) : SECTOR_END, e));
    }
    return flush(l, e);
}

static bool make_header(const struct layout *l, struct writer *w, struct err *e)
{
    static const uint8_t magic[8] = {0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1};
    uint64_t mini_fat = (uint64_t)l->large + l->mini_stream, directory = mini_fat + l->mini_fat;
    writer_bytes(w, magic, sizeof magic);
    writer_zeros(w, CFB_CLSID);
    writer_u16le(w, l->c->minor);
    writer_u16le(w, l->c->major);
    writer_u16le(w, 0xfffe);
    writer_u16le(w, l->c->major == 3 ? 9 : 12);
    writer_u16le(w, 6);
    writer_zeros(w, 6);
    writer_u32le(w, l->c->major == 3 ? 0 : l->directory);
    writer_u32le(w, l->fat);
    writer_u32le(w, sector(l, directory));
    writer_u32le(w, 0);
    writer_u32le(w, MINI_CUTOFF);
    writer_u32le(w, l->mini_fat == 0 ? SECTOR_END : sector(l, mini_fat));
    writer_u32le(w, l->mini_fat);
    writer_u32le(w, l->difat == 0 ? SECTOR_END : sector(l, first_fat(l) + l->fat));
    writer_u32le(w, l->difat);
    for (uint32_t i = 0; i < HEADER_DIFATS; i++)
        writer_u32le(w, i < l->fat ? sector(l, first_fat(l) + i) : SECTOR_FREE);
    writer_zeros(w, l->c->sector - HEADER_SIZE);
    return writer_ok(w, e);
}

/* Sizes and places of all streams are known. */
static bool settle(struct layout *l, struct err *e)
{
    TRY(lay_out(l, e));
    l->nodes[0].size = l->mini_used * MINI_SECTOR;
    l->nodes[0].start = l->mini_used == 0 ? SECTOR_END : sector(l, l->large);
    return true;
}

/* A header can be written first only when all sizes are known before. */
static bool put_all(struct layout *l, bool produces, struct err *e)
{
    CLEANUP(writer_done) struct writer header = {0};
    writer_init(&header, 4096);
    if (produces)
        TRY(sink_zeros(l->out, l->c->sector, e));
    else
        TRY(settle(l, e) && make_header(l, &header, e) &&
            sink_reader(l->out, writer_view(&header), e));
    TRY(put_large(l, e));
    if (produces)
        TRY(settle(l, e) && make_header(l, &header, e) &&
            sink_patch(l->out, 0, header.data, header.len, e));
    return put_small(l, e) && put_mini_fat(l, e) && put_directory(l, e) && put_fat(l, e) &&
           put_difat(l, e);
}

bool cfb_write(const struct cfb *c, const struct cfb_change *changes, size_t count,
               struct sink *out, struct err *e)
{
    CLEANUP(arena_cleanup)
    struct arena *a = arena_new((c->count + count + 64) * (sizeof(struct node) + 64) +
                                count * (size_t)MINI_CUTOFF);
    struct layout l = {.c = c, .a = a, .out = out};
    bool produces = false;
    if (a == NULL)
        return arena_err(e);
    if (out->used != 0)
        return err_set(e, ERR_INTERNAL, "compound file into a sink that is not empty");
    for (size_t i = 0; i < count; i++)
        produces |= changes[i].produce != NULL;
    TRY(collect(&l, changes, count, e) && build_tree(&l, e));
    writer_init(&l.buffer, 2 * (size_t)BUFFER);
    bool ok = put_all(&l, produces, e);
    writer_done(&l.buffer);
    return ok;
}

/* --- comparing -------------------------------------------------------------------------------- */
struct comparison {
    const struct source *with;
    uint64_t at;
    bool same;
    struct err err;
};

static void compare_piece(void *ctx, struct reader piece)
{
    struct comparison *x = ctx;
    uint8_t bytes[BUFFER];
    while (x->same && piece.left > 0) {
        size_t n = piece.left < sizeof bytes ? piece.left : sizeof bytes;
        struct reader part;
        if (n > x->with->size - x->at || !reader_take(&piece, n, &part)) {
            x->same = false;
            return;
        }
        x->same = source_read(x->with, x->at, bytes, n, &x->err) &&
                  reader_equal(part, reader_over(bytes, n));
        x->at += n;
    }
}

bool cfb_is_written(const struct cfb *c, const struct cfb_change *changes, size_t count,
                    const struct source *after, bool *ret, struct err *e)
{
    struct comparison x = {.with = after, .same = true};
    struct sink k = sink_discard();
    k.tee = compare_piece;
    k.tee_ctx = &x;
    TRY(cfb_write(c, changes, count, &k, e));
    if (x.err.code != ERR_NONE) {
        *e = x.err;
        return false;
    }
    *ret = x.same && x.at == after->size;
    return true;
}
