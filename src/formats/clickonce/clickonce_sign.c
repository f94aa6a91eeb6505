/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/xml_scan.h"
#include "base/text.h"
#include "formats/clickonce/clickonce.h"
#include <stdlib.h>
#include <string.h>

/* The form that Mage and Visual Studio write: an XML signature over the manifest whose KeyInfo
 * holds a license with a second signature, which has the certificates and the time stamp. */

enum { NAMESPACES_MAX = 16, KEY_HASH = 20 };

struct run {
    const struct sign_job *job;
    struct arena *a;
    struct clickonce m;
    struct certificate signer;
    const char *subject; /* as Windows writes it */
    char token[17];
    struct xml_cut *cuts;
    size_t cut_count;
};

static bool keep(struct arena *a, const struct writer *w, struct reader *ret, struct err *e)
{
    TRY(writer_ok(w, e));
    *ret = arena_bytes(a, writer_view(w));
    return ret->at != NULL || arena_err(e);
}

/* --- what changes in the manifest ------------------------------------------------------------- */

static void cut(struct run *r, size_t from, size_t to, struct reader with)
{
    r->cuts[r->cut_count++] = (struct xml_cut){from, to, with};
}

static bool set_attribute(struct run *r, size_t span, const char *name, const char *value,
                          struct err *e)
{
    const struct xml_span *x = &r->m.spans.list[span];
    const struct xml_attribute *at = xml_span_attribute(x, name);
    if (at != NULL) {
        cut(r, at->value_from, at->value_to, reader_text(value));
        return true;
    }
    size_t end = x->empty ? x->to - 2 : x->inside - 1; /* before "/>" or ">" */
    const char *added = arena_format(r->a, " %s=\"%s\"", name, value);
    if (added == NULL)
        return arena_err(e);
    cut(r, end, end, reader_text(added));
    return true;
}

static bool update_reference(struct run *r, const struct clickonce_reference *x, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    struct clickonce_file file;
    struct reader base64;
    bool found;
    const struct xml_span *digest = &r->m.spans.list[x->digest];
    TRY(clickonce_look(r->job->around, r->a, x, &file, &found, e));
    if (!found)
        return err_user(e, ERR_VERIFY_MISSING,
                        "The manifest \"%.120s\" names the file \"%.160s\", which is missing.",
                        r->job->file_name, x->path);
    writer_init(&w, 256);
    text_base64(&w, digest_view(&file.digest), 0, "");
    const char *size = arena_format(r->a, "%llu", (unsigned long long)file.size);
    if (size == NULL)
        return arena_err(e);
    TRY(keep(r->a, &w, &base64, e) && set_attribute(r, x->element, "size", size, e));
    cut(r, digest->inside, digest->outside, base64);
    /* the application's manifest is signed by the same key */
    size_t n = strlen(x->path), end = sizeof ".manifest" - 1;
    if (r->m.deployment && x->token != SIZE_MAX && n > end &&
        text_equal_ascii_fold(&x->path[n - end], ".manifest"))
        return set_attribute(r, x->token, "publicKeyToken", r->token, e);
    return true;
}

static void remove_span(struct run *r, size_t span)
{
    if (span != SIZE_MAX)
        cut(r, r->m.spans.list[span].from, r->m.spans.list[span].to, reader_text(""));
}

static int by_place(const void *a, const void *b)
{
    const struct xml_cut *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

/* SHA-1 of the issuer's key. The chain is without its root; then the certificate says it, for which
 * CAs use that hash (RFC 5280 4.2.1.2). */
static bool issuer_key_hash(struct run *r, char ret[2 * KEY_HASH + 1], struct err *e)
{
    struct certificate issuer = r->signer;
    struct reader id = r->signer.issuer_key_id;
    if (r->job->signer->chain_count > 1)
        TRY(certificate_parse(r->a, r->job->signer->chain[1], &issuer, e));
    if (r->job->signer->chain_count > 1 || r->signer.self_issued)
        return clickonce_key_hash(issuer.spki, ret, e);
    if (id.left != KEY_HASH)
        return err_user(e, ERR_CERTIFICATE,
                        "ClickOnce manifests name the key of the certificate's issuer, but the "
                        "certificate does not say which it is. Upload it with its whole chain.");
    text_hex(id.at, id.left, ret);
    return true;
}

static bool put_publisher(struct run *r, struct writer *w, struct err *e)
{
    char hash[2 * KEY_HASH + 1];
    TRY(issuer_key_hash(r, hash, e));
    writer_text(w, "<publisherIdentity xmlns=\"" CLICKONCE_V2 "\" name=\"");
    xml_put_text(w, r->subject);
    writer_format(w, "\" issuerKeyHash=\"%s\" />", hash);
    return writer_ok(w, e);
}

/* The manifest as it will be, without its signature; *ret_end is where that goes. */
static bool updated(struct run *r, struct reader *ret, size_t *ret_end, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    CLEANUP(writer_done) struct writer publisher = {0};
    struct clickonce_reference *list = NULL;
    size_t count = 0, end = r->m.spans.list[0].outside;
    TRY(clickonce_references(r->a, &r->m, &list, &count, e));
    r->cuts = ARENA_ARRAY(r->a, 3 * count + 4, struct xml_cut);
    if (r->cuts == NULL)
        return arena_err(e);
    TRY(set_attribute(r, r->m.identity, "publicKeyToken", r->token, e));
    for (size_t i = 0; r->job->around != NULL && i < count; i++)
        TRY(update_reference(r, &list[i], e));
    remove_span(r, r->m.publisher);
    remove_span(r, r->m.signature);
    writer_init(&publisher, 64 * 1024);
    writer_init(&w, CLICKONCE_MAX);
    TRY(put_publisher(r, &publisher, e));
    cut(r, end, end, writer_view(&publisher));
    qsort(r->cuts, r->cut_count, sizeof *r->cuts, by_place);
    if (!xml_cuts_apply(r->m.spans.text, r->cuts, r->cut_count, &w))
        return err_set(e, ERR_INTERNAL, "overlapping changes of a manifest");
    TRY(keep(r->a, &w, ret, e));
    *ret_end = ret->left - (r->m.spans.text.left - end);
    return true;
}

/* --- signatures ------------------------------------------------------------------------------- */

static void put_base64(struct writer *w, const char *element, struct reader bytes)
{
    writer_format(w, "<%s>", element);
    text_base64(w, bytes, 0, "");
    writer_format(w, "</%s>", element);
}

/* SignedInfo with one reference to the whole document, and SignatureValue. */
static bool put_signed(struct run *r, struct writer *w, const struct digest_value *document,
                       uint32_t slot, struct writer *value, struct err *e)
{
    CLEANUP(writer_done) struct writer info = {0};
    CLEANUP(writer_done) struct writer alone = {0};
    struct digest_value v;
    const struct signer *s = r->job->signer;
    writer_init(&info, 16 * 1024);
    writer_init(&alone, 16 * 1024);
    writer_text(
        &info,
        "<SignedInfo><CanonicalizationMethod Algorithm=\"" CLICKONCE_C14N
        "\" /><SignatureMethod Algorithm=\"" CLICKONCE_DSIG
        "rsa-sha256\" /><Reference URI=\"\"><Transforms><Transform Algorithm=\"" CLICKONCE_DSIG
        "enveloped-signature\" /><Transform Algorithm=\"" CLICKONCE_C14N
        "\" /></Transforms><DigestMethod Algorithm=\"" CLICKONCE_DSIG "sha256\" />");
    put_base64(&info, "DigestValue", digest_view(document));
    writer_text(&info, "</Reference></SignedInfo>");
    writer_text(&alone, "<Signature xmlns=\"" CLICKONCE_DSIG "\">");
    writer_reader(&alone, writer_view(&info));
    writer_text(&alone, "</Signature>");
    TRY(writer_ok(&info, e) && writer_ok(&alone, e));
    TRY(clickonce_digest(r->a, writer_view(&alone), 1, HASH_SHA256, &v, e));
    TRY(s->sign(s->ctx, slot, SIGN_ALGORITHM(SCHEME_RSA_PKCS1, HASH_SHA256), digest_view(&v), value,
                e));
    writer_reader(w, writer_view(&info));
    put_base64(w, "SignatureValue", writer_view(value));
    return writer_ok(w, e);
}

/* Windows compares all attributes of the identity with those in the license, and counts the
 * declaration of a default namespace as one of them. */
static bool put_namespace(struct run *r, struct writer *w, const struct xml_span *x, struct err *e)
{
    struct xml_scan_tag tag = {0};
    struct reader text, value;
    bool found;
    if (!reader_slice(r->m.spans.text, x->from, (x->empty ? x->to : x->inside) - x->from, &text))
        return err_set(e, ERR_INTERNAL, "a tag of a manifest");
    struct xml_scan scan = xml_scan_over(text);
    TRY(xml_scan_tag(&scan, r->a, x->attribute_count + NAMESPACES_MAX, &tag, &found, e));
    for (size_t i = 0; found && i < tag.count && i < tag.room; i++) {
        const struct xml_scan_attribute *one = &tag.attributes[i];
        size_t from = one->value_from - 1, size = one->value_to + 1 - from; /* with its quotes */
        if (!reader_equal_text(one->name, "xmlns") || !reader_slice(text, from, size, &value))
            continue;
        writer_text(w, " xmlns=");
        writer_reader(w, value);
    }
    return true;
}

/* Hash of the manifest, in reverse order, and who signed it. */
static bool put_grant(struct run *r, struct writer *w, const struct digest_value *document,
                      struct err *e)
{
    uint8_t reversed[HASH_MAX];
    char hex[2 * HASH_MAX + 1];
    const struct xml_span *identity = &r->m.spans.list[r->m.identity];
    for (size_t i = 0; i < document->len; i++)
        reversed[i] = document->bytes[document->len - 1 - i];
    text_hex(reversed, document->len, hex);
    writer_text(w, "<r:grant><as:ManifestInformation Hash=\"");
    writer_text(w, hex);
    writer_text(w, "\" Description=\"\" Url=\"\"><as:assemblyIdentity");
    for (size_t i = 0; i < identity->attribute_count; i++) {
        const struct xml_attribute *x = &identity->attributes[i];
        if (x->space[0] != '\0' || strcmp(x->name, "publicKeyToken") == 0)
            continue;
        writer_format(w, " %s=\"", x->name);
        xml_put_text(w, x->value);
        writer_text(w, "\"");
    }
    writer_format(w, " publicKeyToken=\"%s\"", r->token);
    TRY(put_namespace(r, w, identity, e));
    writer_text(w, " /></as:ManifestInformation><as:SignedBy /><as:AuthenticodePublisher>"
                   "<as:X509SubjectName>");
    xml_put_text(w, r->subject);
    writer_text(w, "</as:X509SubjectName></as:AuthenticodePublisher></r:grant>");
    return writer_ok(w, e);
}

static bool put_stamp(struct run *r, struct reader value, struct writer *w, struct err *e)
{
    CLEANUP(writer_done) struct writer token = {0};
    const struct signer *s = r->job->signer;
    struct digest_value v;
    writer_init(&token, 1 << 20);
    TRY(digest_of(HASH_SHA256, value, &v, e));
    TRY(s->stamp(s->ctx, r->job->slot + 1, HASH_SHA256, digest_view(&v), &token, e));
    writer_text(w, "<Object>");
    put_base64(w, "as:Timestamp", writer_view(&token));
    writer_text(w, "</Object>");
    return writer_ok(w, e);
}

#define LICENSE "<r:license xmlns:r=\"" CLICKONCE_RIGHTS "\" xmlns:as=\"" CLICKONCE_AUTH "\">"

static bool put_license(struct run *r, struct writer *w, const struct digest_value *document,
                        struct err *e)
{
    CLEANUP(writer_done) struct writer license = {0};
    CLEANUP(writer_done) struct writer value = {0};
    struct digest_value v;
    const struct signer *s = r->job->signer;
    writer_init(&license, 64 * 1024);
    writer_init(&value, 4096);
    writer_text(&license, LICENSE);
    TRY(put_grant(r, &license, document, e));
    writer_reader(w, writer_view(&license));
    writer_text(&license, "<r:issuer></r:issuer></r:license>");
    TRY(writer_ok(&license, e) &&
        clickonce_digest(r->a, writer_view(&license), 0, HASH_SHA256, &v, e));
    writer_text(w,
                "<r:issuer><Signature xmlns=\"" CLICKONCE_DSIG "\" Id=\"AuthenticodeSignature\">");
    TRY(put_signed(r, w, &v, r->job->slot + 1, &value, e));
    writer_text(w, "<KeyInfo>");
    TRY(clickonce_put_key(w, r->signer.spki, e));
    writer_text(w, "<X509Data>");
    for (size_t i = 0; i < s->chain_count; i++)
        put_base64(w, "X509Certificate", s->chain[i]);
    writer_text(w, "</X509Data></KeyInfo>");
    if (s->stamps)
        TRY(put_stamp(r, writer_view(&value), w, e));
    writer_text(w, "</Signature></r:issuer></r:license>");
    return writer_ok(w, e);
}

static bool put_signature(struct run *r, struct reader document, struct writer *w, struct err *e)
{
    CLEANUP(writer_done) struct writer value = {0};
    struct digest_value v;
    writer_init(&value, 4096);
    TRY(clickonce_digest(r->a, document, 0, HASH_SHA256, &v, e));
    writer_text(w, "<Signature Id=\"StrongNameSignature\" xmlns=\"" CLICKONCE_DSIG "\">");
    TRY(put_signed(r, w, &v, r->job->slot, &value, e));
    writer_text(w, "<KeyInfo Id=\"StrongNameKeyInfo\">");
    TRY(clickonce_put_key(w, r->signer.spki, e));
    writer_text(w, "<msrel:RelData xmlns:msrel=\"" CLICKONCE_REL "\">");
    TRY(put_license(r, w, &v, e));
    writer_text(w, "</msrel:RelData></KeyInfo></Signature>");
    return writer_ok(w, e);
}

bool clickonce_sign(const struct sign_job *job, struct err *e)
{
    struct run r = {.job = job, .a = job->arena};
    CLEANUP(writer_done) struct writer signature = {0};
    struct reader document, before, behind;
    size_t end = 0;
    writer_init(&signature, 4 * 1024 * 1024);
    TRY(clickonce_open(r.a, job->in, &r.m, e));
    if (job->signer->chain_count == 0)
        return err_set(e, ERR_INTERNAL, "no certificate");
    TRY(certificate_parse(r.a, job->signer->chain[0], &r.signer, e) &&
        clickonce_token(r.signer.spki, r.token, e) &&
        certificate_name_windows(r.a, r.signer.subject, &r.subject, e));
    TRY(updated(&r, &document, &end, e) && put_signature(&r, document, &signature, e));
    behind = document;
    if (!reader_take(&behind, end, &before))
        return err_set(e, ERR_INTERNAL, "end of a manifest");
    return (!r.m.marked || sink_write(job->out, "\xef\xbb\xbf", 3, e)) &&
           sink_reader(job->out, before, e) && sink_reader(job->out, writer_view(&signature), e) &&
           sink_reader(job->out, behind, e);
}
