/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_APPX_H
#define FORMATS_APPX_H
#include "archive/zip.h"
#include "crypto/authenticode.h"
#include "formats/format.h"

/* App packages and bundles: ZIP files whose signature is an entry of its own. */
#define APPX_SIGNATURE     "AppxSignature.p7x"
#define APPX_BLOCK_MAP     "AppxBlockMap.xml"
#define APPX_CONTENT_TYPES "[Content_Types].xml"
enum { APPX_SIGNATURE_MAX = 16 * 1024 * 1024, APPX_TEXT_MAX = 1024 * 1024 };

struct appx {
    struct zip *zip;
    bool bundle;
    size_t manifest, block_map, content_types; /* indexes */
    size_t signature, catalog;                 /* SIZE_MAX: none */
    enum hash hash;                            /* of the block map; HASH_NONE: none that is known */
};
struct appx_identity {
    const char *name, *version, *publisher; /* NULL: not said */
};

/* False with ERR_APPX: a ZIP file, but no app package. */
MUST_CHECK bool appx_open(struct arena *a, const struct source *in, struct appx *ret,
                          struct err *e);
/* The same of a ZIP file that is open. */
MUST_CHECK bool appx_of(struct zip *z, struct appx *ret, struct err *e);
/* Fills in p->hash. */
MUST_CHECK bool appx_load_hash(struct appx *p, struct err *e);
/* .appx or .msix: what a bundle holds. */
bool appx_is_package_name(const char *path);
MUST_CHECK bool appx_identity_of(struct arena *a, const struct appx *p, struct appx_identity *ret,
                                 struct err *e);
MUST_CHECK bool appx_entry(struct arena *a, const struct zip *z, size_t index, size_t most,
                           struct reader *ret, struct err *e);
/* [Content_Types].xml with the row for the signature; as it was when it has one. */
MUST_CHECK bool appx_content_types(struct arena *a, const struct appx *p, struct reader *ret,
                                   bool *ret_added, struct err *e);
/* APPX, then AXPC (entries), AXCD (directory), AXCT (content types), AXBM (block map) and AXCI
 * (code integrity catalog, if there is one), each with its digest; the signature entry, which
 * must be the last one, is treated as absent. */
MUST_CHECK bool appx_digests(struct arena *a, const struct appx *p, enum hash hash,
                             struct reader *ret, struct err *e);

/* Whether both name the same: `publisher` as Windows writes a name, `subject` by RFC 4514. */
MUST_CHECK bool appx_same_name(struct arena *a, const char *publisher, const char *subject);

MUST_CHECK bool appx_sign(const struct sign_job *job, struct err *e);
MUST_CHECK bool appx_verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                            struct err *e);

/* Members of struct format, shared with msix. */
bool appx_probe(struct reader head, const struct source *in);
MUST_CHECK bool appx_inspect(struct arena *a, const struct source *in, struct file_facts *ret,
                             struct err *e);
bool appx_own_entry(const struct container *c, size_t index);
MUST_CHECK bool appx_container(struct arena *a, const struct source *in,
                               const struct format *format, struct budget *budget,
                               struct container **ret, struct err *e);
MUST_CHECK bool appx_extract(const struct container *c, size_t index, struct sink *out,
                             struct err *e);
MUST_CHECK bool appx_prepare(const struct container *c, struct arena *a, struct change *change,
                             struct sink *scratch, struct err *e);
MUST_CHECK bool appx_repack(const struct container *c, const struct change *changes, size_t count,
                            struct sink *out, struct err *e);
MUST_CHECK bool appx_compare(struct arena *a, const struct container *before,
                             const struct container *after, const bool *changed, struct err *e);
#endif
