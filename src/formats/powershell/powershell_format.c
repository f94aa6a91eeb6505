/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "crypto/authenticode.h"
#include "formats/powershell/powershell.h"
#include <string.h>

enum { BLOCK_MAX = 8 * 1024 * 1024, DESCRIPTION_MAX = 1024 };

/* {603BCC1F-4B59-4E08-B724-D2C6297EF351}: the program on Windows that reads such files. */
static const uint8_t reader_guid[16] = {0x1f, 0xcc, 0x3b, 0x60, 0x59, 0x4b, 0x08, 0x4e,
                                        0xb7, 0x24, 0xd2, 0xc6, 0x29, 0x7e, 0xf3, 0x51};
enum { READER_VERSION = 0x10000 };

/* Text has no magic number: the extension decides. This only says what cannot be text. */
static bool probe(struct reader head, const struct source *in)
{
    (void)in;
    return reader_starts_with(head, "\xff\xfe", 2) || reader_starts_with(head, "\xfe\xff", 2) ||
           reader_find(head, 0, "", 1) == SIZE_MAX;
}

static bool load(struct arena *a, const struct source *in, struct reader *ret, struct err *e)
{
    if (in->size > powershell_facts.max_size)
        return err_user(e, ERR_FILE_LIMIT, "A PowerShell file may have at most %llu MiB.",
                        (unsigned long long)(powershell_facts.max_size >> 20));
    return source_load(a, in, 0, (size_t)in->size, ret, e);
}

static bool open_script(struct arena *a, const struct source *in, const char *file_name,
                        struct powershell *ret, struct err *e)
{
    struct reader file;
    const struct powershell_style *style;
    TRY(powershell_style_of(file_name, &style, e));
    TRY(load(a, in, &file, e));
    return powershell_parse(file, style, ret, e);
}

/* Without a name the style is not known: one of each is tried. */
static const char *const one_of_each[] = {"a.ps1", "a.ps1xml", "a.mof"};

static bool parse_as(const char *name, struct reader file, struct powershell *ret)
{
    const struct powershell_style *style;
    struct err not_this = {0};
    return powershell_style_of(name, &style, &not_this) &&
           powershell_parse(file, style, ret, &not_this);
}

static bool inspect(struct arena *a, const struct source *in, struct file_facts *ret, struct err *e)
{
    struct file_facts facts = {0};
    struct reader file;
    TRY(load(a, in, &file, e));
    for (size_t i = 0; i < COUNT_OF(one_of_each); i++) {
        struct powershell p;
        if (parse_as(one_of_each[i], file, &p))
            facts.signatures += p.lines.at != NULL ? 1 : 0;
    }
    *ret = facts;
    return true;
}

/* The text is the same to the byte, and a block is all that stands behind it. */
static bool unchanged(struct arena *a, const struct source *before, const struct source *after,
                      struct err *e)
{
    struct reader old, now;
    TRY(load(a, before, &old, e) && load(a, after, &now, e));
    for (size_t i = 0; i < COUNT_OF(one_of_each); i++) {
        struct powershell was, is;
        if (parse_as(one_of_each[i], old, &was) && parse_as(one_of_each[i], now, &is) &&
            is.lines.at != NULL && !is.unfinished && reader_equal(was.text, is.text))
            return true;
    }
    return err_user(e, ERR_VERIFY_CHANGED, "The text of the PowerShell file was changed.");
}

/* --- signing ---------------------------------------------------------------------------------- */

static bool read_attributes(const struct sign_job *job, struct authenticode *ret, struct err *e)
{
    const char *hash = attribute_value(&job->attributes, "hash-algorithm");
    const char *append = attribute_value(&job->attributes, "append");
    const char *description = attribute_value(&job->attributes, "description");
    if (append != NULL && strcmp(append, "false") != 0)
        return err_user(e, ERR_DIRECTIVE,
                        "A PowerShell file has room for one signature only, so append=\"true\" is "
                        "not possible. Remove the attribute: signing replaces the signature.");
    ret->hash = HASH_SHA256;
    if (hash != NULL && (!hash_from_name(hash, &ret->hash) || ret->hash == HASH_MD5))
        return err_user(e, ERR_DIRECTIVE,
                        "The hash algorithm \"%.40s\" is not known. Possible are "
                        "sha1, sha256, sha384 and sha512.",
                        hash);
    ret->description = description != NULL ? description : job->file_name;
    if (ret->description != NULL && strlen(ret->description) > 4 * DESCRIPTION_MAX)
        return err_user(e, ERR_DIRECTIVE, "The description is longer than %d characters.",
                        DESCRIPTION_MAX);
    ret->url = attribute_value(&job->attributes, "description-url");
    return true;
}

static bool put_content(struct writer *content, enum hash hash, const struct powershell *p,
                        struct err *e)
{
    struct digest_value digest;
    struct writer data;
    TRY(powershell_digest(p, hash, false, &digest, e));
    writer_init(&data, 256);
    spc_data_sip(&data, READER_VERSION, reader_guid);
    bool ok = writer_ok(&data, e);
    spc_indirect_data(content, writer_view(&data), hash, digest_view(&digest));
    writer_done(&data);
    return ok && writer_ok(content, e);
}

static bool write_signed(const struct sign_job *job, const struct powershell *p,
                         struct reader pkcs7, struct err *e)
{
    CLEANUP(writer_done) struct writer block;
    writer_init(&block, BLOCK_MAX);
    powershell_put_block(&block, p, pkcs7);
    return writer_ok(&block, e) && sink_reader(job->out, p->text, e) &&
           sink_reader(job->out, writer_view(&block), e);
}

static bool sign(const struct sign_job *job, struct err *e)
{
    struct powershell p;
    struct authenticode what = {.content_type = OID_SPC_INDIRECT_DATA, .slot = job->slot};
    CLEANUP(writer_done) struct writer content;
    CLEANUP(writer_done) struct writer pkcs7;
    writer_init(&content, 1024);
    writer_init(&pkcs7, BLOCK_MAX / 4);
    TRY(read_attributes(job, &what, e));
    TRY(open_script(job->arena, job->in, job->file_name, &p, e));
    if (p.text.left == 0)
        return err_user(e, ERR_FILE_TYPE,
                        "The PowerShell file is empty: there is nothing to sign.");
    TRY(put_content(&content, what.hash, &p, e));
    what.content = writer_view(&content);
    TRY(authenticode_sign(&what, job->signer, &pkcs7, e));
    return write_signed(job, &p, writer_view(&pkcs7), e);
}

/* --- verifying -------------------------------------------------------------------------------- */

static bool for_scripts(const struct spc_content *said)
{
    struct reader info, guid;
    uint64_t version;
    return oid_is(said->data_type, OID_SPC_SIP_INFO) &&
           der_only(said->data_value, DER_SEQUENCE, &info) && der_uint(&info, &version) &&
           der_octets(&info, &guid) && version == READER_VERSION &&
           reader_equal(guid, reader_over(reader_guid, sizeof reader_guid));
}

/* Windows reads text without byte order mark by its code page, so signatures made there may be
 * over that reading of the same bytes. */
static bool digest_script(void *ctx, struct arena *a, const struct spc_content *said,
                          struct reader *ret, struct err *e)
{
    const struct powershell *p = ctx;
    struct digest_value v, legacy;
    if (!for_scripts(said))
        return err_user(e, ERR_SIGNATURE, "The signature is not one of a PowerShell file.");
    TRY(powershell_digest(p, said->hash, false, &v, e));
    if (p->encoding == POWERSHELL_UTF8 && !p->marked &&
        !reader_equal(digest_view(&v), said->digest)) {
        TRY(powershell_digest(p, said->hash, true, &legacy, e));
        v = reader_equal(digest_view(&legacy), said->digest) ? legacy : v;
    }
    *ret = arena_bytes(a, digest_view(&v));
    return ret->at != NULL || arena_err(e);
}

static bool damaged(struct arena *a, struct signature **ret, size_t *ret_count, struct err *e)
{
    struct signature *s = ARENA_NEW(a, struct signature);
    if (s == NULL || arena_failed(a))
        return arena_err(e);
    s->kind = "authenticode";
    s->problem = "The signature block of the file is damaged.";
    *ret = s;
    *ret_count = 1;
    return true;
}

static bool verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                   struct err *e)
{
    struct powershell p;
    struct reader pkcs7;
    TRY(open_script(job->arena, job->in, job->file_name, &p, e));
    if (p.lines.at == NULL) {
        *ret = NULL;
        *ret_count = 0;
        return true;
    }
    if (p.unfinished || !powershell_block(job->arena, &p, &pkcs7))
        return damaged(job->arena, ret, ret_count, e);
    return authenticode_verify(job->arena, pkcs7, digest_script, &p, ret, ret_count, e);
}

const struct format powershell_format = {
    .facts = &powershell_facts,
    .probe = probe,
    .inspect = inspect,
    .sign = sign,
    .verify = verify,
    .unchanged = unchanged,
};
