/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/facts.h"

static const struct directive_facts directives[] = {
    {"authenticode-sign", DIRECTIVE_SIGN | DIRECTIVE_STAMP | DIRECTIVE_NEEDS_X509},
    {"authenticode-verify", DIRECTIVE_VERIFY},
    {0},
};
static const char *const restrictions[] = {NULL};

const struct format_facts catalog_facts = {
    .id = "catalog",
    .element = "catalog-file",
    .title = "Security catalog",
    .extensions = "cat",
    .can = FORMAT_TIMESTAMP,
    .max_size = 12 * 1024 * 1024,
    .directives = directives,
    .restrictions = restrictions,
};
