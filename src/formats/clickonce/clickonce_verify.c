/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "formats/clickonce/clickonce.h"
#include <string.h>

enum { CERTIFICATES = 16 };

struct run {
    const struct verify_job *job;
    struct arena *a;
    struct clickonce m;
    struct signature *list; /* outer, inner */
};

/* One XML signature with one reference to the whole of its document. */
struct part {
    size_t element, info, key_info;
    enum hash hash, document_hash;
    struct reader value, document_digest;
};

static size_t child(const struct run *r, size_t parent, const char *space, const char *name)
{
    return parent == SIZE_MAX ? SIZE_MAX : clickonce_find(&r->m.spans, parent, parent, space, name);
}

static const char *algorithm(const struct run *r, size_t span)
{
    return span == SIZE_MAX ? NULL : xml_span_value(&r->m.spans.list[span], "Algorithm");
}

static bool is(const char *value, const char *wanted)
{
    return value != NULL && strcmp(value, wanted) == 0;
}

/* Exactly these transforms, or the digest would be of something else. */
static bool read_reference(const struct run *r, size_t info, struct part *p)
{
    const struct xml_spans *s = &r->m.spans;
    size_t reference = child(r, info, CLICKONCE_DSIG, "Reference");
    size_t transforms = child(r, reference, CLICKONCE_DSIG, "Transforms");
    size_t first = child(r, transforms, CLICKONCE_DSIG, "Transform"), second, third, digest;
    if (first == SIZE_MAX || !is(xml_span_value(&s->list[reference], "URI"), "") ||
        clickonce_find(s, info, reference, NULL, "Reference") != SIZE_MAX)
        return false;
    second = clickonce_find(s, transforms, first, CLICKONCE_DSIG, "Transform");
    third =
        second == SIZE_MAX ? SIZE_MAX : clickonce_find(s, transforms, second, NULL, "Transform");
    digest = child(r, reference, CLICKONCE_DSIG, "DigestValue");
    return is(algorithm(r, first), CLICKONCE_DSIG "enveloped-signature") &&
           is(algorithm(r, second), CLICKONCE_C14N) && third == SIZE_MAX && digest != SIZE_MAX &&
           clickonce_hash_of(algorithm(r, child(r, reference, CLICKONCE_DSIG, "DigestMethod")),
                             &p->document_hash) &&
           clickonce_bytes(r->a, s, digest, &p->document_digest);
}

static bool read_part(const struct run *r, size_t element, struct part *p)
{
    size_t value = child(r, element, CLICKONCE_DSIG, "SignatureValue");
    p->element = element;
    p->info = child(r, element, CLICKONCE_DSIG, "SignedInfo");
    p->key_info = child(r, element, CLICKONCE_DSIG, "KeyInfo");
    return p->info != SIZE_MAX && value != SIZE_MAX && p->key_info != SIZE_MAX &&
           is(algorithm(r, child(r, p->info, CLICKONCE_DSIG, "CanonicalizationMethod")),
              CLICKONCE_C14N) &&
           clickonce_method_of(algorithm(r, child(r, p->info, CLICKONCE_DSIG, "SignatureMethod")),
                               &p->hash) &&
           read_reference(r, p->info, p) && clickonce_bytes(r->a, &r->m.spans, value, &p->value);
}

/* The element `whole` as a document of its own, without the signature inside. */
static bool without(struct run *r, size_t whole, size_t signature, struct reader *ret,
                    struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    const struct xml_span *x = &r->m.spans.list[whole], *s = &r->m.spans.list[signature];
    struct reader head, tail, text = r->m.spans.text;
    size_t from = whole == 0 ? 0 : x->from, to = whole == 0 ? text.left : x->to;
    writer_init(&w, CLICKONCE_MAX);
    if (!reader_slice(text, from, s->from - from, &head) ||
        !reader_slice(text, s->to, to - s->to, &tail))
        return err_set(e, ERR_INTERNAL, "signature outside of its document");
    writer_reader(&w, head);
    writer_reader(&w, tail);
    TRY(writer_ok(&w, e));
    *ret = arena_bytes(r->a, writer_view(&w));
    return ret->at != NULL || arena_err(e);
}

static bool refuse(struct signature *s, const char *problem)
{
    s->problem = s->problem == NULL ? problem : s->problem;
    return true;
}

/* Digest of the document, then of what the key signed; what does not hold is in s->problem. */
static bool check_digests(struct run *r, const struct part *p, size_t whole, struct signature *s,
                          struct err *e)
{
    struct reader document;
    struct digest_value v;
    s->algorithm = SIGN_ALGORITHM(SCHEME_RSA_PKCS1, p->hash);
    s->content_hash = p->document_hash;
    TRY(without(r, whole, p->element, &document, e) &&
        clickonce_digest(r->a, document, 0, p->document_hash, &v, e));
    s->content_digest = arena_bytes(r->a, digest_view(&v));
    if (s->content_digest.at == NULL)
        return arena_err(e);
    if (!reader_equal(s->content_digest, p->document_digest))
        return refuse(s, "The manifest was changed after it was signed.");
    TRY(clickonce_digest(r->a, r->m.spans.text, p->info, p->hash, &v, e));
    s->signed_digest = arena_bytes(r->a, digest_view(&v));
    return s->signed_digest.at != NULL || arena_err(e);
}

/* --- certificates and time -------------------------------------------------------------------- */

static bool read_certificates(struct run *r, const struct part *inner, struct signature *s,
                              struct err *e)
{
    struct reader *list = ARENA_ARRAY(r->a, CERTIFICATES, struct reader);
    size_t data = child(r, inner->key_info, CLICKONCE_DSIG, "X509Data"), n = 0;
    if (list == NULL)
        return arena_err(e);
    for (size_t i = child(r, data, CLICKONCE_DSIG, "X509Certificate"); i != SIZE_MAX;
         i = clickonce_find(&r->m.spans, data, i, CLICKONCE_DSIG, "X509Certificate"))
        if (n < CERTIFICATES && clickonce_bytes(r->a, &r->m.spans, i, &list[n]))
            n++;
    s->certificates = list;
    s->certificate_count = n;
    return true;
}

/* The certificate whose key made the inner signature comes first. */
static bool find_signer(struct run *r, const struct part *inner, struct signature *s,
                        struct reader *ret_spki, struct err *e)
{
    struct reader *list = ARENA_ARRAY(r->a, s->certificate_count + 1, struct reader);
    *ret_spki = (struct reader){0};
    if (list == NULL)
        return arena_err(e);
    for (size_t i = 0; s->signed_digest.at != NULL && i < s->certificate_count; i++) {
        struct certificate c;
        struct err no = {0};
        if (!certificate_parse(r->a, s->certificates[i], &c, &no) ||
            !key_verify_digest(c.spki, s->algorithm, s->signed_digest, inner->value, &no)) {
            TRY(err_theirs(&no, e));
            continue;
        }
        *ret_spki = c.spki;
        list[0] = s->certificates[i];
        for (size_t k = 0, n = 1; k < s->certificate_count; k++)
            if (k != i)
                list[n++] = s->certificates[k];
        s->certificates = list;
        return true;
    }
    return refuse(s, "No certificate of the manifest made its signature.");
}

static bool read_stamp(struct run *r, const struct part *inner, struct signature *s, struct err *e)
{
    struct tsp_want want = {.tolerance = -1, .foreign = true};
    struct tsp_token t;
    struct digest_value imprint;
    struct reader token;
    struct err why = {0};
    size_t object = child(r, inner->element, CLICKONCE_DSIG, "Object");
    size_t stamp = child(r, object, CLICKONCE_AUTH, "Timestamp");
    if (stamp == SIZE_MAX || !clickonce_bytes(r->a, &r->m.spans, stamp, &token) ||
        !tsp_token_hash(r->a, token, &want.hash))
        return true;
    TRY(digest_of(want.hash, inner->value, &imprint, e));
    want.imprint = digest_view(&imprint);
    s->stamped = tsp_check_token(r->a, token, &want, &t, &why);
    TRY(err_theirs(&why, e));
    if (s->stamped) {
        s->stamp_time = t.time;
        s->stamp_certificates = t.certificates;
        s->stamp_certificate_count = t.certificate_count;
    }
    return true;
}

/* --- the manifest ----------------------------------------------------------------------------- */

/* The license names the manifest by its hash, in reverse order. */
static bool names_manifest(struct run *r, size_t license, struct reader digest)
{
    uint8_t reversed[HASH_MAX];
    char hex[2 * HASH_MAX + 1];
    size_t grant = child(r, license, CLICKONCE_RIGHTS, "grant");
    size_t information = child(r, grant, CLICKONCE_AUTH, "ManifestInformation");
    if (information == SIZE_MAX || digest.left > HASH_MAX)
        return false;
    for (size_t i = 0; i < digest.left; i++)
        reversed[i] = digest.at[digest.left - 1 - i];
    text_hex(reversed, digest.left, hex);
    return is(xml_span_value(&r->m.spans.list[information], "Hash"), hex);
}

static bool check_files(struct run *r, struct signature *s, struct err *e)
{
    struct clickonce_reference *list = NULL;
    size_t count = 0;
    TRY(clickonce_references(r->a, &r->m, &list, &count, e));
    for (size_t i = 0; r->job->around != NULL && i < count; i++) {
        struct clickonce_file file;
        struct reader said;
        bool found;
        TRY(clickonce_look(r->job->around, r->a, &list[i], &file, &found, e));
        const char *size = xml_span_value(&r->m.spans.list[list[i].element], "size");
        const char *is_size =
            arena_format(r->a, "%llu", (unsigned long long)(found ? file.size : 0));
        if (is_size == NULL)
            return arena_err(e);
        if (!found)
            return refuse(s, arena_format(r->a, "The file \"%.200s\" is missing.", list[i].path));
        if (!clickonce_bytes(r->a, &r->m.spans, list[i].digest, &said) ||
            !reader_equal(said, digest_view(&file.digest)) ||
            (size != NULL && strcmp(size, is_size) != 0))
            return refuse(s, arena_format(r->a,
                                          "The file \"%.200s\" is not the one that the manifest "
                                          "names.",
                                          list[i].path));
    }
    return true;
}

/* The identity of the assembly ends in the strong name of the key. */
static bool check_token(struct run *r, struct reader spki, struct signature *s, struct err *e)
{
    char token[17];
    struct err no = {0};
    const char *said = xml_span_value(&r->m.spans.list[r->m.identity], "publicKeyToken");
    if (spki.at == NULL)
        return true;
    if (clickonce_token(spki, token, &no) && said != NULL && text_equal_ascii_fold(said, token))
        return true;
    return err_theirs(&no, e) && refuse(s, "The publicKeyToken is not that of the signer's key.");
}

/* Windows verifies with the KeyValue, which has to come first. */
static bool names_key(struct run *r, const struct part *p, struct reader spki)
{
    size_t value = child(r, p->key_info, CLICKONCE_DSIG, "KeyValue");
    size_t rsa = child(r, value, CLICKONCE_DSIG, "RSAKeyValue");
    size_t modulus = child(r, rsa, CLICKONCE_DSIG, "Modulus");
    size_t exponent = child(r, rsa, CLICKONCE_DSIG, "Exponent");
    struct reader n, x;
    return modulus != SIZE_MAX && exponent != SIZE_MAX &&
           clickonce_bytes(r->a, &r->m.spans, modulus, &n) &&
           clickonce_bytes(r->a, &r->m.spans, exponent, &x) && clickonce_is_key(spki, n, x);
}

static bool find_inner(struct run *r, const struct part *outer, struct part *inner,
                       size_t *ret_license)
{
    size_t data = child(r, outer->key_info, CLICKONCE_REL, "RelData");
    size_t license = child(r, data, CLICKONCE_RIGHTS, "license");
    size_t issuer = child(r, license, CLICKONCE_RIGHTS, "issuer");
    size_t signature = child(r, issuer, CLICKONCE_DSIG, "Signature");
    *ret_license = license;
    return signature != SIZE_MAX && read_part(r, signature, inner);
}

static bool check_both(struct run *r, const struct part *outer, const struct part *inner,
                       size_t license, struct err *e)
{
    struct signature *out = &r->list[0], *in = &r->list[1];
    struct reader spki;
    struct err bad = {0};
    TRY(check_digests(r, outer, 0, out, e) && check_digests(r, inner, license, in, e));
    TRY(read_certificates(r, inner, in, e) && find_signer(r, inner, in, &spki, e) &&
        read_stamp(r, inner, in, e));
    out->certificates = in->certificates;
    out->certificate_count = in->certificate_count;
    out->stamped = in->stamped;
    out->stamp_time = in->stamp_time;
    out->stamp_certificates = in->stamp_certificates;
    out->stamp_certificate_count = in->stamp_certificate_count;
    if (!names_manifest(r, license, outer->document_digest))
        (void)refuse(in, "The publisher's signature belongs to another manifest.");
    if (spki.at == NULL || out->signed_digest.at == NULL ||
        !key_verify_digest(spki, out->algorithm, out->signed_digest, outer->value, &bad))
        (void)refuse(out, "The signature was not made by the publisher's key.");
    else if (!names_key(r, outer, spki) || !names_key(r, inner, spki))
        (void)refuse(out, "The key beside the signature is not the publisher's.");
    TRY(err_theirs(&bad, e));
    TRY(check_token(r, spki, out, e) && check_files(r, out, e));
    if (out->problem != NULL) /* they stand and fall together */
        (void)refuse(in, out->problem);
    else if (in->problem != NULL)
        (void)refuse(out, in->problem);
    out->intact = out->problem == NULL;
    in->intact = in->problem == NULL;
    return !arena_failed(r->a) || arena_err(e);
}

bool clickonce_verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                      struct err *e)
{
    struct run r = {.job = job, .a = job->arena};
    struct part outer, inner;
    size_t license;
    TRY(clickonce_open(r.a, job->in, &r.m, e));
    *ret = r.list = ARENA_ARRAY(r.a, CLICKONCE_SLOTS, struct signature);
    *ret_count = 0;
    if (r.list == NULL)
        return arena_err(e);
    if (r.m.signature == SIZE_MAX)
        return true;
    r.list[0].kind = "clickonce";
    r.list[1].kind = "clickonce-publisher";
    *ret_count = CLICKONCE_SLOTS;
    if (read_part(&r, r.m.signature, &outer) && find_inner(&r, &outer, &inner, &license))
        return check_both(&r, &outer, &inner, license, e);
    if (arena_failed(r.a))
        return arena_err(e);
    (void)refuse(&r.list[0], "The signature of the manifest cannot be read, or has no publisher.");
    (void)refuse(&r.list[1], r.list[0].problem);
    return true;
}
