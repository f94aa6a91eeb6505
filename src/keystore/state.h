/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEYSTORE_STATE_H
#define KEYSTORE_STATE_H
#include "crypto/digest.h"
#include "crypto/key.h"
#include "crypto/merkle.h"
#include "ipc/messages.h"

/* What the key process knows: the sum of its journal. state_apply is the only thing that changes
 * it, at replay and in service alike. Numbers are in journals: never change one. */
enum entry_kind {
    ENTRY_EPOCH = 1,  /* EPOCH */
    ENTRY_HEAD = 2,   /* MARK: this log head was accepted */
    ENTRY_GRANT = 3,  /* OPENED */
    ENTRY_USE = 4,    /* SPENT */
    ENTRY_CLOSE = 5,  /* CLOSED */
    ENTRY_PIN = 6,    /* PINNED */
    ENTRY_ROSTER = 7, /* reserved; refused */
    ENTRY_FREEZE = 8, /* FROZEN */
    ENTRY_KEY = 9,    /* KEYED */
    ENTRY_DROP = 10,  /* DROPPED */
    ENTRY_ALARM = 11, /* ALARM: a second digest; the grant is broken */
    ENTRY_ONCE = 12,  /* OPENED, spent and closed in one (step H2) */
    ENTRY_CHECKPOINT = 13,
    ENTRY_FLOOR = 14 /* FLOOR, only in checkpoints */
};

enum {
    GRANT_ID = 16,
    GRANT_ALGORITHMS = 16,
    GRANT_SLOTS = 1 << 18,
    GRANT_SLOTS_OPEN = 1 << 20, /* over all open grants */
    GRANTS_OPEN = 1024,
    KEY_ID = 64,
    NODE_ID = 64,
};

struct pin {
    uint32_t kinds, max_slots, min_approvals, algorithm_count;
    sign_algorithm algorithms[GRANT_ALGORITHMS];
    uint64_t expires;
    bool no_self_approval, frozen;
};

struct held_key {
    char id[KEY_ID + 1];
    char type_name[16];
    struct key_type type;
    struct reader spki; /* owned */
    struct pin pin;
    struct key *secret; /* opened at first use */
    bool dropped;       /* kept: grants point here */
};

struct use {
    uint32_t slot;
    sign_algorithm algorithm;
    uint8_t length;
    uint8_t digest[HASH_MAX];
};

struct grant {
    struct grant *newer, *older, *bucket; /* by time of opening; by id */
    struct reader bytes;                  /* owned: the GRANT record */
    struct record_GRANT record;           /* borrows bytes */
    struct held_key *key;
    uint64_t index, wall;   /* of its leaf; when it was opened */
    int64_t boot, deadline; /* boot time: opened, ends */
    bool open, broken, once;
    uint32_t *spent; /* by slot: position in uses + 1; NULL: none yet */
    struct use *uses;
    uint32_t use_count, use_room;
};

struct instant {
    int64_t wall, boot; /* milliseconds */
};

enum { STATE_BUCKETS = 4096 };
struct state {
    char node[NODE_ID + 1];
    uint64_t epoch, floor; /* leaves below floor authorise nothing */
    uint64_t last;         /* number of the newest record that is no CHECKPOINT */
    uint8_t log_key[64];   /* SPKI of K_log */
    size_t log_key_len;
    uint64_t head_size; /* the head accepted last */
    struct merkle_hash head_root;
    struct held_key **keys;
    size_t key_count, key_room;
    struct grant *newest, *oldest;
    struct grant *by_id[STATE_BUCKETS];
    uint32_t open_grants, open_slots;
    struct instant started; /* deadlines of replayed grants are worked out from it */
    bool replaying;         /* from state_init on; the caller ends it */
};

void state_init(struct state *s, struct instant started);
void state_done(struct state *s);
/* ctx is a struct state: fits journal_replay. False: the entry cannot follow what was there. */
MUST_CHECK bool state_apply(void *ctx, const struct record_ENTRY *entry, struct err *e);
/* ENTRYs that rebuild what matters: closed grants are forgotten beyond a size, oldest first, and
 * the floor rises above their leaves, so none of them can return. */
MUST_CHECK bool state_checkpoint(struct state *s, struct writer *w, struct err *e);

/* Secrets of dropped keys leave the memory. */
void state_wipe_dropped(struct state *s);

struct held_key *state_key(const struct state *s, struct reader id); /* NULL: unknown */
bool state_key_ever(const struct state *s, struct reader id);        /* or dropped: never again */
struct grant *state_grant(const struct state *s, struct reader id);  /* NULL: unknown */
struct grant *state_open(const struct state *s, struct reader request); /* NULL: none is open */
const struct use *grant_use(const struct grant *g, uint32_t slot);      /* NULL: not spent */

/* Well-formed by itself (lengths, ranges, order of slots); says nothing about leave to sign. */
MUST_CHECK bool grant_read(struct reader bytes, struct record_GRANT *ret, struct err *e);
MUST_CHECK bool pin_read(struct reader bytes, struct pin *ret, struct err *e);
void pin_write(struct writer *w, const struct pin *pin);
/* 1 to 64 of a-z 0-9 - , not beginning with a hyphen: also a file name. */
MUST_CHECK bool key_id_fits(struct reader id);
#endif
