/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/facts.h"

static const struct directive_facts directives[] = {
    {"nuget-sign", DIRECTIVE_SIGN | DIRECTIVE_STAMP | DIRECTIVE_NEEDS_X509 | DIRECTIVE_RSA_ONLY},
    {0},
};
static const char *const restrictions[] = {"package-id", "package-version", NULL};

const struct format_facts nupkg_facts = {
    .id = "nupkg",
    .element = "nupkg-file",
    .title = "NuGet package",
    .extensions = "nupkg snupkg",
    .can = FORMAT_COMPOSITE | FORMAT_TIMESTAMP | FORMAT_FOLDS_NAMES,
    .max_size = UINT32_MAX, /* no zip64 in signed packages */
    .directives = directives,
    .restrictions = restrictions,
};
