/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/facts.h"

static const struct directive_facts directives[] = {
    {"clickonce-sign",
     DIRECTIVE_SIGN | DIRECTIVE_STAMP | DIRECTIVE_NEEDS_X509 | DIRECTIVE_RSA_ONLY},
    {0},
};
static const char *const restrictions[] = {NULL};

/* The element is a folder: its manifests are what is signed. */
const struct format_facts clickonce_facts = {
    .id = "clickonce",
    .element = "directory",
    .title = "ClickOnce manifest",
    .extensions = "application vsto manifest",
    .can = FORMAT_TIMESTAMP,
    .max_size = 16 * 1024 * 1024,
    .directives = directives,
    .restrictions = restrictions,
};
