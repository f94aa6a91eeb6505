/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/digest.h"
#include "formats/appx/appx_map.h"
#include <string.h>

/* Subject interface package: version 1.1 (1.0 before Windows 8 was finished) and the two
 * identifiers, in file order. */
enum { SIP_VERSION = 0x01010000, SIP_VERSION_OLD = 0x01000000 };
static const uint8_t package_guid[16] = {0x4b, 0xdf, 0xc5, 0x0a, 0x07, 0xce, 0xe2, 0x4d,
                                         0xb7, 0x6e, 0x23, 0xc8, 0x39, 0xa0, 0x9f, 0xd1};
static const uint8_t bundle_guid[16] = {0xb3, 0x58, 0x5f, 0x0f, 0xde, 0xaa, 0x9a, 0x4b,
                                        0xa4, 0x34, 0x95, 0x74, 0x2d, 0x92, 0xec, 0xeb};

static const uint8_t *guid_of(const struct appx *p)
{
    return p->bundle ? bundle_guid : package_guid;
}

/* --- signing ---------------------------------------------------------------------------------- */

static bool check_publisher(const struct sign_job *job, const struct appx *p, struct err *e)
{
    struct certificate c;
    struct appx_identity identity;
    if (job->signer->chain_count == 0)
        return err_set(e, ERR_INTERNAL, "no certificate");
    TRY(certificate_parse(job->arena, job->signer->chain[0], &c, e));
    TRY(appx_identity_of(job->arena, p, &identity, e));
    if (identity.publisher != NULL &&
        appx_same_name(job->arena, identity.publisher, c.subject_text))
        return true;
    return err_user(e, ERR_DIRECTIVE,
                    "The Publisher in the manifest must be the subject of the certificate. "
                    "Manifest: \"%.110s\". Certificate: \"%.110s\".",
                    identity.publisher == NULL ? "" : identity.publisher, c.subject_text);
}

static bool choose_hash(const struct sign_job *job, const struct appx *p, enum hash *ret,
                        struct err *e)
{
    const char *wanted = attribute_value(&job->attributes, "hash-algorithm");
    enum hash hash;
    *ret = p->hash;
    if (wanted == NULL || (hash_from_name(wanted, &hash) && hash == *ret))
        return true;
    return err_user(e, ERR_DIRECTIVE,
                    "The block map of the app package uses %s, so the signature must, too: set "
                    "hash-algorithm=\"%s\" (it is \"%.20s\").",
                    hash_name(*ret), hash_name(*ret), wanted);
}

/* The package without a signature, but with the row for one in the content types. */
static bool prepare(const struct sign_job *job, struct sink *scratch, struct source *in,
                    struct appx *p, struct err *e)
{
    struct reader types;
    bool added;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 2 * APPX_TEXT_MAX);
    struct sink k = sink_memory(&w);
    struct zip_change list[4];
    struct appx_packed *packed[4] = {NULL};
    struct appx_changes all = {.list = list, .packed = packed};
    TRY(appx_content_types(job->arena, p, &types, &added, e));
    if (added) {
        struct source text = source_memory(types);
        list[all.count] = (struct zip_change){.action = ZIP_REPLACE, .index = p->content_types};
        TRY(zip_pack_again(p->zip, p->content_types, &text, &k, &list[all.count].packed, e));
        all.count++;
    }
    if (p->signature != SIZE_MAX)
        list[all.count++] = (struct zip_change){.action = ZIP_REMOVE, .index = p->signature};
    TRY(appx_follow(job->arena, p, &all, e));
    if (all.count == 0)
        return true;
    TRY(zip_repack(p->zip, list, all.count, NULL, scratch, e));
    *in = sink_view(scratch);
    return appx_open(job->arena, in, p, e);
}

static bool make_signature(const struct sign_job *job, const struct appx *p, enum hash hash,
                           struct writer *p7x, struct err *e)
{
    CLEANUP(writer_done) struct writer data = {0};
    CLEANUP(writer_done) struct writer content = {0};
    CLEANUP(writer_done) struct writer pkcs7 = {0};
    struct reader digests;
    const char *description = attribute_value(&job->attributes, "description");
    writer_init(&data, 256);
    writer_init(&content, 4096);
    writer_init(&pkcs7, APPX_SIGNATURE_MAX);
    TRY(appx_digests(job->arena, p, hash, &digests, e));
    spc_data_sip(&data, SIP_VERSION, guid_of(p));
    spc_indirect_data(&content, writer_view(&data), hash, digests);
    TRY(writer_ok(&data, e) && writer_ok(&content, e));
    const struct authenticode what = {.content_type = OID_SPC_INDIRECT_DATA,
                                      .content = writer_view(&content),
                                      .hash = hash,
                                      .description =
                                          description != NULL ? description : job->file_name,
                                      .url = attribute_value(&job->attributes, "description-url"),
                                      .slot = job->slot};
    TRY(authenticode_sign(&what, job->signer, &pkcs7, e));
    writer_text(p7x, "PKCX");
    writer_reader(p7x, writer_view(&pkcs7));
    return writer_ok(p7x, e);
}

bool appx_sign(const struct sign_job *job, struct err *e)
{
    struct appx p;
    enum hash hash = HASH_SHA256;
    struct source in = *job->in;
    struct sink scratch = job->scratch;
    CLEANUP(writer_done) struct writer p7x = {0};
    CLEANUP(writer_done) struct writer packed = {0};
    writer_init(&p7x, APPX_SIGNATURE_MAX);
    writer_init(&packed, 2 * APPX_SIGNATURE_MAX);
    struct sink k = sink_memory(&packed);
    struct zip_change add = {.action = ZIP_ADD, .index = SIZE_MAX, .path = APPX_SIGNATURE};
    TRY(appx_open(job->arena, &in, &p, e) && appx_load_hash(&p, e));
    TRY(choose_hash(job, &p, &hash, e) && check_publisher(job, &p, e));
    TRY(prepare(job, &scratch, &in, &p, e));
    TRY(make_signature(job, &p, hash, &p7x, e));
    struct source content = source_memory(writer_view(&p7x));
    TRY(zip_pack(&content, ZIP_DEFLATED, &k, &add.packed, e));
    return zip_repack(p.zip, &add, 1, NULL, job->out, e);
}

/* --- verifying -------------------------------------------------------------------------------- */

static bool for_packages(const struct appx *p, const struct spc_content *said)
{
    struct reader info, guid;
    uint64_t version;
    return oid_is(said->data_type, OID_SPC_SIP_INFO) &&
           der_only(said->data_value, DER_SEQUENCE, &info) && der_uint(&info, &version) &&
           der_octets(&info, &guid) && (version == SIP_VERSION || version == SIP_VERSION_OLD) &&
           reader_equal(guid, reader_over(guid_of(p), 16)) && said->hash >= HASH_SHA256;
}

/* Some signers state a digest of zeros for the catalog that is not there. */
static bool with_no_catalog(struct arena *a, const struct spc_content *said, struct reader *digests,
                            struct err *e)
{
    size_t row = 4 + hash_size(said->hash);
    struct reader last, zeros;
    if (said->digest.left != digests->left + row ||
        !reader_slice(said->digest, digests->left, row, &last))
        return true;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 1024);
    writer_reader(&w, *digests);
    writer_text(&w, "AXCI");
    writer_zeros(&w, row - 4);
    TRY(writer_ok(&w, e));
    if (!reader_slice(writer_view(&w), digests->left, row, &zeros) || !reader_equal(last, zeros))
        return true;
    *digests = arena_bytes(a, writer_view(&w));
    return digests->at != NULL || arena_err(e);
}

static bool digest_package(void *ctx, struct arena *a, const struct spc_content *said,
                           struct reader *ret, struct err *e)
{
    const struct appx *p = ctx;
    if (!for_packages(p, said))
        return err_user(e, ERR_SIGNATURE, "The signature is not one of such an app package.");
    struct reader digests;
    TRY(appx_digests(a, p, said->hash, &digests, e));
    if (p->catalog == SIZE_MAX)
        TRY(with_no_catalog(a, said, &digests, e));
    *ret = digests;
    return true;
}

static bool damaged(struct arena *a, struct signature **ret, size_t *ret_count, struct err *e)
{
    struct signature *s = ARENA_NEW(a, struct signature);
    if (s == NULL)
        return arena_err(e);
    s->kind = "authenticode";
    s->problem = "The signature entry of the app package is damaged.";
    *ret = s;
    *ret_count = 1;
    return true;
}

bool appx_verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                 struct err *e)
{
    struct appx p;
    struct reader p7x;
    struct err bad = {0};
    TRY(appx_open(job->arena, job->in, &p, e));
    if (p.signature == SIZE_MAX) {
        *ret = NULL;
        *ret_count = 0;
        return true;
    }
    bool whole = appx_entry(job->arena, p.zip, p.signature, APPX_SIGNATURE_MAX, &p7x, &bad);
    TRY(err_theirs(&bad, e));
    if (!whole || !reader_starts_with(p7x, "PKCX", 4) || !reader_skip(&p7x, 4))
        return damaged(job->arena, ret, ret_count, e);
    return authenticode_verify(job->arena, p7x, digest_package, &p, ret, ret_count, e);
}
