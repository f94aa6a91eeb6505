/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/rules.h"
#include "base/logformat.h"
#include <inttypes.h>

bool rule_leaf(const struct record_PROOF *proof, struct reader leaf, struct record_GRANT *ret_grant,
               struct reader *ret_bytes, struct err *e)
{
    struct log_leaf parts;
    struct merkle_hash hash, root;
    if (!log_leaf_read(leaf, &parts) || !reader_equal_text(parts.kind, LOG_LEAF_INTENT))
        return err_set(e, ERR_GRANT, "the leaf is not an INTENT");
    TRY(grant_read(parts.body, ret_grant, e));
    *ret_bytes = parts.body;
    if (!merkle_hash_from(proof->root, &root))
        return err_set(e, ERR_KEY_LOG, "the root has a wrong length");
    TRY(merkle_leaf(leaf, &hash, e));
    struct err inner = {0};
    if (!merkle_check_inclusion(&hash, proof->index, proof->size, proof->inclusion, &root, &inner))
        return err_set(e, ERR_KEY_LOG, "the INTENT leaf is not in the log: %s", inner.detail);
    return true;
}

bool rule_head(const struct state *s, const struct record_PROOF *proof, struct err *e)
{
    struct merkle_hash root;
    struct err inner = {0};
    if (!merkle_hash_from(proof->root, &root))
        return err_set(e, ERR_KEY_LOG, "the root has a wrong length");
    if (proof->size < s->head_size)
        return err_set(e, ERR_KEY_ROLLBACK,
                       "the log has %" PRIu64 " leaves, but a head of %" PRIu64
                       " was signed: database or log were rolled back or cut. Put the newer "
                       "database back, or run 'chancery-key restore'",
                       proof->size, s->head_size);
    if (!merkle_check_consistency(s->head_size, &s->head_root, proof->size, &root,
                                  proof->consistency, &inner))
        return err_set(e, ERR_KEY_ROLLBACK,
                       "the log of %" PRIu64
                       " leaves does not go on from the signed head of %" PRIu64
                       ": it was changed or forked (%s). Put the right database back, or run "
                       "'chancery-key restore'",
                       proof->size, s->head_size, inner.detail);
    return true;
}

static bool listed(struct reader list, sign_algorithm algorithm)
{
    struct record_ALGORITHM a;
    while (list.left > 0 && record_ALGORITHM_next(&list, &a))
        if (a.algorithm == algorithm)
            return true;
    return false;
}

static bool pin_allows(const struct pin *pin, sign_algorithm algorithm)
{
    bool found = pin->algorithm_count == 0;
    for (uint32_t i = 0; i < pin->algorithm_count; i++)
        found = found || pin->algorithms[i] == algorithm;
    return found;
}

/* One algorithm with this key, its pin and this grant. */
static bool algorithm_fits(const struct held_key *k, const struct record_GRANT *g,
                           sign_algorithm algorithm, struct err *e)
{
    if (!listed(g->algorithms, algorithm))
        return err_set(e, ERR_GRANT_SLOT, "algorithm %u is not in the grant", algorithm);
    /* MD5 and Ed25519, which signs no digests, are for nobody. */
    if (!key_type_allows(k->type, algorithm) || sign_hash(algorithm) < HASH_SHA1 ||
        hash_size(sign_hash(algorithm)) == 0)
        return err_set(e, ERR_GRANT_SLOT, "algorithm %u does not fit a key of type %s", algorithm,
                       k->type_name);
    if (!pin_allows(&k->pin, algorithm))
        return err_set(e, ERR_KEY_PINNED, "algorithm %u is not pinned for key %s", algorithm,
                       k->id);
    return true;
}

/* Kind, slots, expiry and frozen of the key's pin. */
static bool pin_fits(const struct held_key *k, struct instant now, const struct record_GRANT *g,
                     struct err *e)
{
    const struct pin *pin = &k->pin;
    if (pin->frozen)
        return err_set(e, ERR_KEY_FROZEN, "key %s is frozen", k->id);
    if (pin->kinds != 0 && (pin->kinds >> g->kind & 1) == 0)
        return err_set(e, ERR_KEY_PINNED, "key %s is not for grants of kind %u", k->id, g->kind);
    if (pin->max_slots != 0 && g->slots > pin->max_slots)
        return err_set(e, ERR_KEY_PINNED, "%u slots, but key %s is pinned to %u", g->slots, k->id,
                       pin->max_slots);
    if (pin->expires != 0 && (now.wall < 0 || (uint64_t)now.wall >= pin->expires))
        return err_set(e, ERR_KEY_PINNED, "the pin of key %s has expired", k->id);
    /* Assertions are checked against the roster; without a roster nobody can fulfil it. */
    if (pin->min_approvals != 0 || pin->no_self_approval)
        return err_set(e, ERR_KEY_PINNED,
                       "key %s wants approvals by passkey, and no passkey is "
                       "enrolled in the roster",
                       k->id);
    return true;
}

static bool kind_fits(const struct record_GRANT *g, const struct held_key *k, struct err *e)
{
    bool probe = reader_equal_text(reader_text(k->id), PROBE_KEY);
    uint32_t known = 0;
    for (struct reader list = g->known; list.left > 0; known++) {
        struct record_SLOT slot;
        if (!record_SLOT_next(&list, &slot))
            return err_set(e, ERR_GRANT, "slots");
        known -= slot.digest.left == 0;
    }
    if ((g->kind == GRANT_PROBE) != probe)
        return err_set(e, ERR_GRANT, "the probe key is for probes only, and probes for it");
    if (g->kind != GRANT_ARTIFACT && (known != g->slots || (g->kind != GRANT_HASH && known != 1)))
        return err_set(e, ERR_GRANT, "digests that must be known beforehand are not in the grant");
    return true;
}

static bool time_fits(struct instant now, uint64_t expires, struct err *e)
{
    if (now.wall < 0 || expires <= (uint64_t)now.wall)
        return err_set(e, ERR_GRANT_EXPIRED, "the grant has expired before it was given");
    if (expires - (uint64_t)now.wall > GRANT_LIFE_MAX_MS)
        return err_set(e, ERR_GRANT, "the grant would be open for more than a day");
    return true;
}

static bool known_lengths_fit(const struct record_GRANT *g, struct err *e)
{
    struct reader known = g->known, list;
    struct record_SLOT slot;
    while (known.left > 0 && record_SLOT_next(&known, &slot)) {
        struct record_ALGORITHM a;
        bool fits = slot.digest.left == 0;
        for (list = g->algorithms; list.left > 0 && record_ALGORITHM_next(&list, &a);)
            fits = fits || slot.digest.left == hash_size(sign_hash(a.algorithm));
        if (!fits)
            return err_set(e, ERR_GRANT, "the digest of slot %u fits no algorithm of the grant",
                           slot.slot);
    }
    return true;
}

bool rule_grant(const struct state *s, struct instant now, const struct record_GRANT *g,
                uint64_t index, struct reader approvals, struct err *e)
{
    struct digest_value list;
    const struct held_key *k = state_key(s, g->key);
    if (!reader_equal_text(g->node, s->node))
        return err_set(e, ERR_GRANT, "the grant is for node %.*s, this is %s", (int)g->node.left,
                       (const char *)g->node.at, s->node);
    if (index < s->floor)
        return err_set(e, ERR_GRANT,
                       "leaf %" PRIu64 " is older than this journal reaches (%" PRIu64
                       "); a new attempt is needed",
                       index, s->floor);
    if (k == NULL)
        return err_set(e, ERR_KEY_UNKNOWN, "key %.*s", (int)g->key.left, (const char *)g->key.at);
    TRY(digest_of(HASH_SHA256, approvals, &list, e));
    if (!reader_equal(digest_view(&list), g->approvals))
        return err_set(e, ERR_GRANT, "the approvals are not those of the grant");
    TRY(time_fits(now, g->expires, e));
    TRY(kind_fits(g, k, e));
    TRY(pin_fits(k, now, g, e));
    for (struct reader a = g->algorithms; a.left > 0;) {
        struct record_ALGORITHM algorithm;
        if (!record_ALGORITHM_next(&a, &algorithm))
            return err_set(e, ERR_GRANT, "algorithms");
        TRY(algorithm_fits(k, g, algorithm.algorithm, e));
    }
    TRY(known_lengths_fit(g, e));
    if (state_open(s, g->request) != NULL)
        return err_set(e, ERR_GRANT_OPEN, "request %.*s", (int)g->request.left,
                       (const char *)g->request.at);
    if (s->open_grants >= GRANTS_OPEN || g->slots > GRANT_SLOTS_OPEN - s->open_slots)
        return err_set(e, ERR_GRANT, "too many grants are open; close some");
    return true;
}

bool rule_tighter(const struct pin *from, const struct pin *to, struct err *e)
{
    bool tighter =
        (from->kinds == 0 || (to->kinds != 0 && (to->kinds & ~from->kinds) == 0)) &&
        (from->max_slots == 0 || (to->max_slots != 0 && to->max_slots <= from->max_slots)) &&
        to->min_approvals >= from->min_approvals &&
        to->no_self_approval >= from->no_self_approval && to->frozen >= from->frozen &&
        (from->expires == 0 || (to->expires != 0 && to->expires <= from->expires)) &&
        (from->algorithm_count == 0 || to->algorithm_count != 0);
    for (uint32_t i = 0; i < to->algorithm_count; i++)
        tighter = tighter && pin_allows(from, to->algorithms[i]);
    return tighter ? true
                   : err_set(e, ERR_KEY_PINNED,
                             "this would loosen a pin: only 'chancery key unpin' "
                             "with the service stopped can do that");
}

static bool known_digest(const struct grant *g, uint32_t slot, struct reader *ret)
{
    struct record_SLOT s;
    for (struct reader list = g->record.known; list.left > 0 && record_SLOT_next(&list, &s);) {
        if (s.slot != slot || s.digest.left == 0)
            continue;
        *ret = s.digest;
        return true;
    }
    return false;
}

bool rule_slot(const struct grant *g, struct instant now, const struct msg_KEY_SIGN *m,
               bool *ret_other, struct err *e)
{
    struct reader known;
    *ret_other = false;
    if (g->broken)
        return err_set(e, ERR_GRANT_BROKEN, "the grant is broken");
    if (!g->open)
        return err_set(e, ERR_GRANT_ENDED, "the grant is closed");
    if (now.boot >= g->deadline || now.wall < 0 || (uint64_t)now.wall >= g->record.expires)
        return err_set(e, ERR_GRANT_EXPIRED, "the grant has expired");
    TRY(pin_fits(g->key, now, &g->record, e));
    if (m->slot >= g->record.slots)
        return err_set(e, ERR_GRANT_SLOT, "slot %u of a grant of %u", m->slot, g->record.slots);
    TRY(algorithm_fits(g->key, &g->record, m->algorithm, e));
    if (m->digest.left != hash_size(sign_hash(m->algorithm)))
        return err_set(e, ERR_GRANT_SLOT, "a digest of %zu bytes for algorithm %u", m->digest.left,
                       m->algorithm);
    const struct use *used = grant_use(g, m->slot);
    *ret_other =
        (known_digest(g, m->slot, &known) && !reader_equal(known, m->digest)) ||
        (used != NULL && (used->algorithm != m->algorithm ||
                          !reader_equal(reader_over(used->digest, used->length), m->digest)));
    if (*ret_other)
        return err_set(e, ERR_GRANT_BROKEN, "another digest for slot %u", m->slot);
    return true;
}
