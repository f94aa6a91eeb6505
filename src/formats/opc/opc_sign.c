/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/xml_c14n.h"
#include "base/clock.h"
#include "base/text.h"
#include "crypto/der.h"
#include "crypto/x509.h"
#include "formats/opc/opc.h"
#include <string.h>

#define FOLDER      "package/services/digital-signature/"
#define ORIGIN_PATH FOLDER "origin.psdor"
#define RELS_PATH   FOLDER "_rels/origin.psdor.rels"
#define SIGN_PATH   FOLDER "xml-signature/signature.psdsxs"
#define DSIG        "http://www.w3.org/2000/09/xmldsig#"
#define C14N        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
#define SHA256      "http://www.w3.org/2001/04/xmlenc#sha256"
static const struct xml_limits limits = {OPC_TEXT_MAX, 4000000, 64, 64};

/* Everything of one run; texts are of the arena. */
struct run {
    const struct sign_job *job;
    struct arena *a;
    struct opc p;
    struct opc_strip strip;
    struct reader types, root, rels; /* of the new package */
    struct writer manifest;          /* the Object */
};

/* --- the parts that lead to the signature ----------------------------------------------------- */

/* Puts a child in front of the end of the root element. */
static bool with_child(struct run *r, struct reader text, const char *name, const char *attributes,
                       struct reader *ret, struct err *e)
{
    struct xml_spans s;
    CLEANUP(writer_done) struct writer child = {0};
    CLEANUP(writer_done) struct writer w = {0};
    TRY(xml_spans_load(r->a, text, &limits, 1, &s, e));
    const struct xml_span *root = &s.list[0];
    struct reader raw = xml_span_raw_name(s.text, root), prefix;
    size_t colon = reader_find(raw, 0, ":", 1);
    writer_init(&child, 64 * 1024);
    writer_init(&w, OPC_TEXT_MAX);
    if (root->empty)
        writer_text(&child, ">");
    writer_text(&child, "<");
    if (colon != SIZE_MAX && reader_slice(raw, 0, colon + 1, &prefix))
        writer_reader(&child, prefix);
    writer_format(&child, "%s %s/>", name, attributes);
    if (root->empty) {
        writer_text(&child, "</");
        writer_reader(&child, raw);
        writer_text(&child, ">");
    }
    const struct xml_cut cut = {root->empty ? root->to - 2 : root->outside,
                                root->empty ? root->to : root->outside, writer_view(&child)};
    TRY(writer_ok(&child, e));
    if (!xml_cuts_apply(s.text, &cut, 1, &w))
        return writer_ok(&w, e) && err_set(e, ERR_INTERNAL, "cut");
    *ret = arena_bytes(r->a, writer_view(&w));
    return ret->at != NULL || arena_err(e);
}

/* A row for the extension; where that means something else, one for the part. */
static bool add_type(struct run *r, const char *path, const char *type, struct err *e)
{
    const char *is = opc_type_of(r->a, &r->p, path);
    const char *dot = strrchr(path, '.');
    char *row;
    if (is != NULL && strcmp(is, type) == 0)
        return true;
    if (is == NULL)
        row = arena_format(r->a, "Extension=\"%s\" ContentType=\"%s\"", dot + 1, type);
    else
        row = arena_format(r->a, "PartName=\"/%s\" ContentType=\"%s\"", path, type);
    if (row == NULL)
        return arena_err(e);
    return with_child(r, r->types, is == NULL ? "Default" : "Override", row, &r->types, e);
}

/* An Id that the other relationships do not have. */
static bool free_id(struct run *r, const char **ret, struct err *e)
{
    for (unsigned i = 0; i < 1000; i++) {
        const char *id = arena_format(r->a, "RSignature%u", i);
        const char *quoted = arena_format(r->a, "\"%s\"", id == NULL ? "" : id);
        if (id == NULL || quoted == NULL)
            return arena_err(e);
        *ret = id;
        if (reader_find(r->root, 0, quoted, strlen(quoted)) == SIZE_MAX)
            return true;
    }
    return err_user(e, ERR_OPC, "The package has too many relationships.");
}

/* Blanks instead of line ends, which mean the same: Apache POI leaves line ends out before it takes
 * the digest of relationships. */
static bool one_line(struct run *r, struct reader text, struct reader *ret, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, OPC_TEXT_MAX);
    for (uint8_t byte; reader_u8(&text, &byte);)
        writer_u8(&w, byte == '\r' || byte == '\n' ? ' ' : byte);
    TRY(writer_ok(&w, e));
    *ret = arena_bytes(r->a, writer_view(&w));
    return ret->at != NULL || arena_err(e);
}

static bool make_paths(struct run *r, struct err *e)
{
    static const char none[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Relationships "
                               "xmlns=\"" OPC_RELATIONS "\"/>";
    const char *id = NULL, *row;
    r->types = r->strip.types;
    r->root = reader_text(none);
    if (r->strip.root.left > 0)
        TRY(one_line(r, r->strip.root, &r->root, e));
    TRY(free_id(r, &id, e));
    row = arena_format(r->a, "Type=\"" OPC_ORIGIN "\" Target=\"/" ORIGIN_PATH "\" Id=\"%s\"", id);
    if (row == NULL)
        return arena_err(e);
    TRY(with_child(r, r->root, "Relationship", row, &r->root, e));
    TRY(with_child(r, reader_text(none), "Relationship",
                   "Type=\"" OPC_SIGNATURE "\" Target=\"/" SIGN_PATH "\" Id=\"RSignature0\"",
                   &r->rels, e));
    return add_type(r, "_rels/x.rels", OPC_TYPE_RELS, e) &&
           add_type(r, ORIGIN_PATH, OPC_TYPE_ORIGIN, e) && add_type(r, SIGN_PATH, OPC_TYPE_SIGN, e);
}

/* --- the manifest ----------------------------------------------------------------------------- */

static void put_base64(struct writer *w, const char *element, struct reader bytes)
{
    writer_format(w, "<%s>", element);
    text_base64(w, bytes, 0, "");
    writer_format(w, "</%s>", element);
}

static void put_digest(struct writer *w, const struct digest_value *v)
{
    writer_text(w, "<DigestMethod Algorithm=\"" SHA256 "\"/>");
    put_base64(w, "DigestValue", digest_view(v));
    writer_text(w, "</Reference>");
}

static void put_reference(struct writer *w, const char *path, const char *type)
{
    writer_text(w, "<Reference URI=\"/");
    xml_put_text(w, path);
    writer_text(w, "?ContentType=");
    xml_put_text(w, type);
    writer_text(w, "\">");
}

/* Relationships are signed as they stand, like every other part: nothing can be added to them, and
 * no verifier needs to know the relationships transform. */
static bool refer_to_text(struct run *r, const char *path, const char *type, struct reader text,
                          struct err *e)
{
    struct digest_value v;
    TRY(digest_of(HASH_SHA256, text, &v, e));
    put_reference(&r->manifest, path, type);
    put_digest(&r->manifest, &v);
    return writer_ok(&r->manifest, e);
}

static bool refer_to_part(struct run *r, size_t i, struct err *e)
{
    const struct zip_entry *x = &r->p.zip->entries[i];
    struct digest_value v;
    CLEANUP(digest_done) struct digest d = {0};
    struct sink k = sink_discard();
    k.tee = digest_tee;
    k.tee_ctx = &d;
    TRY(digest_begin(&d, HASH_SHA256, e));
    TRY(zip_extract(r->p.zip, i, &k, e) && digest_end(&d, &v, e));
    put_reference(&r->manifest, x->path, r->p.type[i]);
    put_digest(&r->manifest, &v);
    return writer_ok(&r->manifest, e);
}

static void put_properties(struct run *r)
{
    struct clock_date d = clock_date_of(r->job->signer->time);
    writer_format(&r->manifest,
                  "<SignatureProperties><SignatureProperty Id=\"idSignatureTime\" "
                  "Target=\"#idPackageSignature\"><SignatureTime xmlns=\"" OPC_SIGNING "\"><Format>"
                  "YYYY-MM-DDThh:mm:ssTZD</Format><Value>%04d-%02d-%02dT%02d:%02d:%02d+00:00"
                  "</Value></SignatureTime></SignatureProperty></SignatureProperties>",
                  d.year, d.month, d.day, d.hour, d.minute, d.second);
}

static bool make_manifest(struct run *r, struct err *e)
{
    struct writer *w = &r->manifest;
    writer_text(w, "<Object Id=\"idPackageObject\"><Manifest>");
    TRY(refer_to_text(r, "_rels/.rels", OPC_TYPE_RELS, r->root, e));
    for (size_t i = 0; i < r->p.zip->count; i++)
        if (r->p.type[i] != NULL && !r->p.own[i] && i != r->p.root)
            TRY(refer_to_part(r, i, e));
    TRY(refer_to_text(r, ORIGIN_PATH, OPC_TYPE_ORIGIN, reader_text(""), e));
    TRY(refer_to_text(r, RELS_PATH, OPC_TYPE_RELS, r->rels, e));
    writer_text(w, "</Manifest>");
    put_properties(r);
    writer_text(w, "</Object>");
    return writer_ok(w, e);
}

/* --- the signature ---------------------------------------------------------------------------- */

/* The digest of an element as it will stand in the signature. */
static bool digest_element(struct run *r, struct reader element, enum hash hash,
                           struct digest_value *ret, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    CLEANUP(writer_done) struct writer canonical = {0};
    writer_init(&w, OPC_TEXT_MAX);
    writer_init(&canonical, OPC_TEXT_MAX);
    writer_text(&w, "<Signature xmlns=\"" DSIG "\" Id=\"idPackageSignature\">");
    writer_reader(&w, element);
    writer_text(&w, "</Signature>");
    TRY(writer_ok(&w, e));
    CLEANUP(xml_document_cleanup) struct xml_document *d = NULL;
    TRY(xml_document_new(r->a, writer_view(&w), &limits, &d, e));
    TRY(xml_canonical(d, 1, XML_C14N_INCLUSIVE, false, &canonical, e));
    return digest_of(hash, writer_view(&canonical), ret, e);
}

/* RFC 4050 3.3: both numbers in full length, one after the other. */
static bool put_ecdsa(struct writer *w, struct reader der, uint32_t bits, struct err *e)
{
    struct reader pair, number;
    size_t n = (bits + 7) / 8;
    if (!der_only(der, DER_SEQUENCE, &pair))
        return err_set(e, ERR_INTERNAL, "ECDSA signature");
    for (int i = 0; i < 2; i++) {
        if (!der_integer(&pair, &number))
            return err_set(e, ERR_INTERNAL, "ECDSA signature");
        while (number.left > n && number.at[0] == 0)
            if (!reader_skip(&number, 1))
                break;
        writer_zeros(w, n - (number.left < n ? number.left : n));
        writer_reader(w, number);
    }
    return writer_ok(w, e);
}

static bool ask_signature(struct run *r, sign_algorithm algorithm, uint32_t bits,
                          struct reader info, struct writer *value, struct err *e)
{
    CLEANUP(writer_done) struct writer raw = {0};
    const struct signer *s = r->job->signer;
    struct digest_value v;
    writer_init(&raw, 4096);
    TRY(digest_element(r, info, sign_hash(algorithm), &v, e));
    TRY(s->sign(s->ctx, r->job->slot, algorithm, digest_view(&v), &raw, e));
    if (sign_scheme(algorithm) == SCHEME_ECDSA)
        return put_ecdsa(value, writer_view(&raw), bits, e);
    writer_reader(value, writer_view(&raw));
    return writer_ok(value, e);
}

/* The form that VSIX signing tools write: a token over the bytes of the signature value. */
static bool put_stamp(struct run *r, struct reader value, struct writer *w, struct err *e)
{
    CLEANUP(writer_done) struct writer token = {0};
    const struct signer *s = r->job->signer;
    struct digest_value v;
    writer_init(&token, 1 << 20);
    TRY(digest_of(HASH_SHA256, value, &v, e));
    TRY(s->stamp(s->ctx, r->job->slot, HASH_SHA256, digest_view(&v), &token, e));
    writer_text(w, "<Object><TimeStamp xmlns=\"" OPC_SIGNING "\" Id=\"idSignatureTimestamp\">"
                   "<Comment></Comment>");
    put_base64(w, "EncodedTime", writer_view(&token));
    writer_text(w, "</TimeStamp></Object>");
    return writer_ok(w, e);
}

static bool put_info(struct run *r, sign_algorithm algorithm, struct writer *w, struct err *e)
{
    struct digest_value v;
    const struct opc_method *method = opc_sign_method(algorithm);
    if (method == NULL)
        return err_user(e, ERR_DIRECTIVE, "opc-sign needs an RSA or EC key.");
    TRY(digest_element(r, writer_view(&r->manifest), HASH_SHA256, &v, e));
    writer_format(w,
                  "<SignedInfo><CanonicalizationMethod Algorithm=\"" C14N "\"/><SignatureMethod "
                  "Algorithm=\"%s\"/><Reference Type=\"" DSIG "Object\" URI=\"#idPackageObject\">"
                  "<Transforms><Transform Algorithm=\"" C14N "\"/></Transforms>",
                  method->uri);
    put_digest(w, &v);
    writer_text(w, "</SignedInfo>");
    return writer_ok(w, e);
}

static bool make_signature(struct run *r, struct writer *w, struct err *e)
{
    CLEANUP(writer_done) struct writer info = {0};
    CLEANUP(writer_done) struct writer value = {0};
    struct certificate c;
    const struct signer *s = r->job->signer;
    writer_init(&info, 64 * 1024);
    writer_init(&value, 4096);
    if (s->chain_count == 0)
        return err_set(e, ERR_INTERNAL, "no certificate");
    TRY(certificate_parse(r->a, s->chain[0], &c, e));
    if (!c.key_known || c.key.kind == KEY_ED25519)
        return err_user(e, ERR_CERTIFICATE, "opc-sign needs an RSA or EC certificate.");
    sign_algorithm algorithm = key_type_algorithm(c.key, HASH_SHA256, false);
    TRY(put_info(r, algorithm, &info, e));
    TRY(ask_signature(r, algorithm, c.key.bits, writer_view(&info), &value, e));
    writer_text(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<Signature xmlns=\"" DSIG
                   "\" Id=\"idPackageSignature\">");
    writer_reader(w, writer_view(&info));
    put_base64(w, "SignatureValue", writer_view(&value));
    writer_text(w, "<KeyInfo><X509Data>"); /* the signer's certificate alone, as the tools do */
    put_base64(w, "X509Certificate", s->chain[0]);
    writer_text(w, "</X509Data></KeyInfo>");
    writer_reader(w, writer_view(&r->manifest));
    if (s->stamps)
        TRY(put_stamp(r, writer_view(&value), w, e));
    writer_text(w, "</Signature>");
    return writer_ok(w, e);
}

static bool write_package(struct run *r, struct reader signature, struct err *e)
{
    struct opc_strip *x = &r->strip;
    size_t root = r->strip.root.left == 0 ? SIZE_MAX : r->p.root;
    const struct {
        size_t index;
        const char *path;
        struct reader text;
    } rows[] = {{r->p.types, NULL, r->types},
                {root, "_rels/.rels", r->root},
                {SIZE_MAX, ORIGIN_PATH, reader_text("")},
                {SIZE_MAX, RELS_PATH, r->rels},
                {SIZE_MAX, SIGN_PATH, signature}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        TRY(opc_put_text(r->a, &r->p, rows[i].index, rows[i].path, rows[i].text,
                         &x->list[x->count++], e));
    return zip_repack(r->p.zip, x->list, x->count, NULL, r->job->out, e);
}

bool opc_sign(const struct sign_job *job, struct err *e)
{
    struct run r = {.job = job, .a = job->arena};
    CLEANUP(writer_done) struct writer signature = {0};
    writer_init(&signature, OPC_TEXT_MAX);
    TRY(opc_open(r.a, job->in, &r.p, e) && opc_check_parts(&r.p, e));
    TRY(opc_strip(r.a, &r.p, 5, &r.strip, e) && make_paths(&r, e));
    writer_init(&r.manifest, OPC_TEXT_MAX);
    bool ok = make_manifest(&r, e) && make_signature(&r, &signature, e) &&
              write_package(&r, writer_view(&signature), e);
    writer_done(&r.manifest);
    return ok;
}
