/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/office_oxml/vba.h"
#include <string.h>

enum { CONTENT_MAX = 4096, MESSAGE_MAX = 2 * 1024 * 1024 };
/* As if a blob's header of 8 bytes stood in front, also where there is none. */
enum { INFO_HEAD = 36, INFO_SHIFT = 8 };

/* --- digests ---------------------------------------------------------------------------------- */

static bool add_piece(void *ctx, struct reader piece, struct err *e)
{
    (void)e;
    digest_add(ctx, piece);
    return true;
}

/* Over all streams of the storage "VBA", whole, in the order of the tree. */
static bool compiled_digest(struct arena *a, const struct vba *v, enum hash hash,
                            struct digest_value *ret, struct err *e)
{
    CLEANUP(digest_done) struct digest d = {0};
    const uint32_t *list;
    size_t count;
    TRY(vba_children(a, v->file, v->storage, &list, &count, e) && digest_begin(&d, hash, e));
    for (size_t i = 0; i < count; i++) {
        const struct cfb_entry *x = &v->file->entries[list[i]];
        if (x->type == CFB_STREAM)
            TRY(cfb_each(v->file, x, add_piece, &d, e));
    }
    return digest_end(&d, ret, e);
}

static bool source_digest(const struct vba *v, enum vba_kind kind, enum hash hash,
                          struct digest_value *ret, struct err *e)
{
    CLEANUP(digest_done) struct digest d = {0};
    TRY(digest_begin(&d, hash, e));
    digest_add(&d, writer_view(kind == VBA_V3 ? &v->v3 : &v->content));
    if (kind != VBA_LEGACY)
        digest_add(&d, writer_view(kind == VBA_V3 ? &v->project : &v->forms));
    return digest_end(&d, ret, e);
}

/* SigDataV1Serialized ([MS-OSHARED] 2.3.2.4.3.2). */
static bool put_sig_data(struct arena *a, struct writer *w, enum hash hash, struct reader compiled,
                         struct reader source, struct err *e)
{
    enum { HEAD = 24 };
    const char *name = oid_text(a, hash_oid(hash));
    if (name == NULL)
        return arena_err(e);
    size_t n = strlen(name) + 1;
    writer_u32le(w, (uint32_t)n);
    writer_u32le(w, (uint32_t)compiled.left);
    writer_u32le(w, (uint32_t)source.left);
    writer_u32le(w, HEAD);
    writer_u32le(w, (uint32_t)(HEAD + n));
    writer_u32le(w, (uint32_t)(HEAD + n + compiled.left));
    writer_bytes(w, name, n);
    writer_reader(w, compiled);
    writer_reader(w, source);
    return true;
}

struct said {
    struct writer data, digest;
};
static void said_init(struct said *s)
{
    writer_init(&s->data, CONTENT_MAX);
    writer_init(&s->digest, CONTENT_MAX);
}
static void said_done(struct said *s)
{
    writer_done(&s->data);
    writer_done(&s->digest);
}

/* What the signature says: its data element, and the digest. `compiled` false: without the digest
 * of the compiled code, as some programs write it. */
static bool put_said(struct arena *a, const struct vba *v, enum vba_kind kind, enum hash hash,
                     bool compiled, struct said *ret, struct err *e)
{
    enum hash used = kind == VBA_LEGACY ? HASH_MD5 : hash; /* MD5, whatever is named */
    struct digest_value source, code = {0};
    struct writer *data = &ret->data, *digest = &ret->digest;
    TRY(source_digest(v, kind, used, &source, e));
    if (compiled)
        TRY(compiled_digest(a, v, used, &code, e));
    size_t at = der_open(data, DER_SEQUENCE);
    if (kind == VBA_LEGACY) {
        der_put_oid(data, OID_SPC_VBA_LEGACY);
        der_put_octets(data, digest_view(&code));
        writer_reader(digest, digest_view(&source));
    } else { /* SpcSigInfo, serialised: its size, version, format */
        der_put_oid(data, OID_SPC_SIP_INFO_V2);
        der_put_octets(data, reader_over("\x0c\0\0\0\1\0\0\0\1\0\0\0", 12));
        TRY(put_sig_data(a, digest, hash, digest_view(&code), digest_view(&source), e));
    }
    der_close(data, at);
    return writer_ok(data, e) && writer_ok(digest, e);
}

bool vba_indirect_data(struct arena *a, const struct vba *v, enum vba_kind kind, enum hash hash,
                       struct writer *w, struct err *e)
{
    CLEANUP(said_done) struct said said = {0};
    said_init(&said);
    TRY(put_said(a, v, kind, hash, true, &said, e));
    spc_indirect_data(w, writer_view(&said.data), hash, writer_view(&said.digest));
    return writer_ok(w, e);
}

/* --- signing ---------------------------------------------------------------------------------- */

static void put_certificate_store(struct writer *w, struct reader certificate)
{
    enum { CERTIFICATE_ENTRY = 0x20, ENCODING = 1 };
    writer_u32le(w, 0);
    writer_text(w, "CERT");
    writer_u32le(w, CERTIFICATE_ENTRY);
    writer_u32le(w, ENCODING);
    writer_u32le(w, (uint32_t)certificate.left);
    writer_reader(w, certificate);
    writer_zeros(w, 12); /* end mark */
}

static void put_info(struct writer *w, struct reader message, struct reader store)
{
    enum { EMPTY_TEXTS = 4 };
    size_t start = INFO_HEAD + INFO_SHIFT, behind = start + message.left;
    writer_u32le(w, (uint32_t)message.left);
    writer_u32le(w, (uint32_t)start);
    writer_u32le(w, (uint32_t)store.left);
    writer_u32le(w, (uint32_t)behind);
    writer_u32le(w, 0); /* project name */
    writer_u32le(w, (uint32_t)(behind + store.left));
    writer_u32le(w, 0); /* flag of a time stamp: zero also when there is one */
    writer_u32le(w, 0); /* address of the time-stamp server */
    writer_u32le(w, (uint32_t)(behind + store.left + 2));
    writer_reader(w, message);
    writer_reader(w, store);
    writer_zeros(w, EMPTY_TEXTS);
}

bool vba_sign(const struct sign_job *job, const struct vba *v, enum vba_kind kind, uint32_t slot,
              struct writer *info, struct err *e)
{
    CLEANUP(writer_done) struct writer content = {0};
    CLEANUP(writer_done) struct writer message = {0};
    CLEANUP(writer_done) struct writer store = {0};
    struct signer leaf = *job->signer;
    leaf.chain_count = leaf.chain_count > 1 ? 1 : leaf.chain_count;
    writer_init(&content, CONTENT_MAX);
    writer_init(&message, MESSAGE_MAX);
    writer_init(&store, MESSAGE_MAX);
    TRY(vba_indirect_data(job->arena, v, kind, HASH_SHA256, &content, e));
    const struct authenticode what = {.content_type = OID_SPC_INDIRECT_DATA,
                                      .content = writer_view(&content),
                                      .hash = HASH_SHA256,
                                      .empty_opus = true,
                                      .slot = slot};
    TRY(authenticode_sign(&what, &leaf, &message, e));
    put_certificate_store(&store, leaf.chain[0]);
    put_info(info, writer_view(&message), writer_view(&store));
    return writer_ok(&store, e) && writer_ok(info, e);
}

/* --- verifying -------------------------------------------------------------------------------- */

bool vba_message(struct reader info, struct reader *ret)
{
    uint32_t size, offset;
    struct reader at = info;
    return reader_u32le(&at, &size) && reader_u32le(&at, &offset) &&
           offset == INFO_HEAD + INFO_SHIFT && reader_slice(info, INFO_HEAD, size, ret);
}

struct check {
    const struct vba *v;
    enum vba_kind kind;
};

/* Whether the signature has a digest of the compiled code ([MS-OSHARED] lets it be empty). */
static bool has_compiled(const struct spc_content *said, enum vba_kind kind)
{
    struct reader at = said->digest, octets;
    uint32_t n = 0;
    if (kind == VBA_LEGACY)
        return !der_only(said->data_value, DER_OCTET_STRING, &octets) || octets.left > 0;
    return !reader_skip(&at, 4) || !reader_u32le(&at, &n) || n > 0;
}

static bool said_for(const struct spc_content *said, enum vba_kind kind)
{
    return oid_is(said->data_type, kind == VBA_LEGACY ? OID_SPC_VBA_LEGACY : OID_SPC_SIP_INFO_V2);
}

/* Rebuilds the whole element: whatever it holds besides the digests must be as it should be. */
static bool digest_project(void *ctx, struct arena *a, const struct spc_content *said,
                           struct reader *ret, struct err *e)
{
    const struct check *c = ctx;
    CLEANUP(said_done) struct said own = {0};
    struct reader type, value, at;
    said_init(&own);
    if (said->content_type != OID_SPC_INDIRECT_DATA || !said_for(said, c->kind))
        return err_user(e, ERR_SIGNATURE, "The signature is not one of a VBA project.");
    if (c->kind == VBA_V3 && c->v->no_v3 != NULL)
        return err_user(e, ERR_SIGNATURE, "The V3 signature of this project is not checked: %s.",
                        c->v->no_v3);
    TRY(put_said(a, c->v, c->kind, said->hash, has_compiled(said, c->kind), &own, e));
    at = writer_view(&own.data);
    if (!der_get(&at, DER_SEQUENCE, &value) || !der_oid(&value, &type))
        return err_set(e, ERR_INTERNAL, "data is not one element");
    if (!reader_equal(value, said->data_value))
        return err_user(
            e, ERR_SIGNATURE,
            c->kind == VBA_LEGACY
                ? "The compiled code of the VBA project was changed after it was signed."
                : "The signature is not one of a VBA project.");
    *ret = arena_bytes(a, writer_view(&own.digest));
    return ret->at != NULL || arena_err(e);
}

/* Older versions of Office sign with MD5 by default: say that, and not that something is broken. */
static void explain_md5(struct signature *s)
{
    if (!s->intact && s->problem != NULL && sign_hash(s->algorithm) == HASH_MD5 &&
        strcmp(s->problem, err_default_text(ERR_SIGNATURE)) == 0)
        s->problem = "The signature uses MD5, which is not accepted any more.";
}

bool vba_verify(struct arena *a, const struct vba *v, enum vba_kind kind, struct reader info,
                struct signature *list, size_t *count, struct err *e)
{
    static const char *const names[VBA_KINDS] = {"vba-legacy", "vba-agile", "vba-v3"};
    struct check c = {v, kind};
    struct reader message;
    struct signature *found, damaged = {.problem = "The signature of the VBA project is damaged."};
    size_t n = 1;
    if (vba_message(info, &message))
        TRY(authenticode_verify(a, message, digest_project, &c, &found, &n, e));
    else
        found = &damaged;
    for (size_t i = 0; i < n && *count < VBA_SIGNATURES; i++) {
        list[*count] = found[i];
        list[*count].kind = names[kind];
        explain_md5(&list[(*count)++]);
    }
    return true;
}
