/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_CMS_H
#define CRYPTO_CMS_H
#include "crypto/digest.h"
#include "crypto/x509.h"

enum { CMS_SIGNERS_MAX = 16, CMS_BYTES = 16 * 1024 * 1024 };

/* --- building: SignedData with one SignerInfo, signed by a key that sits elsewhere ---------- */

/* An attribute with one value: a whole DER element. */
struct cms_attribute {
    enum oid type;
    struct reader value;
};
struct cms_plan {
    bool pkcs7; /* RFC 2315 form, as Authenticode wants it; else RFC 5652 */
    enum oid content_type;
    bool detached;         /* no content inside */
    struct reader content; /* pkcs7: a whole DER element; else the octets */
    struct reader digest;  /* of the content, by the algorithm's hash (pkcs7: content octets) */
    sign_algorithm algorithm;
    const struct reader *certificates; /* DER; the signer's first */
    size_t certificate_count;
    const struct cms_attribute *attributes; /* signed, besides contentType and messageDigest */
    size_t attribute_count;
};
/* The signed attributes (DER SET OF) and the digest over them that the key must sign. */
MUST_CHECK bool cms_to_be_signed(const struct cms_plan *plan, struct writer *attributes,
                                 struct digest_value *ret, struct err *e);
/* The finished ContentInfo; `unsigned_attributes` are added in DER order. */
MUST_CHECK bool cms_finish(const struct cms_plan *plan, struct reader attributes,
                           struct reader signature, const struct cms_attribute *unsigned_attributes,
                           size_t unsigned_count, struct writer *out, struct err *e);

/* --- reading ------------------------------------------------------------------------------- */

/* One SignerInfo. Readers borrow the message. */
struct cms_signer {
    struct reader head;           /* whole elements from version up to the signature value */
    struct reader issuer, serial; /* whole Name; content octets. Empty when by key_id */
    struct reader key_id;
    enum hash hash;
    bool algorithm_known;
    sign_algorithm algorithm;
    enum hash pss_mgf; /* PSS only */
    int pss_salt;
    struct reader attributes; /* whole, with tag [0]; empty: none */
    struct reader signature;
    struct reader unsigned_attributes; /* content of [1]; empty: none */
};
struct cms {
    struct reader head;    /* of SignedData: version up to encapContentInfo, whole elements */
    struct reader digests; /* content of digestAlgorithms; .at NULL: not looked at */
    /* Content octets of the identifier. .at NULL where counter-signatures are judged: they have no
     * contentType attribute (RFC 5652 11.4), but some writers add one that says data. */
    struct reader content_type;
    bool detached;
    struct reader content_element; /* what is inside of [0] EXPLICIT, whole */
    struct reader content;         /* its content octets: what is hashed */
    struct reader *certificates;
    size_t certificate_count;
    struct reader certificate_set, crl_set; /* whole, with their tags; may be empty */
    struct cms_signer *signers;
    size_t signer_count;
};
MUST_CHECK bool cms_parse(struct arena *a, struct reader der, struct cms *ret, struct err *e);
/* One SignerInfo as a whole element: counter-signatures are such. */
MUST_CHECK bool cms_signer_parse(struct reader element, struct cms_signer *ret);
/* The value of an attribute that must be there once with one value, as a whole element; `set` is
 * cms_signer.unsigned_attributes or cms_attributes(). False: absent, or not like that. */
MUST_CHECK bool cms_attribute_find(struct reader set, enum oid type, struct reader *ret_value);
/* All values of all attributes of a type: start with {.attributes = set}, stop at false. */
struct cms_values {
    struct reader attributes, values;
};
MUST_CHECK bool cms_values_next(struct cms_values *v, enum oid type, struct reader *ret_value);
struct reader cms_signed_attributes(const struct cms_signer *s); /* content, for the above */
/* Index into certificates, or SIZE_MAX when it is not there. False only for troubles of our own. */
MUST_CHECK bool cms_signer_certificate(struct arena *a, const struct cms *c,
                                       const struct cms_signer *s, size_t *ret, struct err *e);

/* All certificates of the message, the one at `first` (SIZE_MAX: none) in front. *ret has
 * certificate_count elements. False: no memory. */
MUST_CHECK bool cms_certificates_from(struct arena *a, const struct cms *c, size_t first,
                                      const struct reader **ret, struct err *e);

/* contentType and messageDigest agree with the content, the signature verifies with the
 * certificate found by the signer's identifier (or with `certificate` when not NULL). *ret is
 * the digest the key signed. False with ERR_SIGNATURE; trust is not judged. */
MUST_CHECK bool cms_verify(struct arena *a, const struct cms *c, const struct cms_signer *s,
                           struct reader content_digest, const struct reader *certificate,
                           struct digest_value *ret, struct err *e);
/* The same message with one more value of an unsigned attribute of its first signer. */
MUST_CHECK bool cms_with_unsigned(const struct cms *c, struct cms_attribute attribute,
                                  struct writer *out, struct err *e);
#endif
