/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/digest.h"
#include "formats/msi/msi_package.h"
#include <string.h>

enum { PKCS7_MAX = 16 << 20 };

/* The subject interface package of installer files, {000C10F1-...}. */
static const uint8_t sip[16] = {0xf1, 0x10, 0x0c, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46};
static const char name[] = "\5\0D\0i\0g\0i\0t\0a\0l\0S\0i\0g\0n\0a\0t\0u\0r\0e";
static const char name_ex[] = "\5\0M\0s\0i\0D\0i\0g\0i\0t\0a\0l\0S\0i\0g\0n\0a\0t\0u\0r\0e\0E\0x";

static bool make_pkcs7(const struct sign_job *job, enum hash hash,
                       const struct digest_value *digest, struct writer *pkcs7, struct err *e)
{
    CLEANUP(writer_done) struct writer data = {0};
    CLEANUP(writer_done) struct writer content = {0};
    const char *description = attribute_value(&job->attributes, "description");
    writer_init(&data, 4096);
    writer_init(&content, 4096);
    spc_data_sip(&data, 1, sip);
    spc_indirect_data(&content, writer_view(&data), hash, digest_view(digest));
    TRY(writer_ok(&data, e) && writer_ok(&content, e));
    struct authenticode signing = {.content_type = OID_SPC_INDIRECT_DATA,
                                   .content = writer_view(&content),
                                   .hash = hash,
                                   .description =
                                       description != NULL ? description : job->file_name,
                                   .url = attribute_value(&job->attributes, "description-url"),
                                   .slot = job->slot};
    return authenticode_sign(&signing, job->signer, pkcs7, e);
}

size_t msi_signature_removed(const struct msi *m, struct cfb_change ret[2])
{
    const struct cfb_entry *old[] = {m->signature, m->signature_ex};
    size_t n = 0;
    for (size_t i = 0; i < 2; i++)
        if (old[i] != NULL)
            ret[n++] =
                (struct cfb_change){.action = CFB_REMOVE, .index = cfb_index(m->file, old[i])};
    if (n == 2 && ret[0].index > ret[1].index) {
        const struct cfb_change first = ret[1];
        ret[1] = ret[0];
        ret[0] = first;
    }
    return n;
}

size_t msi_signature_added(struct source pkcs7, struct source metadata, struct cfb_change ret[2])
{
    ret[0] = (struct cfb_change){
        .action = CFB_ADD, .name = reader_over(name, sizeof name), .content = pkcs7};
    ret[1] = (struct cfb_change){
        .action = CFB_ADD, .name = reader_over(name_ex, sizeof name_ex), .content = metadata};
    return 2;
}

/* The streams of an earlier signature go, the new ones come behind all others. */
static bool put(const struct msi *m, struct reader pkcs7, struct reader metadata, struct sink *out,
                struct err *e)
{
    struct cfb_change changes[4];
    size_t n = msi_signature_removed(m, changes);
    n += msi_signature_added(source_memory(pkcs7), source_memory(metadata), &changes[n]);
    return cfb_write(m->file, changes, n, out, e);
}

bool msi_sign(const struct sign_job *job, struct err *e)
{
    CLEANUP(writer_done) struct writer pkcs7 = {0};
    enum hash hash = HASH_SHA256;
    const char *wanted = attribute_value(&job->attributes, "hash-algorithm");
    const char *append = attribute_value(&job->attributes, "append");
    struct digest_value metadata, digest;
    struct msi_package tables;
    struct msi m;
    writer_init(&pkcs7, PKCS7_MAX);
    if (wanted != NULL && !hash_from_name(wanted, &hash))
        return err_user(e, ERR_DIRECTIVE, "The hash algorithm \"%.40s\" is not known.", wanted);
    if (append != NULL && strcmp(append, "true") == 0)
        return err_user(e, ERR_DIRECTIVE,
                        "A second signature cannot be appended to an installer file; signing "
                        "replaces the one that is there.");
    TRY(msi_open(job->arena, job->in, &m, e));
    /* What the check after signing could not read is refused before. */
    TRY(msi_package_read(job->arena, &m, &tables, e));
    TRY(msi_metadata_digest(job->arena, m.file, hash, &metadata, e));
    TRY(msi_digest(job->arena, m.file, hash, digest_view(&metadata), &digest, e));
    TRY(make_pkcs7(job, hash, &digest, &pkcs7, e));
    return put(&m, writer_view(&pkcs7), digest_view(&metadata), job->out, e);
}

struct hashed {
    const struct msi *m;
    struct reader ex; /* what \5MsiDigitalSignatureEx holds */
};

static bool digest_for(void *ctx, struct arena *a, const struct spc_content *said,
                       struct reader *ret, struct err *e)
{
    const struct hashed *h = ctx;
    struct digest_value v;
    if (h->m->signature_ex != NULL) {
        TRY(msi_metadata_digest(a, h->m->file, said->hash, &v, e));
        if (!reader_equal(digest_view(&v), h->ex))
            return err_user(e, ERR_SIGNATURE,
                            "Names, classes or times inside the file changed after it was signed.");
    }
    TRY(msi_digest(a, h->m->file, said->hash, h->ex, &v, e));
    *ret = arena_bytes(a, digest_view(&v));
    return ret->at != NULL || arena_err(e);
}

static bool load(struct arena *a, const struct cfb *c, const struct cfb_entry *x,
                 struct reader *ret, struct err *e)
{
    struct source s;
    *ret = (struct reader){0};
    if (x == NULL)
        return true;
    if (x->size > PKCS7_MAX)
        return err_user(e, ERR_CFB, "The signature of the installer file is too long.");
    return cfb_source(a, c, x, &s, e) && source_load(a, &s, 0, (size_t)s.size, ret, e);
}

bool msi_verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                struct err *e)
{
    struct msi m;
    struct reader pkcs7;
    TRY(msi_open(job->arena, job->in, &m, e));
    struct hashed h = {.m = &m};
    if (m.signature == NULL) {
        *ret = NULL;
        *ret_count = 0;
        return true;
    }
    TRY(load(job->arena, m.file, m.signature, &pkcs7, e) &&
        load(job->arena, m.file, m.signature_ex, &h.ex, e));
    TRY(authenticode_verify(job->arena, pkcs7, digest_for, &h, ret, ret_count, e));
    for (size_t i = 0; m.file->loose && i < *ret_count; i++)
        if ((*ret)[i].intact) {
            (*ret)[i].intact = false;
            (*ret)[i].problem = "There is something at the end of the file that is not signed.";
        }
    return true;
}
