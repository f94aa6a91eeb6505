/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/ossl.h"
#include "crypto/x509.h"
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

static X509 *load(struct reader der)
{
    const uint8_t *at = der.at;
    X509 *x =
        der.left > 0 && der.left <= CERTIFICATE_BYTES ? d2i_X509(NULL, &at, (long)der.left) : NULL;
    ERR_clear_error();
    if (x != NULL && at != der.at + der.left) {
        X509_free(x);
        x = NULL;
    }
    return x;
}

/* Certificates that OpenSSL cannot read are left out: the others may still make a chain. */
static bool load_all(const struct reader *list, size_t count, STACK_OF(X509) * *ret, struct err *e)
{
    STACK_OF(X509) *stack = sk_X509_new_null();
    for (size_t i = 0; stack != NULL && i < count; i++) {
        X509 *x = load(list[i]);
        if (x != NULL && sk_X509_push(stack, x) == 0)
            X509_free(x);
    }
    if (stack == NULL)
        return err_set(e, ERR_NO_MEMORY, "certificates");
    *ret = stack;
    return true;
}

static bool keep(struct arena *a, const STACK_OF(X509) * chain, struct reader **ret,
                 size_t *ret_count, struct err *e)
{
    size_t count = (size_t)sk_X509_num(chain);
    struct reader *list = ARENA_ARRAY(a, count, struct reader);
    if (list == NULL)
        return arena_err(e);
    for (size_t i = 0; i < count; i++) {
        unsigned char *der = NULL;
        int len = i2d_X509(sk_X509_value(chain, (int)i), &der);
        if (len > 0)
            list[i] = arena_bytes(a, reader_over(der, (size_t)len));
        OPENSSL_free(der);
        if (list[i].at == NULL)
            return arena_err(e);
    }
    *ret = list;
    *ret_count = count;
    return true;
}

/* The library's purposes are looser than the rule here: every certificate of the chain that names
 * usages must name this one; the root is trusted as it is. */
static bool usages_allow(struct arena *a, const struct reader *chain, size_t count, enum oid usage,
                         struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        struct certificate c;
        if (i > 0 && i + 1 == count)
            break;
        TRY(certificate_parse(a, chain[i], &c, e));
        if (!certificate_usable_for(&c, usage))
            return err_user(e, ERR_CERTIFICATE,
                            "The certificate %s may not be used for this "
                            "purpose (extended key usage %s is missing).",
                            c.subject_text, oid_dotted(usage));
    }
    return true;
}

static bool chain_error(X509_STORE_CTX *ctx, struct err *e)
{
    char name[120] = "";
    const X509 *at = X509_STORE_CTX_get_current_cert(ctx);
    if (at != NULL)
        X509_NAME_oneline(X509_get_subject_name(at), name, sizeof name);
    ERR_clear_error();
    return err_user(e, ERR_CERTIFICATE, "The certificate chain is not valid: %s%s%s.",
                    X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)),
                    name[0] == '\0' ? "" : " at ", name);
}

static bool verify_in(X509_STORE *store, X509 *leaf, STACK_OF(X509) * others, int64_t time,
                      X509_STORE_CTX *ctx, struct err *e)
{
    if (X509_STORE_CTX_init(ctx, store, leaf, others) != 1)
        return ossl_err(e, ERR_CRYPTO, "chain");
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_time(param, (time_t)time);
    X509_VERIFY_PARAM_set_depth(param, 10);
    (void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
    return X509_verify_cert(ctx) == 1 || chain_error(ctx, e);
}

struct root_store {
    X509_STORE *store;
};

bool root_store_new(const struct reader *roots, size_t count, struct root_store **ret,
                    struct err *e)
{
    STACK_OF(X509) *stack = NULL;
    struct root_store *s = calloc(1, sizeof *s);
    bool ok = s != NULL && (s->store = X509_STORE_new()) != NULL;
    ok = (ok || err_set(e, ERR_NO_MEMORY, "roots")) && load_all(roots, count, &stack, e);
    for (int i = 0; ok && i < sk_X509_num(stack); i++)
        ok = X509_STORE_add_cert(s->store, sk_X509_value(stack, i)) == 1 ||
             ossl_err(e, ERR_NO_MEMORY, "roots");
    ERR_clear_error();
    sk_X509_pop_free(stack, X509_free);
    if (ok)
        *ret = s;
    else
        root_store_free(s);
    return ok;
}

void root_store_free(struct root_store *s)
{
    if (s != NULL)
        X509_STORE_free(s->store);
    free(s);
}

static bool verify_loaded(struct arena *a, X509 *leaf, STACK_OF(X509) * others,
                          const struct trust *trust, struct reader **chain, size_t *count,
                          struct err *e)
{
    struct root_store *own = NULL;
    if (trust->store == NULL)
        TRY(root_store_new(trust->roots, trust->root_count, &own, e));
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool ok = ctx != NULL || ossl_err(e, ERR_NO_MEMORY, "chain");
    ok = ok && verify_in(own != NULL ? own->store : trust->store->store, leaf, others, trust->time,
                         ctx, e);
    ok = ok && keep(a, X509_STORE_CTX_get0_chain(ctx), chain, count, e);
    X509_STORE_CTX_free(ctx);
    root_store_free(own);
    return ok;
}

bool chain_verify(struct arena *a, struct reader leaf, const struct reader *others,
                  size_t other_count, const struct trust *trust, struct reader **ret_chain,
                  size_t *ret_count, struct err *e)
{
    ERR_clear_error();
    STACK_OF(X509) *other_stack = NULL;
    struct reader *chain = NULL;
    size_t count = 0;
    X509 *x = load(leaf);
    bool ok = x != NULL || err_user(e, ERR_CERTIFICATE, "The certificate cannot be read.");
    ok = ok && load_all(others, other_count, &other_stack, e) &&
         verify_loaded(a, x, other_stack, trust, &chain, &count, e);
    X509_free(x);
    sk_X509_pop_free(other_stack, X509_free);
    TRY(ok && usages_allow(a, chain, count, trust->usage, e));
    if (ret_chain != NULL) {
        *ret_chain = chain;
        *ret_count = count;
    }
    return true;
}

static X509 *issuer_of(X509 *x, STACK_OF(X509) * others)
{
    for (int i = 0; i < sk_X509_num(others); i++) {
        X509 *candidate = sk_X509_value(others, i);
        if (X509_check_issued(candidate, x) != X509_V_OK)
            continue;
        EVP_PKEY *key = X509_get0_pubkey(candidate);
        if (key != NULL && X509_verify(x, key) == 1)
            return candidate;
    }
    return NULL;
}

static bool self_signed(X509 *x)
{
    bool yes = X509_self_signed(x, 1) == 1;
    ERR_clear_error();
    return yes;
}

bool chain_order(struct arena *a, struct reader leaf, const struct reader *others,
                 size_t other_count, struct reader **ret_chain, size_t *ret_count,
                 bool *ret_complete, struct err *e)
{
    STACK_OF(X509) *stack = NULL, *chain = sk_X509_new_null();
    X509 *x = load(leaf);
    bool ok = x != NULL || err_user(e, ERR_CERTIFICATE, "The certificate cannot be read.");
    ok = ok && load_all(others, other_count, &stack, e);
    bool complete = false;
    for (X509 *at = x; ok && at != NULL && sk_X509_num(chain) < CERTIFICATES_MAX;) {
        ok = chain != NULL && (sk_X509_push(chain, at) > 0 || err_set(e, ERR_NO_MEMORY, "chain"));
        complete = self_signed(at);
        at = complete ? NULL : issuer_of(at, stack);
    }
    ERR_clear_error();
    ok = ok && keep(a, chain, ret_chain, ret_count, e);
    if (ok)
        *ret_complete = complete;
    X509_free(x);
    sk_X509_free(chain);
    sk_X509_pop_free(stack, X509_free);
    return ok;
}
