/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/powershell/powershell.h"

/* {603BCC1F-4B59-4E08-B724-D2C6297EF351}, version 0x10000: PowerShell's reader on Windows. */
#define POWERSHELL_READER                                                                          \
    .version = 0x10000, .guid = {0x1f, 0xcc, 0x3b, 0x60, 0x59, 0x4b, 0x08, 0x4e,                   \
                                 0xb7, 0x24, 0xd2, 0xc6, 0x29, 0x7e, 0xf3, 0x51},                  \
    .utf8 = SCRIPT_AS_UTF8, .other = SCRIPT_AS_UTF8, .hashes_mark = true, .width = 64

/* clang-format off */
static const struct script_style styles[] = {
    {.extensions = "ps1 psm1 psd1 psdc1", .open = "# ", .close = "",
     .begin = "# SIG # Begin signature block", .end = "# SIG # End signature block",
     POWERSHELL_READER},
    {.extensions = "ps1xml psc1 cdxml", .open = "<!-- ", .close = " -->",
     .begin = "<!-- SIG # Begin signature block -->", .end = "<!-- SIG # End signature block -->",
     POWERSHELL_READER},
    {.extensions = "mof", .open = "/* ", .close = " */",
     .begin = "/* SIG # Begin signature block */", .end = "/* SIG # End signature block */",
     POWERSHELL_READER},
};
/* clang-format on */

const struct script_kind powershell_kind = {&powershell_facts, "PowerShell file", styles,
                                            COUNT_OF(styles)};

static bool inspect(struct arena *a, const struct source *in, struct file_facts *ret, struct err *e)
{
    return script_inspect(&powershell_kind, a, in, ret, e);
}

static bool unchanged(struct arena *a, const struct source *before, const struct source *after,
                      struct err *e)
{
    return script_unchanged(&powershell_kind, a, before, after, e);
}

static bool sign(const struct sign_job *job, struct err *e)
{
    return script_sign(&powershell_kind, job, e);
}

static bool verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                   struct err *e)
{
    return script_verify(&powershell_kind, job, ret, ret_count, e);
}

const struct format powershell_format = {
    .facts = &powershell_facts,
    .probe = script_probe,
    .inspect = inspect,
    .sign = sign,
    .verify = verify,
    .unchanged = unchanged,
};
