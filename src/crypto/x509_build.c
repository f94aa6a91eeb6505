/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "crypto/algid.h"
#include "crypto/digest.h"
#include "crypto/x509.h"
#include <string.h>

/* clang-format off */
static const struct {
    const char *type;
    enum oid id;
    unsigned tag;
    size_t most; /* characters, RFC 5280 appendix A.1 */
} parts[] = {
    {"CN", OID_CN, DER_UTF8, 64},       {"O",  OID_O,  DER_UTF8, 64},
    {"OU", OID_OU, DER_UTF8, 64},       {"L",  OID_L,  DER_UTF8, 128},
    {"ST", OID_ST, DER_UTF8, 128},      {"C",  OID_C,  DER_PRINTABLE, 2},
    {"emailAddress", OID_EMAIL, DER_IA5, 255},
};
/* clang-format on */

static size_t characters(const char *text)
{
    struct reader r = reader_text(text);
    size_t n = 0;
    for (uint32_t c; text_next(&r, &c);)
        n++;
    return n;
}

static bool is_country(const char *v)
{
    return v[0] >= 'A' && v[0] <= 'Z' && v[1] >= 'A' && v[1] <= 'Z' && v[2] == '\0';
}

static bool is_ascii(const char *v)
{
    for (; *v != '\0'; v++)
        if ((unsigned char)*v > 0x7e)
            return false;
    return true;
}

static bool put_part(struct writer *w, const struct name_part *p, struct err *e)
{
    size_t i = 0;
    while (i < COUNT_OF(parts) && strcmp(parts[i].type, p->type) != 0)
        i++;
    if (i == COUNT_OF(parts))
        return err_user(e, ERR_CERTIFICATE,
                        "The subject has an unknown part \"%s\". Possible are "
                        "CN, O, OU, L, ST, C and emailAddress.",
                        p->type);
    struct reader value = reader_text(p->value);
    if (value.left == 0 || !text_is_utf8(value) || !text_is_printable(value))
        return err_user(e, ERR_CERTIFICATE,
                        "The subject part %s is empty or has characters that "
                        "cannot be printed.",
                        p->type);
    if (parts[i].tag == DER_PRINTABLE && !is_country(p->value))
        return err_user(e, ERR_CERTIFICATE,
                        "The subject part C must be a country code of two "
                        "capital letters, for example DE.");
    if (parts[i].tag == DER_IA5 && !is_ascii(p->value))
        return err_user(e, ERR_CERTIFICATE, "The e-mail address in the subject must be ASCII.");
    if (characters(p->value) > parts[i].most)
        return err_user(e, ERR_CERTIFICATE, "The subject part %s is longer than %zu characters.",
                        p->type, parts[i].most);
    size_t set = der_open(w, DER_SET), seq = der_open(w, DER_SEQUENCE);
    der_put_oid(w, parts[i].id);
    der_put(w, parts[i].tag, value);
    der_close(w, seq);
    der_close(w, set);
    return true;
}

static bool put_name(struct writer *w, const struct certificate_plan *plan, struct err *e)
{
    bool named = false;
    size_t at = der_open(w, DER_SEQUENCE);
    for (size_t i = 0; i < plan->subject_count; i++) {
        TRY(put_part(w, &plan->subject[i], e));
        named = named || strcmp(plan->subject[i].type, "CN") == 0;
    }
    der_close(w, at);
    return named || err_user(e, ERR_CERTIFICATE, "The subject needs a common name (CN).");
}

static size_t open_extension(struct writer *w, enum oid id, bool critical, size_t *value)
{
    size_t at = der_open(w, DER_SEQUENCE);
    der_put_oid(w, id);
    if (critical)
        der_put_true(w);
    *value = der_open(w, DER_OCTET_STRING);
    return at;
}

static void close_extension(struct writer *w, size_t at, size_t value)
{
    der_close(w, value);
    der_close(w, at);
}

/* RFC 5280 4.2.1.2 method 1: SHA-1 over the key bits, as an identifier, not for security. */
static bool put_key_id(struct writer *w, struct reader spki, struct err *e)
{
    struct reader seq, algorithm, bits;
    struct digest_value id;
    if (!der_only(spki, DER_SEQUENCE, &seq) || !der_get(&seq, DER_SEQUENCE, &algorithm) ||
        !der_bytes_of_bits(&seq, &bits) || !reader_at_end(&seq))
        return der_err(e, "SubjectPublicKeyInfo");
    TRY(digest_of(HASH_SHA1, bits, &id, e));
    size_t value, at = open_extension(w, OID_KEY_ID, false, &value);
    der_put_octets(w, digest_view(&id));
    close_extension(w, at, value);
    return true;
}

static bool put_extensions(struct writer *w, struct reader spki, struct err *e)
{
    size_t field = der_open(w, DER_CONTEXT_MADE(3)), list = der_open(w, DER_SEQUENCE);
    size_t value, at = open_extension(w, OID_BASIC_CONSTRAINTS, true, &value);
    der_close(w, der_open(w, DER_SEQUENCE)); /* CA is FALSE, which DER leaves out */
    close_extension(w, at, value);
    at = open_extension(w, OID_KEY_USAGE, true, &value);
    der_put(w, DER_BIT_STRING, reader_over("\x07\x80", 2)); /* digitalSignature alone */
    close_extension(w, at, value);
    at = open_extension(w, OID_EXTENDED_KEY_USAGE, true, &value);
    size_t usages = der_open(w, DER_SEQUENCE);
    der_put_oid(w, OID_CODE_SIGNING);
    der_close(w, usages);
    close_extension(w, at, value);
    TRY(put_key_id(w, spki, e));
    der_close(w, list);
    der_close(w, field);
    return true;
}

static bool algorithm_for(struct reader spki, sign_algorithm *ret, struct err *e)
{
    struct key_type type;
    TRY(key_type_of_spki(spki, &type, e));
    if (type.kind == KEY_ED25519)
        return err_user(e, ERR_CERTIFICATE,
                        "An Ed25519 key cannot be used for code signing "
                        "certificates.");
    enum hash hash = HASH_SHA256;
    if (type.kind == KEY_EC && type.bits > 256)
        hash = type.bits == 384 ? HASH_SHA384 : HASH_SHA512;
    *ret = key_type_algorithm(type, hash, false);
    return true;
}

bool certificate_tbs(const struct certificate_plan *plan, struct writer *tbs,
                     sign_algorithm *ret_algorithm, struct err *e)
{
    sign_algorithm algorithm;
    if (plan->not_after <= plan->not_before)
        return err_user(e, ERR_CERTIFICATE, "The certificate would end before it begins.");
    TRY(algorithm_for(plan->spki, &algorithm, e));
    uint8_t serial[16];
    for (size_t i = 0; i < sizeof serial; i++)
        serial[i] = plan->serial[i];
    serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40); /* positive, and always 16 bytes */
    size_t at = der_open(tbs, DER_SEQUENCE), field = der_open(tbs, DER_CONTEXT_MADE(0));
    der_put_uint(tbs, 2);
    der_close(tbs, field);
    der_put_unsigned(tbs, reader_over(serial, sizeof serial));
    algid_put_signature(tbs, algorithm, false);
    TRY(put_name(tbs, plan, e));
    field = der_open(tbs, DER_SEQUENCE);
    der_put_time(tbs, plan->not_before);
    der_put_time(tbs, plan->not_after);
    der_close(tbs, field);
    TRY(put_name(tbs, plan, e));
    writer_reader(tbs, plan->spki);
    TRY(put_extensions(tbs, plan->spki, e));
    der_close(tbs, at);
    TRY(writer_ok(tbs, e));
    *ret_algorithm = algorithm;
    return true;
}

bool certificate_finish(struct reader tbs, sign_algorithm algorithm, struct reader signature,
                        struct writer *certificate, struct err *e)
{
    struct digest_value digest;
    struct certificate c;
    struct writer w;
    CLEANUP(arena_cleanup) struct arena *a = arena_new(CERTIFICATE_BYTES * 4);
    if (a == NULL)
        return arena_err(e);
    writer_init(&w, CERTIFICATE_BYTES);
    size_t at = der_open(&w, DER_SEQUENCE);
    writer_reader(&w, tbs);
    algid_put_signature(&w, algorithm, false);
    der_put_bits(&w, signature);
    der_close(&w, at);
    bool ok = writer_ok(&w, e) && certificate_parse(a, writer_view(&w), &c, e) &&
              digest_of(sign_hash(algorithm), tbs, &digest, e) &&
              key_verify_digest(c.spki, algorithm, digest_view(&digest), signature, e);
    if (ok)
        writer_reader(certificate, writer_view(&w));
    writer_done(&w);
    return ok && writer_ok(certificate, e);
}
