/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "crypto/algid.h"
#include "crypto/authenticode.h"
#include "crypto/tsp.h"

enum { SIGNATURES_MAX = 16, NESTING_MAX = 4, DETAILS_MAX = 4 };

struct run {
    struct arena *arena;
    authenticode_digest_fn digest;
    void *ctx;
    struct signature *list;
    size_t count;
};

/* --- page hashes ------------------------------------------------------------------------------ */

static bool read_pages(struct reader serialized, enum hash *ret_hash, struct reader *ret)
{
    struct reader all, one, values, type;
    TRY(der_only(serialized, DER_SET, &all) && der_only(all, DER_SEQUENCE, &one));
    TRY(der_oid(&one, &type) && der_only(one, DER_SET, &values));
    enum oid version = oid_find(type);
    *ret_hash = version == OID_SPC_PAGE_HASHES_V1   ? HASH_SHA1
                : version == OID_SPC_PAGE_HASHES_V2 ? HASH_SHA256
                                                    : HASH_NONE;
    return *ret_hash != HASH_NONE && der_octets(&values, ret) && reader_at_end(&values);
}

bool spc_page_hashes(struct reader data_value, enum hash *ret_hash, struct reader *ret)
{
    struct reader image, flags, link, moniker, class, serialized;
    *ret = (struct reader){0};
    /* Some signers (sbsign among them) leave parts of it out: then there is nothing to find. */
    if (!der_only(data_value, DER_SEQUENCE, &image) ||
        !der_optional(&image, DER_BIT_STRING, &flags) ||
        !der_optional(&image, DER_CONTEXT_MADE(0), &link) || link.at == NULL ||
        !der_next_is(link, DER_CONTEXT_MADE(1)))
        return true;
    return der_only(link, DER_CONTEXT_MADE(1), &moniker) && der_octets(&moniker, &class) &&
           der_octets(&moniker, &serialized) && reader_at_end(&moniker) &&
           read_pages(serialized, ret_hash, ret);
}

/* --- what the signature says ----------------------------------------------------------------- */

static bool read_indirect(const struct cms *c, struct spc_content *said)
{
    struct reader seq, data, info;
    struct der value = {0};
    TRY(der_only(c->content_element, DER_SEQUENCE, &seq) && der_get(&seq, DER_SEQUENCE, &data) &&
        der_oid(&data, &said->data_type));
    if (data.left > 0)
        TRY(der_any(&data, &value) && reader_at_end(&data));
    said->data_value = value.whole;
    return der_get(&seq, DER_SEQUENCE, &info) && reader_at_end(&seq) &&
           algid_read_hash(&info, &said->hash) && der_octets(&info, &said->digest) &&
           reader_at_end(&info);
}

static bool read_said(const struct cms *c, const struct cms_signer *s, struct spc_content *said)
{
    said->content_type = oid_find(c->content_type);
    said->content = c->content_element;
    if (said->content_type == OID_SPC_INDIRECT_DATA)
        return !c->detached && read_indirect(c, said);
    said->hash = s->hash;
    return said->content_type == OID_CTL && !c->detached && s->hash != HASH_NONE;
}

static const char *spc_string(struct arena *a, struct reader whole)
{
    struct reader at = whole;
    struct der d;
    char *text;
    if (!der_any(&at, &d) || !reader_at_end(&at))
        return NULL;
    if (d.tag == DER_CONTEXT(0))
        d.tag = DER_BMP;
    else if (d.tag == DER_CONTEXT(1))
        d.tag = DER_IA5;
    else
        return NULL;
    return der_string(a, &d, &text) ? text : NULL;
}

static const char *spc_url(struct arena *a, struct reader whole)
{
    struct der d = {.tag = DER_IA5};
    char *text;
    return der_only(whole, DER_CONTEXT(0), &d.content) && der_string(a, &d, &text) ? text : NULL;
}

static void add_detail(struct run *r, struct signature *s, const char *name, const char *value)
{
    struct attribute *list =
        arena_grow(r->arena, s->details.list, s->details.count, s->details.count + 1, sizeof *list);
    if (list == NULL || value == NULL || s->details.count == DETAILS_MAX)
        return;
    list[s->details.count] = (struct attribute){name, value};
    s->details = (struct attributes){list, s->details.count + 1};
}

static void read_opus(struct run *r, const struct cms_signer *si, struct signature *s)
{
    struct reader value, seq, name, link;
    if (!cms_attribute_find(cms_signed_attributes(si), OID_SPC_OPUS_INFO, &value) ||
        !der_only(value, DER_SEQUENCE, &seq) || !der_optional(&seq, DER_CONTEXT_MADE(0), &name) ||
        !der_optional(&seq, DER_CONTEXT_MADE(1), &link))
        return;
    if (name.at != NULL)
        add_detail(r, s, "description", spc_string(r->arena, name));
    if (link.at != NULL)
        add_detail(r, s, "url", spc_url(r->arena, link));
}

/* --- time stamps ----------------------------------------------------------------------------- */

static bool token_stamp(struct run *r, struct reader token, const struct cms_signer *si,
                        struct signature *s, struct err *why)
{
    struct tsp_token t;
    struct digest_value imprint;
    struct tsp_want want = {.tolerance = -1, .foreign = true};
    if (!tsp_token_hash(r->arena, token, &want.hash))
        return err_user(why, ERR_STAMP_TOKEN, "The time stamp cannot be read.");
    TRY(digest_of(want.hash, si->signature, &imprint, why));
    want.imprint = digest_view(&imprint);
    TRY(tsp_check_token(r->arena, token, &want, &t, why));
    s->stamp_time = t.time;
    s->stamp_certificates = t.certificates;
    s->stamp_certificate_count = t.certificate_count;
    return true;
}

/* The older form: a PKCS#9 counter-signature over the signature value. */
static bool counter_stamp(struct run *r, struct reader value, const struct cms *c,
                          const struct cms_signer *si, struct signature *s, struct err *why)
{
    struct cms_signer counter;
    struct digest_value over, unused;
    struct reader time_value;
    struct certificate stamper;
    const struct cms as_data = {.content_type = oid_bytes(OID_DATA),
                                .certificates = c->certificates,
                                .certificate_count = c->certificate_count};
    if (!cms_signer_parse(value, &counter) || counter.hash == HASH_NONE)
        return err_user(why, ERR_STAMP_TOKEN, "The time stamp cannot be read.");
    TRY(digest_of(counter.hash, si->signature, &over, why));
    TRY(cms_verify(r->arena, &as_data, &counter, digest_view(&over), NULL, &unused, why));
    size_t index;
    TRY(cms_signer_certificate(r->arena, &as_data, &counter, &index, why));
    TRY(index != SIZE_MAX && certificate_parse(r->arena, c->certificates[index], &stamper, why));
    if (!certificate_usable_for(&stamper, OID_TIME_STAMPING))
        return err_user(why, ERR_STAMP_TOKEN,
                        "The time stamp's certificate is not one for time "
                        "stamps.");
    if (!cms_attribute_find(cms_signed_attributes(&counter), OID_SIGNING_TIME, &time_value) ||
        !der_time(&time_value, &s->stamp_time, NULL))
        return err_user(why, ERR_STAMP_TOKEN, "The time stamp does not state a time.");
    s->stamp_certificate_count = c->certificate_count;
    return cms_certificates_from(r->arena, c, index, &s->stamp_certificates, why);
}

static bool read_stamp(struct run *r, const struct cms *c, const struct cms_signer *si,
                       struct signature *s, struct err *e)
{
    struct cms_values tokens = {.attributes = si->unsigned_attributes};
    struct cms_values counters = tokens;
    struct reader value;
    struct err why = {0};
    if (cms_values_next(&tokens, OID_SPC_STAMP_TOKEN, &value))
        s->stamped = token_stamp(r, value, si, s, &why);
    else if (cms_values_next(&counters, OID_COUNTER_SIGNATURE, &value))
        s->stamped = counter_stamp(r, value, c, si, s, &why);
    TRY(err_theirs(&why, e));
    if (why.code != ERR_NONE)
        add_detail(r, s, "stamp-problem", arena_text(r->arena, reader_text(why.user)));
    return true;
}

/* --- one signature --------------------------------------------------------------------------- */

/* Not intact is a result, kept with its reason; false: the file's digest could not be taken. */
static bool judge(struct run *r, const struct cms *c, const struct cms_signer *si,
                  struct signature *s, struct err *why, struct err *e)
{
    struct spc_content said = {0};
    struct digest_value digest, signed_digest;
    struct reader actual;
    if (!read_said(c, si, &said)) {
        err_user(why, ERR_SIGNATURE, "The signature is not an Authenticode signature.");
        return true;
    }
    s->content_hash = said.hash;
    struct err refused = {0};
    if (!r->digest(r->ctx, r->arena, &said, &actual, &refused)) {
        *(refused.code == ERR_SIGNATURE ? why : e) = refused;
        return refused.code == ERR_SIGNATURE;
    }
    s->content_digest = actual;
    if (said.content_type == OID_SPC_INDIRECT_DATA && !reader_equal(actual, said.digest)) {
        err_user(why, ERR_SIGNATURE, "The file was changed after it was signed.");
        return true;
    }
    if (si->hash == HASH_NONE) {
        err_user(why, ERR_SIGNATURE, "The signature uses an algorithm that is not accepted.");
        return true;
    }
    TRY(digest_of(si->hash, c->content, &digest, e));
    if (!cms_verify(r->arena, c, si, digest_view(&digest), NULL, &signed_digest, why))
        return true;
    s->signed_digest = arena_bytes(r->arena, digest_view(&signed_digest));
    s->intact = true;
    return s->signed_digest.at != NULL || arena_err(e);
}

static bool add_signature(struct run *r, struct reader blob, struct cms *c, struct err *e)
{
    struct signature *s = &r->list[r->count++];
    struct err why = {0};
    *s = (struct signature){.kind = "authenticode"};
    bool readable = cms_parse(r->arena, blob, c, &why);
    if (readable && c->signer_count != 1) {
        err_user(&why, ERR_SIGNATURE, "The signature block has %zu signers instead of one.",
                 c->signer_count);
    } else if (readable) {
        const struct cms_signer *si = &c->signers[0];
        size_t index;
        TRY(cms_signer_certificate(r->arena, c, si, &index, e));
        s->algorithm = si->algorithm_known ? si->algorithm : 0;
        s->certificate_count = c->certificate_count;
        TRY(cms_certificates_from(r->arena, c, index, &s->certificates, e));
        TRY(judge(r, c, si, s, &why, e));
        read_opus(r, si, s);
        TRY(read_stamp(r, c, si, s, e));
    }
    TRY(err_theirs(&why, e));
    if (!s->intact)
        s->problem = arena_text(r->arena, reader_text(why.user));
    return s->intact || s->problem != NULL || arena_err(e);
}

static bool add_all(struct run *r, struct reader blob, unsigned depth, struct err *e)
{
    struct cms c = {0};
    struct reader nested;
    if (r->count == SIGNATURES_MAX || depth == NESTING_MAX)
        return err_user(e, ERR_SIGNATURE,
                        "The file has more than %d signatures, or they are "
                        "nested too deeply.",
                        SIGNATURES_MAX);
    TRY(add_signature(r, blob, &c, e));
    if (c.signer_count != 1)
        return true;
    struct cms_values v = {.attributes = c.signers[0].unsigned_attributes};
    while (cms_values_next(&v, OID_SPC_NESTED_SIGNATURE, &nested))
        TRY(add_all(r, nested, depth + 1, e));
    return true;
}

bool authenticode_verify(struct arena *a, struct reader pkcs7, authenticode_digest_fn digest,
                         void *ctx, struct signature **ret, size_t *ret_count, struct err *e)
{
    struct run r = {.arena = a, .digest = digest, .ctx = ctx};
    r.list = ARENA_ARRAY(a, SIGNATURES_MAX, struct signature);
    if (r.list == NULL)
        return arena_err(e);
    TRY(add_all(&r, pkcs7, 0, e));
    *ret = r.list;
    *ret_count = r.count;
    return true;
}
