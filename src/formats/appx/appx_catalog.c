/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/appx/appx_map.h"
#include "formats/pe/pe.h"

/* A code integrity catalog lists digests of the executables: by their Authenticode rule, which a
 * signature does not change, or over all their bytes, which it does. */
enum { DIGESTS = 4, CATALOG_MAX = 64 * 1024 * 1024 };

static bool take_digests(struct arena *a, const struct source *file,
                         struct digest_value to[DIGESTS], struct err *e)
{
    struct err none = {0};
    struct pe *pe = NULL;
    bool is_pe = pe_parse(a, file, &pe, &none);
    TRY(err_theirs(&none, e));
    to[2] = to[3] = (struct digest_value){.len = 0};
    TRY(digest_of_source(HASH_SHA1, file, &to[0], e));
    TRY(digest_of_source(HASH_SHA256, file, &to[1], e));
    return !is_pe || (pe_digest(pe, file, HASH_SHA1, &to[2], e) &&
                      pe_digest(pe, file, HASH_SHA256, &to[3], e));
}

static bool lists(struct reader catalog, const struct digest_value *v)
{
    return v->len > 0 && reader_find(catalog, 0, v->bytes, v->len) != SIZE_MAX;
}

bool appx_catalog_holds(const struct appx *p, size_t index, const struct source *content,
                        struct err *e)
{
    struct digest_value old[DIGESTS], now[DIGESTS];
    struct reader catalog;
    CLEANUP(arena_cleanup) struct arena *a = arena_new((size_t)1 << 30);
    if (p->catalog == SIZE_MAX || index == p->catalog)
        return true;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, UINT32_C(0x7fffffff));
    struct sink k = sink_memory(&w);
    if (a == NULL)
        return arena_err(e);
    TRY(appx_entry(a, p->zip, p->catalog, CATALOG_MAX, &catalog, e));
    TRY(zip_extract(p->zip, index, &k, e));
    struct source before = source_memory(writer_view(&w));
    TRY(take_digests(a, &before, old, e) && take_digests(a, content, now, e));
    for (size_t i = 0; i < DIGESTS; i++)
        if (lists(catalog, &old[i]) && !lists(catalog, &now[i]))
            return err_user(e, ERR_DIRECTIVE,
                            "AppxMetadata/CodeIntegrity.cat lists the digest of \"%.160s\", which "
                            "signing changes. Sign the file before the catalog is made.",
                            p->zip->entries[index].path);
    return true;
}
