/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/tsp.h"
#include "crypto/aead.h"
#include "crypto/algid.h"

bool tsp_nonce(const uint8_t seed[32], uint32_t slot, uint32_t attempt, uint8_t ret[TSP_NONCE],
               struct err *e)
{
    struct writer info;
    writer_init(&info, 64);
    writer_text(&info, "chancery time stamp nonce");
    writer_u32le(&info, slot);
    writer_u32le(&info, attempt);
    bool ok = writer_ok(&info, e) && hkdf(HASH_SHA256, reader_over(seed, 32), reader_text(""),
                                          writer_view(&info), ret, TSP_NONCE, e);
    writer_done(&info);
    return ok;
}

bool tsp_request(enum hash hash, struct reader imprint, const uint8_t nonce[TSP_NONCE],
                 struct writer *der, struct err *e)
{
    if (imprint.left != hash_size(hash) || imprint.left == 0)
        return err_set(e, ERR_INTERNAL, "imprint of %zu bytes", imprint.left);
    size_t at = der_open(der, DER_SEQUENCE);
    der_put_uint(der, 1);
    size_t field = der_open(der, DER_SEQUENCE);
    algid_put_hash(der, hash, true);
    der_put_octets(der, imprint);
    der_close(der, field);
    der_put_unsigned(der, reader_over(nonce, TSP_NONCE));
    der_put_true(der);
    der_close(der, at);
    return writer_ok(der, e);
}

static bool refuse(struct err *e, const char *why)
{
    return err_user(e, ERR_STAMP_TOKEN, "The time stamp is not acceptable: %s.", why);
}

/* The same for what another reader found; its own trouble is passed on as such. */
static bool refuse_because(struct err *e, const struct err *found, const char *why)
{
    return err_theirs(found, e) && refuse(e, why);
}

/* RFC 3161 2.4.2 */
struct info {
    struct reader imprint, nonce;
    bool imprint_hash_known;
    enum hash hash;
    int64_t time;
    uint32_t nanos;
};

static bool read_accuracy(struct reader *r)
{
    struct reader seq, part;
    TRY(der_optional(r, DER_SEQUENCE, &seq) && der_optional(&seq, DER_INTEGER, &part) &&
        der_optional(&seq, DER_CONTEXT(0), &part) && der_optional(&seq, DER_CONTEXT(1), &part));
    return reader_at_end(&seq);
}

static bool read_info(struct reader der, struct info *ret)
{
    struct reader seq, policy, imprint, serial, oid, params, field;
    uint64_t version;
    bool ordering = false;
    struct info i = {0};
    TRY(der_only(der, DER_SEQUENCE, &seq) && der_uint(&seq, &version) && version == 1 &&
        der_oid(&seq, &policy) && der_get(&seq, DER_SEQUENCE, &imprint));
    i.imprint_hash_known = algid_read_hash(&imprint, &i.hash);
    if (!i.imprint_hash_known)
        TRY(der_algorithm(&imprint, &oid, &params));
    TRY(der_octets(&imprint, &i.imprint) && reader_at_end(&imprint) && der_integer(&seq, &serial) &&
        der_next_is(seq, DER_GENERALIZED_TIME) && der_time(&seq, &i.time, &i.nanos) &&
        read_accuracy(&seq));
    if (der_next_is(seq, DER_BOOLEAN))
        TRY(der_boolean(&seq, &ordering));
    if (der_next_is(seq, DER_INTEGER))
        TRY(der_integer(&seq, &i.nonce));
    TRY(der_optional(&seq, DER_CONTEXT_MADE(0), &field) &&
        der_optional(&seq, DER_CONTEXT_MADE(1), &field) && reader_at_end(&seq));
    *ret = i;
    return true;
}

static bool same_nonce(struct reader integer, const uint8_t want[TSP_NONCE])
{
    struct writer w;
    struct reader ours = {0};
    writer_init(&w, 64);
    der_put_unsigned(&w, reader_over(want, TSP_NONCE));
    struct reader whole = writer_view(&w);
    bool same = der_integer(&whole, &ours) && reader_equal(ours, integer);
    writer_done(&w);
    return same;
}

static bool check_info(const struct info *i, const struct tsp_want *want, struct err *e)
{
    if (!i->imprint_hash_known || i->hash != want->hash || !reader_equal(i->imprint, want->imprint))
        return refuse(e, "it is about something else (message imprint)");
    if (want->nonce != NULL && !same_nonce(i->nonce, want->nonce))
        return refuse(e, "it answers another request (nonce)");
    if (want->tolerance >= 0 &&
        (i->time > want->now + want->tolerance || i->time < want->now - want->tolerance))
        return refuse(e, "its time differs too much from the server's clock");
    bool compared = want->valid_from != 0 || want->valid_until != 0;
    if (compared && (i->time < want->valid_from || i->time > want->valid_until))
        return refuse(e, "its time is outside of the validity of the signing certificate");
    return true;
}

/* IssuerSerial, optional: directoryName and serial must be those of the certificate. */
static bool names_certificate(struct reader issuer_serial, const struct certificate *c)
{
    struct reader seq, names, name, serial;
    if (issuer_serial.left == 0)
        return true;
    return der_only(issuer_serial, DER_SEQUENCE, &seq) && der_get(&seq, DER_SEQUENCE, &names) &&
           der_only(names, DER_CONTEXT_MADE(4), &name) && reader_equal(name, c->issuer) &&
           der_integer(&seq, &serial) && reader_at_end(&seq) && reader_equal(serial, c->serial);
}

/* ESSCertID (RFC 2634 5.4) has a SHA-1 hash, ESSCertIDv2 (RFC 5035 4) one of its choice. */
static bool binds_certificate(struct reader attribute, bool v2, const struct certificate *c,
                              struct err *e)
{
    struct reader seq, list, id, hash_value;
    enum hash hash = v2 ? HASH_SHA256 : HASH_SHA1;
    struct digest_value digest;
    if (!der_only(attribute, DER_SEQUENCE, &seq) || !der_get(&seq, DER_SEQUENCE, &list) ||
        !der_get(&list, DER_SEQUENCE, &id))
        return refuse(e, "its signing certificate attribute is malformed");
    if (v2 && der_next_is(id, DER_SEQUENCE) && !algid_read_hash(&id, &hash))
        return refuse(e, "its signing certificate attribute uses an unknown hash");
    if (!der_octets(&id, &hash_value))
        return refuse(e, "its signing certificate attribute is malformed");
    TRY(digest_of(hash, c->der, &digest, e));
    if (!reader_equal(digest_view(&digest), hash_value) || !names_certificate(id, c))
        return refuse(e, "it is bound to another certificate (ESSCertID)");
    return true;
}

/* RFC 3161 2.4.1, RFC 5816 2.2.1: one of the two must be there, and each that is must hold. */
static bool check_binding(const struct cms_signer *s, const struct certificate *c, bool foreign,
                          struct err *e)
{
    struct reader set = cms_signed_attributes(s), v1, v2;
    bool has_v1 = cms_attribute_find(set, OID_SIGNING_CERTIFICATE, &v1);
    bool has_v2 = cms_attribute_find(set, OID_SIGNING_CERTIFICATE_V2, &v2);
    if (!has_v1 && !has_v2 && !foreign)
        return refuse(e, "it does not name its certificate (ESSCertID)");
    return (!has_v1 || binds_certificate(v1, false, c, e)) &&
           (!has_v2 || binds_certificate(v2, true, c, e));
}

/* RFC 3161 2.3: timeStamping is the only usage, and critical. */
static bool check_usage(const struct certificate *c, int64_t time, bool foreign, struct err *e)
{
    bool strict =
        c->usage_count == 1 && oid_is(c->usages[0], OID_TIME_STAMPING) && c->usage_critical;
    bool listed = c->usage_count > 0 && certificate_usable_for(c, OID_TIME_STAMPING);
    if (!strict && !(foreign && listed))
        return refuse(e, "its certificate is not one for time stamps alone (critical extended key "
                         "usage timeStamping)");
    if (time < c->not_before || time > c->not_after)
        return refuse(e, "its certificate was not valid at the time it states");
    return true;
}

static bool check_chain(struct arena *a, const struct tsp_want *want, struct tsp_token *t,
                        struct err *e)
{
    if (want->root_count == 0)
        return true;
    const struct trust trust = {want->roots, want->root_count, t->time, OID_TIME_STAMPING};
    struct err why = {0};
    if (!chain_verify(a, t->certificates[0], &t->certificates[1], t->certificate_count - 1, &trust,
                      NULL, NULL, &why))
        return refuse_because(e, &why, why.user);
    t->trusted = true;
    return true;
}

static bool check_signature(struct arena *a, const struct cms *c, struct certificate *ret,
                            size_t *ret_index, struct err *e)
{
    const struct cms_signer *s = &c->signers[0];
    struct digest_value digest, signed_digest;
    struct err why = {0};
    size_t index;
    TRY(cms_signer_certificate(a, c, s, &index, e));
    if (index == SIZE_MAX)
        return refuse(e, "the certificate of the time-stamp server is not in it");
    if (s->hash == HASH_NONE)
        return refuse(e, "it uses an unknown hash");
    TRY(digest_of(s->hash, c->content, &digest, e));
    if (!cms_verify(a, c, s, digest_view(&digest), NULL, &signed_digest, &why))
        return refuse_because(e, &why, "its signature does not verify");
    TRY(certificate_parse(a, c->certificates[index], ret, e));
    *ret_index = index;
    return true;
}

bool tsp_check_token(struct arena *a, struct reader token, const struct tsp_want *want,
                     struct tsp_token *ret, struct err *e)
{
    struct tsp_token t = {.token = token};
    struct cms c;
    struct info info;
    struct certificate stamper;
    struct err why = {0};
    size_t index;
    if (!cms_parse(a, token, &c, &why))
        return refuse_because(e, &why, "it is not a signed message");
    if (!oid_is(c.content_type, OID_TST_INFO) || c.detached ||
        !der_next_is(c.content_element, DER_OCTET_STRING) || !read_info(c.content, &info))
        return refuse(e, "it holds no time-stamp information");
    if (c.signer_count != 1) /* RFC 3161 2.4.2 */
        return refuse(e, "it has not exactly one signature");
    TRY(check_info(&info, want, e));
    TRY(check_signature(a, &c, &stamper, &index, e));
    TRY(check_binding(&c.signers[0], &stamper, want->foreign, e) &&
        check_usage(&stamper, info.time, want->foreign, e));
    t.time = info.time;
    t.not_after = stamper.not_after;
    t.certificate_count = c.certificate_count;
    TRY(cms_certificates_from(a, &c, index, &t.certificates, e) && check_chain(a, want, &t, e));
    *ret = t;
    return true;
}

bool tsp_check_response(struct arena *a, struct reader response, const struct tsp_want *want,
                        struct tsp_token *ret, struct err *e)
{
    struct reader seq, info, token;
    uint64_t status;
    if (response.left > TSP_ANSWER_MAX)
        return refuse(e, "it is too large");
    if (!der_only(response, DER_SEQUENCE, &seq) || !der_get(&seq, DER_SEQUENCE, &info) ||
        !der_uint(&info, &status))
        return refuse(e, "the answer of the server is malformed");
    if (status > 1) /* granted, grantedWithMods */
        return err_user(e, ERR_STAMP_TOKEN,
                        "The time-stamp server refused the request (status "
                        "%llu).",
                        (unsigned long long)status);
    if (!der_whole(&seq, DER_SEQUENCE, &token) || !reader_at_end(&seq))
        return refuse(e, "the answer of the server holds no time stamp");
    return tsp_check_token(a, token, want, ret, e);
}

bool tsp_token_hash(struct arena *a, struct reader token, enum hash *ret)
{
    struct cms c;
    struct info info;
    struct err why = {0};
    TRY(cms_parse(a, token, &c, &why) && oid_is(c.content_type, OID_TST_INFO) && !c.detached);
    TRY(read_info(c.content, &info) && info.imprint_hash_known);
    *ret = info.hash;
    return true;
}
