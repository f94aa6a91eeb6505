/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_MATCH_H
#define ARTIFACT_MATCH_H
#include "artifact/tree.h"

/* One entry of a container that the configuration names. */
struct claim {
    size_t index; /* of the entry */
    const struct configuration_node *typed, *file;
    const struct configuration_match *typed_match, *file_match;
};

/* Matches the children of `node` with the entries of an open container: patterns, counts in every
 * enclosing match, virtual folders, overlaps. The claims come in canonical order: ascending by
 * folded path, then by path. `path` is the container's, for messages. */
MUST_CHECK bool match_container(struct arena *a, const struct container *c,
                                const struct configuration_node *node, const char *path,
                                struct claim **ret, size_t *ret_count, struct refusal *r);

/* Case folded, with '/' for both separators. NULL without memory. */
char *match_fold(struct arena *a, const char *path);
#endif
