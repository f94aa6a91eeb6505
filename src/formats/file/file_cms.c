/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "crypto/cms.h"
#include "formats/file/file.h"
#include <string.h>

static const char pem_begin[] = "-----BEGIN CMS-----\n", pem_end[] = "-----END CMS-----\n";

/* --- signing ---------------------------------------------------------------------------------- */

static bool build(const struct sign_job *job, struct cms_plan *plan, struct writer *out,
                  struct err *e)
{
    CLEANUP(writer_done) struct writer time = {0};
    CLEANUP(writer_done) struct writer attributes = {0};
    CLEANUP(writer_done) struct writer signature = {0};
    writer_init(&time, 64);
    writer_init(&attributes, CMS_BYTES);
    writer_init(&signature, 4096);
    der_put_time(&time, job->signer->time);
    TRY(writer_ok(&time, e));
    struct cms_attribute signing_time = {OID_SIGNING_TIME, writer_view(&time)};
    plan->attributes = &signing_time;
    plan->attribute_count = 1;
    struct digest_value digest;
    bool ok = cms_to_be_signed(plan, &attributes, &digest, e) &&
              job->signer->sign(job->signer->ctx, job->slot, plan->algorithm, digest_view(&digest),
                                &signature, e) &&
              cms_finish(plan, writer_view(&attributes), writer_view(&signature), NULL, 0, out, e);
    plan->attributes = NULL;
    plan->attribute_count = 0;
    return ok;
}

/* RFC 7468 section 9. */
static bool write_pem(struct reader der, struct sink *out, struct err *e)
{
    CLEANUP(writer_done) struct writer pem = {0};
    writer_init(&pem, (size_t)2 * CMS_BYTES);
    writer_text(&pem, pem_begin);
    text_base64(&pem, der, 64, "\n");
    if (pem.len > 0 && pem.data[pem.len - 1] != '\n')
        writer_text(&pem, "\n");
    writer_text(&pem, pem_end);
    return writer_ok(&pem, e) && sink_reader(out, writer_view(&pem), e);
}

bool file_cms_sign(const struct sign_job *job, const struct certificate *signer, struct err *e)
{
    CLEANUP(writer_done) struct writer der = {0};
    writer_init(&der, CMS_BYTES);
    const char *encoding = attribute_value(&job->attributes, "output-encoding");
    struct cms_plan plan = {.content_type = OID_DATA,
                            .detached = true,
                            .certificates = job->signer->chain,
                            .certificate_count = job->signer->chain_count};
    TRY(file_algorithm(&job->attributes, signer, &plan.algorithm, e));
    TRY(file_digest(job->arena, job->in, sign_hash(plan.algorithm), &plan.digest, e));
    TRY(build(job, &plan, &der, e));
    TRY(writer_ok(&der, e));
    if (encoding != NULL && strcmp(encoding, "der") == 0)
        return sink_reader(job->out, writer_view(&der), e);
    return write_pem(writer_view(&der), job->out, e);
}

/* --- verifying -------------------------------------------------------------------------------- */

static bool from_pem(struct arena *a, struct reader file, struct reader *ret, struct err *e)
{
    size_t head = sizeof pem_begin - 1, tail = sizeof pem_end - 1;
    struct reader end, body;
    if (!reader_starts_with(file, pem_begin, head))
        return err_user(e, ERR_FILE_TYPE, "The file is no CMS signature (PEM or DER).");
    if (file.left < head + tail || !reader_slice(file, file.left - tail, tail, &end) ||
        !reader_equal_text(end, pem_end) ||
        !reader_slice(file, head, file.left - head - tail, &body) || !text_unbase64(a, body, ret))
        return arena_failed(a)
                   ? arena_err(e)
                   : err_user(e, ERR_FILE_TYPE, "The PEM text of the CMS signature is damaged.");
    return true;
}

static bool load(const struct verify_job *job, struct reader *ret, struct err *e)
{
    struct reader file;
    if (job->in->size > CMS_BYTES)
        return err_user(e, ERR_FILE_LIMIT, "The file is too large for a CMS signature.");
    TRY(source_load(job->arena, job->in, 0, (size_t)job->in->size, &file, e));
    if (file.left > 0 && file.at[0] == DER_SEQUENCE) {
        *ret = file;
        return true;
    }
    return from_pem(job->arena, file, ret, e);
}

static bool verify_signer(const struct verify_job *job, const struct cms *c,
                          const struct cms_signer *signer, struct signature *ret, struct err *e)
{
    struct signature s = {
        .kind = "cms", .algorithm = signer->algorithm, .content_hash = signer->hash};
    struct digest_value digest = {0};
    struct err bad = {0};
    size_t index;
    TRY(cms_signer_certificate(job->arena, c, signer, &index, e));
    s.certificate_count = index == SIZE_MAX ? 0 : c->certificate_count;
    TRY(cms_certificates_from(job->arena, c, index, &s.certificates, e));
    TRY(file_digest(job->arena, job->content, s.content_hash, &s.content_digest, e));
    s.intact = cms_verify(job->arena, c, signer, s.content_digest, NULL, &digest, &bad);
    TRY(err_theirs(&bad, e));
    if (!s.intact && (s.problem = arena_format(job->arena, "%s", bad.user)) == NULL)
        return arena_err(e);
    s.signed_digest = arena_bytes(job->arena, digest_view(&digest));
    *ret = s;
    return s.signed_digest.at != NULL || arena_err(e);
}

bool file_cms_verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                     struct err *e)
{
    struct reader der;
    struct cms c;
    TRY(load(job, &der, e));
    TRY(cms_parse(job->arena, der, &c, e));
    if (!c.detached)
        return err_user(e, ERR_FILE_TYPE, "The CMS signature holds a content of its own.");
    struct signature *list = ARENA_ARRAY(job->arena, c.signer_count, struct signature);
    if (list == NULL)
        return arena_err(e);
    for (size_t i = 0; i < c.signer_count; i++)
        TRY(verify_signer(job, &c, &c.signers[i], &list[i], e));
    *ret = list;
    *ret_count = c.signer_count;
    return true;
}
