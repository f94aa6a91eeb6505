/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/digest.h"
#include "base/fault.h"
#include "base/text.h"
#include "crypto/ossl.h"
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <string.h>

/* clang-format off */
static const struct {
    const char *name, *dashed, *oid;
    size_t oid_len, size;
} rows[] = {
    [HASH_NONE]   = {NULL, NULL, NULL, 0, 0},
    [HASH_MD5]    = {"md5",    "md-5",    "\x2a\x86\x48\x86\xf7\x0d\x02\x05",     8, 16},
    [HASH_SHA1]   = {"sha1",   "sha-1",   "\x2b\x0e\x03\x02\x1a",                 5, 20},
    [HASH_SHA256] = {"sha256", "sha-256", "\x60\x86\x48\x01\x65\x03\x04\x02\x01", 9, 32},
    [HASH_SHA384] = {"sha384", "sha-384", "\x60\x86\x48\x01\x65\x03\x04\x02\x02", 9, 48},
    [HASH_SHA512] = {"sha512", "sha-512", "\x60\x86\x48\x01\x65\x03\x04\x02\x03", 9, 64},
};
/* clang-format on */

static bool known(enum hash hash)
{
    return hash > HASH_NONE && (size_t)hash < COUNT_OF(rows);
}

const char *hash_name(enum hash hash)
{
    return known(hash) ? rows[hash].name : NULL;
}

size_t hash_size(enum hash hash)
{
    return known(hash) ? rows[hash].size : 0;
}

bool hash_from_name(const char *name, enum hash *ret)
{
    for (size_t i = 1; i < COUNT_OF(rows); i++) {
        if (text_equal_ascii_fold(name, rows[i].name) ||
            text_equal_ascii_fold(name, rows[i].dashed)) {
            *ret = (enum hash)i;
            return true;
        }
    }
    return false;
}

struct reader hash_oid(enum hash hash)
{
    return known(hash) ? reader_over(rows[hash].oid, rows[hash].oid_len) : reader_text("");
}

bool hash_from_oid(struct reader oid, enum hash *ret)
{
    for (size_t i = 1; i < COUNT_OF(rows); i++) {
        if (reader_equal(oid, hash_oid((enum hash)i))) {
            *ret = (enum hash)i;
            return true;
        }
    }
    return false;
}

struct reader digest_view(const struct digest_value *v)
{
    return reader_over(v->bytes, v->len);
}

bool ossl_err(struct err *e, enum err_code code, const char *what)
{
    char text[160] = "no reason given";
    unsigned long number = ERR_peek_error(), one;
    if (number != 0)
        ERR_error_string_n(number, text, sizeof text);
    while ((one = ERR_get_error()) != 0) /* out of memory is no verdict, whatever was asked */
        code = ERR_GET_REASON(one) == ERR_R_MALLOC_FAILURE ? ERR_NO_MEMORY : code;
    return err_set(e, code, "%s: %s", what, text);
}

/* Fetched when first wanted: each costs about as much as hashing 500 KB. */
const EVP_MD *ossl_md(enum hash hash)
{
    static _Atomic(EVP_MD *) fetched[COUNT_OF(rows)];
    if (!known(hash))
        return NULL;
    EVP_MD *md = atomic_load(&fetched[hash]);
    if (md != NULL)
        return md;
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL);
    EVP_MD *mine = EVP_MD_fetch(NULL, rows[hash].name, NULL);
    if (mine == NULL) {
        ERR_clear_error();
        return NULL;
    }
    if (atomic_compare_exchange_strong(&fetched[hash], &md, mine))
        return mine;
    EVP_MD_free(mine);
    return md;
}

void ossl_free_pkey(EVP_PKEY **p)
{
    EVP_PKEY_free(*p);
}

void ossl_free_pkey_ctx(EVP_PKEY_CTX **p)
{
    EVP_PKEY_CTX_free(*p);
}

void ossl_free_md_ctx(EVP_MD_CTX **p)
{
    EVP_MD_CTX_free(*p);
}

void ossl_free_cipher_ctx(EVP_CIPHER_CTX **p)
{
    EVP_CIPHER_CTX_free(*p);
}

bool digest_begin(struct digest *d, enum hash hash, struct err *e)
{
    const EVP_MD *md = ossl_md(hash);
    if (md == NULL)
        return err_set(e, ERR_CRYPTO, "hash %d is not available", (int)hash);
    EVP_MD_CTX *ctx = fault_now() ? NULL : EVP_MD_CTX_new();
    if (ctx == NULL)
        return err_set(e, ERR_NO_MEMORY, "digest");
    if (EVP_DigestInit_ex2(ctx, md, NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return ossl_err(e, ERR_CRYPTO, "digest");
    }
    *d = (struct digest){.ctx = ctx, .hash = hash};
    return true;
}

void digest_add(struct digest *d, struct reader bytes)
{
    if (bytes.left > 0 && EVP_DigestUpdate(d->ctx, bytes.at, bytes.left) != 1)
        d->failed = true;
}

static bool add_piece(void *ctx, struct reader piece, struct err *e)
{
    struct digest *d = ctx;
    (void)e;
    digest_add(d, piece);
    return true;
}

bool digest_source(struct digest *d, const struct source *s, struct err *e)
{
    return source_each(s, add_piece, d, e);
}

bool digest_end(struct digest *d, struct digest_value *ret, struct err *e)
{
    struct digest_value v = {0};
    unsigned len = 0;
    bool ok = !d->failed && EVP_DigestFinal_ex(d->ctx, v.bytes, &len) == 1;
    digest_done(d);
    if (!ok)
        return ossl_err(e, ERR_CRYPTO, "digest");
    v.len = len;
    *ret = v;
    return true;
}

void digest_done(struct digest *d)
{
    EVP_MD_CTX_free(d->ctx);
    d->ctx = NULL;
}

void digest_tee(void *digest, struct reader piece)
{
    digest_add(digest, piece);
}

bool digest_of(enum hash hash, struct reader bytes, struct digest_value *ret, struct err *e)
{
    struct digest d;
    TRY(digest_begin(&d, hash, e));
    digest_add(&d, bytes);
    return digest_end(&d, ret, e);
}

bool digest_of_source(enum hash hash, const struct source *s, struct digest_value *ret,
                      struct err *e)
{
    CLEANUP(digest_done) struct digest d = {0};
    TRY(digest_begin(&d, hash, e));
    TRY(digest_source(&d, s, e));
    return digest_end(&d, ret, e);
}

bool crypto_start(struct err *e)
{
    if (ossl_md(HASH_SHA256) == NULL)
        return err_set(e, ERR_CRYPTO, "sha256 is not available");
    uint8_t unused[16];
    if (RAND_bytes(unused, sizeof unused) != 1 || RAND_priv_bytes(unused, sizeof unused) != 1)
        return ossl_err(e, ERR_CRYPTO, "random generator");
    return true;
}
