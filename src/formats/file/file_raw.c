/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/file/file.h"

enum { RAW_MAX = 4096 };

bool file_raw_sign(const struct sign_job *job, const struct certificate *signer, struct err *e)
{
    sign_algorithm algorithm;
    struct reader digest;
    CLEANUP(writer_done) struct writer signature = {0};
    writer_init(&signature, RAW_MAX);
    TRY(file_algorithm(&job->attributes, signer, &algorithm, e));
    TRY(file_digest(job->arena, job->in, sign_hash(algorithm), &digest, e));
    TRY(job->signer->sign(job->signer->ctx, job->slot, algorithm, digest, &signature, e));
    return sink_reader(job->out, writer_view(&signature), e);
}

/* A bare signature names nobody, so the certificate has to come with the job. */
bool file_raw_verify(const struct verify_job *job, struct signature *ret, struct err *e)
{
    struct certificate signer;
    sign_algorithm algorithm;
    struct reader bytes;
    if (job->certificate == NULL)
        return err_user(e, ERR_USAGE,
                        "A bare signature can only be checked with the signer's certificate.");
    if (job->in->size > RAW_MAX)
        return err_user(e, ERR_FILE_TYPE, "The file is too large for a bare signature.");
    TRY(certificate_parse(job->arena, *job->certificate, &signer, e));
    TRY(file_algorithm(&job->attributes, &signer, &algorithm, e));
    TRY(source_load(job->arena, job->in, 0, (size_t)job->in->size, &bytes, e));
    struct signature s = {.kind = "raw",
                          .algorithm = algorithm,
                          .content_hash = sign_hash(algorithm),
                          .certificates = job->certificate,
                          .certificate_count = 1};
    TRY(file_digest(job->arena, job->content, s.content_hash, &s.content_digest, e));
    s.signed_digest = s.content_digest;
    struct err bad = {0};
    s.intact = key_verify_digest(signer.spki, algorithm, s.signed_digest, bytes, &bad);
    TRY(err_theirs(&bad, e));
    if (!s.intact)
        s.problem = "the signature was not made over this content with this key";
    *ret = s;
    return true;
}
