/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/facts.h"

static const struct directive_facts directives[] = {
    {"authenticode-sign", DIRECTIVE_SIGN | DIRECTIVE_STAMP | DIRECTIVE_NEEDS_X509},
    {"authenticode-verify", DIRECTIVE_VERIFY},
    {0},
};
static const char *const restrictions[] = {NULL};

const struct format_facts cab_facts = {
    .id = "cab",
    .element = "cab-file",
    .title = "Cabinet file",
    .extensions = "cab",
    .can = FORMAT_COMPOSITE | FORMAT_TIMESTAMP | FORMAT_FOLDS_NAMES,
    .max_size = UINT32_MAX, /* offsets in the header are 32 bits wide */
    .directives = directives,
    .restrictions = restrictions,
};
