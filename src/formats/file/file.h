/* SPDX-License-Identifier: Apache-2.0 */
/* Private to this folder. */
#ifndef FORMATS_FILE_FILE_H
#define FORMATS_FILE_FILE_H
#include "crypto/x509.h"
#include "formats/format.h"

/* What hash-algorithm, rsa-padding and the key together ask for. */
MUST_CHECK bool file_algorithm(const struct attributes *attributes,
                               const struct certificate *signer, sign_algorithm *ret,
                               struct err *e);
/* Digest of a file, checked against nothing; memory of the arena. */
MUST_CHECK bool file_digest(struct arena *a, const struct source *s, enum hash hash,
                            struct reader *ret, struct err *e);

MUST_CHECK bool file_raw_sign(const struct sign_job *job, const struct certificate *signer,
                              struct err *e);
MUST_CHECK bool file_raw_verify(const struct verify_job *job, struct signature *ret, struct err *e);
MUST_CHECK bool file_cms_sign(const struct sign_job *job, const struct certificate *signer,
                              struct err *e);
MUST_CHECK bool file_cms_verify(const struct verify_job *job, struct signature **ret,
                                size_t *ret_count, struct err *e);
#endif
