/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/keystore.h"
#include "keystore/rules.h"

/* What core may send, without folder and keys: decoding and every judgement on a small state. */
static bool add(struct state *s, enum entry_kind kind, const struct writer *body)
{
    struct err e = {0};
    struct record_ENTRY entry = {
        .number = 1, .wall = 1000, .kind = (uint8_t)kind, .body = writer_view(body)};
    return state_apply(s, &entry, &e);
}

static bool prepare(struct state *s)
{
    struct writer w;
    static const uint8_t zeros[64];
    static const struct instant start = {1000, 1000};
    writer_init(&w, 4096);
    state_init(s, start);
    s->replaying = false;
    record_EPOCH_write(&w, &(struct record_EPOCH){.epoch = 1,
                                                  .node = reader_text("n"),
                                                  .log_key = reader_over(zeros, 44),
                                                  .root = reader_over(zeros, 32)});
    bool ok = add(s, ENTRY_EPOCH, &w);
    writer_reset(&w);
    record_KEYED_write(&w, &(struct record_KEYED){reader_text("k"), reader_text("ec-p256"),
                                                  reader_over(zeros, 64)});
    ok = ok && add(s, ENTRY_KEY, &w);
    writer_done(&w);
    return ok;
}

static bool try_grant(struct state *s, struct reader leaf, struct reader bytes,
                      struct reader approvals, struct err *e)
{
    struct record_PROOF proof;
    struct record_GRANT g;
    struct reader grant;
    struct instant now = {2000, 2000};
    TRY(record_PROOF_next(&bytes, &proof) && rule_head(s, &proof, e));
    TRY(rule_leaf(&proof, leaf, &g, &grant, e));
    return rule_grant(s, now, &g, proof.index, approvals, e);
}

/* The grant alone, so that the search need not find proofs. */
static bool try_bare(struct state *s, struct reader bytes, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    struct record_GRANT g;
    struct instant now = {2000, 2000};
    writer_init(&w, MESSAGE_MAX);
    TRY(grant_read(bytes, &g, e));
    struct err refused = {0};
    bool allowed = rule_grant(s, now, &g, 1, (struct reader){0}, &refused);
    (void)allowed;
    if (state_key(s, g.key) == NULL || g.slots > 4096)
        return true;
    record_OPENED_write(&w, &(struct record_OPENED){1, 1000, bytes});
    if (!add(s, ENTRY_GRANT, &w))
        return true;
    bool other;
    struct grant *open = state_grant(s, g.id);
    struct msg_KEY_SIGN m = {0, g.id, 0, g.attempt, g.subject};
    return open == NULL || rule_slot(open, now, &m, &other, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_over(data, size);
    struct state s;
    struct err e = {0};
    struct pin pin;
    struct msg_KEY_GRANT grant;
    struct msg_KEY_PIN pins;
    uint8_t type;
    bool ok = false;
    if (!reader_u8(&r, &type))
        return 0;
    if (prepare(&s)) {
        if (type == 0)
            ok = try_bare(&s, r, &e);
        else if (type == 1 && msg_KEY_GRANT_read(r, &grant))
            ok = try_grant(&s, grant.leaf, grant.proof, grant.approvals, &e);
        else if (type == 2 && msg_KEY_PIN_read(r, &pins))
            ok = pin_read(pins.pin, &pin, &e) && rule_tighter(&s.keys[0]->pin, &pin, &e);
        else
            ok = message_decodes((enum message_type)(type % MSG__COUNT), r);
    }
    state_done(&s);
    (void)ok;
    return 0;
}
