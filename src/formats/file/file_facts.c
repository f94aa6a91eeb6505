/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/facts.h"

static const struct directive_facts directives[] = {
    {"create-raw-signature", DIRECTIVE_SIGN | DIRECTIVE_NEW_FILE},
    {"create-cms-signature", DIRECTIVE_SIGN | DIRECTIVE_NEW_FILE | DIRECTIVE_NEEDS_X509},
    {0},
};
static const char *const restrictions[] = {NULL};

const struct format_facts file_facts = {
    .id = "file",
    .element = "file",
    .title = "Any file",
    .extensions = "",
    .can = FORMAT_ANY,
    .max_size = 0,
    .directives = directives,
    .restrictions = restrictions,
};
