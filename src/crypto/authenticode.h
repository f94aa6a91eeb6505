/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CRYPTO_AUTHENTICODE_H
#define CRYPTO_AUTHENTICODE_H
#include "crypto/cms.h"
#include "crypto/signature.h"

/* What all Authenticode formats share: SpcIndirectDataContent, the signed attributes, time
 * stamps, nested signatures (Microsoft: Authenticode PE, and what signtool writes). */

/* SpcAttributeTypeAndOptionalValue: what is signed. */
void spc_data_pe(struct writer *w);
/* The same with page hashes, by SHA-1 (version 1) or SHA-256 (version 2). */
void spc_data_pe_pages(struct writer *w, enum hash hash, struct reader hashes);
/* The page hashes in spc_content.data_value of a PE file; ret->at NULL: there are none. False:
 * something else stands there. */
MUST_CHECK bool spc_page_hashes(struct reader data_value, enum hash *ret_hash, struct reader *ret);
void spc_data_cab(struct writer *w);
/* SpcSipInfo: version 0x10000 for scripts, 1 for MSI, 0x01010000 for APPX; guid in file order. */
void spc_data_sip(struct writer *w, uint32_t version, const uint8_t guid[16]);
/* SpcIndirectDataContent over one of the above; `digest` may be longer than the hash (APPX). */
void spc_indirect_data(struct writer *w, struct reader data, enum hash hash, struct reader digest);

struct authenticode {
    enum oid content_type; /* OID_SPC_INDIRECT_DATA, or OID_CTL */
    struct reader content; /* whole DER element */
    enum hash hash;
    const char *description, *url; /* NULL or "": none */
    bool empty_opus;               /* SpcSpOpusInfo also without these two */
    uint32_t slot;
    struct reader append_to; /* nest the new signature into this PKCS#7; .at NULL: no */
};
/* Asks the signer for one signature and, if wanted, one time stamp; the finished PKCS#7. */
MUST_CHECK bool authenticode_sign(const struct authenticode *job, const struct signer *signer,
                                  struct writer *pkcs7, struct err *e);

/* What a signature says about the file. */
struct spc_content {
    enum oid content_type;
    struct reader data_type;  /* content octets: OID_SPC_PE_IMAGE_DATA ... ; empty for a CTL */
    struct reader data_value; /* whole element, may be empty */
    enum hash hash;
    struct reader digest;
    struct reader content; /* whole: the CTL, or SpcIndirectDataContent */
};
/* The digest of the file that must equal said->digest; in the arena or borrowed. False with
 * ERR_SIGNATURE: this is no signature for such a file, which its `problem` will say. */
typedef bool (*authenticode_digest_fn)(void *ctx, struct arena *a, const struct spc_content *said,
                                       struct reader *ret, struct err *e);
/* All signatures of a PKCS#7 blob, the outer one first, then nested ones in order. What is wrong
 * with a signature is in its `intact` and `problem`; false only when memory is out or digest
 * fails. For a CTL digest is asked with said->digest empty: its answer is not compared. */
MUST_CHECK bool authenticode_verify(struct arena *a, struct reader pkcs7,
                                    authenticode_digest_fn digest, void *ctx,
                                    struct signature **ret, size_t *ret_count, struct err *e);
#endif
