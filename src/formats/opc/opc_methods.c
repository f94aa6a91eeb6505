/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/opc/opc.h"
#include <string.h>

#define MORE "http://www.w3.org/2001/04/xmldsig-more#"
#define DSIG "http://www.w3.org/2000/09/xmldsig#"
#define ENC  "http://www.w3.org/2001/04/xmlenc#"

/* clang-format off */
static const struct opc_method methods[] = {
    {DSIG "rsa-sha1",     SIGN_ALGORITHM(SCHEME_RSA_PKCS1, HASH_SHA1)},
    {MORE "rsa-sha256",   SIGN_ALGORITHM(SCHEME_RSA_PKCS1, HASH_SHA256)},
    {MORE "rsa-sha384",   SIGN_ALGORITHM(SCHEME_RSA_PKCS1, HASH_SHA384)},
    {MORE "rsa-sha512",   SIGN_ALGORITHM(SCHEME_RSA_PKCS1, HASH_SHA512)},
    {MORE "ecdsa-sha1",   SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA1)},
    {MORE "ecdsa-sha256", SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA256)},
    {MORE "ecdsa-sha384", SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA384)},
    {MORE "ecdsa-sha512", SIGN_ALGORITHM(SCHEME_ECDSA, HASH_SHA512)},
};
static const struct {
    const char *uri;
    enum hash hash;
} hashes[] = {
    {DSIG "sha1",   HASH_SHA1},
    {ENC  "sha256", HASH_SHA256},
    {MORE "sha384", HASH_SHA384},
    {ENC  "sha512", HASH_SHA512},
};
/* clang-format on */

const struct opc_method *opc_sign_method(sign_algorithm algorithm)
{
    for (size_t i = 0; i < COUNT_OF(methods); i++)
        if (methods[i].algorithm == algorithm)
            return &methods[i];
    return NULL;
}

const struct opc_method *opc_sign_method_of(const char *uri)
{
    for (size_t i = 0; uri != NULL && i < COUNT_OF(methods); i++)
        if (strcmp(methods[i].uri, uri) == 0)
            return &methods[i];
    return NULL;
}

bool opc_hash_of(const char *uri, enum hash *ret)
{
    for (size_t i = 0; uri != NULL && i < COUNT_OF(hashes); i++)
        if (strcmp(hashes[i].uri, uri) == 0) {
            *ret = hashes[i].hash;
            return true;
        }
    return false;
}
