/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/algid.h"

/* clang-format off */
static const struct {
    enum oid id;
    enum scheme scheme;
    enum hash hash; /* HASH_NONE: stated elsewhere */
} rows[] = {
    {OID_RSA_SHA256,   SCHEME_RSA_PKCS1, HASH_SHA256},
    {OID_RSA_SHA384,   SCHEME_RSA_PKCS1, HASH_SHA384},
    {OID_RSA_SHA512,   SCHEME_RSA_PKCS1, HASH_SHA512},
    {OID_RSA_SHA1,     SCHEME_RSA_PKCS1, HASH_SHA1},
    {OID_RSA_MD5,      SCHEME_RSA_PKCS1, HASH_MD5},
    {OID_RSA,          SCHEME_RSA_PKCS1, HASH_NONE},
    {OID_ECDSA_SHA256, SCHEME_ECDSA,     HASH_SHA256},
    {OID_ECDSA_SHA384, SCHEME_ECDSA,     HASH_SHA384},
    {OID_ECDSA_SHA512, SCHEME_ECDSA,     HASH_SHA512},
    {OID_ECDSA_SHA1,   SCHEME_ECDSA,     HASH_SHA1},
    {OID_EC_KEY,       SCHEME_ECDSA,     HASH_NONE},
};
/* clang-format on */

void algid_put_hash(struct writer *w, enum hash hash, bool with_null)
{
    size_t at = der_open(w, DER_SEQUENCE);
    der_put_oid_bytes(w, hash_oid(hash));
    if (with_null)
        der_put_null(w);
    der_close(w, at);
}

bool algid_read_hash(struct reader *r, enum hash *ret)
{
    struct reader at = *r, oid, params, none;
    TRY(der_algorithm(&at, &oid, &params));
    TRY(params.left == 0 || (der_only(params, DER_NULL, &none) && none.left == 0));
    TRY(hash_from_oid(oid, ret));
    *r = at;
    return true;
}

/* RFC 4055 3.1: salt as long as the digest, MGF1 with the same hash. */
static void put_pss(struct writer *w, enum hash hash)
{
    der_put_oid(w, OID_RSA_PSS);
    size_t params = der_open(w, DER_SEQUENCE);
    size_t field = der_open(w, DER_CONTEXT_MADE(0));
    algid_put_hash(w, hash, true);
    der_close(w, field);
    field = der_open(w, DER_CONTEXT_MADE(1));
    size_t mgf = der_open(w, DER_SEQUENCE);
    der_put_oid(w, OID_MGF1);
    algid_put_hash(w, hash, true);
    der_close(w, mgf);
    der_close(w, field);
    field = der_open(w, DER_CONTEXT_MADE(2));
    der_put_uint(w, hash_size(hash));
    der_close(w, field);
    der_close(w, params);
}

void algid_put_signature(struct writer *w, sign_algorithm algorithm, bool bare_rsa)
{
    enum scheme scheme = sign_scheme(algorithm);
    bool bare = bare_rsa && scheme == SCHEME_RSA_PKCS1;
    size_t at = der_open(w, DER_SEQUENCE);
    if (scheme == SCHEME_RSA_PSS) {
        put_pss(w, sign_hash(algorithm));
        der_close(w, at);
        return;
    }
    size_t i = 0;
    while (i < COUNT_OF(rows) &&
           (rows[i].scheme != scheme || rows[i].hash != (bare ? HASH_NONE : sign_hash(algorithm))))
        i++;
    if (i == COUNT_OF(rows))
        w->failed = true;
    else
        der_put_oid(w, rows[i].id);
    if (scheme == SCHEME_RSA_PKCS1) /* RFC 4055 5: NULL for RSA; RFC 5758 3.2: none for ECDSA */
        der_put_null(w);
    der_close(w, at);
}

/* RSASSA-PSS-params; every field has a default (RFC 4055 3.1). */
static bool read_pss(struct reader params, struct algid_signature *ret)
{
    struct reader seq, hash_field, mgf_field, salt_field, trailer_field, oid, mgf_params;
    enum hash hash = HASH_SHA1;
    uint64_t salt = 20, trailer = 1;
    ret->mgf = HASH_SHA1;
    TRY(der_only(params, DER_SEQUENCE, &seq) &&
        der_optional(&seq, DER_CONTEXT_MADE(0), &hash_field) &&
        der_optional(&seq, DER_CONTEXT_MADE(1), &mgf_field) &&
        der_optional(&seq, DER_CONTEXT_MADE(2), &salt_field) &&
        der_optional(&seq, DER_CONTEXT_MADE(3), &trailer_field) && reader_at_end(&seq));
    if (hash_field.at != NULL)
        TRY(algid_read_hash(&hash_field, &hash) && reader_at_end(&hash_field));
    if (mgf_field.at != NULL)
        TRY(der_algorithm(&mgf_field, &oid, &mgf_params) && reader_at_end(&mgf_field) &&
            oid_is(oid, OID_MGF1) && algid_read_hash(&mgf_params, &ret->mgf) &&
            reader_at_end(&mgf_params));
    if (salt_field.at != NULL)
        TRY(der_uint(&salt_field, &salt) && reader_at_end(&salt_field) && salt <= 512);
    if (trailer_field.at != NULL)
        TRY(der_uint(&trailer_field, &trailer) && reader_at_end(&trailer_field));
    ret->salt = (int)salt;
    ret->algorithm = SIGN_ALGORITHM(SCHEME_RSA_PSS, hash);
    ret->known = trailer == 1;
    return true;
}

bool algid_read_signature(struct reader *r, enum hash hash, struct algid_signature *ret)
{
    struct reader at = *r, oid, params;
    struct algid_signature s = {.known = false};
    TRY(der_algorithm(&at, &oid, &params));
    enum oid id = oid_find(oid);
    if (id == OID_RSA_PSS && !read_pss(params, &s))
        s.known = false;
    if (id == OID_RSA_PSS && hash != HASH_NONE && sign_hash(s.algorithm) != hash)
        s.known = false; /* RFC 4056 3: both name the same hash */
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].id != id)
            continue;
        enum hash named = rows[i].hash == HASH_NONE ? hash : rows[i].hash;
        s.known = named != HASH_NONE && (hash == HASH_NONE || hash == named);
        s.algorithm = SIGN_ALGORITHM(rows[i].scheme, named);
    }
    *r = at;
    *ret = s;
    return true;
}
