/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_X509_H
#define CRYPTO_X509_H
#include "crypto/der.h"
#include "crypto/key.h"

enum {
    CERTIFICATE_BYTES = 64 * 1024,
    CERTIFICATES_MAX = 64,
    USAGES_MAX = 32,
    BUNDLE_MAX = 2048 /* lists of roots are long */
};
enum { USAGE_DIGITAL_SIGNATURE = 1, USAGE_NON_REPUDIATION = 2, USAGE_CERT_SIGN = 32 };

/* A parsed certificate (RFC 5280). Readers borrow the DER given; texts are in the arena. */
struct certificate {
    struct reader der, tbs;
    struct reader serial;                   /* content octets of the INTEGER */
    struct reader issuer, subject;          /* whole Name elements */
    struct reader spki;                     /* whole SubjectPublicKeyInfo */
    const char *issuer_text, *subject_text; /* RFC 4514, most specific first: "CN=A,O=B" */
    const char *common_name;                /* NULL: none */
    int64_t not_before, not_after;
    bool key_known; /* of a kind that `key` can name */
    struct key_type key;
    bool ca;
    bool has_key_usage;
    unsigned key_usage;               /* USAGE_*: bit n of RFC 5280 4.2.1.3 is 1 << n */
    bool usage_critical;              /* of the extended key usage */
    struct reader usages[USAGES_MAX]; /* extended key usage: content octets of the identifiers */
    size_t usage_count;               /* 0: the extension is absent */
    struct reader key_id;             /* subject key identifier, may be empty */
    struct reader issuer_key_id;      /* the same of its issuer, may be empty */
    bool self_issued;                 /* subject equals issuer */
    uint8_t sha1[20], sha256[32];
};
MUST_CHECK bool certificate_parse(struct arena *a, struct reader der, struct certificate *ret,
                                  struct err *e);
/* A whole Name as Windows writes it, which compares such texts: CN=A, O="B, C", S=Ohio, OID.1.2=x.
 * False: no memory, or it is no Name. */
MUST_CHECK bool certificate_name_windows(struct arena *a, struct reader name, const char **ret,
                                         struct err *e);
/* Listed, or anyExtendedKeyUsage, or no extension at all. */
MUST_CHECK bool certificate_usable_for(const struct certificate *c, enum oid usage);

/* All certificates of a file: PEM (any number, other blocks are refused), one in DER, or PKCS#7
 * (PEM or DER). By content. The readers are in the arena or borrow `file`. */
MUST_CHECK bool certificates_read(struct arena *a, struct reader file, struct reader **ret,
                                  size_t *ret_count, struct err *e);

/* "CN" "O" "OU" "L" "ST" "C" "emailAddress"; UTF-8. */
struct name_part {
    const char *type, *value;
};
struct certificate_plan {
    const struct name_part *subject; /* in the order of the encoding; CN is required */
    size_t subject_count;
    struct reader spki;
    uint8_t serial[16]; /* random; the top bit is cleared, the next one set */
    int64_t not_before, not_after;
};
/* TBSCertificate of a self-signed code-signing certificate (product-spec 3.2) for a key that
 * sits elsewhere. *ret_algorithm is what must sign `tbs`, over its digest by that hash. */
MUST_CHECK bool certificate_tbs(const struct certificate_plan *plan, struct writer *tbs,
                                sign_algorithm *ret_algorithm, struct err *e);
/* The certificate, after its signature was verified with the key inside. */
MUST_CHECK bool certificate_finish(struct reader tbs, sign_algorithm algorithm,
                                   struct reader signature, struct writer *certificate,
                                   struct err *e);

/* Roots that are looked at often, made ready once. Several threads may use one. */
struct root_store;
MUST_CHECK bool root_store_new(const struct reader *roots, size_t count, struct root_store **ret,
                               struct err *e);
void root_store_free(struct root_store *s); /* NULL is fine */

/* What a chain must end in, and when. */
struct trust {
    const struct reader *roots; /* DER */
    size_t root_count;
    int64_t time; /* the moment at which all must be valid */
    enum oid usage;
    const struct root_store *store; /* instead of roots, when not NULL */
};
/* Leaf to root through `others` (any order, may hold junk). False with ERR_CERTIFICATE: no such
 * chain; the user text says why. ret_chain may be NULL; else the chain, leaf first, root last. */
MUST_CHECK bool chain_verify(struct arena *a, struct reader leaf, const struct reader *others,
                             size_t other_count, const struct trust *trust,
                             struct reader **ret_chain, size_t *ret_count, struct err *e);
/* Leaf first, then issuers as far as they are found in `others`, checked by signature; at most
 * one chain. complete: the last one is self-signed. Time and usages are not judged. */
MUST_CHECK bool chain_order(struct arena *a, struct reader leaf, const struct reader *others,
                            size_t other_count, struct reader **ret_chain, size_t *ret_count,
                            bool *ret_complete, struct err *e);
#endif
