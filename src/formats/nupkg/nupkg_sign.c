/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "crypto/algid.h"
#include "formats/nupkg/nupkg.h"

enum { RSA_LEAST = 2048 };

/* --- what is refused -------------------------------------------------------------------------- */

static bool check_signer(const struct sign_job *job, struct certificate *ret, struct err *e)
{
    if (job->signer->chain_count == 0)
        return err_set(e, ERR_INTERNAL, "no certificate");
    TRY(certificate_parse(job->arena, job->signer->chain[0], ret, e));
    if (!ret->key_known || ret->key.kind != KEY_RSA || ret->key.bits < RSA_LEAST)
        return err_user(e, ERR_DIRECTIVE,
                        "NuGet accepts RSA keys of %d bits or more only. Choose a signing policy "
                        "with such a certificate.",
                        RSA_LEAST);
    return true;
}

static bool check_package(const struct zip *z, struct err *e)
{
    if (nupkg_nuspec(z) == SIZE_MAX)
        return err_user(e, ERR_NUPKG,
                        "The package has no .nuspec file in its root, or several. NuGet wants "
                        "exactly one.");
    if (z->end64.left > 0)
        return err_user(e, ERR_NUPKG,
                        "The package uses ZIP64, which NuGet does not accept in signed packages.");
    if (z->comment.left > 0)
        return err_user(e, ERR_NUPKG,
                        "The package ends in a ZIP comment. Remove it: signed packages have none.");
    if (z->count >= UINT16_MAX - 1)
        return err_user(e, ERR_NUPKG, "The package has too many files for a signed package.");
    return true;
}

/* The package as it is to be signed: without the signature of a repository, which the author's
 * comes before. */
static bool strip(const struct sign_job *job, struct sink *scratch, struct source *in,
                  struct zip **z, struct err *e)
{
    struct reader der;
    struct cms c;
    size_t index = nupkg_signature(*z);
    if (index == SIZE_MAX)
        return true;
    TRY(nupkg_message(job->arena, *z, index, &der, e) && cms_parse(job->arena, der, &c, e));
    if (c.signer_count != 1 || nupkg_kind_of(&c.signers[0]) != NUPKG_REPOSITORY)
        return err_user(e, ERR_DIRECTIVE,
                        "The package has an author signature already, and can have only one. "
                        "Submit the package as it was before it was signed.");
    const struct zip_change remove = {.action = ZIP_REMOVE, .index = index};
    TRY(zip_repack(*z, &remove, 1, NULL, scratch, e));
    *in = sink_view(scratch);
    return nupkg_open(job->arena, in, z, e);
}

/* --- the message ------------------------------------------------------------------------------ */

static bool put_text(struct writer *w, const struct zip *z, struct err *e)
{
    struct digest_value digest;
    TRY(nupkg_digest(z, HASH_SHA256, &digest, e));
    writer_text(w, "Version:1\n\n2.16.840.1.101.3.4.2.1-Hash:");
    text_base64(w, digest_view(&digest), 0, "");
    writer_text(w, "\n\n");
    return writer_ok(w, e);
}

/* CommitmentTypeIndication (RFC 5126 5.11.1). */
static void put_commitment(struct writer *w)
{
    size_t at = der_open(w, DER_SEQUENCE);
    der_put_oid(w, OID_PROOF_OF_ORIGIN);
    der_close(w, at);
}

/* SigningCertificateV2 (RFC 5035 3) for the signer's certificate, with its issuer and serial. NuGet
 * writes the identifier of SHA-256 out; DER leaves a default away, and NuGet reads both. */
static bool put_certificate_id(struct writer *w, const struct certificate *c, struct err *e)
{
    struct digest_value digest;
    TRY(digest_of(HASH_SHA256, c->der, &digest, e));
    size_t at = der_open(w, DER_SEQUENCE), list = der_open(w, DER_SEQUENCE);
    size_t id = der_open(w, DER_SEQUENCE);
    der_put_octets(w, digest_view(&digest));
    size_t issuer = der_open(w, DER_SEQUENCE), names = der_open(w, DER_SEQUENCE);
    size_t name = der_open(w, DER_CONTEXT_MADE(4)); /* directoryName */
    writer_reader(w, c->issuer);
    der_close(w, name);
    der_close(w, names);
    der_put(w, DER_INTEGER, c->serial);
    der_close(w, issuer);
    der_close(w, id);
    der_close(w, list);
    der_close(w, at);
    return writer_ok(w, e);
}

struct parts {
    struct writer text, time, commitment, certificate, attributes, signature, token;
};

static bool ask(const struct sign_job *job, const struct certificate *signer, struct cms_plan *plan,
                struct parts *p, struct err *e)
{
    struct digest_value digest, to_sign, imprint;
    der_put_time(&p->time, job->signer->time);
    put_commitment(&p->commitment);
    TRY(put_certificate_id(&p->certificate, signer, e) && writer_ok(&p->time, e) &&
        writer_ok(&p->commitment, e));
    const struct cms_attribute list[] = {
        {OID_SIGNING_TIME, writer_view(&p->time)},
        {OID_COMMITMENT_TYPE, writer_view(&p->commitment)},
        {OID_SIGNING_CERTIFICATE_V2, writer_view(&p->certificate)}};
    TRY(digest_of(HASH_SHA256, writer_view(&p->text), &digest, e));
    plan->content = writer_view(&p->text);
    plan->digest = digest_view(&digest);
    plan->attributes = list;
    plan->attribute_count = COUNT_OF(list);
    bool ok = cms_to_be_signed(plan, &p->attributes, &to_sign, e) &&
              job->signer->sign(job->signer->ctx, job->slot, plan->algorithm, digest_view(&to_sign),
                                &p->signature, e);
    plan->attributes = NULL; /* they are in p->attributes now */
    plan->attribute_count = 0;
    plan->digest = (struct reader){0};
    if (!ok || !job->signer->stamps)
        return ok;
    return digest_of(HASH_SHA256, writer_view(&p->signature), &imprint, e) &&
           job->signer->stamp(job->signer->ctx, job->slot, HASH_SHA256, digest_view(&imprint),
                              &p->token, e);
}

static bool make_message(const struct sign_job *job, const struct zip *z,
                         const struct certificate *signer, struct writer *out, struct err *e)
{
    struct parts p;
    struct cms_plan plan = {.content_type = OID_DATA,
                            .algorithm = SIGN_ALGORITHM(SCHEME_RSA_PKCS1, HASH_SHA256),
                            .certificates = job->signer->chain,
                            .certificate_count = job->signer->chain_count};
    struct writer *const all[] = {&p.text,       &p.time,      &p.commitment, &p.certificate,
                                  &p.attributes, &p.signature, &p.token};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        writer_init(all[i], 1024 * 1024);
    bool ok = put_text(&p.text, z, e) && ask(job, signer, &plan, &p, e);
    struct cms_attribute stamp = {OID_STAMP_TOKEN, writer_view(&p.token)};
    ok = ok && cms_finish(&plan, writer_view(&p.attributes), writer_view(&p.signature), &stamp,
                          job->signer->stamps ? 1 : 0, out, e);
    for (size_t i = 0; i < COUNT_OF(all); i++)
        writer_done(all[i]);
    return ok;
}

bool nupkg_sign(const struct sign_job *job, struct err *e)
{
    struct certificate signer;
    struct zip *z;
    struct source in = *job->in, content;
    struct sink scratch = job->scratch;
    CLEANUP(writer_done) struct writer message = {0};
    writer_init(&message, NUPKG_SIGNATURE_MAX);
    TRY(check_signer(job, &signer, e));
    TRY(nupkg_open(job->arena, &in, &z, e) && check_package(z, e));
    TRY(strip(job, &scratch, &in, &z, e));
    TRY(make_message(job, z, &signer, &message, e));
    content = source_memory(writer_view(&message));
    struct zip_change add = {.action = ZIP_ADD, .index = SIZE_MAX, .path = NUPKG_SIGNATURE};
    TRY(zip_pack(&content, ZIP_STORED, &scratch, &add.packed, e));
    return zip_repack(z, &add, 1, NULL, job->out, e);
}
