/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_APPX_MAP_H
#define FORMATS_APPX_MAP_H
#include "formats/appx/appx.h"

/* What a package says of its own content: AppxBlockMap.xml holds the digests of every 64 KiB of
 * each file, how long they are compressed, and how long the file's ZIP header is; the manifest of
 * a bundle holds the places of the packages in it. */
enum { APPX_BLOCK = 64 * 1024, APPX_MAP_MAX = 64 * 1024 * 1024 };

struct appx_block {
    struct digest_value digest;
    uint64_t packed; /* 0: the entry is stored */
};
/* New content of an entry, ready for zip_repack and for the block map. */
struct appx_packed {
    struct zip_packed zip;
    struct appx_block *blocks;
    size_t count;
    struct digest_value whole;
};
/* Compressed as the entry is, each block so that it can be expanded alone. In a memory sink the
 * data is valid until the next write to it. */
MUST_CHECK bool appx_pack(struct arena *a, const struct appx *p, size_t index,
                          const struct source *content, struct sink *scratch,
                          struct appx_packed *ret, struct err *e);

/* Changes of a package that the block map and the manifest have to follow. */
struct appx_changes {
    struct zip_change *list; /* with room for two more */
    size_t count;
    struct appx_packed **packed; /* as list; NULL: the block map does not look at that */
};
/* Adds the changes of the block map and of a bundle's manifest that go with these. Their bytes are
 * of the arena. ERR_APPX: what the package says of itself is not so before the change. */
MUST_CHECK bool appx_follow(struct arena *a, const struct appx *p, struct appx_changes *changes,
                            struct err *e);

/* Block map and manifest of `after` are those of `before` but for what follows the changed entries,
 * and say what is there. *ret_map, *ret_manifest: whether they differ. */
MUST_CHECK bool appx_map_compare(struct arena *a, const struct appx *before,
                                 const struct appx *after, const bool *changed, bool *ret_map,
                                 bool *ret_manifest, struct err *e);

/* Whether the code integrity catalog, if there is one, holds for the new content as for the old. */
MUST_CHECK bool appx_catalog_holds(const struct appx *p, size_t index, const struct source *content,
                                   struct err *e);

/* Name of an entry without percent-encoding; the same pointer when there is none. */
MUST_CHECK bool appx_name(struct arena *a, const char *path, const char **ret, struct err *e);
#endif
