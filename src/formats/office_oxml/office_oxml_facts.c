/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/facts.h"

static const struct directive_facts directives[] = {
    {"office-macro-sign", DIRECTIVE_SIGN | DIRECTIVE_STAMP | DIRECTIVE_NEEDS_X509},
    {0},
};
static const char *const restrictions[] = {NULL};

const struct format_facts office_oxml_facts = {
    .id = "office_oxml",
    .element = "office-oxml-file",
    .title = "Office file with macros",
    .extensions = "xlam xlsb xlsm xltm potm ppam ppsm pptm vsdm vssm vstm docm dotm",
    .can = FORMAT_TIMESTAMP,
    .max_size = UINT64_C(4) << 30,
    .directives = directives,
    .restrictions = restrictions,
};
