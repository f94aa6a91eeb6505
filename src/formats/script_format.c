/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "crypto/authenticode.h"
#include "formats/script.h"
#include <string.h>

enum { BLOCK_MAX = 8 * 1024 * 1024, DESCRIPTION_MAX = 1024 };

/* Text has no magic number: the extension decides. This only says what cannot be text. */
bool script_probe(struct reader head, const struct source *in)
{
    (void)in;
    return reader_starts_with(head, "\xff\xfe", 2) || reader_starts_with(head, "\xfe\xff", 2) ||
           reader_find(head, 0, "", 1) == SIZE_MAX;
}

static bool load(const struct script_kind *kind, struct arena *a, const struct source *in,
                 struct reader *ret, struct err *e)
{
    if (in->size > kind->facts->max_size)
        return err_user(e, ERR_FILE_LIMIT, "A %s may have at most %llu MiB.", kind->title,
                        (unsigned long long)(kind->facts->max_size >> 20));
    return source_load(a, in, 0, (size_t)in->size, ret, e);
}

static bool open_script(const struct script_kind *kind, struct arena *a, const struct source *in,
                        const char *file_name, struct script *ret, struct err *e)
{
    struct reader file;
    const struct script_style *style;
    TRY(script_style_of(kind, file_name, &style, e));
    TRY(load(kind, a, in, &file, e));
    return script_parse(file, kind, style, ret, e);
}

/* Without a name the style is not known: all are tried. */
bool script_inspect(const struct script_kind *kind, struct arena *a, const struct source *in,
                    struct file_facts *ret, struct err *e)
{
    struct file_facts facts = {0};
    struct reader file;
    TRY(load(kind, a, in, &file, e));
    for (size_t i = 0; i < kind->count; i++) {
        struct script s;
        struct err not_this = {0};
        if (script_parse(file, kind, &kind->styles[i], &s, &not_this))
            facts.signatures += s.lines.at != NULL ? 1 : 0;
    }
    *ret = facts;
    return true;
}

/* The text is the same to the byte, and a block is all that was put in. */
bool script_unchanged(const struct script_kind *kind, struct arena *a, const struct source *before,
                      const struct source *after, struct err *e)
{
    struct reader old, now;
    TRY(load(kind, a, before, &old, e) && load(kind, a, after, &now, e));
    for (size_t i = 0; i < kind->count; i++) {
        const struct script_style *style = &kind->styles[i];
        struct script was, is;
        struct err not_this = {0};
        if (script_parse(old, kind, style, &was, &not_this) &&
            script_parse(now, kind, style, &is, &not_this) && is.lines.at != NULL &&
            !is.unfinished && reader_equal(was.mark, is.mark) && reader_equal(was.text, is.text) &&
            reader_equal(was.rest, is.rest))
            return true;
    }
    return err_user(e, ERR_VERIFY_CHANGED, "The text of the %s was changed.", kind->title);
}

/* --- signing ---------------------------------------------------------------------------------- */

static bool read_attributes(const struct script_kind *kind, const struct sign_job *job,
                            struct authenticode *ret, struct err *e)
{
    const char *hash = attribute_value(&job->attributes, "hash-algorithm");
    const char *append = attribute_value(&job->attributes, "append");
    const char *description = attribute_value(&job->attributes, "description");
    if (append != NULL && strcmp(append, "false") != 0)
        return err_user(e, ERR_DIRECTIVE,
                        "A %s has room for one signature only, so append=\"true\" is not possible. "
                        "Remove the attribute: signing replaces the signature.",
                        kind->title);
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

static bool put_content(struct writer *content, enum hash hash, const struct script *s,
                        struct err *e)
{
    struct digest_value digest;
    CLEANUP(writer_done) struct writer data = {0};
    writer_init(&data, 256);
    TRY(script_digest(s, hash, script_reading_of(s), &digest, e));
    spc_data_sip(&data, s->style->version, s->style->guid);
    spc_indirect_data(content, writer_view(&data), hash, digest_view(&digest));
    return writer_ok(&data, e) && writer_ok(content, e);
}

static bool write_signed(const struct sign_job *job, const struct script *s, struct reader pkcs7,
                         struct err *e)
{
    CLEANUP(writer_done) struct writer block = {0};
    writer_init(&block, BLOCK_MAX);
    script_put_block(&block, s, pkcs7);
    return writer_ok(&block, e) && sink_reader(job->out, s->mark, e) &&
           sink_reader(job->out, s->text, e) && sink_reader(job->out, writer_view(&block), e) &&
           sink_reader(job->out, s->rest, e);
}

bool script_sign(const struct script_kind *kind, const struct sign_job *job, struct err *e)
{
    struct script s;
    struct authenticode what = {.content_type = OID_SPC_INDIRECT_DATA, .slot = job->slot};
    CLEANUP(writer_done) struct writer content = {0};
    CLEANUP(writer_done) struct writer pkcs7 = {0};
    writer_init(&content, 1024);
    writer_init(&pkcs7, BLOCK_MAX / 4);
    TRY(read_attributes(kind, job, &what, e));
    TRY(open_script(kind, job->arena, job->in, job->file_name, &s, e));
    if (s.text.left == 0)
        return err_user(e, ERR_FILE_TYPE, "The %s is empty: there is nothing to sign.",
                        kind->title);
    TRY(put_content(&content, what.hash, &s, e));
    what.content = writer_view(&content);
    TRY(authenticode_sign(&what, job->signer, &pkcs7, e));
    return write_signed(job, &s, writer_view(&pkcs7), e);
}

/* --- verifying -------------------------------------------------------------------------------- */

static bool for_style(const struct spc_content *said, const struct script_style *style)
{
    struct reader info, guid;
    uint64_t version;
    return oid_is(said->data_type, OID_SPC_SIP_INFO) &&
           der_only(said->data_value, DER_SEQUENCE, &info) && der_uint(&info, &version) &&
           der_octets(&info, &guid) && version == style->version &&
           reader_equal(guid, reader_over(style->guid, sizeof style->guid));
}

/* Windows reads text without byte order mark by its code page or as UTF-8, by version and machine,
 * so signatures made there may be over either reading of the same bytes. */
static bool digest_script(void *ctx, struct arena *a, const struct spc_content *said,
                          struct reader *ret, struct err *e)
{
    const struct script *s = ctx;
    struct digest_value v, other;
    enum script_reading reading = script_reading_of(s);
    if (!for_style(said, s->style))
        return err_user(e, ERR_SIGNATURE, "The signature is not one of a %s.", s->kind->title);
    TRY(script_digest(s, said->hash, reading, &v, e));
    if (s->encoding == SCRIPT_BYTES && s->mark.left == 0 &&
        !reader_equal(digest_view(&v), said->digest)) {
        reading = reading == SCRIPT_AS_UTF8 ? SCRIPT_AS_WINDOWS_1252 : SCRIPT_AS_UTF8;
        TRY(script_digest(s, said->hash, reading, &other, e));
        v = reader_equal(digest_view(&other), said->digest) ? other : v;
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

bool script_verify(const struct script_kind *kind, const struct verify_job *job,
                   struct signature **ret, size_t *ret_count, struct err *e)
{
    struct script s;
    struct reader pkcs7;
    TRY(open_script(kind, job->arena, job->in, job->file_name, &s, e));
    if (s.lines.at == NULL) {
        *ret = NULL;
        *ret_count = 0;
        return true;
    }
    if (s.unfinished || !script_block(job->arena, &s, &pkcs7))
        return damaged(job->arena, ret, ret_count, e);
    return authenticode_verify(job->arena, pkcs7, digest_script, &s, ret, ret_count, e);
}
