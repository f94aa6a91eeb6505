/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "keystore/journal.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "keystore/state.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char file_magic[] = "chancery journal 1\n", group_magic[] = "CHG1";
enum {
    GROUP_HEAD = 4 + 4 + 4 + 8,
    GROUP_MAX = 192 << 20,
    FILE_MAX = 256 << 20,
    NAME_MAX_LENGTH = 32,
};

static const char remedy[] = "Restore the key folder from its own backup, or run 'chancery-key "
                             "restore' to begin a new epoch.";

static bool damaged(struct err *e, uint64_t offset, const char *what)
{
    return err_set(e, ERR_KEY_JOURNAL, "at byte %" PRIu64 ": %s. %s", offset, what, remedy);
}

static void file_name(uint64_t number, char to[NAME_MAX_LENGTH])
{
    (void)snprintf(to, NAME_MAX_LENGTH, "journal-%012" PRIu64, number);
}

static bool chain_on(uint8_t chain[JOURNAL_CHAIN], struct reader bytes, struct err *e)
{
    CLEANUP(digest_done) struct digest d = {0};
    struct digest_value v;
    TRY(digest_begin(&d, HASH_SHA256, e));
    digest_add(&d, reader_over(chain, JOURNAL_CHAIN));
    digest_add(&d, bytes);
    TRY(digest_end(&d, &v, e));
    for (size_t i = 0; i < JOURNAL_CHAIN; i++)
        chain[i] = v.bytes[i];
    return true;
}

static void pad(struct writer *w)
{
    while (w->len % JOURNAL_SECTOR != 0)
        writer_u8(w, 0xff);
}

static size_t padded(size_t n)
{
    return (n + JOURNAL_SECTOR - 1) / JOURNAL_SECTOR * JOURNAL_SECTOR;
}

/* --- reading ------------------------------------------------------------------------------- */

struct group {
    uint64_t sequence;
    struct reader entries, hashed; /* hashed: head and entries */
    struct reader chain;
    size_t size; /* with padding */
};

static bool group_head(struct reader *r, uint32_t *ret_length, uint64_t *ret_sequence)
{
    struct reader magic;
    uint32_t inverse;
    return reader_take(r, 4, &magic) && reader_equal_text(magic, group_magic) &&
           reader_u32le(r, ret_length) && reader_u32le(r, &inverse) && inverse == ~*ret_length &&
           *ret_length <= GROUP_MAX && reader_u64le(r, ret_sequence);
}

static bool all_are(struct reader r, uint8_t value)
{
    for (size_t i = 0; i < r.left; i++)
        if (r.at[i] != value)
            return false;
    return true;
}

/* Whether a sector of these bytes, which begin on a border, never reached the disk. */
static bool has_hole(struct reader r)
{
    struct reader sector;
    while (r.left > 0) {
        size_t n = r.left < JOURNAL_SECTOR ? r.left : JOURNAL_SECTOR;
        if (!reader_take(&r, n, &sector) || all_are(sector, 0))
            return true;
    }
    return false;
}

/* A group is written only after the one before it was synced, so what has a successor was whole
 * once. */
static bool has_later_group(struct reader r, uint64_t sequence)
{
    while (reader_skip(&r, JOURNAL_SECTOR)) {
        struct reader here = r;
        uint32_t length;
        uint64_t other;
        if (group_head(&here, &length, &other) && other > sequence)
            return true;
    }
    return false;
}

enum verdict { GROUP_GOOD, GROUP_CUT, GROUP_DAMAGED };

static enum verdict judge(struct reader rest, uint64_t sequence, const uint8_t chain[JOURNAL_CHAIN],
                          struct group *g, struct err *e)
{
    struct reader r = rest, extent = rest, padding;
    uint32_t length;
    bool head = group_head(&r, &length, &g->sequence);
    g->size = head ? padded((size_t)GROUP_HEAD + length + JOURNAL_CHAIN) : JOURNAL_SECTOR;
    bool whole = reader_slice(rest, 0, g->size, &extent);
    if (head && whole && g->sequence == sequence && reader_take(&r, length, &g->entries) &&
        reader_slice(rest, 0, GROUP_HEAD + (size_t)length, &g->hashed) &&
        reader_take(&r, JOURNAL_CHAIN, &g->chain) &&
        reader_slice(r, 0, g->size - GROUP_HEAD - length - JOURNAL_CHAIN, &padding)) {
        uint8_t now[JOURNAL_CHAIN];
        for (size_t i = 0; i < JOURNAL_CHAIN; i++)
            now[i] = chain[i];
        if (!chain_on(now, g->hashed, e))
            return GROUP_DAMAGED;
        if (reader_equal(reader_over(now, JOURNAL_CHAIN), g->chain) && all_are(padding, 0xff))
            return GROUP_GOOD;
    }
    bool cut = !whole || has_hole(extent);
    return cut && !has_later_group(rest, sequence) ? GROUP_CUT : GROUP_DAMAGED;
}

static bool apply_entries(struct journal *j, struct reader entries, journal_apply_fn apply,
                          void *ctx, struct err *e)
{
    struct record_ENTRY entry;
    while (entries.left > 0) {
        if (!record_ENTRY_next(&entries, &entry) || entry.number != j->next)
            return err_set(e, ERR_KEY_JOURNAL, "record %" PRIu64 " is not well-formed. %s", j->next,
                           remedy);
        TRY(apply(ctx, &entry, e));
        j->next++;
    }
    return true;
}

static bool read_file_head(struct reader *r, struct journal *j, struct err *e)
{
    struct reader sector, magic;
    if (!reader_take(r, JOURNAL_SECTOR, &sector) ||
        !reader_take(&sector, sizeof file_magic - 1, &magic) ||
        !reader_equal_text(magic, file_magic) || !reader_u64le(&sector, &j->next) ||
        !reader_u64le(&sector, &j->sequence) || !reader_copy(&sector, j->chain, JOURNAL_CHAIN) ||
        !all_are(sector, 0xff) || j->next == 0)
        return damaged(e, 0, "this is not the beginning of a journal");
    return true;
}

bool journal_read(struct reader file, journal_apply_fn apply, void *ctx, struct journal *j,
                  struct err *e)
{
    struct reader r = file;
    struct group g;
    TRY(read_file_head(&r, j, e));
    size_t groups = 0;
    for (; r.left > 0; groups++) {
        uint64_t offset = file.left - r.left;
        enum verdict v = judge(r, j->sequence, j->chain, &g, e);
        if (e->code != ERR_NONE)
            return false;
        /* The first group was synced before the file got its name. */
        if (v == GROUP_DAMAGED || (v == GROUP_CUT && groups == 0))
            return damaged(e, offset, "a record differs from what was written");
        if (v == GROUP_CUT) {
            j->tail_dropped = true;
            return true;
        }
        TRY(apply_entries(j, g.entries, apply, ctx, e));
        TRY(reader_skip(&r, g.size) && reader_copy(&g.chain, j->chain, JOURNAL_CHAIN));
        j->sequence++;
    }
    return groups > 0 ? true : damaged(e, 0, "there is no record");
}

/* The highest number in the folder; 0: there is no journal. */
static bool newest(int folder, uint64_t *ret, struct err *e)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        file_close(&fd);
        return err_errno(e, "key folder");
    }
    *ret = 0;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        struct reader name = reader_text(entry->d_name), prefix;
        char canonical[NAME_MAX_LENGTH];
        uint64_t number = 0;
        if (!reader_take(&name, 8, &prefix) || !reader_equal_text(prefix, "journal-"))
            continue;
        while (name.left > 1 && name.at[0] == '0' && reader_skip(&name, 1))
            continue;
        if (!text_u64(name, &number))
            continue; /* a temporary name */
        file_name(number, canonical);
        if (strcmp(canonical, entry->d_name) == 0 && number > *ret)
            *ret = number;
    }
    (void)closedir(d);
    return true;
}

bool journal_replay(int folder, journal_apply_fn apply, void *ctx, struct journal *ret,
                    struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(FILE_MAX + (1 << 16));
    struct journal j;
    struct reader bytes;
    char name[NAME_MAX_LENGTH];
    uint64_t number;
    if (a == NULL)
        return arena_err(e);
    journal_start(folder, &j);
    TRY(newest(folder, &number, e));
    if (number == 0)
        return err_set(e, ERR_KEY_JOURNAL, "the key folder has no journal. %s", remedy);
    file_name(number, name);
    TRY(file_read(folder, name, FILE_MAX, a, &bytes, e));
    TRY(journal_read(bytes, apply, ctx, &j, e));
    j.file = number;
    *ret = j;
    return true;
}

/* --- writing ------------------------------------------------------------------------------- */

void journal_start(int folder, struct journal *ret)
{
    *ret = (struct journal){.folder = folder, .fd = -1, .next = 1, .sequence = 1};
    writer_init(&ret->group, GROUP_MAX);
}

void journal_done(struct journal *j)
{
    file_close(&j->fd);
    writer_done(&j->group);
}

/* Frames the waiting entries and moves the chain on. */
static bool frame(struct journal *j, struct writer *to, struct err *e)
{
    size_t from = to->len;
    uint32_t length = (uint32_t)j->group.len;
    struct reader hashed;
    writer_text(to, group_magic);
    writer_u32le(to, length);
    writer_u32le(to, ~length);
    writer_u64le(to, j->sequence);
    writer_reader(to, writer_view(&j->group));
    TRY(writer_ok(&j->group, e) && writer_ok(to, e));
    if (!reader_slice(writer_view(to), from, to->len - from, &hashed))
        return err_set(e, ERR_INTERNAL, "journal group");
    TRY(chain_on(j->chain, hashed, e));
    writer_bytes(to, j->chain, JOURNAL_CHAIN);
    pad(to);
    j->sequence++;
    writer_reset(&j->group);
    return writer_ok(to, e);
}

bool journal_rotate(struct journal *j, uint64_t wall, struct reader checkpoint, struct err *e)
{
    CLEANUP(writer_done) struct writer file = {0};
    struct record_ENTRY entry;
    char name[NAME_MAX_LENGTH];
    if (j->group.len > 0)
        return err_set(e, ERR_INTERNAL, "journal entries wait for a commit");
    writer_init(&file, FILE_MAX);
    writer_text(&file, file_magic);
    writer_u64le(&file, j->next);
    writer_u64le(&file, j->sequence);
    writer_bytes(&file, j->chain, JOURNAL_CHAIN);
    pad(&file);
    TRY(journal_add(j, wall, ENTRY_CHECKPOINT, checkpoint, CRASH_S02, &entry, e));
    TRY(frame(j, &file, e));
    j->steps = 0;
    file_name(j->file + 1, name);
    TRY(file_replace(j->folder, name, 0600, writer_view(&file), CRASH_S02, e));
    file_close(&j->fd);
    j->fd = openat(j->folder, name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (j->fd < 0)
        return err_errno(e, name);
    j->file++;
    j->size = j->begun = file.len;
    return true;
}

bool journal_add(struct journal *j, uint64_t wall, uint8_t kind, struct reader body,
                 enum crashpoint step, struct record_ENTRY *ret, struct err *e)
{
    *ret = (struct record_ENTRY){.number = j->next, .wall = wall, .kind = kind, .body = body};
    j->last = j->group.len;
    record_ENTRY_write(&j->group, ret);
    TRY(writer_ok(&j->group, e));
    j->next++;
    j->steps |= UINT64_C(1) << step;
    return true;
}

void journal_take_back(struct journal *j)
{
    j->group.len = j->last;
    j->next--;
}

/* One sync stands for the durable steps of all waiting requests. */
static bool sync_steps(int fd, uint64_t steps, struct err *e)
{
    enum crashpoint last = CRASH_S02;
    for (unsigned i = 0; i < CRASH__COUNT; i++)
        if ((steps >> i & 1) != 0)
            last = (enum crashpoint)i;
    steps &= ~(UINT64_C(1) << last);
    for (unsigned i = 0; i < CRASH__COUNT; i++)
        if ((steps >> i & 1) != 0)
            crash_before((enum crashpoint)i);
    for (unsigned i = 0; i < CRASH__COUNT; i++)
        if ((steps >> i & 1) != 0 && crash_fails((enum crashpoint)i))
            return err_errno(e, crashpoint_name((enum crashpoint)i));
    TRY(file_sync(fd, last, e));
    for (unsigned i = 0; i < CRASH__COUNT; i++)
        if ((steps >> i & 1) != 0)
            crash_after((enum crashpoint)i);
    return true;
}

bool journal_commit(struct journal *j, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, GROUP_MAX + 2 * JOURNAL_SECTOR);
    if (j->broken)
        return err_set(e, ERR_IO, "the journal could not be written before");
    if (j->group.len == 0)
        return writer_ok(&j->group, e);
    j->broken = true; /* until it is on the disk */
    TRY(frame(j, &w, e));
    TRY(file_write_fd(j->fd, writer_view(&w), e));
    TRY(sync_steps(j->fd, j->steps, e));
    j->size += w.len;
    j->steps = 0;
    j->broken = false;
    return true;
}
