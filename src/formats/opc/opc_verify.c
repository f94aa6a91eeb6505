/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/xml_c14n.h"
#include "base/text.h"
#include "crypto/der.h"
#include "crypto/tsp.h"
#include "formats/opc/opc.h"
#include <string.h>

#define DSIG "http://www.w3.org/2000/09/xmldsig#"
#define C14N "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
enum { SIGNATURES_MAX = 64, CERTIFICATES = 8, DEPTH = 64 };
/* Each reference costs a walk over the document or over a part: whoever makes a signature may not
 * make them many. Office writes up to five, and names a part once. */
enum { REFERENCES_MAX = 16, REPEATS_MAX = 4 };
static const struct xml_limits limits = {OPC_TEXT_MAX, 4000000, DEPTH, 64};

struct run {
    struct arena *a;
    const struct opc *p;
    size_t index; /* entry of the signature */
    struct xml_spans s;
    struct xml_document *document;
    struct signature *to;
    uint8_t *covered; /* by entry: how often */
    size_t signed_parts;
    struct err *why; /* what is wrong with the signature */
};

/* False in all of these: the signature does not hold, or (err_is_ours) we have a trouble. */
static bool bad(struct run *r, const char *what)
{
    return err_user(r->why, ERR_SIGNATURE, "%s", what);
}

/* --- the document ----------------------------------------------------------------------------- */

static bool is(const struct xml_span *s, const char *space, const char *name)
{
    return strcmp(s->space, space) == 0 && strcmp(s->name, name) == 0;
}

/* The next child of `parent` behind `at` (start with parent itself). SIZE_MAX: none. */
static size_t next_child(const struct run *r, size_t parent, size_t at)
{
    const struct xml_span *p = &r->s.list[parent];
    for (size_t i = at + 1; i < r->s.count && r->s.list[i].from < p->to; i++)
        if (r->s.list[i].depth == p->depth + 1)
            return i;
    return SIZE_MAX;
}

static size_t child(const struct run *r, size_t parent, const char *space, const char *name)
{
    if (parent == SIZE_MAX)
        return SIZE_MAX;
    for (size_t i = next_child(r, parent, parent); i != SIZE_MAX; i = next_child(r, parent, i))
        if (is(&r->s.list[i], space, name))
            return i;
    return SIZE_MAX;
}

static const char *value(const struct run *r, size_t at, const char *name)
{
    return at == SIZE_MAX ? NULL : xml_span_value(&r->s.list[at], name);
}

/* Base64 between the tags; some signers write their line ends as character references. */
static bool bytes_of(struct run *r, size_t at, struct reader *ret)
{
    static const char *const ends[] = {"&#13;", "&#xD;", "&#xd;"};
    struct reader text;
    CLEANUP(writer_done) struct writer w = {0};
    if (at == SIZE_MAX)
        return bad(r, "The signature lacks an element that it must have.");
    const struct xml_span *s = &r->s.list[at];
    writer_init(&w, OPC_TEXT_MAX);
    if (!reader_slice(r->s.text, s->inside, s->outside - s->inside, &text))
        return bad(r, "The signature cannot be read.");
    while (text.left > 0) {
        size_t skip = strchr(" \t\r\n", text.at[0]) != NULL;
        for (size_t i = 0; i < COUNT_OF(ends); i++)
            if (reader_starts_with(text, ends[i], 5))
                skip = 5;
        uint8_t byte;
        if (skip > 0 ? !reader_skip(&text, skip) : !reader_u8(&text, &byte))
            break;
        if (skip == 0)
            writer_u8(&w, byte);
    }
    TRY(writer_ok(&w, r->why));
    struct reader plain = arena_bytes(r->a, writer_view(&w));
    if (plain.at == NULL)
        return arena_err(r->why);
    return text_unbase64(r->a, plain, ret) || bad(r, "The signature holds Base64 that is none.");
}

/* --- digests ---------------------------------------------------------------------------------- */

static bool method_of(const char *uri, enum xml_c14n *ret, bool *comments)
{
    static const struct {
        const char *uri;
        enum xml_c14n method;
        bool comments;
    } rows[] = {{C14N, XML_C14N_INCLUSIVE, false},
                {C14N "#WithComments", XML_C14N_INCLUSIVE, true},
                {"http://www.w3.org/2001/10/xml-exc-c14n#", XML_C14N_EXCLUSIVE, false},
                {"http://www.w3.org/2001/10/xml-exc-c14n#WithComments", XML_C14N_EXCLUSIVE, true}};
    for (size_t i = 0; uri != NULL && i < COUNT_OF(rows); i++)
        if (strcmp(rows[i].uri, uri) == 0) {
            *ret = rows[i].method;
            *comments = rows[i].comments;
            return true;
        }
    return false;
}

/* `at` is a Reference; the bytes are what its transforms give. */
static bool digest_equals(struct run *r, size_t at, struct reader bytes, struct digest_value *ret)
{
    enum hash hash;
    struct reader stated;
    if (!opc_hash_of(value(r, child(r, at, DSIG, "DigestMethod"), "Algorithm"), &hash))
        return bad(r, "The signature uses a digest algorithm that is not accepted.");
    TRY(bytes_of(r, child(r, at, DSIG, "DigestValue"), &stated));
    TRY(digest_of(hash, bytes, ret, r->why));
    return reader_equal(stated, digest_view(ret)) ||
           err_user(r->why, ERR_SIGNATURE, "\"%.200s\" was changed after it was signed.",
                    value(r, at, "URI"));
}

static size_t with_id(const struct run *r, const char *id, size_t *count)
{
    size_t found = SIZE_MAX;
    *count = 0;
    for (size_t i = 0; i < r->s.count; i++) {
        const char *has = xml_span_value(&r->s.list[i], "Id");
        if (has != NULL && strcmp(has, id) == 0) {
            found = i;
            ++*count;
        }
    }
    return found;
}

/* A Reference to an element of this document, which must be the only one with its Id. */
static bool check_inner(struct run *r, size_t at, size_t *ret, struct digest_value *digest)
{
    const char *uri = value(r, at, "URI");
    size_t count = 0, target = uri != NULL && uri[0] == '#' ? with_id(r, &uri[1], &count) : 0;
    enum xml_c14n method = XML_C14N_INCLUSIVE;
    bool comments = false;
    CLEANUP(writer_done) struct writer w = {0};
    if (count != 1)
        return bad(r, "The signature refers to something that is not there once.");
    size_t transforms = child(r, at, DSIG, "Transforms");
    if (transforms != SIZE_MAX) {
        size_t one = child(r, transforms, DSIG, "Transform");
        if (one == SIZE_MAX || next_child(r, transforms, one) != SIZE_MAX ||
            !method_of(value(r, one, "Algorithm"), &method, &comments) ||
            next_child(r, one, one) != SIZE_MAX)
            return bad(r, "The signature uses a transform that is not accepted.");
    }
    writer_init(&w, OPC_TEXT_MAX);
    TRY(xml_canonical(r->document, target, method, comments, &w, r->why));
    TRY(digest_equals(r, at, writer_view(&w), digest));
    *ret = target;
    return true;
}

/* --- parts ------------------------------------------------------------------------------------ */

static bool select_rows(struct run *r, size_t transform, struct opc_selection *ret)
{
    const struct xml_span *t = &r->s.list[transform];
    size_t most = 0;
    for (size_t i = next_child(r, transform, transform); i != SIZE_MAX;
         i = next_child(r, transform, i))
        most++;
    const char **ids = ARENA_ARRAY(r->a, most + 1, const char *);
    const char **types = ARENA_ARRAY(r->a, most + 1, const char *);
    if (ids == NULL || types == NULL)
        return arena_err(r->why);
    *ret = (struct opc_selection){.ids = ids, .types = types};
    for (size_t i = transform + 1; i < r->s.count && r->s.list[i].from < t->to; i++) {
        const char *id = value(r, i, "SourceId"), *type = value(r, i, "SourceType");
        if (is(&r->s.list[i], OPC_SIGNING, "RelationshipReference") && id != NULL)
            ids[ret->id_count++] = id;
        else if (is(&r->s.list[i], OPC_SIGNING, "RelationshipsGroupReference") && type != NULL)
            types[ret->type_count++] = type;
        else
            return bad(r, "The signature selects relationships in a way that is not accepted.");
    }
    return true;
}

/* 13.2.4.24: the relationships transform stands alone or in front of a canonical form. */
static bool transform_part(struct run *r, size_t transforms, struct reader text, struct writer *out)
{
    enum xml_c14n method;
    bool comments;
    size_t one = child(r, transforms, DSIG, "Transform");
    size_t two = one == SIZE_MAX ? SIZE_MAX : next_child(r, transforms, one);
    const char *first = value(r, one, "Algorithm");
    if (first != NULL && strcmp(first, OPC_RELATIONS_TRANSFORM) == 0) {
        struct opc_selection selection;
        if (two != SIZE_MAX && (next_child(r, transforms, two) != SIZE_MAX ||
                                !method_of(value(r, two, "Algorithm"), &method, &comments) ||
                                method != XML_C14N_INCLUSIVE))
            return bad(r, "The signature uses a transform that is not accepted.");
        return select_rows(r, one, &selection) &&
               opc_transform(r->a, text, &selection, out, r->why);
    }
    if (two != SIZE_MAX || !method_of(first, &method, &comments))
        return bad(r, "The signature uses a transform that is not accepted.");
    CLEANUP(xml_document_cleanup) struct xml_document *d = NULL;
    return xml_document_new(r->a, text, &limits, &d, r->why) &&
           xml_canonical(d, 0, method, comments, out, r->why);
}

static bool check_plain(struct run *r, size_t at, size_t entry)
{
    enum hash hash;
    struct reader stated;
    struct digest_value v;
    CLEANUP(digest_done) struct digest d = {0};
    struct sink k = sink_discard();
    if (!opc_hash_of(value(r, child(r, at, DSIG, "DigestMethod"), "Algorithm"), &hash))
        return bad(r, "The signature uses a digest algorithm that is not accepted.");
    TRY(bytes_of(r, child(r, at, DSIG, "DigestValue"), &stated));
    k.tee = digest_tee;
    k.tee_ctx = &d;
    TRY(digest_begin(&d, hash, r->why));
    TRY(zip_extract(r->p->zip, entry, &k, r->why) && digest_end(&d, &v, r->why));
    return reader_equal(stated, digest_view(&v)) ||
           err_user(r->why, ERR_SIGNATURE, "\"%.200s\" was changed after it was signed.",
                    r->p->zip->entries[entry].path);
}

static bool check_transformed(struct run *r, size_t at, size_t transforms, size_t entry)
{
    struct reader text;
    struct digest_value v;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, OPC_TEXT_MAX);
    return opc_entry(r->a, r->p->zip, entry, &text, r->why) &&
           transform_part(r, transforms, text, &w) && digest_equals(r, at, writer_view(&w), &v);
}

/* "/part?ContentType=type": 13.2.4.6. */
static bool check_part(struct run *r, size_t at)
{
    static const char query[] = "?ContentType=";
    const char *uri = value(r, at, "URI");
    const char *type = uri == NULL ? NULL : strstr(uri, query);
    char *name = type == NULL ? NULL : arena_text(r->a, reader_over(uri, (size_t)(type - uri)));
    if (name == NULL)
        return bad(r, "The manifest of the signature names something that is no part.");
    size_t entry = opc_part(r->a, r->p, name);
    if (entry == SIZE_MAX)
        return err_user(r->why, ERR_SIGNATURE, "The part \"%.200s\" was signed, but is missing.",
                        name);
    if (r->covered[entry] == REPEATS_MAX)
        return bad(r, "The manifest of the signature names a part again and again.");
    const char *stated = &type[sizeof query - 1];
    if (r->p->type[entry] == NULL || !text_equal_ascii_fold(stated, r->p->type[entry]))
        return err_user(r->why, ERR_SIGNATURE,
                        "The content type of \"%.200s\" was changed after it was signed.", name);
    size_t transforms = child(r, at, DSIG, "Transforms");
    bool holds = transforms == SIZE_MAX ? check_plain(r, at, entry)
                                        : check_transformed(r, at, transforms, entry);
    r->signed_parts += holds && r->covered[entry] == 0;
    r->covered[entry] += holds;
    return holds;
}

static bool check_manifest(struct run *r, size_t manifest)
{
    for (size_t i = next_child(r, manifest, manifest); i != SIZE_MAX;
         i = next_child(r, manifest, i))
        if (!is(&r->s.list[i], DSIG, "Reference"))
            return bad(r, "The manifest of the signature holds something that is no reference.");
        else
            TRY(check_part(r, i));
    return true;
}

/* --- the signature ---------------------------------------------------------------------------- */

static bool check_references(struct run *r, size_t info)
{
    size_t manifests = 0, references = 0, target = 0;
    struct digest_value v;
    for (size_t i = next_child(r, info, info); i != SIZE_MAX; i = next_child(r, info, i)) {
        if (!is(&r->s.list[i], DSIG, "Reference"))
            continue;
        if (++references > REFERENCES_MAX)
            return bad(r, "The signature has too many references.");
        TRY(check_inner(r, i, &target, &v));
        size_t manifest =
            is(&r->s.list[target], DSIG, "Object") ? child(r, target, DSIG, "Manifest") : SIZE_MAX;
        if (manifest == SIZE_MAX)
            continue;
        manifests++;
        r->to->content_digest = arena_bytes(r->a, digest_view(&v));
        if (r->to->content_digest.at == NULL)
            return arena_err(r->why);
        (void)!opc_hash_of(value(r, child(r, i, DSIG, "DigestMethod"), "Algorithm"),
                           &r->to->content_hash);
        TRY(check_manifest(r, manifest));
    }
    return manifests > 0 || bad(r, "The signature covers no part of the package.");
}

/* Both numbers as DER. */
static bool der_of(struct run *r, struct reader raw, struct reader *ret)
{
    CLEANUP(writer_done) struct writer w = {0};
    struct reader one, other;
    if (raw.left % 2 != 0 || !reader_slice(raw, 0, raw.left / 2, &one) ||
        !reader_slice(raw, raw.left / 2, raw.left / 2, &other))
        return bad(r, "The signature value is damaged.");
    writer_init(&w, 1024);
    size_t at = der_open(&w, DER_SEQUENCE);
    der_put_unsigned(&w, one);
    der_put_unsigned(&w, other);
    der_close(&w, at);
    TRY(writer_ok(&w, r->why));
    *ret = arena_bytes(r->a, writer_view(&w));
    return ret->at != NULL || arena_err(r->why);
}

static bool check_value(struct run *r, size_t info, const struct certificate *c,
                        struct reader signature)
{
    const struct opc_method *m =
        opc_sign_method_of(value(r, child(r, info, DSIG, "SignatureMethod"), "Algorithm"));
    size_t canon = child(r, info, DSIG, "CanonicalizationMethod");
    enum xml_c14n method;
    bool comments;
    struct digest_value v;
    CLEANUP(writer_done) struct writer w = {0};
    if (m == NULL || !method_of(value(r, canon, "Algorithm"), &method, &comments) ||
        next_child(r, canon, canon) != SIZE_MAX)
        return bad(r, "The signature uses an algorithm that is not accepted.");
    if (!c->key_known || !key_type_allows(c->key, m->algorithm))
        return bad(r, "The certificate's key cannot make such a signature.");
    writer_init(&w, OPC_TEXT_MAX);
    TRY(xml_canonical(r->document, info, method, comments, &w, r->why));
    TRY(digest_of(sign_hash(m->algorithm), writer_view(&w), &v, r->why));
    if (sign_scheme(m->algorithm) == SCHEME_ECDSA)
        TRY(der_of(r, signature, &signature));
    r->to->algorithm = m->algorithm;
    r->to->signed_digest = arena_bytes(r->a, digest_view(&v));
    if (r->to->signed_digest.at == NULL)
        return arena_err(r->why);
    return key_verify_digest(c->spki, m->algorithm, digest_view(&v), signature, r->why);
}

static void add_detail(struct run *r, const char *name, const char *text)
{
    struct attributes *d = &r->to->details;
    struct attribute *list = arena_grow(r->a, d->list, d->count, d->count + 1, sizeof *list);
    if (list == NULL || text == NULL)
        return;
    list[d->count] = (struct attribute){name, text};
    *d = (struct attributes){list, d->count + 1};
}

/* A token over the signature value; what is wrong with it does not touch the signature. */
static bool check_stamp(struct run *r, struct reader signature)
{
    struct tsp_want want = {.tolerance = -1, .foreign = true};
    struct tsp_token t;
    struct reader token;
    struct digest_value v;
    struct err bad_token = {0}, *why = r->why;
    size_t at = SIZE_MAX;
    for (size_t i = 0; i < r->s.count; i++)
        if (is(&r->s.list[i], OPC_SIGNING, "EncodedTime"))
            at = i;
    if (at == SIZE_MAX)
        return true;
    r->why = &bad_token;
    bool good = bytes_of(r, at, &token) &&
                (tsp_token_hash(r->a, token, &want.hash) || bad(r, "The time stamp is damaged.")) &&
                digest_of(want.hash, signature, &v, &bad_token);
    r->why = why;
    want.imprint = digest_view(&v);
    if (good && tsp_check_token(r->a, token, &want, &t, &bad_token)) {
        r->to->stamped = true;
        r->to->stamp_time = t.time;
        r->to->stamp_certificates = t.certificates;
        r->to->stamp_certificate_count = t.certificate_count;
        return true;
    }
    TRY(err_theirs(&bad_token, why));
    add_detail(r, "stamp-problem", arena_text(r->a, reader_text(bad_token.user)));
    return true;
}

/* The signer's first: with several, the one that is no authority. */
static void signer_first(struct run *r, struct reader *list, size_t count)
{
    struct certificate c;
    struct err unreadable = {0};
    for (size_t i = 0; count > 1 && i < count; i++)
        if (certificate_parse(r->a, list[i], &c, &unreadable) && !c.ca) {
            struct reader first = list[0];
            list[0] = list[i];
            list[i] = first;
            return;
        }
}

/* From KeyInfo, or from a part that the signature's relationships name. */
static bool find_certificates(struct run *r, size_t root)
{
    struct reader *list = ARENA_ARRAY(r->a, CERTIFICATES, struct reader);
    size_t n = 0, data = child(r, child(r, root, DSIG, "KeyInfo"), DSIG, "X509Data");
    if (list == NULL)
        return arena_err(r->why);
    for (size_t i = data == SIZE_MAX ? SIZE_MAX : next_child(r, data, data);
         i != SIZE_MAX && n < CERTIFICATES; i = next_child(r, data, i))
        if (is(&r->s.list[i], DSIG, "X509Certificate"))
            TRY(bytes_of(r, i, &list[n++]));
    for (size_t i = 0; n == 0 && i < r->p->zip->count; i++)
        if (r->p->own[i] && strcmp(r->p->type[i] == NULL ? "" : r->p->type[i], OPC_TYPE_CERT) == 0)
            TRY(opc_entry(r->a, r->p->zip, i, &list[n++], r->why));
    signer_first(r, list, n);
    r->to->certificates = list;
    r->to->certificate_count = n;
    return n > 0 || bad(r, "The signature holds no certificate.");
}

static void report(struct run *r)
{
    size_t open = 0, first = 0;
    for (size_t i = r->p->zip->count; i-- > 0;)
        if (r->p->type[i] != NULL && !r->p->own[i] && r->covered[i] == 0) {
            open++;
            first = i;
        }
    add_detail(r, "signed-parts", arena_format(r->a, "%zu", r->signed_parts));
    if (open > 0)
        add_detail(
            r, "unsigned-parts",
            arena_format(r->a, "%zu (the first is %s)", open, r->p->zip->entries[first].path));
}

static bool check_document(struct run *r)
{
    struct certificate c;
    struct reader signature;
    if (!is(&r->s.list[0], DSIG, "Signature"))
        return bad(r, "The signature part holds no signature.");
    size_t info = child(r, 0, DSIG, "SignedInfo");
    TRY(find_certificates(r, 0));
    TRY(bytes_of(r, child(r, 0, DSIG, "SignatureValue"), &signature));
    if (info == SIZE_MAX)
        return bad(r, "The signature lacks an element that it must have.");
    TRY(certificate_parse(r->a, r->to->certificates[0], &c, r->why));
    TRY(check_value(r, info, &c, signature) && check_references(r, info));
    report(r);
    return check_stamp(r, signature);
}

static bool check_one(struct run *r, struct err *e)
{
    struct reader text;
    struct err why = {0};
    r->why = &why;
    *r->to = (struct signature){.kind = "opc", .content_hash = HASH_SHA256};
    r->covered = ARENA_ARRAY(r->a, r->p->zip->count, uint8_t);
    if (r->covered == NULL)
        return arena_err(e);
    r->to->intact = opc_entry(r->a, r->p->zip, r->index, &text, &why) &&
                    xml_spans_load(r->a, text, &limits, DEPTH, &r->s, &why) &&
                    xml_document_new(r->a, text, &limits, &r->document, &why) && check_document(r);
    xml_document_free(r->document);
    r->document = NULL;
    TRY(err_theirs(&why, e));
    if (!r->to->intact)
        r->to->problem = arena_text(r->a, reader_text(why.user));
    return r->to->intact || r->to->problem != NULL || arena_err(e);
}

bool opc_verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                struct err *e)
{
    struct opc p;
    TRY(opc_open(job->arena, job->in, &p, e));
    if (p.signature_count > SIGNATURES_MAX)
        return err_user(e, ERR_OPC, "The package has more than %d signatures.", SIGNATURES_MAX);
    struct signature *list = ARENA_ARRAY(job->arena, p.signature_count, struct signature);
    if (list == NULL)
        return arena_err(e);
    for (size_t i = 0; i < p.signature_count; i++) {
        struct run r = {.a = job->arena, .p = &p, .index = p.signatures[i], .to = &list[i]};
        TRY(check_one(&r, e));
    }
    *ret = p.signature_count == 0 ? NULL : list;
    *ret_count = p.signature_count;
    return true;
}
