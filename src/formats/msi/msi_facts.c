/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/facts.h"

static const struct directive_facts directives[] = {
    {"authenticode-sign", DIRECTIVE_SIGN | DIRECTIVE_STAMP | DIRECTIVE_NEEDS_X509},
    {"authenticode-verify", DIRECTIVE_VERIFY},
    {0},
};
static const char *const restrictions[] = {"subject", "author", NULL};

const struct format_facts msi_facts = {
    .id = "msi",
    .element = "msi-file",
    .title = "Windows Installer package",
    .extensions = "msi msm msp",
    .can = FORMAT_COMPOSITE | FORMAT_TIMESTAMP | FORMAT_FOLDS_NAMES,
    .max_size = UINT64_C(1) << 40,
    .directives = directives,
    .restrictions = restrictions,
};
