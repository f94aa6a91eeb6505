/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "crypto/der.h"
#include "crypto/digest.h"
#include "crypto/key.h"
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct {
    const char *name;
    struct key_type type;
} types[] = {
    {"rsa-2048", {KEY_RSA, 2048}},
    {"rsa-3072", {KEY_RSA, 3072}},
    {"rsa-4096", {KEY_RSA, 4096}},
    {"ec-p256",  {KEY_EC, 256}},
    {"ec-p384",  {KEY_EC, 384}},
    {"ec-p521",  {KEY_EC, 521}},
    {"ed25519",  {KEY_ED25519, 256}},
};
/* clang-format on */

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

/* RFC 8017 A.1.1 */
static bool rsa_bits(struct reader key, uint32_t *ret)
{
    struct reader pair, n, exponent;
    uint8_t first;
    TRY(der_only(key, DER_SEQUENCE, &pair) && der_integer(&pair, &n) &&
        der_integer(&pair, &exponent) && reader_at_end(&pair));
    while (n.left > 0 && *n.at == 0)
        TRY(reader_u8(&n, &first));
    TRY(n.left > 0 && n.left <= RSA_BITS_MOST / 8);
    *ret = (uint32_t)n.left * 8 - (uint32_t)__builtin_clz(*n.at) + 24;
    return true;
}

/* Read here and not by OpenSSL, whose decoders cost a millisecond a certificate. Whether the point
 * lies on the curve is seen by whoever uses the key. */
bool key_type_of_spki(struct reader spki, struct key_type *ret, struct err *e)
{
    static const struct {
        enum oid oid;
        uint32_t bits;
    } curves[] = {{OID_P256, 256}, {OID_P384, 384}, {OID_P521, 521}};
    struct reader whole, algorithm, parameters, key, curve;
    uint32_t bits = 0;
    if (!der_only(spki, DER_SEQUENCE, &whole) || !der_algorithm(&whole, &algorithm, &parameters) ||
        !der_bytes_of_bits(&whole, &key) || !reader_at_end(&whole))
        return der_err(e, "public key");
    if (oid_is(algorithm, OID_ED25519)) {
        *ret = (struct key_type){KEY_ED25519, 256};
        return true;
    }
    if (oid_is(algorithm, OID_RSA)) {
        if (!rsa_bits(key, &bits) || bits < RSA_BITS_LEAST)
            return err_user(e, ERR_KEY, "An RSA key must have %d to %d bits.", RSA_BITS_LEAST,
                            RSA_BITS_MOST);
        *ret = (struct key_type){KEY_RSA, bits};
        return true;
    }
    if (!oid_is(algorithm, OID_EC_KEY))
        return err_user(e, ERR_KEY,
                        "The key is of a kind that cannot be used. Possible are RSA, EC (P-256, "
                        "P-384, P-521) and Ed25519.");
    for (size_t i = 0; i < COUNT_OF(curves) && der_only(parameters, DER_OID, &curve); i++) {
        if (oid_is(curve, curves[i].oid)) {
            *ret = (struct key_type){KEY_EC, curves[i].bits};
            return true;
        }
    }
    return err_user(e, ERR_KEY, "The key is on another curve than P-256, P-384 or P-521.");
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
