/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/der.h"
#include "crypto/digest.h"
#include "formats/cab/cab.h"
#include <string.h>

enum { HEAD_MAX = 16 << 20, PKCS7_MAX = 16 << 20 };

static struct source body_of(const struct cab *c)
{
    struct source body = c->in;
    body.offset += c->names;
    body.size = c->end - c->names;
    return body;
}

/* Hashed are: the header without its check sum field, of the reserve the first block with its
 * length, the folder table and all that follows up to the signature. */
static bool digest_head(const struct cab *c, struct reader head, struct digest *d, struct err *e)
{
    struct reader magic, fields, part = head;
    uint16_t reserve;
    if (!reader_take(&part, 4, &magic) || !reader_skip(&part, 4) ||
        !reader_take(&part, CAB_HEADER - 8, &fields) || !reader_u16le(&part, &reserve) ||
        !reader_skip(&part, 2))
        return err_set(e, ERR_INTERNAL, "head of %zu bytes", head.left);
    digest_add(d, magic);
    digest_add(d, fields);
    const uint8_t length[2] = {(uint8_t)c->first.left, (uint8_t)(c->first.left >> 8)};
    digest_add(d, reader_over(length, sizeof length));
    digest_add(d, c->first);
    if (!reader_skip(&part, reserve))
        return err_set(e, ERR_INTERNAL, "reserve of %u bytes", reserve);
    digest_add(d, part);
    return true;
}

/* A digest over the cabinet while it is copied. */
struct copying {
    struct digest d;
    struct sink *out; /* NULL: only the digest */
};

static bool copy_piece(void *ctx, struct reader piece, struct err *e)
{
    struct copying *x = ctx;
    digest_add(&x->d, piece);
    return x->out == NULL || sink_reader(x->out, piece, e);
}

/* Length and place of the signature, which are not known yet, are not hashed. */
static bool copy_unsigned(const struct cab *c, enum hash hash, struct sink *out,
                          struct digest_value *ret, struct err *e)
{
    CLEANUP(writer_done) struct writer head = {0};
    struct copying x = {.out = out};
    uint32_t shift;
    const struct source body = body_of(c);
    writer_init(&head, HEAD_MAX);
    bool ok = cab_signed_head(c, 0, &head, &shift, e) && digest_begin(&x.d, hash, e) &&
              digest_head(c, writer_view(&head), &x.d, e) &&
              (out == NULL || sink_reader(out, writer_view(&head), e)) &&
              source_each(&body, copy_piece, &x, e) && digest_end(&x.d, ret, e);
    digest_done(&x.d);
    return ok;
}

bool cab_digest(const struct cab *c, enum hash hash, struct digest_value *ret, struct err *e)
{
    return copy_unsigned(c, hash, NULL, ret, e);
}

/* Some programs pad the message to 8 bytes and count the padding. What is no PKCS#7 is left whole:
 * reading it says why. */
static struct reader message_of(const struct cab *c)
{
    struct reader r = c->signature, whole;
    if (!der_whole(&r, DER_SEQUENCE, &whole) || r.left >= 8)
        return c->signature;
    for (uint8_t byte; reader_u8(&r, &byte);)
        if (byte != 0)
            return c->signature;
    return whole;
}

/* Copies the cabinet to job->out, which then lacks nothing but the signature. */
static bool make_pkcs7(const struct sign_job *job, const struct cab *c, struct writer *pkcs7,
                       struct err *e)
{
    CLEANUP(writer_done) struct writer data = {0};
    CLEANUP(writer_done) struct writer content = {0};
    enum hash hash = HASH_SHA256;
    const char *name = attribute_value(&job->attributes, "hash-algorithm");
    const char *append = attribute_value(&job->attributes, "append");
    const char *description = attribute_value(&job->attributes, "description");
    struct digest_value digest;
    writer_init(&data, 4096);
    writer_init(&content, 4096);
    if (name != NULL && !hash_from_name(name, &hash))
        return err_user(e, ERR_DIRECTIVE, "The hash algorithm \"%.40s\" is not known.", name);
    TRY(copy_unsigned(c, hash, job->out, &digest, e));
    spc_data_cab(&data);
    spc_indirect_data(&content, writer_view(&data), hash, digest_view(&digest));
    TRY(writer_ok(&data, e) && writer_ok(&content, e));
    struct authenticode signing = {.content_type = OID_SPC_INDIRECT_DATA,
                                   .content = writer_view(&content),
                                   .hash = hash,
                                   .description =
                                       description != NULL ? description : job->file_name,
                                   .url = attribute_value(&job->attributes, "description-url"),
                                   .slot = job->slot};
    if (append != NULL && strcmp(append, "true") == 0 && c->signature.left > 0)
        signing.append_to = message_of(c);
    return authenticode_sign(&signing, job->signer, pkcs7, e);
}

bool cab_sign(const struct sign_job *job, struct err *e)
{
    CLEANUP(writer_done) struct writer pkcs7 = {0};
    CLEANUP(writer_done) struct writer head = {0};
    struct cab *c;
    uint32_t shift;
    writer_init(&pkcs7, PKCS7_MAX);
    writer_init(&head, HEAD_MAX);
    TRY(cab_open(job->arena, job->in, NULL, &c, e));
    const uint64_t start = job->out->used;
    TRY(make_pkcs7(job, c, &pkcs7, e));
    TRY(cab_signed_head(c, (uint32_t)pkcs7.len, &head, &shift, e));
    return sink_reader(job->out, writer_view(&pkcs7), e) &&
           sink_patch(job->out, start, head.data, head.len, e);
}

static bool digest_for(void *ctx, struct arena *a, const struct spc_content *said,
                       struct reader *ret, struct err *e)
{
    struct digest_value v;
    TRY(cab_digest(ctx, said->hash, &v, e));
    *ret = arena_bytes(a, digest_view(&v));
    return ret->at != NULL || arena_err(e);
}

bool cab_verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                struct err *e)
{
    struct cab *c;
    TRY(cab_open(job->arena, job->in, NULL, &c, e));
    if (c->signature.left == 0) {
        *ret = NULL;
        *ret_count = 0;
        return true;
    }
    return authenticode_verify(job->arena, message_of(c), digest_for, c, ret, ret_count, e);
}
