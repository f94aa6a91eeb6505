/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/aead.h"
#include "base/fault.h"
#include "crypto/key.h"
#include "crypto/ossl.h"
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

enum { NONCE = 12, TAG = 16, MOST = 1 << 24 };

static bool begin(EVP_CIPHER_CTX **ret, bool seal, struct reader key, const uint8_t nonce[NONCE],
                  struct reader bound, struct err *e)
{
    ERR_clear_error();
    if (key.left != AEAD_KEY || bound.left > INT_MAX)
        return err_set(e, ERR_CRYPTO, "AES key of %zu bytes", key.left);
    EVP_CIPHER_CTX *ctx = fault_now() ? NULL : EVP_CIPHER_CTX_new();
    if (ctx == NULL)
        return err_set(e, ERR_NO_MEMORY, "cipher");
    int n;
    if (EVP_CipherInit_ex2(ctx, EVP_aes_256_gcm(), key.at, nonce, seal ? 1 : 0, NULL) != 1 ||
        (bound.left > 0 && EVP_CipherUpdate(ctx, NULL, &n, bound.at, (int)bound.left) != 1)) {
        EVP_CIPHER_CTX_free(ctx);
        return ossl_err(e, ERR_CRYPTO, "AES-256-GCM");
    }
    *ret = ctx;
    return true;
}

bool aead_seal(struct reader key, struct reader bound, struct reader plain, struct writer *sealed,
               struct err *e)
{
    CLEANUP(ossl_free_cipher_ctx) EVP_CIPHER_CTX *ctx = NULL;
    CLEANUP(secret_done) struct secret out = {0};
    uint8_t nonce[NONCE], tag[TAG], none;
    int n = 0, rest = 0;
    if (plain.left > MOST)
        return err_set(e, ERR_CRYPTO, "too much to seal");
    TRY(key_random(nonce, sizeof nonce, e));
    TRY(secret_new(plain.left, &out, e));
    TRY(begin(&ctx, true, key, nonce, bound, e));
    if ((plain.left > 0 && EVP_CipherUpdate(ctx, out.data, &n, plain.at, (int)plain.left) != 1) ||
        (size_t)n != plain.left || EVP_CipherFinal_ex(ctx, &none, &rest) != 1 || rest != 0 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, tag) != 1)
        return ossl_err(e, ERR_CRYPTO, "seal");
    writer_bytes(sealed, nonce, sizeof nonce);
    writer_reader(sealed, secret_view(&out));
    writer_bytes(sealed, tag, sizeof tag);
    return writer_ok(sealed, e);
}

bool aead_open(struct reader key, struct reader bound, struct reader sealed, struct secret *ret,
               struct err *e)
{
    CLEANUP(ossl_free_cipher_ctx) EVP_CIPHER_CTX *ctx = NULL;
    CLEANUP(secret_done) struct secret out = {0};
    uint8_t nonce[NONCE], tag[TAG], none;
    struct reader cipher;
    int n = 0, rest = 0;
    if (sealed.left < AEAD_OVERHEAD || sealed.left > MOST + AEAD_OVERHEAD ||
        !reader_copy(&sealed, nonce, sizeof nonce) ||
        !reader_take(&sealed, sealed.left - TAG, &cipher) || !reader_copy(&sealed, tag, sizeof tag))
        return err_set(e, ERR_SEAL, "%zu bytes", sealed.left);
    TRY(secret_new(cipher.left, &out, e));
    TRY(begin(&ctx, false, key, nonce, bound, e));
    if ((cipher.left > 0 &&
         EVP_CipherUpdate(ctx, out.data, &n, cipher.at, (int)cipher.left) != 1) ||
        (size_t)n != cipher.left ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, tag) != 1 ||
        EVP_CipherFinal_ex(ctx, &none, &rest) != 1)
        return ossl_err(e, ERR_SEAL, "open");
    *ret = out;
    out = (struct secret){0}; /* transferred */
    return true;
}

bool hmac_of(enum hash hash, struct reader key, struct reader bytes, struct digest_value *ret,
             struct err *e)
{
    ERR_clear_error();
    struct digest_value v = {0};
    if (hash_size(hash) == 0 ||
        EVP_Q_mac(NULL, "HMAC", NULL, hash_name(hash), NULL,
                  key.left == 0 ? "" : (const void *)key.at, key.left, bytes.at, bytes.left,
                  v.bytes, sizeof v.bytes, &v.len) == NULL)
        return ossl_err(e, ERR_CRYPTO, "HMAC");
    *ret = v;
    return true;
}

/* RFC 5869 2.2 and 2.3 by HMAC: fewer moving parts than the library's parameter lists. */
bool hkdf(enum hash hash, struct reader secret, struct reader salt, struct reader info, void *to,
          size_t n, struct err *e)
{
    const uint8_t zeros[HASH_MAX] = {0};
    size_t size = hash_size(hash);
    struct digest_value prk, block = {.len = 0};
    struct writer in, out;
    if (size == 0 || n > 255 * size)
        return err_set(e, ERR_CRYPTO, "HKDF of %zu bytes", n);
    TRY(hmac_of(hash, salt.left == 0 ? reader_over(zeros, size) : salt, secret, &prk, e));
    writer_init(&in, HASH_MAX + info.left + 1);
    writer_init(&out, n);
    bool ok = true;
    for (uint8_t i = 1; ok && out.len < n; i++) {
        writer_reset(&in);
        writer_reader(&in, digest_view(&block));
        writer_reader(&in, info);
        writer_u8(&in, i);
        ok = writer_ok(&in, e) && hmac_of(hash, digest_view(&prk), writer_view(&in), &block, e);
        writer_bytes(&out, block.bytes, n - out.len < size ? n - out.len : size);
    }
    ok = ok && writer_ok(&out, e);
    struct reader result = writer_view(&out);
    ok = ok && (reader_copy(&result, to, n) || err_set(e, ERR_CRYPTO, "HKDF"));
    secret_wipe(&prk, sizeof prk);
    secret_wipe(&block, sizeof block);
    writer_done(&in);
    writer_done(&out);
    return ok;
}
