/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/subject.h"
#include "crypto/digest.h"

static void put(struct writer *w, struct reader field)
{
    if (field.left > UINT32_MAX)
        w->failed = true;
    writer_u32le(w, (uint32_t)field.left);
    writer_reader(w, field);
}

static void put_u64(struct writer *w, uint64_t v)
{
    writer_u32le(w, 8);
    writer_u64le(w, v);
}

bool subject_digest(const struct subject *s, uint8_t ret[SUBJECT_SIZE], struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, SIZE_MAX);
    writer_text(&w, "chancery subject 1");
    put(&w, s->organisation);
    put(&w, s->request);
    put(&w, s->submitter);
    put(&w, s->artifact_sha256);
    put_u64(&w, s->artifact_size);
    put(&w, s->plan_sha256);
    put(&w, s->configuration);
    put_u64(&w, s->configuration_version);
    put(&w, s->configuration_sha256);
    put(&w, s->policy);
    put_u64(&w, s->policy_version);
    put(&w, s->policy_sha256);
    put(&w, s->key);
    put(&w, s->certificate_sha256);
    put(&w, s->parameters);
    put(&w, s->origin);
    put(&w, s->scan);
    put_u64(&w, s->approvals);
    TRY(writer_ok(&w, e));
    struct digest_value v;
    TRY(digest_of(HASH_SHA256, writer_view(&w), &v, e));
    struct reader r = digest_view(&v);
    return reader_copy(&r, ret, SUBJECT_SIZE) || err_set(e, ERR_INTERNAL, "digest length");
}
