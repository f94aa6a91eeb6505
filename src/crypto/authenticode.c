/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/authenticode.h"
#include "base/text.h"
#include "crypto/algid.h"

/* "<<<Obsolete>>>", the file name that signtool writes where page hashes could stand. */
static void put_obsolete(struct writer *w)
{
    struct writer text;
    writer_init(&text, 64);
    w->failed = !text_to_utf16(&text, reader_text("<<<Obsolete>>>"), true) || w->failed;
    size_t file = der_open(w, DER_CONTEXT_MADE(2)); /* SpcLink: file [2] EXPLICIT SpcString */
    der_put(w, DER_CONTEXT(0), writer_view(&text)); /* SpcString: unicode [0] IMPLICIT */
    der_close(w, file);
    writer_done(&text);
}

/* class of the SpcSerializedObject that holds page hashes */
static const uint8_t page_hash_class[16] = {0xa6, 0xb5, 0x86, 0xd5, 0xb4, 0xa1, 0x24, 0x66,
                                            0xae, 0x05, 0xa2, 0x17, 0xda, 0x8e, 0x60, 0xd6};

/* SET { SEQUENCE { version, SET { hashes } } } */
static void put_pages(struct writer *w, enum hash hash, struct reader hashes)
{
    size_t all = der_open(w, DER_SET);
    size_t one = der_open(w, DER_SEQUENCE);
    der_put_oid(w, hash == HASH_SHA1 ? OID_SPC_PAGE_HASHES_V1 : OID_SPC_PAGE_HASHES_V2);
    size_t values = der_open(w, DER_SET);
    der_put_octets(w, hashes);
    der_close(w, values);
    der_close(w, one);
    der_close(w, all);
}

static void put_image_data(struct writer *w, enum hash hash, struct reader hashes)
{
    size_t at = der_open(w, DER_SEQUENCE);
    der_put_oid(w, OID_SPC_PE_IMAGE_DATA);
    size_t image = der_open(w, DER_SEQUENCE);
    der_put(w, DER_BIT_STRING, reader_over("", 1)); /* flags: none */
    size_t link = der_open(w, DER_CONTEXT_MADE(0));
    if (hashes.at == NULL) {
        put_obsolete(w);
    } else { /* SpcLink: moniker [1] IMPLICIT SpcSerializedObject */
        size_t moniker = der_open(w, DER_CONTEXT_MADE(1));
        der_put_octets(w, reader_over(page_hash_class, sizeof page_hash_class));
        size_t serialized = der_open(w, DER_OCTET_STRING);
        put_pages(w, hash, hashes);
        der_close(w, serialized);
        der_close(w, moniker);
    }
    der_close(w, link);
    der_close(w, image);
    der_close(w, at);
}

void spc_data_pe(struct writer *w)
{
    put_image_data(w, HASH_NONE, (struct reader){0});
}

void spc_data_pe_pages(struct writer *w, enum hash hash, struct reader hashes)
{
    put_image_data(w, hash, hashes);
}

void spc_data_cab(struct writer *w)
{
    size_t at = der_open(w, DER_SEQUENCE);
    der_put_oid(w, OID_SPC_CAB_DATA);
    put_obsolete(w);
    der_close(w, at);
}

void spc_data_sip(struct writer *w, uint32_t version, const uint8_t guid[16])
{
    size_t at = der_open(w, DER_SEQUENCE);
    der_put_oid(w, OID_SPC_SIP_INFO);
    size_t info = der_open(w, DER_SEQUENCE);
    der_put_uint(w, version);
    der_put_octets(w, reader_over(guid, 16));
    for (int reserved = 0; reserved < 5; reserved++)
        der_put_uint(w, 0);
    der_close(w, info);
    der_close(w, at);
}

void spc_indirect_data(struct writer *w, struct reader data, enum hash hash, struct reader digest)
{
    size_t at = der_open(w, DER_SEQUENCE);
    writer_reader(w, data);
    size_t info = der_open(w, DER_SEQUENCE);
    algid_put_hash(w, hash, true);
    der_put_octets(w, digest);
    der_close(w, info);
    der_close(w, at);
}

static bool present(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* SpcSpOpusInfo: programName [0] EXPLICIT SpcString, moreInfo [1] EXPLICIT SpcLink. */
static bool put_opus(struct writer *w, const struct authenticode *job, struct err *e)
{
    struct writer text;
    writer_init(&text, 8192);
    bool ok =
        !present(job->description) || text_to_utf16(&text, reader_text(job->description), true);
    size_t at = der_open(w, DER_SEQUENCE);
    if (present(job->description)) {
        size_t name = der_open(w, DER_CONTEXT_MADE(0));
        der_put(w, DER_CONTEXT(0), writer_view(&text));
        der_close(w, name);
    }
    if (present(job->url)) {
        size_t link = der_open(w, DER_CONTEXT_MADE(1));
        der_put(w, DER_CONTEXT(0), reader_text(job->url)); /* SpcLink: url [0] IA5String */
        der_close(w, link);
    }
    der_close(w, at);
    ok = ok && !text.failed;
    writer_done(&text);
    return ok || err_user(e, ERR_SIGNATURE, "The description is not valid text, or too long.");
}

static void put_statement(struct writer *w)
{
    size_t at = der_open(w, DER_SEQUENCE);
    der_put_oid(w, OID_SPC_INDIVIDUAL);
    der_close(w, at);
}

static bool ask_signature(const struct authenticode *job, const struct signer *signer,
                          struct cms_plan *plan, struct writer *attributes,
                          struct writer *signature, struct err *e)
{
    struct writer opus, statement;
    struct digest_value to_sign;
    writer_init(&opus, 16 * 1024);
    writer_init(&statement, 64);
    put_statement(&statement);
    bool ok = put_opus(&opus, job, e);
    struct cms_attribute list[2] = {{OID_SPC_STATEMENT_TYPE, writer_view(&statement)},
                                    {OID_SPC_OPUS_INFO, writer_view(&opus)}};
    plan->attributes = list;
    plan->attribute_count =
        present(job->description) || present(job->url) || job->empty_opus ? 2 : 1;
    ok = ok && writer_ok(&opus, e) && writer_ok(&statement, e) &&
         cms_to_be_signed(plan, attributes, &to_sign, e) &&
         signer->sign(signer->ctx, job->slot, plan->algorithm, digest_view(&to_sign), signature, e);
    plan->attributes = NULL; /* they are in `attributes` now */
    plan->attribute_count = 0;
    writer_done(&opus);
    writer_done(&statement);
    return ok;
}

/* The token is over the signature value, always by SHA-256 (product-spec 7.1). */
static bool ask_stamp(const struct authenticode *job, const struct signer *signer,
                      struct reader signature, struct writer *token, struct err *e)
{
    struct digest_value imprint;
    TRY(digest_of(HASH_SHA256, signature, &imprint, e));
    return signer->stamp(signer->ctx, job->slot, HASH_SHA256, digest_view(&imprint), token, e);
}

static bool nest(struct arena *a, struct reader outer, struct reader inner, struct writer *pkcs7,
                 struct err *e)
{
    struct cms c;
    struct err why = {0};
    bool readable = cms_parse(a, outer, &c, &why);
    TRY(err_theirs(&why, e));
    if (!readable || c.signer_count != 1)
        return err_user(e, ERR_SIGNATURE,
                        "The existing signature cannot be read, so no signature "
                        "can be appended to it. Sign without append, which "
                        "replaces it.");
    return cms_with_unsigned(&c, (struct cms_attribute){OID_SPC_NESTED_SIGNATURE, inner}, pkcs7, e);
}

static bool algorithm_of(struct arena *a, const struct signer *signer, enum hash hash,
                         sign_algorithm *ret, struct err *e)
{
    struct certificate c;
    if (signer->chain_count == 0)
        return err_set(e, ERR_INTERNAL, "no certificate");
    TRY(certificate_parse(a, signer->chain[0], &c, e));
    if (!c.key_known || c.key.kind == KEY_ED25519)
        return err_user(e, ERR_CERTIFICATE, "Authenticode needs an RSA or EC certificate.");
    *ret = key_type_algorithm(c.key, hash, false);
    return true;
}

bool authenticode_sign(const struct authenticode *job, const struct signer *signer,
                       struct writer *pkcs7, struct err *e)
{
    struct digest_value digest;
    struct reader in = job->content;
    struct der content;
    struct writer attributes, signature, token, inner;
    struct cms_plan plan = {.pkcs7 = true,
                            .content_type = job->content_type,
                            .content = job->content,
                            .certificates = signer->chain,
                            .certificate_count = signer->chain_count};
    CLEANUP(arena_cleanup) struct arena *a = arena_new(CMS_BYTES);
    if (a == NULL)
        return arena_err(e);
    if (!der_any(&in, &content) || !reader_at_end(&in))
        return err_set(e, ERR_INTERNAL, "content is not one element");
    TRY(algorithm_of(a, signer, job->hash, &plan.algorithm, e));
    TRY(digest_of(job->hash, content.content, &digest, e));
    plan.digest = digest_view(&digest);
    writer_init(&attributes, 64 * 1024);
    writer_init(&signature, 4096);
    writer_init(&token, 1 << 20);
    writer_init(&inner, CMS_BYTES);
    bool ok = ask_signature(job, signer, &plan, &attributes, &signature, e) &&
              (!signer->stamps || ask_stamp(job, signer, writer_view(&signature), &token, e));
    struct cms_attribute stamp = {OID_SPC_STAMP_TOKEN, writer_view(&token)};
    ok = ok && cms_finish(&plan, writer_view(&attributes), writer_view(&signature), &stamp,
                          signer->stamps ? 1 : 0, &inner, e);
    if (ok && job->append_to.at != NULL)
        ok = nest(a, job->append_to, writer_view(&inner), pkcs7, e);
    else if (ok)
        writer_reader(pkcs7, writer_view(&inner));
    writer_done(&attributes);
    writer_done(&signature);
    writer_done(&token);
    writer_done(&inner);
    return ok && writer_ok(pkcs7, e);
}
