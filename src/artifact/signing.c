/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/signing.h"
#include "crypto/tsp.h"
#include "ipc/messages.h"

/* Servers are asked until one gives a good token or none is left; this many at most. */
enum { ATTEMPTS = 32 };

void signing_request(struct writer *w, sign_algorithm algorithm, struct reader digest)
{
    writer_u32le(w, algorithm);
    writer_reader(w, digest);
}

/* An answer of an earlier run. A slot may have several stamps, one for each attempt, each with a
 * request of its own; it has one signature. */
static const struct effect *find_effect(const struct signing *s, uint32_t slot, uint8_t kind,
                                        struct reader request)
{
    for (size_t i = 0; i < s->effect_count; i++) {
        const struct effect *x = &s->effects[i];
        if (x->slot == slot && x->kind == kind && reader_equal(x->request, request))
            return x;
    }
    return NULL;
}

static bool has_signature(const struct signing *s, uint32_t slot)
{
    for (size_t i = 0; i < s->effect_count; i++)
        if (s->effects[i].slot == slot && s->effects[i].kind == EFFECT_SIGNATURE)
            return true;
    return false;
}

static bool sign(void *ctx, uint32_t slot, sign_algorithm algorithm, struct reader digest,
                 struct writer *signature, struct err *e)
{
    struct signing *s = ctx;
    CLEANUP(writer_done) struct writer request = {0};
    writer_init(&request, 4 + HASH_MAX);
    signing_request(&request, algorithm, digest);
    TRY(writer_ok(&request, e));
    const struct effect *x = find_effect(s, slot, EFFECT_SIGNATURE, writer_view(&request));
    if (x != NULL) {
        writer_reader(signature, x->answer);
        return writer_ok(signature, e);
    }
    if (has_signature(s, slot))
        return err_set(e, ERR_REPLAY_DIFFERS, "slot %u was signed with another digest", slot);
    return s->source.sign(s->source.ctx, slot, algorithm, digest, signature, e);
}

/* --- time stamps ------------------------------------------------------------------------------ */

struct stamp {
    struct signing *signing;
    uint32_t slot, attempt;
    enum hash hash;
    struct reader imprint;
    uint8_t nonce[TSP_NONCE];
};

/* A replayed answer brings no roots: it was judged in the run that stored it. */
static bool ask(struct stamp *s, struct reader request, struct stamp_answer *answer,
                bool *ret_stored, struct err *e)
{
    const struct effect *x = find_effect(s->signing, s->slot, EFFECT_STAMP, request);
    *ret_stored = x != NULL;
    if (x == NULL)
        return s->signing->source.stamp(s->signing->source.ctx, s->slot, s->attempt, s->hash,
                                        request, answer, e);
    answer->server = "stored";
    writer_reader(&answer->bytes, x->answer);
    return writer_ok(&answer->bytes, e);
}

static bool judge(struct stamp *s, struct arena *a, const struct stamp_answer *answer,
                  struct writer *token, struct err *e)
{
    struct tsp_want want = {.hash = s->hash,
                            .imprint = s->imprint,
                            .nonce = s->nonce,
                            .roots = answer->roots,
                            .root_count = answer->root_count,
                            .now = s->signing->time,
                            .tolerance = -1};
    struct tsp_token found;
    TRY(tsp_check_response(a, writer_view(&answer->bytes), &want, &found, e));
    writer_reader(token, found.token);
    return writer_ok(token, e);
}

/* One server. *ret_more: it gave nothing usable, the next one may. */
static bool try_server(struct stamp *s, struct arena *a, struct writer *token, bool *ret_more,
                       struct err *last, struct err *e)
{
    CLEANUP(writer_done) struct writer request = {0};
    struct stamp_answer answer = {.server = ""};
    writer_init(&request, 4096);
    writer_init(&answer.bytes, TSP_ANSWER_MAX);
    bool stored = false;
    bool ok = tsp_nonce(s->signing->seed, s->slot, s->attempt, s->nonce, e) &&
              tsp_request(s->hash, s->imprint, s->nonce, &request, e) && writer_ok(&request, e) &&
              ask(s, writer_view(&request), &answer, &stored, e);
    bool none_left = ok && answer.bytes.len == 0;
    if (ok && !none_left) {
        struct err bad = {0};
        *ret_more = !judge(s, a, &answer, token, &bad);
        ok = err_theirs(&bad, e);
        if (*ret_more)
            *last = bad;
        else if (!stored && s->signing->source.stamp_good != NULL)
            s->signing->source.stamp_good(s->signing->source.ctx, s->slot, s->attempt);
    }
    writer_done(&answer.bytes);
    if (none_left && last->code != ERR_NONE)
        return err_user(e, ERR_STAMP,
                        "No time-stamp server gave a usable time stamp (%u tried): "
                        "%.200s",
                        s->attempt, last->user);
    return none_left ? err_set(e, ERR_STAMP, "no server is left") : ok;
}

static bool stamp(void *ctx, uint32_t slot, enum hash hash, struct reader imprint,
                  struct writer *token, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new((size_t)64 * 1024 * 1024);
    if (a == NULL)
        return arena_err(e);
    struct stamp s = {.signing = ctx, .slot = slot, .hash = hash, .imprint = imprint};
    struct err last = {0};
    for (bool more = true; more; s.attempt++) {
        if (s.attempt == ATTEMPTS)
            return err_set(e, ERR_STAMP, "%s", last.user);
        TRY(try_server(&s, a, token, &more, &last, e));
    }
    return true;
}

struct signer signing_signer(struct signing *s, const struct reader *chain, size_t chain_count,
                             bool stamps)
{
    struct signer signer = {.ctx = s,
                            .chain = chain,
                            .chain_count = chain_count,
                            .time = s->time,
                            .stamps = stamps,
                            .sign = sign,
                            .stamp = stamp};
    for (size_t i = 0; i < sizeof signer.seed; i++)
        signer.seed[i] = s->seed[i];
    return signer;
}
