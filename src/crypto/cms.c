/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/cms.h"
#include "crypto/algid.h"

enum { ATTRIBUTES_MAX = 32 };

static void put_attribute(struct writer *w, enum oid type, struct reader value)
{
    size_t at = der_open(w, DER_SEQUENCE);
    der_put_oid(w, type);
    der_put(w, DER_SET, value);
    der_close(w, at);
}

/* SET OF Attribute in DER order under the given tag. */
static bool put_sorted(struct writer *w, unsigned tag, const struct cms_attribute *list,
                       size_t count, struct err *e)
{
    struct reader parts[ATTRIBUTES_MAX], rest;
    size_t ends[ATTRIBUTES_MAX];
    struct writer all;
    if (count > ATTRIBUTES_MAX)
        return err_set(e, ERR_INTERNAL, "%zu attributes", count);
    writer_init(&all, CMS_BYTES);
    for (size_t i = 0; i < count; i++) {
        put_attribute(&all, list[i].type, list[i].value);
        ends[i] = all.len;
    }
    rest = writer_view(&all);
    bool ok = writer_ok(&all, e);
    for (size_t i = 0; ok && i < count; i++)
        ok = reader_take(&rest, ends[i] - (i == 0 ? 0 : ends[i - 1]), &parts[i]);
    if (ok) {
        der_sort(parts, count);
        size_t at = der_open(w, tag);
        for (size_t i = 0; i < count; i++)
            writer_reader(w, parts[i]);
        der_close(w, at);
    }
    writer_done(&all);
    return ok;
}

bool cms_to_be_signed(const struct cms_plan *plan, struct writer *attributes,
                      struct digest_value *ret, struct err *e)
{
    struct cms_attribute all[ATTRIBUTES_MAX];
    struct writer type, digest;
    if (plan->attribute_count + 2 > ATTRIBUTES_MAX)
        return err_set(e, ERR_INTERNAL, "%zu attributes", plan->attribute_count);
    if (plan->digest.left != hash_size(sign_hash(plan->algorithm)) || plan->digest.left == 0)
        return err_set(e, ERR_INTERNAL, "content digest of %zu bytes", plan->digest.left);
    writer_init(&type, 128);
    writer_init(&digest, 128);
    der_put_oid(&type, plan->content_type);
    der_put_octets(&digest, plan->digest);
    all[0] = (struct cms_attribute){OID_CONTENT_TYPE, writer_view(&type)};
    all[1] = (struct cms_attribute){OID_MESSAGE_DIGEST, writer_view(&digest)};
    for (size_t i = 0; i < plan->attribute_count; i++)
        all[2 + i] = plan->attributes[i];
    bool ok = writer_ok(&type, e) && writer_ok(&digest, e) &&
              put_sorted(attributes, DER_SET, all, plan->attribute_count + 2, e) &&
              writer_ok(attributes, e) &&
              digest_of(sign_hash(plan->algorithm), writer_view(attributes), ret, e);
    writer_done(&type);
    writer_done(&digest);
    return ok;
}

static void put_content(struct writer *w, const struct cms_plan *plan)
{
    size_t at = der_open(w, DER_SEQUENCE);
    der_put_oid(w, plan->content_type);
    if (!plan->detached) {
        size_t field = der_open(w, DER_CONTEXT_MADE(0));
        if (plan->pkcs7)
            writer_reader(w, plan->content);
        else
            der_put_octets(w, plan->content);
        der_close(w, field);
    }
    der_close(w, at);
}

/* RFC 5652 wants DER order of the set; PKCS#7 writers keep the signer first, and so do we. */
static void put_certificates(struct writer *w, const struct cms_plan *plan)
{
    struct reader sorted[CERTIFICATES_MAX];
    size_t count = plan->certificate_count;
    if (count > CERTIFICATES_MAX) {
        w->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        sorted[i] = plan->certificates[i];
    if (!plan->pkcs7)
        der_sort(sorted, count);
    size_t at = der_open(w, DER_CONTEXT_MADE(0));
    for (size_t i = 0; i < count; i++)
        writer_reader(w, sorted[i]);
    der_close(w, at);
}

static void put_signer_head(struct writer *w, const struct cms_plan *plan,
                            const struct certificate *signer, struct reader attributes,
                            struct reader signature)
{
    struct reader content;
    der_put_uint(w, 1);
    size_t at = der_open(w, DER_SEQUENCE);
    writer_reader(w, signer->issuer);
    der_put(w, DER_INTEGER, signer->serial);
    der_close(w, at);
    algid_put_hash(w, sign_hash(plan->algorithm), plan->pkcs7);
    if (der_only(attributes, DER_SET, &content))
        der_put(w, DER_CONTEXT_MADE(0), content);
    else
        w->failed = true;
    algid_put_signature(w, plan->algorithm, true);
    der_put_octets(w, signature);
}

bool cms_finish(const struct cms_plan *plan, struct reader attributes, struct reader signature,
                const struct cms_attribute *unsigned_attributes, size_t unsigned_count,
                struct writer *out, struct err *e)
{
    struct certificate signer;
    CLEANUP(arena_cleanup) struct arena *a = arena_new(CERTIFICATE_BYTES * 4);
    if (a == NULL)
        return arena_err(e);
    if (plan->certificate_count == 0)
        return err_set(e, ERR_INTERNAL, "no certificate");
    TRY(certificate_parse(a, plan->certificates[0], &signer, e));
    size_t info = der_open(out, DER_SEQUENCE);
    der_put_oid(out, OID_SIGNED_DATA);
    size_t field = der_open(out, DER_CONTEXT_MADE(0)), data = der_open(out, DER_SEQUENCE);
    der_put_uint(out, plan->pkcs7 || plan->content_type == OID_DATA ? 1 : 3); /* RFC 5652 5.1 */
    size_t set = der_open(out, DER_SET);
    algid_put_hash(out, sign_hash(plan->algorithm), plan->pkcs7);
    der_close(out, set);
    put_content(out, plan);
    put_certificates(out, plan);
    set = der_open(out, DER_SET);
    size_t si = der_open(out, DER_SEQUENCE);
    put_signer_head(out, plan, &signer, attributes, signature);
    if (unsigned_count > 0)
        TRY(put_sorted(out, DER_CONTEXT_MADE(1), unsigned_attributes, unsigned_count, e));
    der_close(out, si);
    der_close(out, set);
    der_close(out, data);
    der_close(out, field);
    der_close(out, info);
    return writer_ok(out, e);
}

/* Attributes of a signer as they are, one value more in the attribute of that type. */
static bool put_with_value(struct writer *w, struct reader set, struct cms_attribute attribute,
                           struct err *e)
{
    bool done = false;
    size_t at = der_open(w, DER_CONTEXT_MADE(1));
    while (set.left > 0) {
        struct der one;
        struct reader seq, oid, values;
        if (!der_any(&set, &one) || !der_only(one.whole, DER_SEQUENCE, &seq) ||
            !der_oid(&seq, &oid) || !der_get(&seq, DER_SET, &values))
            return der_err(e, "unsigned attribute");
        if (done || !oid_is(oid, attribute.type)) {
            writer_reader(w, one.whole);
            continue;
        }
        size_t wrap = der_open(w, DER_SEQUENCE);
        der_put_oid(w, attribute.type);
        size_t inner = der_open(w, DER_SET);
        writer_reader(w, values);
        writer_reader(w, attribute.value);
        der_close(w, inner);
        der_close(w, wrap);
        done = true;
    }
    if (!done)
        put_attribute(w, attribute.type, attribute.value);
    der_close(w, at);
    return true;
}

bool cms_with_unsigned(const struct cms *c, struct cms_attribute attribute, struct writer *out,
                       struct err *e)
{
    if (c->signer_count != 1)
        return err_set(e, ERR_SIGNATURE, "%zu signers", c->signer_count);
    size_t info = der_open(out, DER_SEQUENCE);
    der_put_oid(out, OID_SIGNED_DATA);
    size_t field = der_open(out, DER_CONTEXT_MADE(0)), data = der_open(out, DER_SEQUENCE);
    writer_reader(out, c->head);
    writer_reader(out, c->certificate_set);
    writer_reader(out, c->crl_set);
    size_t set = der_open(out, DER_SET), si = der_open(out, DER_SEQUENCE);
    writer_reader(out, c->signers[0].head);
    TRY(put_with_value(out, c->signers[0].unsigned_attributes, attribute, e));
    der_close(out, si);
    der_close(out, set);
    der_close(out, data);
    der_close(out, field);
    der_close(out, info);
    return writer_ok(out, e);
}
