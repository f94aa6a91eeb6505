/* SPDX-License-Identifier: Apache-2.0 */
/* Private to this folder: how calls into OpenSSL report and clean up. */
#ifndef CRYPTO_OSSL_H
#define CRYPTO_OSSL_H
#include "base/err.h"
#include "crypto/algorithm.h"
#include <openssl/evp.h>

/* Sets *e from the top of OpenSSL's error queue, empties the queue, returns false. ERR_NO_MEMORY
 * instead of the code when the queue says so. */
bool ossl_err(struct err *e, enum err_code code, const char *what);
/* Fetched once and kept: a fetch costs more than a small hash. NULL: not built in. */
const EVP_MD *ossl_md(enum hash hash);

void ossl_free_pkey(EVP_PKEY **p);
void ossl_free_pkey_ctx(EVP_PKEY_CTX **p);
void ossl_free_md_ctx(EVP_MD_CTX **p);
void ossl_free_cipher_ctx(EVP_CIPHER_CTX **p);
#endif
