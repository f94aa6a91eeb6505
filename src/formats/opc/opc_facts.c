/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/facts.h"

static const struct directive_facts directives[] = {
    {"opc-sign", DIRECTIVE_SIGN | DIRECTIVE_STAMP | DIRECTIVE_NEEDS_X509},
    {0},
};
static const char *const restrictions[] = {"package-id", "package-version", "publisher", NULL};

const struct format_facts opc_facts = {
    .id = "opc",
    .element = "opc-file",
    .title = "OPC package",
    .extensions = "vsix xps oxps hlkx",
    .can = FORMAT_COMPOSITE | FORMAT_TIMESTAMP | FORMAT_FOLDS_NAMES,
    .max_size = UINT64_C(1) << 40,
    .directives = directives,
    .restrictions = restrictions,
};
