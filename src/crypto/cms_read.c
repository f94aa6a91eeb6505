/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/algid.h"
#include "crypto/cms.h"

/* The bytes between two positions of the same cursor. */
static struct reader between(struct reader from, struct reader to)
{
    struct reader part = {0};
    return reader_take(&from, from.left - to.left, &part) ? part : (struct reader){0};
}

static bool read_identifier(struct reader *r, struct cms_signer *s)
{
    struct reader seq;
    if (der_next_is(*r, DER_CONTEXT(0)))
        return der_get(r, DER_CONTEXT(0), &s->key_id) && s->key_id.left > 0;
    return der_get(r, DER_SEQUENCE, &seq) && der_whole(&seq, DER_SEQUENCE, &s->issuer) &&
           der_integer(&seq, &s->serial) && reader_at_end(&seq);
}

/* RFC 5652 5.3 */
static bool read_signer(struct reader si, struct cms_signer *ret)
{
    struct cms_signer s = {0};
    struct reader start = si, oid, params;
    uint64_t version;
    TRY(der_uint(&si, &version) && (version == 1 || version == 3) && read_identifier(&si, &s));
    if (!algid_read_hash(&si, &s.hash)) {
        s.hash = HASH_NONE; /* unknown: seen, but never verified */
        TRY(der_algorithm(&si, &oid, &params));
    }
    if (der_next_is(si, DER_CONTEXT_MADE(0)))
        TRY(der_whole(&si, DER_CONTEXT_MADE(0), &s.attributes));
    struct algid_signature algorithm;
    TRY(algid_read_signature(&si, s.hash, &algorithm) && der_octets(&si, &s.signature));
    s.head = between(start, si);
    TRY(der_optional(&si, DER_CONTEXT_MADE(1), &s.unsigned_attributes) && reader_at_end(&si));
    s.algorithm_known = algorithm.known && s.hash != HASH_NONE;
    s.algorithm = algorithm.algorithm;
    s.pss_mgf = algorithm.mgf;
    s.pss_salt = algorithm.salt;
    *ret = s;
    return true;
}

bool cms_signer_parse(struct reader element, struct cms_signer *ret)
{
    struct reader content;
    return der_only(element, DER_SEQUENCE, &content) && read_signer(content, ret);
}

/* Other kinds than certificates (attribute certificates) are skipped. */
static bool read_certificates(struct arena *a, struct cms *c, struct reader set, struct err *e)
{
    struct reader rest = set;
    size_t count = 0;
    struct der one;
    while (rest.left > 0) {
        if (!der_any(&rest, &one))
            return der_err(e, "certificate set");
        count += one.tag == DER_SEQUENCE ? 1 : 0;
    }
    if (count > CERTIFICATES_MAX)
        return err_set(e, ERR_DER, "%zu certificates", count);
    c->certificates = ARENA_ARRAY(a, count, struct reader);
    if (c->certificates == NULL)
        return arena_err(e);
    while (set.left > 0) {
        if (!der_any(&set, &one))
            return der_err(e, "certificate set");
        if (one.tag == DER_SEQUENCE)
            c->certificates[c->certificate_count++] = one.whole;
    }
    return true;
}

static bool read_signers(struct arena *a, struct cms *c, struct reader set, struct err *e)
{
    c->signers = ARENA_ARRAY(a, CMS_SIGNERS_MAX, struct cms_signer);
    if (c->signers == NULL)
        return arena_err(e);
    while (set.left > 0) {
        struct reader si;
        if (c->signer_count == CMS_SIGNERS_MAX)
            return der_err(e, "too many signers");
        if (!der_get(&set, DER_SEQUENCE, &si) || !read_signer(si, &c->signers[c->signer_count]))
            return der_err(e, "SignerInfo");
        c->signer_count++;
    }
    return true;
}

/* RFC 5652 5.2; PKCS#7 has any element where CMS has an OCTET STRING. */
static bool read_content(struct reader info, struct cms *c)
{
    struct reader field;
    struct der element = {0};
    TRY(der_oid(&info, &c->content_type));
    c->detached = reader_at_end(&info);
    if (c->detached)
        return true;
    TRY(der_only(info, DER_CONTEXT_MADE(0), &field) && der_any(&field, &element) &&
        reader_at_end(&field));
    if (element.tag == (DER_OCTET_STRING | 0x20)) /* BER's pieces */
        return false;
    c->content_element = element.whole;
    c->content = element.content;
    return true;
}

bool cms_parse(struct arena *a, struct reader der, struct cms *ret, struct err *e)
{
    struct cms c = {0};
    struct reader info, oid, field, data, content, signers, certificates;
    uint64_t version;
    if (der.left > CMS_BYTES)
        return err_set(e, ERR_DER, "message of %zu bytes", der.left);
    if (!der_only(der, DER_SEQUENCE, &info) || !der_oid(&info, &oid) ||
        !oid_is(oid, OID_SIGNED_DATA) || !der_only(info, DER_CONTEXT_MADE(0), &field) ||
        !der_only(field, DER_SEQUENCE, &data))
        return der_err(e, "ContentInfo of SignedData");
    struct reader start = data;
    if (!der_uint(&data, &version) || version == 0 || version == 2 || version > 5 ||
        !der_get(&data, DER_SET, &c.digests) || !der_get(&data, DER_SEQUENCE, &content) ||
        !read_content(content, &c))
        return der_err(e, "SignedData");
    c.head = between(start, data);
    start = data;
    if (!der_optional(&data, DER_CONTEXT_MADE(0), &certificates))
        return der_err(e, "certificate set");
    c.certificate_set = between(start, data);
    start = data;
    if (!der_optional(&data, DER_CONTEXT_MADE(1), &field))
        return der_err(e, "revocation set");
    c.crl_set = between(start, data);
    if (!der_get(&data, DER_SET, &signers) || !reader_at_end(&data))
        return der_err(e, "SignedData");
    TRY(read_certificates(a, &c, certificates, e) && read_signers(a, &c, signers, e));
    *ret = c;
    return true;
}

struct reader cms_signed_attributes(const struct cms_signer *s)
{
    struct reader content = {0};
    return der_only(s->attributes, DER_CONTEXT_MADE(0), &content) ? content : (struct reader){0};
}

bool cms_values_next(struct cms_values *v, enum oid type, struct reader *ret_value)
{
    struct der value;
    struct reader seq, oid, values;
    while (v->values.left == 0) {
        TRY(der_get(&v->attributes, DER_SEQUENCE, &seq) && der_oid(&seq, &oid) &&
            der_only(seq, DER_SET, &values));
        if (oid_is(oid, type))
            v->values = values;
    }
    TRY(der_any(&v->values, &value));
    *ret_value = value.whole;
    return true;
}

bool cms_attribute_find(struct reader set, enum oid type, struct reader *ret_value)
{
    struct cms_values v = {.attributes = set};
    struct reader first, second;
    TRY(cms_values_next(&v, type, &first) && !cms_values_next(&v, type, &second));
    *ret_value = first;
    return true;
}

bool cms_signer_certificate(struct arena *a, const struct cms *c, const struct cms_signer *s,
                            size_t *ret, struct err *e)
{
    for (size_t i = 0; i < c->certificate_count; i++) {
        struct certificate one;
        struct err why = {0};
        if (!certificate_parse(a, c->certificates[i], &one, &why)) {
            TRY(err_theirs(&why, e));
            continue;
        }
        bool found = s->key_id.left > 0 ? reader_equal(one.key_id, s->key_id)
                                        : reader_equal(one.issuer, s->issuer) &&
                                              reader_equal(one.serial, s->serial);
        if (found) {
            *ret = i;
            return true;
        }
    }
    *ret = SIZE_MAX;
    return true;
}

static bool check_attributes(const struct cms *c, const struct cms_signer *s,
                             struct reader content_digest, struct err *e)
{
    struct reader set = cms_signed_attributes(s), type, digest, value;
    struct reader want = c->content_type.at == NULL ? oid_bytes(OID_DATA) : c->content_type;
    bool typed = cms_attribute_find(set, OID_CONTENT_TYPE, &type);
    if (typed ? !der_only(type, DER_OID, &value) || !reader_equal(value, want)
              : c->content_type.at != NULL)
        return err_set(e, ERR_SIGNATURE, "the contentType attribute does not fit");
    if (!cms_attribute_find(set, OID_MESSAGE_DIGEST, &digest) ||
        !der_only(digest, DER_OCTET_STRING, &value))
        return err_set(e, ERR_SIGNATURE, "no messageDigest attribute");
    return reader_equal(value, content_digest) ||
           err_user(e, ERR_SIGNATURE, "The content does not match its signature.");
}

/* RFC 5652 5.4: what is signed is the SET OF, not the [0] that stands in the message. */
static bool digest_attributes(const struct cms_signer *s, struct digest_value *ret, struct err *e)
{
    struct digest d;
    struct reader rest = s->attributes;
    if (!reader_skip(&rest, 1))
        return err_set(e, ERR_SIGNATURE, "no attributes");
    TRY(digest_begin(&d, s->hash, e));
    digest_add(&d, reader_over("\x31", 1));
    digest_add(&d, rest);
    return digest_end(&d, ret, e);
}

static bool check_value(const struct cms_signer *s, struct reader spki, struct reader digest,
                        struct err *e)
{
    if (sign_scheme(s->algorithm) == SCHEME_RSA_PSS)
        return key_verify_pss(spki, s->hash, s->pss_mgf, s->pss_salt, digest, s->signature, e);
    return key_verify_digest(spki, s->algorithm, digest, s->signature, e);
}

/* RFC 5652 5.3: a signer's algorithm should be in digestAlgorithms, so that those mean something.
 */
static bool announced(struct reader digests, enum hash hash)
{
    enum hash one;
    struct der other;
    if (digests.at == NULL)
        return true;
    while (digests.left > 0) {
        if (algid_read_hash(&digests, &one)) {
            if (one == hash)
                return true;
        } else if (!der_any(&digests, &other)) {
            return false;
        }
    }
    return false;
}

bool cms_verify(struct arena *a, const struct cms *c, const struct cms_signer *s,
                struct reader content_digest, const struct reader *certificate,
                struct digest_value *ret, struct err *e)
{
    struct certificate signer;
    struct digest_value digest = {0};
    size_t index = 0;
    if (!s->algorithm_known || content_digest.left != hash_size(s->hash) ||
        !announced(c->digests, s->hash))
        return err_user(e, ERR_SIGNATURE, "The signature uses an algorithm that is not accepted.");
    TRY(certificate != NULL || cms_signer_certificate(a, c, s, &index, e));
    if (index == SIZE_MAX)
        return err_user(e, ERR_SIGNATURE, "The certificate of the signer is not in the signature.");
    TRY(certificate_parse(a, certificate == NULL ? c->certificates[index] : *certificate, &signer,
                          e));
    if (s->attributes.left > 0) {
        TRY(check_attributes(c, s, content_digest, e) && digest_attributes(s, &digest, e));
    } else {
        if (c->content_type.at != NULL && !oid_is(c->content_type, OID_DATA)) /* RFC 5652 5.3 */
            return err_set(e, ERR_SIGNATURE, "signed attributes are missing");
        digest.len = content_digest.left;
        if (!reader_copy(&content_digest, digest.bytes, digest.len))
            return err_set(e, ERR_INTERNAL, "digest length");
    }
    TRY(check_value(s, signer.spki, digest_view(&digest), e));
    *ret = digest;
    return true;
}

bool cms_certificates_from(struct arena *a, const struct cms *c, size_t first,
                           const struct reader **ret, struct err *e)
{
    struct reader *list = ARENA_ARRAY(a, c->certificate_count + 1, struct reader);
    size_t n = 0;
    if (list == NULL)
        return arena_err(e);
    if (first != SIZE_MAX)
        list[n++] = c->certificates[first];
    for (size_t i = 0; i < c->certificate_count; i++)
        if (i != first)
            list[n++] = c->certificates[i];
    *ret = list;
    return true;
}
