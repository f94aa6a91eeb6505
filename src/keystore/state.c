/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/state.h"
#include <inttypes.h>
#include <stdlib.h>

/* A clock that went back by more than this ends every grant that was open. */
enum { CLOCK_BACK_MS = 5 * 60 * 1000 };
enum { CLOSED_KEPT = 4 << 20 };

static bool refuse(struct err *e, const char *what)
{
    return err_set(e, ERR_KEY_JOURNAL, "%s", what);
}

static bool own(struct reader bytes, struct reader *ret, struct err *e)
{
    uint8_t *copy = calloc(1, bytes.left == 0 ? 1 : bytes.left);
    if (copy == NULL)
        return err_set(e, ERR_NO_MEMORY, "key state");
    *ret = reader_over(copy, bytes.left);
    return reader_copy(&bytes, copy, bytes.left);
}

static void disown(struct reader *r)
{
    free((void *)(uintptr_t)r->at);
    *r = (struct reader){0};
}

static bool text_into(struct reader text, char *to, size_t room)
{
    if (text.left >= room)
        return false;
    size_t n = text.left;
    TRY(reader_copy(&text, to, n));
    to[n] = '\0';
    return true;
}

/* --- records ------------------------------------------------------------------------------- */

bool key_id_fits(struct reader id)
{
    for (size_t i = 0; i < id.left; i++) {
        char c = (char)id.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && i > 0)))
            return false;
    }
    return id.left > 0 && id.left <= KEY_ID;
}

static bool algorithms_read(struct reader list, sign_algorithm to[GRANT_ALGORITHMS],
                            uint32_t *ret_count)
{
    uint32_t n = 0;
    while (list.left > 0) {
        struct record_ALGORITHM a;
        if (n == GRANT_ALGORITHMS || !record_ALGORITHM_next(&list, &a) || a.algorithm == 0)
            return false;
        to[n++] = a.algorithm;
    }
    *ret_count = n;
    return true;
}

bool pin_read(struct reader bytes, struct pin *ret, struct err *e)
{
    struct record_PIN r;
    struct pin pin = {0};
    if (!record_PIN_next(&bytes, &r) || !reader_at_end(&bytes) || r.frozen > 1 ||
        r.no_self_approval > 1 ||
        !algorithms_read(r.algorithms, pin.algorithms, &pin.algorithm_count))
        return err_set(e, ERR_KEY_PINNED, "the pin is not well-formed");
    pin.kinds = r.kinds;
    pin.max_slots = r.max_slots;
    pin.min_approvals = r.min_approvals;
    pin.no_self_approval = r.no_self_approval == 1;
    pin.expires = r.expires;
    pin.frozen = r.frozen == 1;
    *ret = pin;
    return true;
}

void pin_write(struct writer *w, const struct pin *pin)
{
    CLEANUP(writer_done) struct writer list = {0};
    writer_init(&list, 4 * GRANT_ALGORITHMS);
    for (uint32_t i = 0; i < pin->algorithm_count; i++)
        record_ALGORITHM_write(&list, &(struct record_ALGORITHM){pin->algorithms[i]});
    record_PIN_write(w, &(struct record_PIN){.kinds = pin->kinds,
                                             .algorithms = writer_view(&list),
                                             .max_slots = pin->max_slots,
                                             .min_approvals = pin->min_approvals,
                                             .no_self_approval = pin->no_self_approval,
                                             .expires = pin->expires,
                                             .frozen = pin->frozen});
    if (list.failed)
        w->failed = true;
}

static bool known_fits(struct reader list, uint32_t slots)
{
    uint64_t least = 0;
    while (list.left > 0) {
        struct record_SLOT s;
        if (!record_SLOT_next(&list, &s) || s.slot < least || s.slot >= slots ||
            s.digest.left > HASH_MAX)
            return false;
        least = (uint64_t)s.slot + 1;
    }
    return true;
}

bool grant_read(struct reader bytes, struct record_GRANT *ret, struct err *e)
{
    struct record_GRANT g;
    sign_algorithm algorithms[GRANT_ALGORITHMS];
    uint32_t count = 0;
    if (!record_GRANT_next(&bytes, &g) || !reader_at_end(&bytes))
        return err_set(e, ERR_GRANT, "the grant is not well-formed");
    if (g.id.left != GRANT_ID || g.subject.left != 32 || g.approvals.left != 32 ||
        g.request.left == 0 || g.request.left > 128 || !key_id_fits(g.key))
        return err_set(e, ERR_GRANT, "a field of the grant has a wrong length");
    if (g.kind < GRANT_ARTIFACT || g.kind > GRANT_PROBE || g.expires > INT64_MAX)
        return err_set(e, ERR_GRANT, "unknown kind of grant, or an expiry out of range");
    if (!algorithms_read(g.algorithms, algorithms, &count) || count == 0)
        return err_set(e, ERR_GRANT, "the grant names no or too many algorithms");
    if (g.slots == 0 || g.slots > GRANT_SLOTS || !known_fits(g.known, g.slots))
        return err_set(e, ERR_GRANT, "the slots of the grant are not in order");
    *ret = g;
    return true;
}

/* --- look-up ------------------------------------------------------------------------------- */

struct held_key *state_key(const struct state *s, struct reader id)
{
    for (size_t i = 0; i < s->key_count; i++)
        if (!s->keys[i]->dropped && reader_equal_text(id, s->keys[i]->id))
            return s->keys[i];
    return NULL;
}

bool state_key_ever(const struct state *s, struct reader id)
{
    for (size_t i = 0; i < s->key_count; i++)
        if (reader_equal_text(id, s->keys[i]->id))
            return true;
    return false;
}

static size_t bucket_of(struct reader id)
{
    uint32_t h = 0;
    return reader_u32le(&id, &h) ? h % STATE_BUCKETS : 0;
}

struct grant *state_grant(const struct state *s, struct reader id)
{
    struct grant *g = s->by_id[bucket_of(id)];
    while (g != NULL && !reader_equal(g->record.id, id))
        g = g->bucket;
    return g;
}

struct grant *state_open(const struct state *s, struct reader request)
{
    uint32_t left = s->open_grants;
    for (struct grant *g = s->newest; g != NULL && left > 0; g = g->older) {
        left -= g->open;
        if (g->open && reader_equal(g->record.request, request))
            return g;
    }
    return NULL;
}

const struct use *grant_use(const struct grant *g, uint32_t slot)
{
    if (g->spent == NULL || slot >= g->record.slots || g->spent[slot] == 0)
        return NULL;
    return &g->uses[g->spent[slot] - 1];
}

/* --- grants -------------------------------------------------------------------------------- */

static void grant_free(struct grant *g)
{
    disown(&g->bytes);
    free(g->spent);
    free(g->uses);
    free(g);
}

static void unlink_grant(struct state *s, struct grant *g)
{
    struct grant **p = &s->by_id[bucket_of(g->record.id)];
    while (*p != g)
        p = &(*p)->bucket;
    *p = g->bucket;
    *(g->older != NULL ? &g->older->newer : &s->oldest) = g->newer;
    *(g->newer != NULL ? &g->newer->older : &s->newest) = g->older;
    if (g->open) {
        s->open_grants--;
        s->open_slots -= g->record.slots;
    }
    grant_free(g);
}

static void link_grant(struct state *s, struct grant *g)
{
    size_t b = bucket_of(g->record.id);
    g->bucket = s->by_id[b];
    s->by_id[b] = g;
    g->older = s->newest;
    *(s->newest != NULL ? &s->newest->newer : &s->oldest) = g;
    s->newest = g;
    if (g->open) {
        s->open_grants++;
        s->open_slots += g->record.slots;
    }
}

/* Both clocks count and the earlier end wins. The boot clock of an earlier boot says nothing when
 * it was ahead of ours; when it was behind, an end by it is never too late. */
static int64_t deadline_of(const struct state *s, const struct grant *g)
{
    int64_t wall = (int64_t)g->wall, end = (int64_t)g->record.expires;
    int64_t life = end > wall ? end - wall : 0;
    if (!s->replaying)
        return g->boot + life;
    if (s->started.wall < wall - CLOCK_BACK_MS)
        return 0;
    int64_t left = end - s->started.wall;
    int64_t deadline = s->started.boot + (left < 0 ? 0 : left > life ? life : left);
    bool behind = g->boot <= s->started.boot && g->boot + life < deadline;
    return behind ? g->boot + life : deadline;
}

static bool use_add(struct grant *g, uint32_t slot, sign_algorithm algorithm, struct reader digest,
                    struct err *e)
{
    if (slot >= g->record.slots || digest.left == 0 || digest.left > HASH_MAX ||
        grant_use(g, slot) != NULL)
        return refuse(e, "a slot was spent twice or does not exist");
    if (g->spent == NULL && (g->spent = calloc(g->record.slots, sizeof *g->spent)) == NULL)
        return err_set(e, ERR_NO_MEMORY, "slots");
    if (g->use_count == g->use_room) {
        uint32_t room = g->use_room == 0 ? 1 : 2 * g->use_room;
        struct use *more = realloc(g->uses, room * sizeof *more);
        if (more == NULL)
            return err_set(e, ERR_NO_MEMORY, "uses");
        g->uses = more;
        g->use_room = room;
    }
    struct use *u = &g->uses[g->use_count];
    *u = (struct use){.slot = slot, .algorithm = algorithm, .length = (uint8_t)digest.left};
    TRY(reader_copy(&digest, u->digest, u->length));
    g->spent[slot] = ++g->use_count;
    return true;
}

static bool apply_grant(struct state *s, const struct record_ENTRY *entry, bool once, struct err *e)
{
    struct reader body = entry->body;
    struct record_OPENED o;
    if (!record_OPENED_next(&body, &o) || !reader_at_end(&body) || o.boot > INT64_MAX ||
        entry->wall > INT64_MAX)
        return refuse(e, "malformed GRANT");
    struct grant *g = calloc(1, sizeof *g);
    if (g == NULL)
        return err_set(e, ERR_NO_MEMORY, "grant");
    if (!own(o.grant, &g->bytes, e) || !grant_read(g->bytes, &g->record, e))
        goto failed;
    g->key = state_key(s, g->record.key);
    if (g->key == NULL || state_grant(s, g->record.id) != NULL) {
        (void)refuse(e, "a grant twice or without its key");
        goto failed;
    }
    g->index = o.index;
    g->wall = entry->wall;
    g->boot = (int64_t)o.boot;
    g->deadline = deadline_of(s, g);
    g->once = once;
    g->open = !once;
    if (once) {
        struct reader known = g->record.known, algorithms = g->record.algorithms;
        struct record_SLOT slot;
        struct record_ALGORITHM a;
        if (!record_SLOT_next(&known, &slot) || !record_ALGORITHM_next(&algorithms, &a)) {
            (void)refuse(e, "malformed ONCE");
            goto failed;
        }
        if (!use_add(g, slot.slot, a.algorithm, slot.digest, e))
            goto failed;
    }
    link_grant(s, g);
    return true;
failed:
    grant_free(g);
    return false;
}

static bool apply_use(struct state *s, struct reader body, struct err *e)
{
    struct record_SPENT u;
    if (!record_SPENT_next(&body, &u) || !reader_at_end(&body))
        return refuse(e, "malformed USE");
    struct grant *g = state_grant(s, u.grant);
    if (g == NULL || !g->open || g->broken)
        return refuse(e, "USE outside of an open grant");
    return use_add(g, u.slot, u.algorithm, u.digest, e);
}

static bool apply_alarm(struct state *s, struct reader body, struct err *e)
{
    struct record_ALARM a;
    if (!record_ALARM_next(&body, &a) || !reader_at_end(&body))
        return refuse(e, "malformed ALARM");
    struct grant *g = state_grant(s, a.grant);
    if (g == NULL)
        return refuse(e, "ALARM without its grant");
    g->broken = true;
    return true;
}

static bool apply_close(struct state *s, struct reader body, struct err *e)
{
    struct record_CLOSED c;
    if (!record_CLOSED_next(&body, &c) || !reader_at_end(&body))
        return refuse(e, "malformed CLOSE");
    struct grant *g = state_grant(s, c.grant);
    if (g == NULL || !g->open)
        return refuse(e, "CLOSE outside of an open grant");
    g->open = false;
    s->open_grants--;
    s->open_slots -= g->record.slots;
    return true;
}

/* --- keys ---------------------------------------------------------------------------------- */

static void held_free(struct held_key *k)
{
    if (k == NULL)
        return;
    disown(&k->spki);
    key_free(k->secret);
    free(k);
}

static bool apply_key(struct state *s, struct reader body, struct err *e)
{
    struct record_KEYED r;
    if (!record_KEYED_next(&body, &r) || !reader_at_end(&body) || !key_id_fits(r.key) ||
        state_key_ever(s, r.key))
        return refuse(e, "malformed KEY");
    if (s->key_count == s->key_room) {
        size_t room = s->key_room == 0 ? 8 : 2 * s->key_room;
        struct held_key **more = realloc(s->keys, room * sizeof *more);
        if (more == NULL)
            return err_set(e, ERR_NO_MEMORY, "keys");
        s->keys = more;
        s->key_room = room;
    }
    struct held_key *k = calloc(1, sizeof *k);
    if (k == NULL)
        return err_set(e, ERR_NO_MEMORY, "key");
    if (!text_into(r.key, k->id, sizeof k->id) ||
        !text_into(r.type, k->type_name, sizeof k->type_name) ||
        !key_type_from_name(k->type_name, &k->type)) {
        held_free(k);
        return refuse(e, "KEY of an unknown type");
    }
    if (!own(r.spki, &k->spki, e)) {
        held_free(k);
        return false;
    }
    s->keys[s->key_count++] = k;
    return true;
}

static bool apply_drop(struct state *s, struct reader body, struct err *e)
{
    struct record_DROPPED r;
    struct held_key *k = NULL;
    if (!record_DROPPED_next(&body, &r) || !reader_at_end(&body) ||
        (k = state_key(s, r.key)) == NULL)
        return refuse(e, "DROP of an unknown key");
    k->dropped = true;
    return true;
}

void state_wipe_dropped(struct state *s)
{
    for (size_t i = 0; i < s->key_count; i++) {
        if (!s->keys[i]->dropped)
            continue;
        key_free(s->keys[i]->secret);
        s->keys[i]->secret = NULL;
    }
}

static bool apply_pin(struct state *s, struct reader body, struct err *e)
{
    struct record_PINNED r;
    struct held_key *k = NULL;
    if (!record_PINNED_next(&body, &r) || !reader_at_end(&body) ||
        (k = state_key(s, r.key)) == NULL)
        return refuse(e, "PIN of an unknown key");
    return pin_read(r.pin, &k->pin, e);
}

static bool apply_freeze(struct state *s, struct reader body, struct err *e)
{
    struct record_FROZEN r;
    if (!record_FROZEN_next(&body, &r) || !reader_at_end(&body))
        return refuse(e, "malformed FREEZE");
    struct held_key *k = state_key(s, r.key);
    if (k == NULL && r.key.left > 0)
        return refuse(e, "FREEZE of an unknown key");
    for (size_t i = 0; i < s->key_count; i++)
        if (k == NULL || k == s->keys[i])
            s->keys[i]->pin.frozen = true;
    return true;
}

/* --- the log ------------------------------------------------------------------------------- */

/* Everything that was open ends here, and no leaf of the restored log authorises anything. */
static bool apply_epoch(struct state *s, struct reader body, struct err *e)
{
    struct record_EPOCH r;
    if (!record_EPOCH_next(&body, &r) || !reader_at_end(&body) || r.epoch <= s->epoch ||
        r.node.left == 0 || !text_into(r.node, s->node, sizeof s->node) || r.log_key.left == 0 ||
        r.log_key.left > sizeof s->log_key || !merkle_hash_from(r.root, &s->head_root))
        return refuse(e, "malformed EPOCH");
    s->log_key_len = r.log_key.left;
    TRY(reader_copy(&r.log_key, s->log_key, s->log_key_len));
    while (s->newest != NULL)
        unlink_grant(s, s->newest);
    s->epoch = r.epoch;
    s->head_size = s->floor = r.size;
    return true;
}

static bool apply_head(struct state *s, struct reader body, struct err *e)
{
    struct record_MARK r;
    struct merkle_hash root;
    if (!record_MARK_next(&body, &r) || !reader_at_end(&body) || r.size < s->head_size ||
        !merkle_hash_from(r.root, &root))
        return refuse(e, "malformed HEAD");
    s->head_size = r.size;
    s->head_root = root;
    return true;
}

static bool apply_checkpoint(struct state *s, struct reader list, struct err *e)
{
    struct record_ENTRY entry;
    if (s->epoch != 0)
        return true; /* the state goes on; the file that begins with it is for the next start */
    while (list.left > 0) {
        if (!record_ENTRY_next(&list, &entry) || entry.kind == ENTRY_CHECKPOINT)
            return refuse(e, "malformed CHECKPOINT");
        TRY(state_apply(s, &entry, e));
    }
    return s->epoch != 0 ? true : refuse(e, "CHECKPOINT without an epoch");
}

static bool apply_floor(struct state *s, struct reader body, struct err *e)
{
    struct record_FLOOR r;
    if (!record_FLOOR_next(&body, &r) || !reader_at_end(&body) || r.index < s->floor)
        return refuse(e, "malformed FLOOR");
    s->floor = r.index;
    return true;
}

static bool apply(struct state *s, const struct record_ENTRY *entry, struct err *e)
{
    if (s->epoch == 0 && entry->kind != ENTRY_EPOCH && entry->kind != ENTRY_CHECKPOINT)
        return refuse(e, "a record before the first epoch");
    switch ((enum entry_kind)entry->kind) {
    case ENTRY_EPOCH:
        return apply_epoch(s, entry->body, e);
    case ENTRY_HEAD:
        return apply_head(s, entry->body, e);
    case ENTRY_GRANT:
        return apply_grant(s, entry, false, e);
    case ENTRY_ONCE:
        return apply_grant(s, entry, true, e);
    case ENTRY_USE:
        return apply_use(s, entry->body, e);
    case ENTRY_CLOSE:
        return apply_close(s, entry->body, e);
    case ENTRY_PIN:
        return apply_pin(s, entry->body, e);
    case ENTRY_FREEZE:
        return apply_freeze(s, entry->body, e);
    case ENTRY_KEY:
        return apply_key(s, entry->body, e);
    case ENTRY_DROP:
        return apply_drop(s, entry->body, e);
    case ENTRY_ALARM:
        return apply_alarm(s, entry->body, e);
    case ENTRY_CHECKPOINT:
        return apply_checkpoint(s, entry->body, e);
    case ENTRY_FLOOR:
        return apply_floor(s, entry->body, e);
    case ENTRY_ROSTER:
        break;
    }
    return err_set(e, ERR_KEY_JOURNAL,
                   "record %" PRIu64 " is of kind %u, which this version does not "
                   "know. Install the version that wrote it.",
                   entry->number, entry->kind);
}

/* Every start writes a CHECKPOINT: would it count, a journal that was put back could grow past the
 * heads that it has forgotten. What a CHECKPOINT repeats has no numbers but that of `last`, in its
 * EPOCH; without it (a first file, or one of an older version) the CHECKPOINT's own stands in. */
bool state_apply(void *ctx, const struct record_ENTRY *entry, struct err *e)
{
    struct state *s = ctx;
    TRY(apply(s, entry, e));
    if (entry->number > 0 && (entry->kind != ENTRY_CHECKPOINT || s->last == 0))
        s->last = entry->number;
    return true;
}

/* --- checkpoint ---------------------------------------------------------------------------- */

static void put_numbered(struct writer *w, uint64_t number, uint64_t wall, enum entry_kind kind,
                         const struct writer *body)
{
    record_ENTRY_write(
        w, &(struct record_ENTRY){
               .number = number, .wall = wall, .kind = (uint8_t)kind, .body = writer_view(body)});
    if (body->failed)
        w->failed = true;
}

static void put(struct writer *w, uint64_t wall, enum entry_kind kind, const struct writer *body)
{
    put_numbered(w, 0, wall, kind, body);
}

static size_t grant_size(const struct grant *g)
{
    return g->bytes.left + g->use_count * (sizeof(struct use) + 64) + 128;
}

static void put_grant(struct writer *w, const struct grant *g)
{
    CLEANUP(writer_done) struct writer b = {0};
    writer_init(&b, MESSAGE_MAX);
    record_OPENED_write(&b, &(struct record_OPENED){g->index, (uint64_t)g->boot, g->bytes});
    put(w, g->wall, g->once ? ENTRY_ONCE : ENTRY_GRANT, &b);
    for (uint32_t i = 0; i < g->use_count && !g->once; i++) {
        const struct use *u = &g->uses[i];
        writer_reset(&b);
        record_SPENT_write(&b, &(struct record_SPENT){g->record.id, u->slot, u->algorithm,
                                                      reader_over(u->digest, u->length)});
        put(w, g->wall, ENTRY_USE, &b);
    }
    if (g->broken) {
        writer_reset(&b);
        record_ALARM_write(&b, &(struct record_ALARM){.grant = g->record.id});
        put(w, g->wall, ENTRY_ALARM, &b);
    }
    if (!g->open && !g->once) {
        writer_reset(&b);
        record_CLOSED_write(&b, &(struct record_CLOSED){g->record.id});
        put(w, g->wall, ENTRY_CLOSE, &b);
    }
}

static void forget(struct state *s)
{
    size_t kept = 0;
    struct grant *older;
    for (struct grant *g = s->newest; g != NULL; g = older) {
        older = g->older;
        kept += g->open ? 0 : grant_size(g);
        if (g->open || kept <= CLOSED_KEPT)
            continue;
        if (g->index >= s->floor)
            s->floor = g->index + 1;
        unlink_grant(s, g);
    }
}

static void put_key(struct writer *w, const struct held_key *k)
{
    CLEANUP(writer_done) struct writer b = {0};
    CLEANUP(writer_done) struct writer pin = {0};
    writer_init(&b, 4096);
    writer_init(&pin, 4096);
    record_KEYED_write(
        &b, &(struct record_KEYED){reader_text(k->id), reader_text(k->type_name), k->spki});
    put(w, 0, ENTRY_KEY, &b);
    writer_reset(&b);
    pin_write(&pin, &k->pin);
    record_PINNED_write(&b, &(struct record_PINNED){.key = reader_text(k->id),
                                                    .operator= reader_text("checkpoint"),
                                                    .pin = writer_view(&pin)});
    put(w, 0, ENTRY_PIN, &b);
}

bool state_checkpoint(struct state *s, struct writer *w, struct err *e)
{
    CLEANUP(writer_done) struct writer b = {0};
    writer_init(&b, 4096);
    forget(s);
    record_EPOCH_write(&b,
                       &(struct record_EPOCH){.epoch = s->epoch,
                                              .node = reader_text(s->node),
                                              .operator= reader_text("checkpoint"),
                                              .log_key = reader_over(s->log_key, s->log_key_len),
                                              .size = 0,
                                              .root = merkle_view(&s->head_root)});
    put_numbered(w, s->last, 0, ENTRY_EPOCH, &b);
    writer_reset(&b);
    record_MARK_write(&b, &(struct record_MARK){s->head_size, merkle_view(&s->head_root)});
    put(w, 0, ENTRY_HEAD, &b);
    writer_reset(&b);
    record_FLOOR_write(&b, &(struct record_FLOOR){s->floor});
    put(w, 0, ENTRY_FLOOR, &b);
    for (size_t i = 0; i < s->key_count; i++)
        put_key(w, s->keys[i]);
    for (const struct grant *g = s->oldest; g != NULL; g = g->newer)
        put_grant(w, g);
    for (size_t i = 0; i < s->key_count; i++) {
        writer_reset(&b);
        record_DROPPED_write(&b, &(struct record_DROPPED){reader_text(s->keys[i]->id)});
        if (s->keys[i]->dropped)
            put(w, 0, ENTRY_DROP, &b);
    }
    return writer_ok(w, e);
}

void state_init(struct state *s, struct instant started)
{
    *s = (struct state){.started = started, .replaying = true};
}

void state_done(struct state *s)
{
    while (s->newest != NULL)
        unlink_grant(s, s->newest);
    for (size_t i = 0; i < s->key_count; i++)
        held_free(s->keys[i]);
    free(s->keys);
    s->keys = NULL;
    s->key_count = 0;
}
