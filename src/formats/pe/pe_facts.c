/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/facts.h"

static const struct directive_facts directives[] = {
    {"authenticode-sign", DIRECTIVE_SIGN | DIRECTIVE_STAMP | DIRECTIVE_NEEDS_X509},
    {"authenticode-verify", DIRECTIVE_VERIFY},
    {0},
};
static const char *const restrictions[] = {"product-name",
                                           "product-version",
                                           "file-version",
                                           "company-name",
                                           "copyright",
                                           "original-filename",
                                           NULL};

const struct format_facts pe_facts = {
    .id = "pe",
    .element = "pe-file",
    .title = "Windows or EFI program",
    .extensions = "exe dll acm ax cpl drv efi mui ocx scr sys tsp",
    .can = FORMAT_TIMESTAMP,
    .max_size = UINT32_MAX, /* offsets in the headers are 32 bits wide */
    .directives = directives,
    .restrictions = restrictions,
};
