/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/digest.h"
#include "formats/pe/pe.h"
#include <string.h>

enum { CERTIFICATE_HEADER = 8, WIN_CERT_REVISION_2 = 0x0200, WIN_CERT_TYPE_PKCS7 = 2 };
enum { PAGES_MAX = 12 * 1024 * 1024 };

/* CheckSum of the optional header: the 16-bit words of the file, summed with end-around carry,
 * plus its length (what imagehlp computes). Bytes may come in pieces of any length. */
struct checksum {
    uint64_t sum;
    bool odd; /* the next byte is the high half of a word */
};

static void checksum_add(struct checksum *c, struct reader r)
{
    uint8_t b;
    if (c->odd && reader_u8(&r, &b)) {
        c->sum += (uint64_t)b << 8;
        c->odd = false;
    }
    /* The sum of 32-bit words folds to the same 16 bits. */
    uint64_t sum = reader_sum32le(&r);
    for (uint16_t word; reader_u16le(&r, &word);)
        sum += word;
    if (reader_u8(&r, &b)) {
        sum += b;
        c->odd = true;
    }
    while (sum > UINT32_MAX)
        sum = (sum & UINT32_MAX) + (sum >> 32);
    c->sum += sum;
    while (c->sum > UINT32_MAX)
        c->sum = (c->sum & UINT32_MAX) + (c->sum >> 32);
}

static uint32_t checksum_end(const struct checksum *c, uint64_t file_size)
{
    uint64_t sum = c->sum;
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint32_t)(sum + file_size);
}

/* One pass over the content: digest, checksum and copy. */
struct pass {
    struct digest *digest;     /* NULL: not now */
    struct checksum *checksum; /* NULL: no */
    struct sink *out;          /* NULL: no */
};

static bool pass_piece(void *ctx, struct reader piece, struct err *e)
{
    struct pass *p = ctx;
    if (p->digest != NULL)
        digest_add(p->digest, piece);
    if (p->checksum != NULL)
        checksum_add(p->checksum, piece);
    return p->out == NULL || sink_reader(p->out, piece, e);
}

static bool pass_range(struct pass *p, const struct source *in, uint64_t from, uint64_t to,
                       struct err *e)
{
    struct source part;
    return source_slice(in, from, to - from, &part, e) && source_each(&part, pass_piece, p, e);
}

/* The two fields that signing changes are left out of digest and checksum, and written as zeros. */
static bool pass_gap(struct pass *p, size_t n, struct err *e)
{
    static const uint8_t zeros[8];
    struct pass gap = {.checksum = p->checksum, .out = p->out};
    return pass_piece(&gap, reader_over(zeros, n), e);
}

static bool pass_content(struct pass *p, const struct pe *pe, const struct source *in,
                         struct err *e)
{
    static const uint8_t zeros[8];
    TRY(pass_range(p, in, 0, pe->checksum_at, e) && pass_gap(p, 4, e));
    TRY(pass_range(p, in, pe->checksum_at + 4, pe->directory_at, e) && pass_gap(p, 8, e));
    TRY(pass_range(p, in, pe->directory_at + 8, pe->content_end, e));
    return pass_piece(p, reader_over(zeros, (8 - pe->content_end % 8) % 8), e);
}

bool pe_digest(const struct pe *pe, const struct source *in, enum hash hash,
               struct digest_value *ret, struct err *e)
{
    CLEANUP(digest_done) struct digest d = {0};
    TRY(digest_begin(&d, hash, e));
    struct pass p = {.digest = &d};
    return pass_content(&p, pe, in, e) && digest_end(&d, ret, e);
}

static const char *description_of(const struct sign_job *job, const struct attributes *facts)
{
    const char *wanted = attribute_value(&job->attributes, "description");
    const char *own = attribute_value(facts, "file-description");
    if (wanted != NULL)
        return wanted;
    return own != NULL && own[0] != '\0' ? own : job->file_name;
}

/* By SHA-1 beside a SHA-1 digest, else by SHA-256: there are no others. */
static bool put_data(const struct sign_job *job, const struct pe *pe, enum hash hash,
                     struct writer *w, struct err *e)
{
    const char *wanted = attribute_value(&job->attributes, "page-hashes");
    CLEANUP(writer_done) struct writer hashes = {0};
    if (wanted == NULL || strcmp(wanted, "true") != 0) {
        spc_data_pe(w);
        return writer_ok(w, e);
    }
    hash = hash == HASH_SHA1 ? HASH_SHA1 : HASH_SHA256;
    writer_init(&hashes, PAGES_MAX);
    TRY(pe_page_hashes(pe, job->in, hash, &hashes, e));
    spc_data_pe_pages(w, hash, writer_view(&hashes));
    return writer_ok(w, e);
}

static bool make_pkcs7(const struct sign_job *job, const struct pe *pe, enum hash hash,
                       const struct digest_value *digest, struct writer *pkcs7, struct err *e)
{
    CLEANUP(writer_done) struct writer data = {0};
    CLEANUP(writer_done) struct writer content = {0};
    const char *append = attribute_value(&job->attributes, "append");
    struct attributes facts;
    writer_init(&data, PAGES_MAX);
    writer_init(&content, PAGES_MAX);
    TRY(pe_version_facts(job->arena, pe, job->in, &facts, e) && put_data(job, pe, hash, &data, e));
    spc_indirect_data(&content, writer_view(&data), hash, digest_view(digest));
    TRY(writer_ok(&content, e));
    struct authenticode signing = {.content_type = OID_SPC_INDIRECT_DATA,
                                   .content = writer_view(&content),
                                   .hash = hash,
                                   .description = description_of(job, &facts),
                                   .url = attribute_value(&job->attributes, "description-url"),
                                   .slot = job->slot};
    if (append != NULL && strcmp(append, "true") == 0 && pe->certificate_count > 0)
        signing.append_to = pe->certificates[0];
    return authenticode_sign(&signing, job->signer, pkcs7, e);
}

static bool write_table(struct sink *out, struct reader pkcs7, struct checksum *checksum,
                        uint32_t *ret_size, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    size_t pad = (8 - pkcs7.left % 8) % 8;
    writer_init(&w, pkcs7.left + 64);
    writer_u32le(&w, (uint32_t)(CERTIFICATE_HEADER + pkcs7.left + pad));
    writer_u16le(&w, WIN_CERT_REVISION_2);
    writer_u16le(&w, WIN_CERT_TYPE_PKCS7);
    writer_reader(&w, pkcs7);
    writer_zeros(&w, pad);
    TRY(writer_ok(&w, e));
    checksum_add(checksum, writer_view(&w));
    *ret_size = (uint32_t)w.len;
    return sink_reader(out, writer_view(&w), e);
}

static bool patch_u32(struct sink *out, uint64_t at, uint32_t value, struct checksum *checksum,
                      struct err *e)
{
    uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                        (uint8_t)(value >> 24)};
    struct reader r = reader_over(bytes, sizeof bytes);
    if (checksum != NULL) { /* the field lies at an even offset */
        checksum->odd = false;
        checksum_add(checksum, r);
    }
    return sink_patch(out, at, bytes, sizeof bytes, e);
}

bool pe_sign(const struct sign_job *job, struct err *e)
{
    struct pe *pe;
    enum hash hash = HASH_SHA256;
    const char *name = attribute_value(&job->attributes, "hash-algorithm");
    CLEANUP(digest_done) struct digest d = {0};
    CLEANUP(writer_done) struct writer pkcs7 = {0};
    struct checksum checksum = {0};
    struct digest_value digest;
    uint32_t table_at, table_size;
    writer_init(&pkcs7, 64 << 20);
    if (name != NULL && !hash_from_name(name, &hash))
        return err_user(e, ERR_DIRECTIVE, "The hash algorithm \"%.40s\" is not known.", name);
    TRY(pe_parse(job->arena, job->in, &pe, e) && digest_begin(&d, hash, e));
    struct pass p = {.digest = &d, .checksum = &checksum, .out = job->out};
    TRY(pass_content(&p, pe, job->in, e) && digest_end(&d, &digest, e));
    TRY(make_pkcs7(job, pe, hash, &digest, &pkcs7, e));
    table_at = (uint32_t)job->out->used;
    TRY(write_table(job->out, writer_view(&pkcs7), &checksum, &table_size, e));
    TRY(patch_u32(job->out, pe->directory_at, table_at, &checksum, e));
    TRY(patch_u32(job->out, pe->directory_at + 4, table_size, &checksum, e));
    return patch_u32(job->out, pe->checksum_at, checksum_end(&checksum, job->out->used), NULL, e);
}
