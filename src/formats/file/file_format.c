/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/digest.h"
#include "formats/file/file.h"
#include <string.h>

bool file_algorithm(const struct attributes *attributes, const struct certificate *signer,
                    sign_algorithm *ret, struct err *e)
{
    const char *name = attribute_value(attributes, "hash-algorithm");
    const char *padding = attribute_value(attributes, "rsa-padding");
    enum hash hash = HASH_SHA256;
    if (name != NULL && !hash_from_name(name, &hash))
        return err_user(e, ERR_DIRECTIVE, "The hash algorithm \"%.40s\" is not known.", name);
    if (!signer->key_known)
        return err_user(e, ERR_DIRECTIVE, "The key of the certificate is of an unknown type.");
    bool pss = padding != NULL && strcmp(padding, "pss") == 0;
    *ret = key_type_algorithm(signer->key, hash, pss && signer->key.kind == KEY_RSA);
    if (!key_type_allows(signer->key, *ret))
        return err_user(e, ERR_DIRECTIVE,
                        "The key of the certificate cannot make such a signature.");
    return true;
}

bool file_digest(struct arena *a, const struct source *s, enum hash hash, struct reader *ret,
                 struct err *e)
{
    struct digest_value v;
    TRY(digest_of_source(hash, s, &v, e));
    struct reader copy = arena_bytes(a, digest_view(&v));
    if (copy.at == NULL)
        return arena_err(e);
    *ret = copy;
    return true;
}

static bool probe(struct reader head, const struct source *in)
{
    (void)head;
    (void)in;
    return true;
}

static bool sign(const struct sign_job *job, struct err *e)
{
    struct certificate signer;
    if (job->signer->chain_count == 0)
        return err_set(e, ERR_INTERNAL, "no certificate");
    TRY(certificate_parse(job->arena, job->signer->chain[0], &signer, e));
    if (strcmp(job->directive, "create-raw-signature") == 0)
        return file_raw_sign(job, &signer, e);
    if (strcmp(job->directive, "create-cms-signature") == 0)
        return file_cms_sign(job, &signer, e);
    return err_set(e, ERR_INTERNAL, "directive %s", job->directive);
}

/* Without a content there is nothing to look for: any file may carry anything. */
static bool verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                   struct err *e)
{
    if (job->content == NULL || job->directive == NULL) {
        *ret_count = 0;
        return true;
    }
    if (strcmp(job->directive, "create-cms-signature") == 0)
        return file_cms_verify(job, ret, ret_count, e);
    if (strcmp(job->directive, "create-raw-signature") != 0)
        return err_set(e, ERR_INTERNAL, "directive %s", job->directive);
    struct signature *one = ARENA_NEW(job->arena, struct signature);
    if (one == NULL)
        return arena_err(e);
    TRY(file_raw_verify(job, one, e));
    *ret = one;
    *ret_count = 1;
    return true;
}

const struct format file_format = {
    .facts = &file_facts,
    .probe = probe,
    .sign = sign,
    .verify = verify,
};
