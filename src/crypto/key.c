/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/key.h"
#include "base/fault.h"
#include "base/text.h"
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

struct key {
    EVP_PKEY *pkey;
    struct key_type type;
    uint8_t *spki;
    size_t spki_len;
};

/* clang-format off */
static const struct {
    const char *name;
    struct key_type type;
    const char *group;
} types[] = {
    {"rsa-2048", {KEY_RSA, 2048},    NULL},
    {"rsa-3072", {KEY_RSA, 3072},    NULL},
    {"rsa-4096", {KEY_RSA, 4096},    NULL},
    {"ec-p256",  {KEY_EC, 256},      "prime256v1"},
    {"ec-p384",  {KEY_EC, 384},      "secp384r1"},
    {"ec-p521",  {KEY_EC, 521},      "secp521r1"},
    {"ed25519",  {KEY_ED25519, 256}, NULL},
};
/* clang-format on */

enum { RSA_LEAST = 1024, RSA_MOST = 8192 };

bool key_type_from_name(const char *name, struct key_type *ret)
{
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (strcmp(types[i].name, name) == 0) {
            *ret = types[i].type;
            return true;
        }
    }
    return false;
}

void key_type_name(struct key_type type, char to[16])
{
    switch (type.kind) {
    case KEY_RSA:
        (void)snprintf(to, 16, "rsa-%u", type.bits);
        return;
    case KEY_EC:
        (void)snprintf(to, 16, "ec-p%u", type.bits);
        return;
    case KEY_ED25519:
        (void)snprintf(to, 16, "ed25519");
        return;
    }
    to[0] = '\0';
}

static bool ec_type(EVP_PKEY *p, struct key_type *ret, struct err *e)
{
    char group[40] = "", encoding[40] = "";
    (void)EVP_PKEY_get_utf8_string_param(p, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL);
    (void)EVP_PKEY_get_utf8_string_param(p, OSSL_PKEY_PARAM_EC_ENCODING, encoding, sizeof encoding,
                                         NULL);
    ERR_clear_error();
    if (strcmp(encoding, OSSL_PKEY_EC_ENCODING_GROUP) != 0)
        return err_user(e, ERR_KEY,
                        "The key does not name its elliptic curve. Only the named "
                        "curves P-256, P-384 and P-521 can be used.");
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (types[i].group != NULL && strcmp(types[i].group, group) == 0) {
            *ret = types[i].type;
            return true;
        }
    }
    return err_user(e, ERR_KEY,
                    "The key is on the curve %s. Only P-256, P-384 and P-521 can be "
                    "used.",
                    group);
}

static bool type_of(EVP_PKEY *p, struct key_type *ret, struct err *e)
{
    if (EVP_PKEY_is_a(p, "EC"))
        return ec_type(p, ret, e);
    int bits = EVP_PKEY_get_bits(p);
    if (EVP_PKEY_is_a(p, "ED25519")) {
        *ret = (struct key_type){KEY_ED25519, 256};
        return true;
    }
    if (!EVP_PKEY_is_a(p, "RSA"))
        return err_user(e, ERR_KEY,
                        "The key is of a kind that cannot be used. Possible are RSA, "
                        "EC (P-256, P-384, P-521) and Ed25519.");
    if (bits < RSA_LEAST || bits > RSA_MOST)
        return err_user(e, ERR_KEY, "The RSA key has %d bits. Possible are %d to %d.", bits,
                        RSA_LEAST, RSA_MOST);
    *ret = (struct key_type){KEY_RSA, (uint32_t)bits};
    return true;
}

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

bool key_type_of_spki(struct reader spki, struct key_type *ret, struct err *e)
{
    CLEANUP(ossl_free_pkey) EVP_PKEY *p = NULL;
    TRY(parse_spki(spki, &p, e));
    return type_of(p, ret, e);
}

bool key_type_allows(struct key_type type, sign_algorithm algorithm)
{
    enum hash hash = sign_hash(algorithm);
    if (algorithm > 0xffff || (hash != HASH_NONE && hash_size(hash) == 0))
        return false;
    switch (sign_scheme(algorithm)) {
    case SCHEME_RSA_PKCS1:
        return type.kind == KEY_RSA && hash >= HASH_SHA1;
    case SCHEME_RSA_PSS: /* RFC 8017 9.1.1: emLen >= hLen + sLen + 2 */
        return type.kind == KEY_RSA && hash >= HASH_SHA1 &&
               2 * hash_size(hash) + 2 <= (type.bits - 1 + 7) / 8;
    case SCHEME_ECDSA:
        return type.kind == KEY_EC && hash >= HASH_SHA1;
    case SCHEME_ED25519:
        return type.kind == KEY_ED25519 && hash == HASH_NONE;
    }
    return false;
}

sign_algorithm key_type_algorithm(struct key_type type, enum hash hash, bool pss)
{
    switch (type.kind) {
    case KEY_RSA:
        return SIGN_ALGORITHM(pss ? SCHEME_RSA_PSS : SCHEME_RSA_PKCS1, hash);
    case KEY_EC:
        return SIGN_ALGORITHM(SCHEME_ECDSA, hash);
    case KEY_ED25519:
        return SIGN_ALGORITHM(SCHEME_ED25519, HASH_NONE);
    }
    return 0;
}

void key_free(struct key *k)
{
    if (k == NULL)
        return;
    EVP_PKEY_free(k->pkey);
    OPENSSL_free(k->spki);
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
    return reader_over(k->spki, k->spki_len);
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
    if (!type_of(p, &k->type, e)) {
        key_free(k);
        return false;
    }
    int len = i2d_PUBKEY(p, &k->spki);
    if (len <= 0) {
        key_free(k);
        return ossl_err(e, ERR_KEY, "public half");
    }
    k->spki_len = (size_t)len;
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
        err_user(e, ERR_KEY, "The parts of the private key do not belong together.");
        return false;
    }
    *ret = k;
    return true;
}

bool key_generate(struct key_type type, struct key **ret, struct err *e)
{
    ERR_clear_error();
    EVP_PKEY *p = NULL;
    for (size_t i = 0; i < COUNT_OF(types) && p == NULL; i++) {
        if (types[i].type.kind != type.kind || types[i].type.bits != type.bits)
            continue;
        if (type.kind == KEY_RSA)
            p = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)type.bits);
        else if (type.kind == KEY_EC)
            p = EVP_PKEY_Q_keygen(NULL, NULL, "EC", types[i].group);
        else
            p = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        if (p == NULL)
            return ossl_err(e, ERR_CRYPTO, "key generation");
    }
    if (p == NULL)
        return err_set(e, ERR_KEY, "no such key type: %d-%u", (int)type.kind, type.bits);
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
    uint8_t bytes[RSA_MOST / 8];
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
    TRY(parse_spki(spki, &p, e));
    TRY(type_of(p, &type, e));
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
