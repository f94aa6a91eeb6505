/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_CATALOG_H
#define FORMATS_CATALOG_H
#include "crypto/authenticode.h"
#include "formats/format.h"

/* Security catalogs: a certificate trust list (MS-CAESO, wincrypt's CTL_INFO) inside of PKCS#7
 * SignedData, which has no signer as long as the catalog is not signed. */
enum { CATALOG_MAX = 12 * 1024 * 1024 };

MUST_CHECK bool catalog_open(struct arena *a, const struct source *in, struct cms *ret,
                             struct err *e);
MUST_CHECK bool catalog_sign(const struct sign_job *job, struct err *e);
MUST_CHECK bool catalog_verify(const struct verify_job *job, struct signature **ret,
                               size_t *ret_count, struct err *e);
#endif
