/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/facts.h"

static const struct directive_facts directives[] = {
    {"office-macro-sign", DIRECTIVE_SIGN | DIRECTIVE_STAMP | DIRECTIVE_NEEDS_X509},
    {0},
};
static const char *const restrictions[] = {NULL};

const struct format_facts office_binary_facts = {
    .id = "office_binary",
    .element = "office-binary-file",
    .title = "binary Office file with macros",
    .extensions = "xls xla xlt doc dot wiz ppt pps pot ppa",
    .can = FORMAT_TIMESTAMP,
    .max_size = UINT64_C(2) << 30,
    .directives = directives,
    .restrictions = restrictions,
};
