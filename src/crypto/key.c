/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/key.h"
#include "base/fault.h"
#include "base/text.h"
#include "crypto/der.h"
#include "crypto/digest.h"
#include "crypto/ossl.h"
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPKI_MOST = 4096 };

struct key {
    EVP_PKEY *pkey;
    struct key_type type;
    struct writer spki;
};

static bool parse_spki(struct reader spki, EVP_PKEY **ret, struct err *e)
{
    ERR_clear_error();
    const uint8_t *at = spki.at;
    if (spki.left == 0 || spki.left > LONG_MAX)
        return err_set(e, ERR_KEY, "public key of %zu bytes", spki.left);
    EVP_PKEY *p = d2i_PUBKEY(NULL, &at, (long)spki.left);
    if (p == NULL || at != spki.at + spki.left) {
        EVP_PKEY_free(p);
        return ossl_err(e, ERR_KEY, "public key");
    }
    *ret = p;
    return true;
}

void key_free(struct key *k)
{
    if (k == NULL)
        return;
    EVP_PKEY_free(k->pkey);
    writer_done(&k->spki);
    free(k);
}

void key_cleanup(struct key **k)
{
    key_free(*k);
}

struct key_type key_type_of(const struct key *k)
{
    return k->type;
}

struct reader key_spki(const struct key *k)
{
    return writer_view(&k->spki);
}

static bool number(EVP_PKEY *p, const char *name, struct writer *w)
{
    BIGNUM *n = NULL;
    uint8_t bytes[RSA_BITS_MOST / 8];
    TRY(EVP_PKEY_get_bn_param(p, name, &n) == 1);
    int len = BN_num_bytes(n) > (int)sizeof bytes ? 0 : BN_bn2bin(n, bytes);
    BN_free(n);
    der_put_unsigned(w, reader_over(bytes, (size_t)len));
    return len > 0;
}

/* RFC 3279 2.3.1. By hand, because OpenSSL's encoder costs as much as hashing 5 MB. */
static bool rsa_public_half(EVP_PKEY *p, struct writer *w)
{
    CLEANUP(writer_done) struct writer key = {0};
    writer_init(&key, SPKI_MOST);
    size_t pair = der_open(&key, DER_SEQUENCE);
    TRY(number(p, OSSL_PKEY_PARAM_RSA_N, &key) && number(p, OSSL_PKEY_PARAM_RSA_E, &key));
    der_close(&key, pair);
    size_t spki = der_open(w, DER_SEQUENCE), algorithm = der_open(w, DER_SEQUENCE);
    der_put_oid(w, OID_RSA);
    der_put_null(w);
    der_close(w, algorithm);
    der_put_bits(w, writer_view(&key));
    der_close(w, spki);
    return !key.failed;
}

static bool public_half(EVP_PKEY *p, struct writer *w, struct err *e)
{
    uint8_t *der = NULL;
    int len = 0;
    bool rsa = EVP_PKEY_is_a(p, "RSA") == 1;
    if (!rsa)
        len = i2d_PUBKEY(p, &der);
    if (rsa ? !rsa_public_half(p, w) : len <= 0)
        return ossl_err(e, ERR_KEY, "public half");
    writer_bytes(w, der, len > 0 ? (size_t)len : 0);
    OPENSSL_free(der);
    return writer_ok(w, e);
}

/* TAKES p. */
static bool adopt(EVP_PKEY *p, struct key **ret, struct err *e)
{
    struct key *k = fault_now() ? NULL : calloc(1, sizeof *k);
    if (k == NULL) {
        EVP_PKEY_free(p);
        return err_set(e, ERR_NO_MEMORY, "key");
    }
    k->pkey = p;
    writer_init(&k->spki, SPKI_MOST);
    if (!public_half(p, &k->spki, e) || !key_type_of_spki(key_spki(k), &k->type, e)) {
        key_free(k);
        return false;
    }
    *ret = k;
    return true;
}

static bool trial(const struct key *k, struct err *e)
{
    uint8_t bytes[32] = {1};
    struct reader digest = reader_over(bytes, sizeof bytes);
    struct writer signature;
    writer_init(&signature, 4096);
    bool ok = k->type.kind == KEY_ED25519
                  ? key_sign_message(k, digest, &signature, e)
                  : key_sign_digest(k, key_type_algorithm(k->type, HASH_SHA256, false), digest,
                                    &signature, e);
    writer_done(&signature);
    return ok;
}

/* TAKES p. The parts of a foreign key need not belong together: a trial signature tells. */
static bool adopt_foreign(EVP_PKEY *p, struct key **ret, struct err *e)
{
    struct key *k;
    TRY(adopt(p, &k, e));
    struct err why = {0};
    if (!trial(k, &why)) {
        key_free(k);
        TRY(why.code != ERR_NO_MEMORY || err_theirs(&why, e));
        err_user(e, ERR_KEY, "The parts of the private key do not belong together.");
        return false;
    }
    *ret = k;
    return true;
}

bool key_generate(struct key_type type, struct key **ret, struct err *e)
{
    ERR_clear_error();
    char name[16], curve[16];
    struct key_type known;
    EVP_PKEY *p;
    key_type_name(type, name);
    if (!key_type_from_name(name, &known))
        return err_set(e, ERR_KEY, "no such key type: %d-%u", (int)type.kind, type.bits);
    (void)snprintf(curve, sizeof curve, "P-%u", type.bits);
    if (type.kind == KEY_RSA)
        p = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)type.bits);
    else if (type.kind == KEY_EC)
        p = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);
    else
        p = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (p == NULL)
        return ossl_err(e, ERR_CRYPTO, "key generation");
    return adopt_foreign(p, ret, e);
}

struct password {
    struct reader text;
    bool asked;
};

static int give_password(char *to, int size, int writing, void *ctx)
{
    struct password *p = ctx;
    (void)writing;
    p->asked = true;
    struct reader text = p->text;
    if (text.at == NULL || text.left > (size_t)size || !reader_copy(&text, to, text.left))
        return -1;
    return (int)p->text.left;
}

bool key_from_pem(struct reader pem, struct reader password, struct key **ret, struct err *e)
{
    ERR_clear_error();
    if (pem.left > INT_MAX)
        return err_set(e, ERR_KEY, "too large");
    BIO *bio = fault_now() ? NULL : BIO_new_mem_buf(pem.at, (int)pem.left);
    if (bio == NULL)
        return err_set(e, ERR_NO_MEMORY, "key");
    struct password p = {.text = password};
    EVP_PKEY *key = PEM_read_bio_PrivateKey_ex(bio, NULL, give_password, &p, NULL, NULL);
    BIO_free(bio);
    if (key == NULL)
        return ossl_err(e, p.asked ? ERR_KEY_PASSWORD : ERR_KEY, "PEM private key");
    /* Without a trial: every signature is verified before it is given out anyway, and a key in a
     * file signs once or twice. */
    return adopt(key, ret, e);
}

bool key_from_pkcs8(struct reader der, struct key **ret, struct err *e)
{
    ERR_clear_error();
    if (der.left == 0 || der.left > LONG_MAX)
        return err_set(e, ERR_KEY, "PKCS#8 of %zu bytes", der.left);
    const uint8_t *at = der.at;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.left);
    bool whole = info != NULL && at == der.at + der.left;
    EVP_PKEY *key = whole ? EVP_PKCS82PKEY_ex(info, NULL, NULL) : NULL;
    PKCS8_PRIV_KEY_INFO_free(info);
    if (key == NULL)
        return ossl_err(e, ERR_KEY, "PKCS#8 private key");
    return adopt_foreign(key, ret, e);
}

bool key_to_pkcs8(const struct key *k, struct secret *ret, struct err *e)
{
    ERR_clear_error();
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(k->pkey);
    unsigned char *der = NULL;
    int len = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    PKCS8_PRIV_KEY_INFO_free(info);
    if (len <= 0)
        return ossl_err(e, ERR_CRYPTO, "PKCS#8 export");
    bool ok = secret_copy(reader_over(der, (size_t)len), ret, e);
    OPENSSL_clear_free(der, (size_t)len);
    return ok;
}

static bool set_scheme(EVP_PKEY_CTX *ctx, enum scheme scheme, const EVP_MD *md)
{
    switch (scheme) {
    case SCHEME_RSA_PKCS1:
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
               EVP_PKEY_CTX_set_signature_md(ctx, md) == 1;
    case SCHEME_RSA_PSS:
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_signature_md(ctx, md) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
    case SCHEME_ECDSA:
        return EVP_PKEY_CTX_set_signature_md(ctx, md) == 1;
    case SCHEME_ED25519:
        break;
    }
    return false;
}

static bool check_request(struct key_type type, sign_algorithm algorithm, struct reader digest,
                          struct err *e)
{
    if (!key_type_allows(type, algorithm) || sign_scheme(algorithm) == SCHEME_ED25519)
        return err_set(e, ERR_CRYPTO, "algorithm 0x%x with key kind %d, %u bits",
                       (unsigned)algorithm, (int)type.kind, type.bits);
    if (digest.left != hash_size(sign_hash(algorithm)))
        return err_set(e, ERR_CRYPTO, "digest of %zu bytes for %s", digest.left,
                       hash_name(sign_hash(algorithm)));
    return true;
}

static bool raw_sign(const struct key *k, sign_algorithm algorithm, struct reader digest,
                     uint8_t *to, size_t *len, struct err *e)
{
    ERR_clear_error();
    CLEANUP(ossl_free_pkey_ctx) EVP_PKEY_CTX *ctx = NULL;
    if (!fault_now())
        ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
    if (ctx == NULL)
        return err_set(e, ERR_NO_MEMORY, "sign");
    if (EVP_PKEY_sign_init(ctx) != 1 ||
        !set_scheme(ctx, sign_scheme(algorithm), ossl_md(sign_hash(algorithm))) ||
        EVP_PKEY_sign(ctx, to, len, digest.at, digest.left) != 1)
        return ossl_err(e, ERR_CRYPTO, "sign");
    return true;
}

static bool verify_with(EVP_PKEY *p, sign_algorithm algorithm, struct reader digest,
                        struct reader signature, struct err *e)
{
    CLEANUP(ossl_free_pkey_ctx) EVP_PKEY_CTX *ctx = NULL;
    if (!fault_now())
        ctx = EVP_PKEY_CTX_new_from_pkey(NULL, p, NULL);
    if (ctx == NULL)
        return err_set(e, ERR_NO_MEMORY, "verify");
    if (EVP_PKEY_verify_init(ctx) != 1 ||
        !set_scheme(ctx, sign_scheme(algorithm), ossl_md(sign_hash(algorithm))) ||
        EVP_PKEY_verify(ctx, signature.at, signature.left, digest.at, digest.left) != 1)
        return ossl_err(e, ERR_SIGNATURE, "verify");
    return true;
}

bool key_sign_digest(const struct key *k, sign_algorithm algorithm, struct reader digest,
                     struct writer *signature, struct err *e)
{
    TRY(check_request(k->type, algorithm, digest, e));
    uint8_t bytes[RSA_BITS_MOST / 8];
    size_t len = sizeof bytes;
    TRY(raw_sign(k, algorithm, digest, bytes, &len, e));
    /* One faulty CRT signature gives an RSA key away: none leaves unchecked. */
    struct err why = {0};
    if (!verify_with(k->pkey, algorithm, digest, reader_over(bytes, len), &why)) {
        secret_wipe(bytes, sizeof bytes);
        return err_set(e, ERR_CRYPTO, "own signature does not verify: %s", why.detail);
    }
    writer_bytes(signature, bytes, len);
    return writer_ok(signature, e);
}

static bool verify_message_with(EVP_PKEY *p, struct reader message, struct reader signature,
                                struct err *e)
{
    CLEANUP(ossl_free_md_ctx) EVP_MD_CTX *ctx = NULL;
    if (!fault_now())
        ctx = EVP_MD_CTX_new();
    if (ctx == NULL)
        return err_set(e, ERR_NO_MEMORY, "verify");
    if (EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, p, NULL) != 1 ||
        EVP_DigestVerify(ctx, signature.at, signature.left, message.at, message.left) != 1)
        return ossl_err(e, ERR_SIGNATURE, "verify");
    return true;
}

bool key_sign_message(const struct key *k, struct reader message, struct writer *signature,
                      struct err *e)
{
    ERR_clear_error();
    if (k->type.kind != KEY_ED25519)
        return err_set(e, ERR_CRYPTO, "only Ed25519 signs messages");
    CLEANUP(ossl_free_md_ctx) EVP_MD_CTX *ctx = NULL;
    if (!fault_now())
        ctx = EVP_MD_CTX_new();
    if (ctx == NULL)
        return err_set(e, ERR_NO_MEMORY, "sign");
    uint8_t bytes[64];
    size_t len = sizeof bytes;
    if (EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, k->pkey, NULL) != 1 ||
        EVP_DigestSign(ctx, bytes, &len, message.at, message.left) != 1)
        return ossl_err(e, ERR_CRYPTO, "sign");
    struct err why = {0};
    if (!verify_message_with(k->pkey, message, reader_over(bytes, len), &why))
        return err_set(e, ERR_CRYPTO, "own signature does not verify: %s", why.detail);
    writer_bytes(signature, bytes, len);
    return writer_ok(signature, e);
}

bool key_verify_digest(struct reader spki, sign_algorithm algorithm, struct reader digest,
                       struct reader signature, struct err *e)
{
    CLEANUP(ossl_free_pkey) EVP_PKEY *p = NULL;
    struct key_type type;
    TRY(key_type_of_spki(spki, &type, e) && parse_spki(spki, &p, e));
    if (!key_type_allows(type, algorithm) || sign_scheme(algorithm) == SCHEME_ED25519 ||
        digest.left != hash_size(sign_hash(algorithm)))
        return err_set(e, ERR_SIGNATURE, "algorithm 0x%x does not fit key or digest",
                       (unsigned)algorithm);
    return verify_with(p, algorithm, digest, signature, e);
}

bool key_verify_message(struct reader spki, struct reader message, struct reader signature,
                        struct err *e)
{
    CLEANUP(ossl_free_pkey) EVP_PKEY *p = NULL;
    TRY(parse_spki(spki, &p, e));
    if (!EVP_PKEY_is_a(p, "ED25519"))
        return err_set(e, ERR_SIGNATURE, "not an Ed25519 key");
    return verify_message_with(p, message, signature, e);
}

bool key_verify_pss(struct reader spki, enum hash hash, enum hash mgf_hash, int salt,
                    struct reader digest, struct reader signature, struct err *e)
{
    CLEANUP(ossl_free_pkey) EVP_PKEY *p = NULL;
    CLEANUP(ossl_free_pkey_ctx) EVP_PKEY_CTX *ctx = NULL;
    TRY(parse_spki(spki, &p, e));
    if (!EVP_PKEY_is_a(p, "RSA") || digest.left != hash_size(hash) || digest.left == 0)
        return err_set(e, ERR_SIGNATURE, "PSS does not fit key or digest");
    if (!fault_now())
        ctx = EVP_PKEY_CTX_new_from_pkey(NULL, p, NULL);
    if (ctx == NULL)
        return err_set(e, ERR_NO_MEMORY, "verify");
    if (EVP_PKEY_verify_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) != 1 ||
        EVP_PKEY_CTX_set_signature_md(ctx, ossl_md(hash)) != 1 ||
        EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, ossl_md(mgf_hash)) != 1 ||
        EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, salt < 0 ? RSA_PSS_SALTLEN_AUTO : salt) != 1 ||
        EVP_PKEY_verify(ctx, signature.at, signature.left, digest.at, digest.left) != 1)
        return ossl_err(e, ERR_SIGNATURE, "verify");
    return true;
}

bool key_random(void *to, size_t n, struct err *e)
{
    ERR_clear_error();
    if (n > INT_MAX || RAND_priv_bytes(to, (int)n) != 1)
        return ossl_err(e, ERR_CRYPTO, "random generator");
    return true;
}
