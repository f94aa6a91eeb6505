/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "formats/clickonce/clickonce.h"
#include <string.h>

#define MORE "http://www.w3.org/2001/04/xmldsig-more#"
#define ENC  "http://www.w3.org/2001/04/xmlenc#"

const struct xml_limits clickonce_limits = {CLICKONCE_MAX, 200000, 64, 256};

struct name {
    const char *uri;
    enum hash hash;
};

static bool find(const struct name *list, size_t count, const char *uri, enum hash *ret)
{
    for (size_t i = 0; uri != NULL && i < count; i++)
        if (strcmp(list[i].uri, uri) == 0) {
            *ret = list[i].hash;
            return true;
        }
    return false;
}

/* Besides the names of the standard those that Microsoft's tools made up by analogy. */
bool clickonce_hash_of(const char *uri, enum hash *ret)
{
    static const struct name list[] = {
        {CLICKONCE_DSIG "sha1", HASH_SHA1},
        {CLICKONCE_DSIG "sha256", HASH_SHA256},
        {CLICKONCE_DSIG "sha384", HASH_SHA384},
        {CLICKONCE_DSIG "sha512", HASH_SHA512},
        {ENC "sha256", HASH_SHA256},
        {MORE "sha384", HASH_SHA384},
        {ENC "sha512", HASH_SHA512},
    };
    return find(list, COUNT_OF(list), uri, ret);
}

bool clickonce_method_of(const char *uri, enum hash *ret)
{
    static const struct name list[] = {
        {CLICKONCE_DSIG "rsa-sha1", HASH_SHA1},     {CLICKONCE_DSIG "rsa-sha256", HASH_SHA256},
        {CLICKONCE_DSIG "rsa-sha384", HASH_SHA384}, {CLICKONCE_DSIG "rsa-sha512", HASH_SHA512},
        {MORE "rsa-sha256", HASH_SHA256},           {MORE "rsa-sha384", HASH_SHA384},
        {MORE "rsa-sha512", HASH_SHA512},
    };
    return find(list, COUNT_OF(list), uri, ret);
}

bool clickonce_digest(struct arena *a, struct reader document, size_t element, enum hash hash,
                      struct digest_value *ret, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    CLEANUP(xml_document_cleanup) struct xml_document *d = NULL;
    writer_init(&w, 4 * (size_t)CLICKONCE_MAX);
    TRY(xml_document_new(a, document, &clickonce_limits, &d, e) &&
        xml_canonical(d, element, XML_C14N_EXCLUSIVE, false, &w, e));
    return digest_of(hash, writer_view(&w), ret, e);
}

/* --- keys ------------------------------------------------------------------------------------- */

/* Modulus without leading zeros, and exponent, of SubjectPublicKeyInfo (RFC 8017 A.1.1). */
static bool rsa_numbers(struct reader spki, struct reader *n, struct reader *x, struct reader *bits)
{
    struct reader info, oid, parameters, key;
    if (!der_only(spki, DER_SEQUENCE, &info) || !der_algorithm(&info, &oid, &parameters) ||
        !oid_is(oid, OID_RSA) || !der_bytes_of_bits(&info, bits) ||
        !der_only(*bits, DER_SEQUENCE, &key) || !der_integer(&key, n) || !der_integer(&key, x))
        return false;
    return (n->left < 2 || n->at[0] != 0 || reader_skip(n, 1)) &&
           (x->left < 2 || x->at[0] != 0 || reader_skip(x, 1));
}

static bool not_rsa(struct err *e)
{
    return err_user(e, ERR_CERTIFICATE,
                    "ClickOnce manifests can be signed by RSA keys only. Choose a signing policy "
                    "with such a certificate.");
}

static void put_reversed(struct writer *w, struct reader bytes)
{
    for (size_t i = bytes.left; i > 0; i--)
        writer_u8(w, bytes.at[i - 1]);
}

/* Strong-name key (ECMA-335 II.6.2.1.3): head, PUBLICKEYSTRUC, RSAPUBKEY, modulus. */
bool clickonce_token(struct reader spki, char ret[17], struct err *e)
{
    enum { RSA_SIGN = 0x2400, SHA1 = 0x8004, HEAD = 20, TOKEN = 8 };
    CLEANUP(writer_done) struct writer w = {0};
    CLEANUP(writer_done) struct writer exponent = {0};
    struct digest_value v;
    struct reader n, x, bits;
    uint8_t token[TOKEN];
    if (!rsa_numbers(spki, &n, &x, &bits) || x.left > 4)
        return not_rsa(e);
    writer_init(&w, 64 * 1024);
    writer_init(&exponent, 8);
    put_reversed(&exponent, x);
    writer_zeros(&exponent, 4 - x.left);
    writer_u32le(&w, RSA_SIGN);
    writer_u32le(&w, SHA1);
    writer_u32le(&w, (uint32_t)(HEAD + n.left));
    writer_u16le(&w, 0x0206);
    writer_u16le(&w, 0);
    writer_u32le(&w, RSA_SIGN);
    writer_text(&w, "RSA1");
    writer_u32le(&w, (uint32_t)(8 * n.left));
    writer_reader(&w, writer_view(&exponent));
    put_reversed(&w, n);
    TRY(writer_ok(&w, e) && digest_of(HASH_SHA1, writer_view(&w), &v, e));
    for (size_t i = 0; i < TOKEN; i++)
        token[i] = v.bytes[v.len - 1 - i];
    text_hex(token, TOKEN, ret);
    return true;
}

bool clickonce_key_hash(struct reader spki, char ret[41], struct err *e)
{
    struct reader info, oid, parameters, bits;
    struct digest_value v;
    if (!der_only(spki, DER_SEQUENCE, &info) || !der_algorithm(&info, &oid, &parameters) ||
        !der_bytes_of_bits(&info, &bits))
        return err_set(e, ERR_CERTIFICATE, "public key");
    TRY(digest_of(HASH_SHA1, bits, &v, e));
    text_hex(v.bytes, v.len, ret);
    return true;
}

bool clickonce_put_key(struct writer *w, struct reader spki, struct err *e)
{
    struct reader n, x, bits;
    if (!rsa_numbers(spki, &n, &x, &bits))
        return not_rsa(e);
    writer_text(w, "<KeyValue><RSAKeyValue><Modulus>");
    text_base64(w, n, 0, "");
    writer_text(w, "</Modulus><Exponent>");
    text_base64(w, x, 0, "");
    writer_text(w, "</Exponent></RSAKeyValue></KeyValue>");
    return writer_ok(w, e);
}

bool clickonce_is_key(struct reader spki, struct reader modulus, struct reader exponent)
{
    struct reader n, x, bits;
    return rsa_numbers(spki, &n, &x, &bits) && reader_equal(n, modulus) &&
           reader_equal(x, exponent);
}
