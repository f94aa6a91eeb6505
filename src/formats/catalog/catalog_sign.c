/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/der.h"
#include "formats/catalog/catalog.h"
#include <string.h>

static bool bad(struct err *e)
{
    return err_user(
        e, ERR_CATALOG,
        "The security catalog is malformed, or it is a PKCS#7 message of another kind.");
}

/* CTL_INFO begins with the usage, which for catalogs is one identifier; what else there is belongs
 * to the makers of catalogs. */
static bool is_list(struct reader content)
{
    struct reader list, usage, id;
    return der_only(content, DER_SEQUENCE, &list) && der_get(&list, DER_SEQUENCE, &usage) &&
           der_oid(&usage, &id) && list.left > 0 && der_valid(content);
}

bool catalog_open(struct arena *a, const struct source *in, struct cms *ret, struct err *e)
{
    struct reader bytes;
    struct cms c;
    struct err why = {0};
    if (in->size > CATALOG_MAX)
        return err_user(e, ERR_FILE_LIMIT, "The security catalog has more than %d bytes.",
                        CATALOG_MAX);
    TRY(source_load(a, in, 0, (size_t)in->size, &bytes, e));
    if (!cms_parse(a, bytes, &c, &why))
        return err_theirs(&why, e) && bad(e);
    if (oid_find(c.content_type) != OID_CTL || c.detached || !is_list(c.content_element))
        return bad(e);
    *ret = c;
    return true;
}

bool catalog_sign(const struct sign_job *job, struct err *e)
{
    CLEANUP(writer_done) struct writer pkcs7 = {0};
    enum hash hash = HASH_SHA256;
    const char *name = attribute_value(&job->attributes, "hash-algorithm");
    const char *append = attribute_value(&job->attributes, "append");
    const char *description = attribute_value(&job->attributes, "description");
    struct cms c;
    writer_init(&pkcs7, CMS_BYTES);
    if (name != NULL && !hash_from_name(name, &hash))
        return err_user(e, ERR_DIRECTIVE, "The hash algorithm \"%.40s\" is not known.", name);
    TRY(catalog_open(job->arena, job->in, &c, e));
    struct authenticode signing = {.content_type = OID_CTL,
                                   .content = c.content_element,
                                   .hash = hash,
                                   .description =
                                       description != NULL ? description : job->file_name,
                                   .url = attribute_value(&job->attributes, "description-url"),
                                   .slot = job->slot};
    if (append != NULL && strcmp(append, "true") == 0 && c.signer_count > 0)
        TRY(source_load(job->arena, job->in, 0, (size_t)job->in->size, &signing.append_to, e));
    TRY(authenticode_sign(&signing, job->signer, &pkcs7, e));
    return sink_reader(job->out, writer_view(&pkcs7), e);
}

/* A nested signature has a content of its own, which has to be the same list. */
static bool digest_list(void *ctx, struct arena *a, const struct spc_content *said,
                        struct reader *ret, struct err *e)
{
    const struct cms *c = ctx;
    struct digest_value v;
    if (said->content_type != OID_CTL || !reader_equal(said->content, c->content_element))
        return err_user(e, ERR_SIGNATURE, "The signature is one of another list.");
    TRY(digest_of(said->hash, c->content, &v, e));
    *ret = arena_bytes(a, digest_view(&v));
    return ret->at != NULL || arena_err(e);
}

bool catalog_verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                    struct err *e)
{
    struct cms c;
    struct reader bytes;
    TRY(catalog_open(job->arena, job->in, &c, e));
    if (c.signer_count == 0) {
        *ret = NULL;
        *ret_count = 0;
        return true;
    }
    TRY(source_load(job->arena, job->in, 0, (size_t)job->in->size, &bytes, e));
    return authenticode_verify(job->arena, bytes, digest_list, &c, ret, ret_count, e);
}
