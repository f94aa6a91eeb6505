/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "crypto/algid.h"
#include "crypto/tsp.h"
#include "formats/nupkg/nupkg.h"

enum { SIGNATURES_MAX = 8 };

enum nupkg_kind nupkg_kind_of(const struct cms_signer *s)
{
    struct reader value, seq, type;
    if (!cms_attribute_find(cms_signed_attributes(s), OID_COMMITMENT_TYPE, &value) ||
        !der_only(value, DER_SEQUENCE, &seq) || !der_oid(&seq, &type))
        return NUPKG_OTHER;
    if (oid_is(type, OID_PROOF_OF_ORIGIN))
        return NUPKG_AUTHOR;
    return oid_is(type, OID_PROOF_OF_RECEIPT) ? NUPKG_REPOSITORY : NUPKG_OTHER;
}

struct run {
    const struct verify_job *job;
    const struct zip *z;
    const struct cms *c;
    struct signature *list;
    size_t count;
};

/* --- the content ------------------------------------------------------------------------------ */

static bool take(struct reader *r, const char *text)
{
    struct reader want = reader_text(text);
    return reader_starts_with(*r, want.at, want.left) && reader_skip(r, want.left);
}

/* Version:1, an empty line, <hash>-Hash:<Base64>, an empty line. Line ends are LF or CRLF. */
static bool read_text(struct arena *a, struct reader text, const char *line_end, enum hash *hash,
                      struct reader *ret)
{
    static const struct {
        const char *oid;
        enum hash hash;
    } rows[] = {{"2.16.840.1.101.3.4.2.1-Hash:", HASH_SHA256},
                {"2.16.840.1.101.3.4.2.2-Hash:", HASH_SHA384},
                {"2.16.840.1.101.3.4.2.3-Hash:", HASH_SHA512}};
    struct reader value;
    if (!take(&text, "Version:1") || !take(&text, line_end) || !take(&text, line_end))
        return false;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!take(&text, rows[i].oid))
            continue;
        struct reader end = reader_text(line_end);
        size_t n = reader_find(text, 0, end.at, end.left);
        *hash = rows[i].hash;
        return n != SIZE_MAX && reader_take(&text, n, &value) && take(&text, line_end) &&
               take(&text, line_end) && reader_at_end(&text) && text_unbase64(a, value, ret) &&
               ret->left == hash_size(*hash);
    }
    return false;
}

static bool check_content(struct run *r, struct signature *s, struct err *why, struct err *e)
{
    struct arena *a = r->job->arena;
    struct digest_value v;
    struct reader said;
    if (r->c->detached || !oid_is(r->c->content_type, OID_DATA) ||
        (!read_text(a, r->c->content, "\n", &s->content_hash, &said) &&
         !read_text(a, r->c->content, "\r\n", &s->content_hash, &said))) {
        s->content_hash = HASH_NONE;
        return err_user(why, ERR_SIGNATURE, "The signature is not one of a NuGet package.");
    }
    TRY(nupkg_digest(r->z, s->content_hash, &v, e));
    s->content_digest = arena_bytes(a, digest_view(&v));
    if (s->content_digest.at == NULL)
        return arena_err(e);
    if (r->z->end64.left > 0)
        return err_user(why, ERR_SIGNATURE, "A signed package must not use ZIP64.");
    return reader_equal(said, s->content_digest) ||
           err_user(why, ERR_SIGNATURE, "The package was changed after it was signed.");
}

/* --- one signer ------------------------------------------------------------------------------- */

static bool add_detail(struct arena *a, struct signature *s, const char *name, const char *value,
                       struct err *e)
{
    struct attribute *list =
        arena_grow(a, s->details.list, s->details.count, s->details.count + 1, sizeof *list);
    if (list == NULL || value == NULL)
        return arena_err(e);
    list[s->details.count] = (struct attribute){name, value};
    s->details = (struct attributes){list, s->details.count + 1};
    return true;
}

/* The attribute binds the certificate (RFC 5035); a signature without it is refused by NuGet. */
static bool check_binding(struct reader certificate, const struct cms_signer *si, struct err *why)
{
    struct reader value, seq, list, id, digest, ignored;
    struct digest_value v;
    enum hash hash = HASH_SHA256;
    if (!cms_attribute_find(cms_signed_attributes(si), OID_SIGNING_CERTIFICATE_V2, &value) ||
        !der_only(value, DER_SEQUENCE, &seq) || !der_get(&seq, DER_SEQUENCE, &list) ||
        !der_get(&list, DER_SEQUENCE, &id) ||
        (der_next_is(id, DER_SEQUENCE) && !algid_read_hash(&id, &hash)) ||
        !der_octets(&id, &digest) || !der_optional(&id, DER_SEQUENCE, &ignored))
        return err_user(why, ERR_SIGNATURE, "The signature does not name its certificate.");
    TRY(digest_of(hash, certificate, &v, why));
    return reader_equal(digest, digest_view(&v)) ||
           err_user(why, ERR_SIGNATURE, "The signature names another certificate than its own.");
}

static bool read_token(struct arena *a, struct reader token, const struct cms_signer *si,
                       struct signature *s, struct err *why)
{
    struct tsp_token t;
    struct digest_value imprint;
    struct tsp_want want = {.tolerance = -1, .foreign = true};
    if (!tsp_token_hash(a, token, &want.hash))
        return err_user(why, ERR_STAMP_TOKEN, "The time stamp cannot be read.");
    TRY(digest_of(want.hash, si->signature, &imprint, why));
    want.imprint = digest_view(&imprint);
    TRY(tsp_check_token(a, token, &want, &t, why));
    s->stamp_time = t.time;
    s->stamp_certificates = t.certificates;
    s->stamp_certificate_count = t.certificate_count;
    return true;
}

static bool read_stamp(struct arena *a, const struct cms_signer *si, struct signature *s,
                       struct err *e)
{
    struct cms_values tokens = {.attributes = si->unsigned_attributes};
    struct reader value;
    struct err why = {0};
    if (!cms_values_next(&tokens, OID_STAMP_TOKEN, &value))
        return true;
    s->stamped = read_token(a, value, si, s, &why);
    TRY(err_theirs(&why, e));
    return s->stamped || add_detail(a, s, "stamp-problem", arena_text(a, reader_text(why.user)), e);
}

/* over: what the signer signed, the content of the message or the signature it counter-signs. */
static bool check_signer(struct run *r, const struct cms *c, const struct cms_signer *si,
                         struct reader over, struct signature *s, struct err *why, struct err *e)
{
    struct arena *a = r->job->arena;
    struct digest_value digest, signed_digest;
    enum nupkg_kind kind = nupkg_kind_of(si);
    s->kind = kind == NUPKG_REPOSITORY ? "nuget-repository" : "nuget-author";
    s->algorithm = si->algorithm_known ? si->algorithm : 0;
    size_t index;
    TRY(cms_signer_certificate(a, c, si, &index, e));
    s->certificate_count = index == SIZE_MAX ? 0 : c->certificate_count;
    TRY(cms_certificates_from(a, c, index, &s->certificates, e) && read_stamp(a, si, s, e));
    if (kind == NUPKG_OTHER)
        return err_user(why, ERR_SIGNATURE,
                        "The signature is neither the author's nor a repository's.");
    if (si->hash < HASH_SHA256)
        return err_user(why, ERR_SIGNATURE,
                        "The signature uses an algorithm that is not accepted.");
    TRY(digest_of(si->hash, over, &digest, e));
    TRY(cms_verify(a, c, si, digest_view(&digest), NULL, &signed_digest, why));
    s->signed_digest = arena_bytes(a, digest_view(&signed_digest));
    return (s->signed_digest.at != NULL || arena_err(e)) &&
           check_binding(c->certificates[index], si, why);
}

static bool judged(struct arena *a, struct signature *s, bool ok, const struct err *why,
                   struct err *e)
{
    s->intact = ok;
    if (ok || e->code != ERR_NONE)
        return e->code == ERR_NONE;
    TRY(err_theirs(why, e));
    s->problem = arena_text(a, reader_text(why->user));
    return s->problem != NULL || arena_err(e);
}

/* A repository that takes a package with an author's signature counter-signs that. */
static bool counter_signatures(struct run *r, const struct cms_signer *si, struct err *e)
{
    struct cms counter_signed = *r->c;
    struct cms_values values = {.attributes = si->unsigned_attributes};
    struct reader value;
    counter_signed.content_type = (struct reader){0};
    counter_signed.digests = (struct reader){0};
    while (cms_values_next(&values, OID_COUNTER_SIGNATURE, &value)) {
        struct cms_signer counter;
        struct err why = {0};
        bool ok = false;
        if (r->count == SIGNATURES_MAX)
            return err_user(e, ERR_SIGNATURE, "The package has too many signatures.");
        struct signature *s = &r->list[r->count++];
        *s = (struct signature){.kind = "nuget-repository",
                                .content_hash = r->list[0].content_hash,
                                .content_digest = r->list[0].content_digest};
        if (!cms_signer_parse(value, &counter))
            err_user(&why, ERR_SIGNATURE, "The counter-signature cannot be read.");
        else
            ok = check_signer(r, &counter_signed, &counter, si->signature, s, &why, e);
        TRY(judged(r->job->arena, s, ok, &why, e));
    }
    return true;
}

static bool verify_message(struct run *r, struct reader der, struct err *e)
{
    struct cms c;
    struct err why = {0};
    struct signature *s = &r->list[r->count++];
    *s = (struct signature){.kind = "nuget-author"};
    bool ok = cms_parse(r->job->arena, der, &c, &why);
    if (ok && c.signer_count != 1)
        ok = err_user(&why, ERR_SIGNATURE, "The signature has %zu signers instead of one.",
                      c.signer_count);
    if (!ok)
        return judged(r->job->arena, s, false, &why, e);
    r->c = &c;
    bool same = check_content(r, s, &why, e);
    TRY(e->code == ERR_NONE);
    ok = check_signer(r, &c, &c.signers[0], c.content, s, &why, e) && same;
    TRY(judged(r->job->arena, s, ok, &why, e));
    return counter_signatures(r, &c.signers[0], e);
}

bool nupkg_verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                  struct err *e)
{
    struct zip *z;
    struct reader der;
    struct err why = {0};
    TRY(nupkg_open(job->arena, job->in, &z, e));
    size_t index = nupkg_signature(z);
    struct run r = {.job = job, .z = z};
    if ((r.list = ARENA_ARRAY(job->arena, SIGNATURES_MAX, struct signature)) == NULL)
        return arena_err(e);
    if (index != SIZE_MAX && !nupkg_message(job->arena, z, index, &der, &why)) {
        r.list[r.count++].kind = "nuget-author";
        TRY(judged(job->arena, &r.list[0], false, &why, e));
    } else if (index != SIZE_MAX) {
        TRY(verify_message(&r, der, e));
    }
    *ret = r.list;
    *ret_count = r.count;
    return true;
}
