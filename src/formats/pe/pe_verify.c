/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/digest.h"
#include "formats/pe/pe.h"
#include <string.h>

struct hashed {
    const struct pe *pe;
    const struct source *in;
    struct digest_value values[HASH_SHA512 + 1]; /* by hash, computed once */
};

/* Page hashes that a signature holds must be those of the file: Windows would not run it. */
static bool check_pages(const struct hashed *h, const struct spc_content *said, struct err *e)
{
    enum { MOST = 12 * 1024 * 1024 };
    struct reader wanted;
    enum hash hash;
    CLEANUP(writer_done) struct writer actual = {0};
    writer_init(&actual, MOST);
    if (!spc_page_hashes(said->data_value, &hash, &wanted))
        return err_user(e, ERR_SIGNATURE, "The page hashes of the signature cannot be read.");
    if (wanted.at == NULL)
        return true;
    struct err why = {0};
    if (!pe_page_hashes(h->pe, h->in, hash, &actual, &why))
        return err_theirs(&why, e) &&
               err_user(e, ERR_SIGNATURE, "The page hashes cannot be judged: %.300s", why.user);
    return reader_equal(writer_view(&actual), wanted) ||
           err_user(e, ERR_SIGNATURE,
                    "The page hashes of the signature are not those of the file.");
}

static bool digest_for(void *ctx, struct arena *a, const struct spc_content *said,
                       struct reader *ret, struct err *e)
{
    struct hashed *h = ctx;
    struct digest_value *v = &h->values[said->hash];
    TRY(check_pages(h, said, e));
    if (v->len == 0)
        TRY(pe_digest(h->pe, h->in, said->hash, v, e));
    *ret = arena_bytes(a, digest_view(v));
    return ret->at != NULL || arena_err(e);
}

bool pe_verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
               struct err *e)
{
    struct pe *pe;
    struct signature *all = NULL;
    size_t count = 0;
    TRY(pe_parse(job->arena, job->in, &pe, e));
    struct hashed h = {.pe = pe, .in = job->in};
    for (size_t i = 0; i < pe->certificate_count; i++) {
        struct signature *some;
        size_t n;
        TRY(authenticode_verify(job->arena, pe->certificates[i], digest_for, &h, &some, &n, e));
        struct signature *more =
            arena_grow(job->arena, all, count, count + n, sizeof(struct signature));
        if (more == NULL)
            return arena_err(e);
        all = more;
        for (size_t k = 0; k < n; k++)
            all[count++] = some[k];
    }
    *ret = all;
    *ret_count = count;
    return true;
}

struct comparing {
    const struct source *other;
    uint64_t at;
    uint8_t buffer[16 * 1024];
};

static bool compare_piece(void *ctx, struct reader piece, struct err *e)
{
    struct comparing *c = ctx;
    while (piece.left > 0) {
        struct reader part;
        size_t n = piece.left < sizeof c->buffer ? piece.left : sizeof c->buffer;
        TRY(source_read(c->other, c->at, c->buffer, n, e));
        if (!reader_take(&piece, n, &part) || !reader_equal(part, reader_over(c->buffer, n)))
            return err_user(e, ERR_VERIFY_CHANGED,
                            "The program differs from the unsigned one near byte %llu.",
                            (unsigned long long)c->at);
        c->at += n;
    }
    return true;
}

static bool compare_range(const struct source *before, const struct source *after, uint64_t from,
                          uint64_t to, struct err *e)
{
    struct source part;
    struct comparing c = {.other = after, .at = from};
    return source_slice(before, from, to - from, &part, e) &&
           source_each(&part, compare_piece, &c, e);
}

bool pe_unchanged(struct arena *a, const struct source *before, const struct source *after,
                  struct err *e)
{
    struct pe *old, *new;
    uint8_t padding[8];
    TRY(pe_parse(a, before, &old, e) && pe_parse(a, after, &new, e));
    size_t pad = (8 - old->content_end % 8) % 8;
    if (new->content_end != old->content_end + pad || new->checksum_at != old->checksum_at ||
        new->directory_at != old->directory_at)
        return err_user(e, ERR_VERIFY_CHANGED, "The program has another length or other headers.");
    TRY(compare_range(before, after, 0, old->checksum_at, e));
    TRY(compare_range(before, after, old->checksum_at + 4, old->directory_at, e));
    TRY(compare_range(before, after, old->directory_at + 8, old->content_end, e));
    TRY(source_read(after, old->content_end, padding, pad, e));
    for (size_t i = 0; i < pad; i++)
        if (padding[i] != 0)
            return err_user(e, ERR_VERIFY_CHANGED, "The padding of the program is not empty.");
    return true;
}
