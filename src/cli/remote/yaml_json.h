/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_REMOTE_YAML_JSON_H
#define CLI_REMOTE_YAML_JSON_H
#include "base/arena.h"
#include <jansson.h>

enum { YAML_MOST = 1 << 20, YAML_DEPTH = 32 };

/* Where a value stands in the text: "projects[0].signingPolicies[1]". */
struct yaml_place {
    const char *path;
    size_t line, column; /* from 1 */
};
struct yaml_document {
    json_t *value; /* yaml_done frees it */
    struct yaml_place *places;
    size_t count;
};

/* One YAML document (UTF-8, at most YAML_MOST bytes) as JSON. Plain scalars have the types of the
 * core schema (YAML 1.2, 10.3.2). No anchors, aliases, tags, merge keys, directives, keys that are
 * not text or come twice. ERR_USAGE names line and column. */
MUST_CHECK bool yaml_read(struct arena *a, struct reader text, struct yaml_document *ret,
                          struct err *e);
void yaml_done(struct yaml_document *d);
/* The place that a message names in front of its first ": ", or the nearest around it; NULL when
 * it names none. */
const struct yaml_place *yaml_find(const struct yaml_document *d, const char *message);
#endif
