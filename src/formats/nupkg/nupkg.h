/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_NUPKG_H
#define FORMATS_NUPKG_H
#include "archive/zip.h"
#include "crypto/cms.h"
#include "formats/format.h"

/* Signed NuGet packages, after "NuGet Package Signatures Technical Specification". */
#define NUPKG_SIGNATURE ".signature.p7s"
enum { NUPKG_SIGNATURE_MAX = 4 * 1024 * 1024, NUPKG_NUSPEC_MAX = 1024 * 1024 };

enum nupkg_kind { NUPKG_OTHER, NUPKG_AUTHOR, NUPKG_REPOSITORY };

/* The ZIP structure of a package; NuGet compares names without case. */
MUST_CHECK bool nupkg_open(struct arena *a, const struct source *in, struct zip **ret,
                           struct err *e);
/* Of the signature entry and of the one .nuspec in the root; SIZE_MAX: none. */
size_t nupkg_signature(const struct zip *z);
size_t nupkg_nuspec(const struct zip *z);
/* The message in the signature entry, which must be stored. */
MUST_CHECK bool nupkg_message(struct arena *a, const struct zip *z, size_t index,
                              struct reader *ret, struct err *e);
/* id and version of the .nuspec, as far as it can be read. */
MUST_CHECK bool nupkg_facts_of(struct arena *a, const struct zip *z, struct attributes *ret,
                               struct err *e);
/* The package without its signature entry, as if that had never been put in. */
MUST_CHECK bool nupkg_digest(const struct zip *z, enum hash hash, struct digest_value *ret,
                             struct err *e);
/* By the commitment type (RFC 5126 5.11.1): origin is the author, receipt a repository. */
enum nupkg_kind nupkg_kind_of(const struct cms_signer *s);

MUST_CHECK bool nupkg_sign(const struct sign_job *job, struct err *e);
MUST_CHECK bool nupkg_verify(const struct verify_job *job, struct signature **ret,
                             size_t *ret_count, struct err *e);
#endif
