/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/facts.h"

static const struct directive_facts directives[] = {{0}};
static const char *const restrictions[] = {NULL};

const struct format_facts zip_facts = {
    .id = "zip",
    .element = "zip-file",
    .title = "ZIP archive",
    .extensions = "zip",
    .can = FORMAT_COMPOSITE,
    .max_size = UINT64_C(1) << 40,
    .directives = directives,
    .restrictions = restrictions,
};
