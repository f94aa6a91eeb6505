/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/cfb_internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const uint8_t magic[8] = {0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1};

bool cfb_bad(struct err *e, const char *fmt, ...)
{
    char what[200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return err_user(e, ERR_CFB, "The compound file is malformed: %s. Build it again.", what);
}

bool cfb_starts(struct reader head)
{
    return reader_starts_with(head, magic, sizeof magic);
}

struct parse {
    struct arena *a;
    struct cfb *c;
    uint32_t directory, mini_fat, mini_fat_count, difat, difat_count, fat_count;
    struct reader head;
    uint32_t sectors; /* of the file, the header not counted */
    uint32_t *fat;    /* `sectors` words */
    uint8_t *taken;   /* one for each sector */
    uint32_t *mini;   /* mini FAT */
    uint64_t mini_words;
    uint8_t *mini_taken;
    uint32_t *mini_stream; /* its sectors */
    uint64_t mini_sectors;
    uint64_t end; /* of the stream in the last sector of the file; 0: there is none */
};

static uint64_t offset_of(const struct cfb *c, uint32_t sector)
{
    return ((uint64_t)sector + 1) * c->sector;
}

static bool take(struct parse *p, uint32_t sector, const char *what, struct err *e)
{
    if (sector >= p->sectors)
        return cfb_bad(e, "its %s leads to sector %u, which is not there", what, sector);
    if (p->taken[sector] != 0)
        return cfb_bad(e, "its %s leads to sector %u, which something else has", what, sector);
    p->taken[sector] = 1;
    return true;
}

/* --- header ----------------------------------------------------------------------------------- */
static bool read_header(struct parse *p, struct err *e)
{
    struct cfb *c = p->c;
    struct reader r, zeros;
    uint16_t order, shift, mini_shift;
    uint32_t directory_count, transaction, cutoff;
    if (c->in.size < HEADER_SIZE)
        return cfb_bad(e, "it is shorter than its header");
    TRY(source_load(p->a, &c->in, 0, HEADER_SIZE, &p->head, e));
    r = p->head;
    if (!cfb_starts(r) || !reader_skip(&r, 24) || !reader_u16le(&r, &c->minor) ||
        !reader_u16le(&r, &c->major) || !reader_u16le(&r, &order) || !reader_u16le(&r, &shift) ||
        !reader_u16le(&r, &mini_shift) || !reader_take(&r, 6, &zeros) ||
        !reader_u32le(&r, &directory_count) || !reader_u32le(&r, &p->fat_count) ||
        !reader_u32le(&r, &p->directory) || !reader_u32le(&r, &transaction) ||
        !reader_u32le(&r, &cutoff) || !reader_u32le(&r, &p->mini_fat) ||
        !reader_u32le(&r, &p->mini_fat_count) || !reader_u32le(&r, &p->difat) ||
        !reader_u32le(&r, &p->difat_count))
        return cfb_bad(e, "its header is not one");
    if (!((c->major == 3 && shift == 9) || (c->major == 4 && shift == 12)) || order != 0xfffe ||
        mini_shift != 6 || cutoff != MINI_CUTOFF)
        return cfb_bad(e, "its header states version %u with sectors of 2^%u bytes", c->major,
                       shift);
    c->sector = UINT32_C(1) << shift;
    p->head = r; /* the first words of the DIFAT */
    uint64_t sectors = (c->in.size + c->sector - 1) / c->sector - 1;
    if (c->in.size < c->sector || sectors == 0 || sectors > SECTOR_MAX)
        return cfb_bad(e, "it has no sectors");
    p->sectors = (uint32_t)sectors;
    p->fat = ARENA_ARRAY(p->a, sectors, uint32_t);
    p->taken = ARENA_ARRAY(p->a, sectors, uint8_t);
    return (p->fat != NULL && p->taken != NULL) || arena_err(e);
}

/* --- FAT -------------------------------------------------------------------------------------- */
/* Which sectors the FAT is in: the first are named in the header, the others in the DIFAT. */
static bool read_difat(struct parse *p, uint32_t *list, struct err *e)
{
    const uint32_t words = p->c->sector / 4;
    uint8_t bytes[4096];
    struct reader names = p->head;
    uint32_t next = p->difat, left = HEADER_DIFATS, difats = 0;
    for (uint32_t i = 0; i < p->fat_count; i++, left--) {
        if (left == 0) {
            TRY(take(p, next, "table of tables", e));
            TRY(source_read(&p->c->in, offset_of(p->c, next), bytes, p->c->sector, e));
            names = reader_over(bytes, p->c->sector);
            struct reader last;
            if (!reader_slice(names, p->c->sector - 4, 4, &last) || !reader_u32le(&last, &next))
                return cfb_bad(e, "its table of tables is cut");
            left = words - 1;
            difats++;
        }
        TRY(reader_u32le(&names, &list[i]) && take(p, list[i], "table", e));
    }
    for (uint32_t sector; left > 0 && reader_u32le(&names, &sector); left--)
        if (sector != SECTOR_FREE)
            return cfb_bad(e, "its table of tables is longer than it says");
    if (difats != p->difat_count || (next != SECTOR_END && next != SECTOR_FREE))
        return cfb_bad(e, "its table of tables has another length");
    return true;
}

/* Words from `first` on; those for sectors behind the end of the file must say "free". */
static bool read_words(struct parse *p, uint64_t first, struct reader r, struct err *e)
{
    const uint64_t left = first < p->sectors ? p->sectors - first : 0, words = r.left / 4;
    if (left > 0)
        TRY(reader_u32le_array(&r, &p->fat[first], (size_t)(words < left ? words : left)));
    for (uint32_t word; reader_u32le(&r, &word);)
        if (word != SECTOR_FREE)
            return cfb_bad(e, "its table goes on behind its end");
    return true;
}

static bool read_fat(struct parse *p, struct err *e)
{
    const uint32_t size = p->c->sector, words = size / 4;
    if ((uint64_t)p->fat_count * words < p->sectors)
        return cfb_bad(e, "its table is too short for its length");
    if (p->fat_count > p->sectors || p->difat_count > p->sectors)
        return cfb_bad(e, "its table is longer than the file");
    uint32_t *list = ARENA_ARRAY(p->a, p->fat_count, uint32_t);
    uint8_t *bytes = ARENA_ARRAY(p->a, BUFFER, uint8_t);
    if (list == NULL || bytes == NULL)
        return arena_err(e);
    TRY(read_difat(p, list, e));
    for (uint32_t i = 0, n; i < p->fat_count; i += n) { /* sectors that follow each other at once */
        for (n = 1; i + n < p->fat_count && list[i + n] == list[i] + n && n < BUFFER / size;)
            n++;
        const size_t all = (size_t)n * size;
        TRY(source_read(&p->c->in, offset_of(p->c, list[i]), bytes, all, e));
        TRY(read_words(p, (uint64_t)i * words, reader_over(bytes, all), e));
    }
    return true;
}

/* Sectors of a chain of exactly `count`, into *ret. */
static bool chain(struct parse *p, uint32_t start, uint64_t count, const char *what, uint32_t **ret,
                  struct err *e)
{
    if (count > p->sectors)
        return cfb_bad(e, "its %s is longer than the file", what);
    uint32_t *list = ARENA_ARRAY(p->a, count + 1, uint32_t);
    uint32_t next = start;
    if (list == NULL)
        return arena_err(e);
    for (uint64_t i = 0; i < count; i++) {
        TRY(take(p, next, what, e));
        list[i] = next;
        next = p->fat[next];
    }
    if (next != SECTOR_END && !(count == 0 && (next == SECTOR_FREE || next == 0)))
        return cfb_bad(e, "its %s is longer than it says", what);
    *ret = list;
    return true;
}

static bool read_mini_fat(struct parse *p, struct err *e)
{
    uint32_t *list;
    const uint32_t words = p->c->sector / 4;
    TRY(chain(p, p->mini_fat, p->mini_fat_count, "small table", &list, e));
    p->mini_words = (uint64_t)p->mini_fat_count * words;
    p->mini = ARENA_ARRAY(p->a, p->mini_words + 1, uint32_t);
    p->mini_taken = ARENA_ARRAY(p->a, p->mini_words + 1, uint8_t);
    if (p->mini == NULL || p->mini_taken == NULL)
        return arena_err(e);
    for (uint32_t i = 0; i < p->mini_fat_count; i++) {
        uint8_t bytes[4096];
        struct reader r = reader_over(bytes, p->c->sector);
        TRY(source_read(&p->c->in, offset_of(p->c, list[i]), bytes, p->c->sector, e));
        for (uint32_t k = 0; k < words; k++)
            TRY(reader_u32le(&r, &p->mini[(uint64_t)i * words + k]));
    }
    return true;
}

/* --- directory -------------------------------------------------------------------------------- */
static bool read_entry(struct parse *p, struct reader r, struct cfb_entry *x, struct err *e)
{
    struct reader name, size;
    uint16_t length;
    uint8_t color;
    uint32_t high;
    if (!reader_take(&r, NAME_BYTES, &name) || !reader_u16le(&r, &length) ||
        !reader_u8(&r, &x->type) || !reader_u8(&r, &color) || !reader_u32le(&r, &x->left) ||
        !reader_u32le(&r, &x->right) || !reader_u32le(&r, &x->child) ||
        !reader_take(&r, CFB_CLSID, &x->clsid) || !reader_take(&r, 4, &x->state) ||
        !reader_take(&r, CFB_TIMES, &x->times) || !reader_u32le(&r, &x->start) ||
        !reader_take(&r, 8, &size))
        return cfb_bad(e, "its directory is cut");
    uint32_t low = 0;
    TRY(reader_u32le(&size, &low) && reader_u32le(&size, &high));
    x->size = p->c->major == 3 ? low : (uint64_t)high << 32 | low; /* 2.6.3: high part unused */
    if (x->type == 0)
        return true;
    if (x->type != CFB_STORAGE && x->type != CFB_STREAM && x->type != CFB_ROOT)
        return cfb_bad(e, "an entry of its directory is of kind %u", x->type);
    if (length < 2 || length > NAME_BYTES || length % 2 != 0 ||
        !reader_slice(name, 0, length - 2u, &x->name))
        return cfb_bad(e, "a name in its directory has %u bytes", length);
    return x->type != CFB_STREAM || x->child == NO_ENTRY || x->child == 0 ||
           cfb_bad(e, "a stream of it has children");
}

static bool read_directory_sector(struct parse *p, uint32_t sector, uint32_t first, struct err *e)
{
    struct cfb *c = p->c;
    struct reader all, r;
    TRY(source_load(p->a, &c->in, offset_of(c, sector), c->sector, &all, e));
    for (uint32_t i = first; reader_take(&all, ENTRY_SIZE, &r); i++) {
        TRY(read_entry(p, r, &c->entries[i], e));
        if ((c->entries[i].type == CFB_ROOT) != (i == 0))
            return cfb_bad(e, "its root is not the first entry of the directory");
        c->entries[i].parent = NO_ENTRY;
    }
    return true;
}

static bool read_directory(struct parse *p, struct err *e)
{
    struct cfb *c = p->c;
    uint32_t *list, next = p->directory, sectors = 0;
    for (; next < p->sectors && sectors <= p->sectors; sectors++)
        next = p->fat[next];
    TRY(chain(p, p->directory, sectors, "directory", &list, e));
    uint32_t each = c->sector / ENTRY_SIZE;
    if (sectors == 0 || (uint64_t)sectors * each > UINT32_MAX / 2)
        return cfb_bad(e, "it has no directory");
    c->count = sectors * each;
    c->entries = ARENA_ARRAY(p->a, c->count, struct cfb_entry);
    if (c->entries == NULL)
        return arena_err(e);
    for (uint32_t i = 0; i < sectors; i++)
        TRY(read_directory_sector(p, list[i], i * each, e));
    return true;
}

/* Gives every entry its parent. The list of what is still to visit is a stack in an array. */
struct visit {
    uint32_t *stack;
    size_t used;
};

static bool push(const struct cfb *c, struct visit *v, uint32_t index, uint32_t parent,
                 struct err *e)
{
    if (index == NO_ENTRY)
        return true;
    if (index == 0 || index >= c->count || c->entries[index].type == 0)
        return cfb_bad(e, "its directory leads to entry %u, which is not there", index);
    if (c->entries[index].parent != NO_ENTRY)
        return cfb_bad(e, "entry %u of its directory is there twice", index);
    c->entries[index].parent = parent;
    v->stack[v->used++] = index;
    return true;
}

static bool walk_tree(struct parse *p, struct err *e)
{
    struct cfb *c = p->c;
    struct visit v = {.stack = ARENA_ARRAY(p->a, c->count, uint32_t)};
    if (v.stack == NULL)
        return arena_err(e);
    if (c->entries[0].left != NO_ENTRY || c->entries[0].right != NO_ENTRY)
        return cfb_bad(e, "its root has siblings");
    TRY(push(c, &v, c->entries[0].child, 0, e));
    while (v.used > 0) {
        uint32_t index = v.stack[--v.used];
        const struct cfb_entry *x = &c->entries[index];
        TRY(push(c, &v, x->left, x->parent, e) && push(c, &v, x->right, x->parent, e));
        if (x->type == CFB_STORAGE)
            TRY(push(c, &v, x->child, index, e));
    }
    for (uint32_t i = 1; i < c->count; i++)
        if (c->entries[i].type != 0 && c->entries[i].parent == NO_ENTRY)
            return cfb_bad(e, "entry %u of its directory is out of reach", i);
    return true;
}

/* --- streams ---------------------------------------------------------------------------------- */
static bool add_piece(struct parse *p, struct cfb_entry *x, size_t *room, uint64_t place,
                      uint64_t size, struct err *e)
{
    const uint64_t at = p->c->in.offset + place;
    struct source_piece *last = x->piece_count == 0 ? NULL : &x->pieces[x->piece_count - 1];
    if (last != NULL && last->at + last->size == at) {
        last->size += size;
        return true;
    }
    if (x->piece_count == *room) {
        size_t more = *room == 0 ? 1 : *room * 2;
        x->pieces = arena_grow(p->a, x->pieces, *room, more, sizeof *x->pieces);
        if (x->pieces == NULL)
            return arena_err(e);
        *room = more;
    }
    const struct source_piece *before = x->piece_count == 0 ? NULL : &x->pieces[x->piece_count - 1];
    x->pieces[x->piece_count++] = (struct source_piece){
        .from = before == NULL ? 0 : before->from + before->size, .at = at, .size = size};
    return true;
}

static bool place_large(struct parse *p, struct cfb_entry *x, struct err *e)
{
    const uint64_t size = p->c->sector;
    uint32_t next = x->start;
    size_t room = 0;
    for (uint64_t left = x->size; left > 0;) { /* sectors that follow each other at once */
        const uint32_t first = next;
        uint64_t n = 0;
        do {
            TRY(take(p, next, "stream", e));
            n += left - n < size ? left - n : size;
            if (next == p->sectors - 1)
                p->end = offset_of(p->c, first) + n;
            next = p->fat[next];
        } while (n < left && next - first == n / size);
        if (offset_of(p->c, first) + n > p->c->in.size)
            return cfb_bad(e, "it ends inside a stream");
        TRY(add_piece(p, x, &room, offset_of(p->c, first), n, e));
        left -= n;
    }
    return next == SECTOR_END || cfb_bad(e, "a stream has another length than its chain");
}

static bool place_small(struct parse *p, struct cfb_entry *x, struct err *e)
{
    uint32_t next = x->start;
    size_t room = 0;
    for (uint64_t left = x->size; left > 0;) {
        uint64_t n = left < MINI_SECTOR ? left : MINI_SECTOR, at = (uint64_t)next * MINI_SECTOR;
        if (next >= p->mini_words || at + MINI_SECTOR > p->mini_sectors * p->c->sector ||
            p->mini_taken[next] != 0)
            return cfb_bad(e, "a small stream leads to a place that is not its own");
        p->mini_taken[next] = 1;
        at = offset_of(p->c, p->mini_stream[at / p->c->sector]) + at % p->c->sector;
        if (at + n > p->c->in.size)
            return cfb_bad(e, "it ends inside a stream");
        TRY(add_piece(p, x, &room, at, n, e));
        next = p->mini[next];
        left -= n;
    }
    if (next != SECTOR_END && x->size > 0)
        return cfb_bad(e, "a small stream has another length than its chain");
    return true;
}

static bool place_streams(struct parse *p, struct err *e)
{
    struct cfb *c = p->c;
    const struct cfb_entry *root = &c->entries[0];
    p->mini_sectors = root->size / c->sector + (root->size % c->sector != 0);
    TRY(chain(p, root->start, p->mini_sectors, "stream of small streams", &p->mini_stream, e));
    if (p->mini_sectors > 0 && p->mini_stream[p->mini_sectors - 1] == p->sectors - 1)
        p->end = offset_of(c, p->sectors - 1) + (root->size - 1) % c->sector + 1;
    for (uint32_t i = 1; i < c->count; i++) {
        struct cfb_entry *x = &c->entries[i];
        if (x->type == CFB_STREAM && x->size >= MINI_CUTOFF)
            TRY(place_large(p, x, e));
        else if (x->type == CFB_STREAM)
            TRY(place_small(p, x, e));
    }
    for (uint64_t i = 0; i < p->mini_words; i++)
        /* osslsigncode leaves one behind the last stream; it goes the way of free ones. */
        if (p->mini[i] != SECTOR_FREE && p->mini[i] != SECTOR_END && p->mini_taken[i] == 0)
            return cfb_bad(e, "small sector %llu belongs to nothing", (unsigned long long)i);
    for (uint32_t i = 0; i < p->sectors; i++)
        if (p->fat[i] != SECTOR_FREE && p->taken[i] == 0 &&
            !(p->fat[i] == SECTOR_END && offset_of(c, i) == RANGE_LOCK / c->sector * c->sector))
            return cfb_bad(e, "sector %u belongs to nothing", i);
    return true;
}

static bool only_zeros(void *ctx, struct reader piece, struct err *e)
{
    (void)ctx;
    for (uint8_t byte; reader_u8(&piece, &byte);)
        if (byte != 0)
            return cfb_bad(e, "there is something behind its last sector");
    return true;
}

static bool find_byte(void *ctx, struct reader piece, struct err *e)
{
    bool *found = ctx;
    (void)e;
    for (uint8_t byte; reader_u8(&piece, &byte);)
        *found |= byte != 0;
    return true;
}

/* Room behind the end of a stream holds anything in files of many writers. Only at the very end of
 * the file does it let the file be something else as well, like an archive. */
static bool check_last(const struct parse *p, struct err *e)
{
    struct source tail;
    const struct source *in = &p->c->in;
    return p->end == 0 || p->end >= in->size ||
           (source_slice(in, p->end, in->size - p->end, &tail, e) &&
            source_each(&tail, find_byte, &p->c->loose, e));
}

/* Every reader of ZIP files looks for the end record in the last 64 KiB. Outside of the streams, in
 * room that nobody signs, it makes the file a program for Java as well. */
static bool check_archive(const struct parse *p, struct err *e)
{
    enum { ARCHIVE_TAIL = 65535 + 22 };
    static const char mark[4] = "PK\5\6";
    struct cfb *c = p->c;
    const size_t size = c->in.size < ARCHIVE_TAIL ? (size_t)c->in.size : ARCHIVE_TAIL;
    const uint64_t from = c->in.offset + c->in.size - size;
    struct reader tail;
    TRY(source_load(p->a, &c->in, c->in.size - size, size, &tail, e));
    size_t at = reader_find(tail, 0, mark, sizeof mark);
    if (at == SIZE_MAX)
        return true;
    bool *inside = ARENA_ARRAY(p->a, size, bool);
    if (inside == NULL)
        return arena_err(e);
    for (uint32_t i = 1; i < c->count; i++)
        for (size_t k = 0; k < c->entries[i].piece_count; k++) {
            const struct source_piece *x = &c->entries[i].pieces[k];
            for (uint64_t b = x->at < from ? from : x->at; b < x->at + x->size; b++)
                inside[b - from] = true;
        }
    for (; at != SIZE_MAX; at = reader_find(tail, at + 1, mark, sizeof mark))
        c->loose |= !inside[at] || !inside[at + sizeof mark - 1];
    return true;
}

/* Whatever stands behind the last sector in use belongs to nothing and is signed by nobody. */
static bool check_tail(const struct parse *p, struct err *e)
{
    uint32_t used = p->sectors;
    struct source tail;
    while (used > 0 && p->fat[used - 1] == SECTOR_FREE)
        used--;
    uint64_t end = offset_of(p->c, used);
    return end >= p->c->in.size || (source_slice(&p->c->in, end, p->c->in.size - end, &tail, e) &&
                                    source_each(&tail, only_zeros, NULL, e));
}

bool cfb_open(struct arena *a, const struct source *in, struct cfb **ret, struct err *e)
{
    struct cfb *c = ARENA_NEW(a, struct cfb);
    if (c == NULL)
        return arena_err(e);
    c->in = *in;
    struct parse p = {.a = a, .c = c};
    TRY(read_header(&p, e) && read_fat(&p, e) && read_mini_fat(&p, e) && read_directory(&p, e) &&
        walk_tree(&p, e) && cfb_sort_names(a, c, e) && place_streams(&p, e) && check_tail(&p, e) &&
        check_last(&p, e) && check_archive(&p, e));
    *ret = c;
    return true;
}

bool cfb_root_clsid(const struct source *in, uint8_t ret[CFB_CLSID])
{
    uint8_t head[HEADER_SIZE] = {0};
    struct err ignored = {0};
    struct reader r = reader_over(head, sizeof head), word;
    uint16_t shift;
    uint32_t sector;
    if (!source_read(in, 0, head, sizeof head, &ignored) || !cfb_starts(r) ||
        !reader_slice(r, 30, 2, &word) || !reader_u16le(&word, &shift) ||
        (shift != 9 && shift != 12) || !reader_slice(r, 48, 4, &word) ||
        !reader_u32le(&word, &sector))
        return false;
    return source_read(in, (((uint64_t)sector + 1) << shift) + 80, ret, CFB_CLSID, &ignored);
}

static bool in_file(const struct cfb *c)
{
    return c->in.fd >= 0 && c->in.pieces == NULL;
}

bool cfb_each(const struct cfb *c, const struct cfb_entry *x, source_each_fn each, void *ctx,
              struct err *e)
{
    struct source part;
    if (in_file(c))
        return cfb_source(NULL, c, x, &part, e) && source_each(&part, each, ctx, e);
    for (size_t i = 0; i < x->piece_count; i++) {
        TRY(source_slice(&c->in, x->pieces[i].at - c->in.offset, x->pieces[i].size, &part, e));
        TRY(source_each(&part, each, ctx, e));
    }
    return true;
}

static bool append(void *ctx, struct reader piece, struct err *e)
{
    writer_reader(ctx, piece);
    return writer_ok(ctx, e);
}

static bool gather(struct arena *a, const struct cfb *c, const struct cfb_entry *x,
                   struct source *ret, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, (size_t)x->size);
    TRY(cfb_each(c, x, append, &w, e));
    struct reader copy = arena_bytes(a, writer_view(&w));
    if (copy.at == NULL)
        return arena_err(e);
    *ret = source_memory(copy);
    return true;
}

bool cfb_source(struct arena *a, const struct cfb *c, const struct cfb_entry *x, struct source *ret,
                struct err *e)
{
    if (x->piece_count == 0)
        return source_slice(&c->in, 0, 0, ret, e);
    if (x->piece_count == 1)
        return source_slice(&c->in, x->pieces[0].at - c->in.offset, x->size, ret, e);
    if (!in_file(c))
        return gather(a, c, x, ret, e);
    *ret = source_scattered(c->in.fd, x->pieces, x->piece_count);
    return true;
}

uint32_t cfb_index(const struct cfb *c, const struct cfb_entry *x)
{
    return (uint32_t)(x - c->entries);
}
