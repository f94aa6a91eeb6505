/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_MSI_MSI_H
#define FORMATS_MSI_MSI_H
#include "archive/cfb.h"
#include "crypto/authenticode.h"
#include "formats/format.h"

/* Installer databases, merge modules and patches. */
struct msi {
    struct cfb *file;
    const struct cfb_entry *signature;    /* \5DigitalSignature; NULL: not signed */
    const struct cfb_entry *signature_ex; /* \5MsiDigitalSignatureEx; NULL: none */
};
bool msi_probe(struct reader head, const struct source *in);
MUST_CHECK bool msi_open(struct arena *a, const struct source *in, struct msi *ret, struct err *e);

/* The digest over names, classes and times, which \5MsiDigitalSignatureEx holds. */
MUST_CHECK bool msi_metadata_digest(struct arena *a, const struct cfb *c, enum hash hash,
                                    struct digest_value *ret, struct err *e);
/* The digest that is signed; `metadata` comes first, empty for none. */
MUST_CHECK bool msi_digest(struct arena *a, const struct cfb *c, enum hash hash,
                           struct reader metadata, struct digest_value *ret, struct err *e);
/* "subject" and "author" of the summary information. */
MUST_CHECK bool msi_summary(struct arena *a, const struct cfb *c, struct attributes *ret,
                            struct err *e);
/* How files lie beside the installer when their own row does not say: property 15. */
enum { MSI_SHORT_NAMES = 1, MSI_COMPRESSED = 2 };
MUST_CHECK bool msi_word_count(struct arena *a, const struct cfb *c, uint32_t *ret, struct err *e);
MUST_CHECK bool msi_sign(const struct sign_job *job, struct err *e);
MUST_CHECK bool msi_verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                           struct err *e);
/* The changes that take away the streams of a signature, sorted by index, and those that add them
 * behind all others; how many they are. */
size_t msi_signature_removed(const struct msi *m, struct cfb_change ret[2]);
size_t msi_signature_added(struct source pkcs7, struct source metadata, struct cfb_change ret[2]);
#endif
