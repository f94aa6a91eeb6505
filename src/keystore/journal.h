/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYSTORE_JOURNAL_H
#define KEYSTORE_JOURNAL_H
#include "base/file.h"
#include "ipc/messages.h"

/* The memory of the key process: ENTRYs, appended in groups. A group is one write and one
 * fdatasync and counts whole or not at all:
 *   "CHG1" | u32 length | u32 ~length | u64 sequence | ENTRYs | SHA-256(chain || all before) |
 * 0xff... Groups begin on sector borders, so a sector of a group that never reached the disk reads
 * as zeros or is not there. That, in the last group, is a cut tail and is dropped: nobody was
 * answered for it. Any other damage refuses. The first group of a file holds one CHECKPOINT, the
 * file's first sector the chain of the file before; every start begins a new file, so all that a
 * process relies on was synced by itself. */
enum { JOURNAL_SECTOR = 512, JOURNAL_CHAIN = 32 };

struct journal {
    int folder, fd;      /* folder is borrowed */
    uint64_t next;       /* number of the next ENTRY; the first is 1 */
    uint64_t sequence;   /* of the next group */
    uint64_t size;       /* bytes of the file, all of them synced */
    uint64_t begun;      /* of them, those it began with */
    uint64_t steps;      /* crashpoints of the waiting group, a bit each */
    struct writer group; /* ENTRYs that wait for journal_commit */
    size_t last;         /* where the last of them begins */
    uint8_t chain[JOURNAL_CHAIN];
    bool tail_dropped; /* the replay met a cut tail */
    bool broken;       /* a group is perhaps not on the disk: nothing is, from there on */
    uint64_t file;     /* number in the file's name */
};

typedef bool (*journal_apply_fn)(void *ctx, const struct record_ENTRY *entry, struct err *e);

/* Gives every ENTRY of the newest file to `apply`, in order. False: ERR_KEY_JOURNAL with the place
 * and the remedy, or what apply said. *ret can then only be rotated. */
MUST_CHECK bool journal_replay(int folder, journal_apply_fn apply, void *ctx, struct journal *ret,
                               struct err *e);
/* A journal without a past, for a new key folder: rotate it next. */
void journal_start(int folder, struct journal *ret);
/* Goes on in a new file. checkpoint: ENTRYs that rebuild the state. Nothing may wait for a commit.
 */
MUST_CHECK bool journal_rotate(struct journal *j, uint64_t wall, struct reader checkpoint,
                               struct err *e);
/* Puts an entry into the group and hands it out as it will be read back; it counts after
 * journal_commit. *ret borrows the group until the next add. */
MUST_CHECK bool journal_add(struct journal *j, uint64_t wall, uint8_t kind, struct reader body,
                            enum crashpoint step, struct record_ENTRY *ret, struct err *e);
/* Takes the entry that was added last back out of the group: what it says did not happen. */
void journal_take_back(struct journal *j);
/* One write, one sync; nothing to do is fine. False, now and from then on: the entries of the group
 * may or may not be on the disk; the process must answer nobody and end, the next start finds out.
 */
MUST_CHECK bool journal_commit(struct journal *j, struct err *e);
void journal_done(struct journal *j);

/* The judgement over the bytes of one file, without any file: for replay, tests and fuzzing. */
MUST_CHECK bool journal_read(struct reader file, journal_apply_fn apply, void *ctx,
                             struct journal *ret, struct err *e);
#endif
