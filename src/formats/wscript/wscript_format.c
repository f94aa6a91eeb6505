/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/wscript/wscript.h"

/* Windows Script Host has a reader for each language, all of version 1. It hashes the characters
 * without byte order mark and then the number of characters in front of the block. VBScript and
 * JScript without mark are read by the code page of the machine, even when they are UTF-8; .wsf is
 * XML, so UTF-8 when it is that. */
#define HOST_READER .version = 1, .width = 44, .hashes_place = true, .close = ""

/* clang-format off */
static const struct script_style styles[] = {
    {.extensions = "vbs", .open = "'' SIG '' ",
     .begin = "'' SIG '' Begin signature block", .end = "'' SIG '' End signature block",
     .guid = {0x4e, 0xf0, 0x29, 0x16, 0x99, 0x27, 0xb5, 0x4d,
              0x8f, 0xe5, 0xac, 0xe1, 0x0f, 0x17, 0xeb, 0xab},
     .utf8 = SCRIPT_AS_WINDOWS_1252, .other = SCRIPT_AS_WINDOWS_1252, HOST_READER},
    {.extensions = "js", .open = "// SIG // ",
     .begin = "// SIG // Begin signature block", .end = "// SIG // End signature block",
     .guid = {0x10, 0xe0, 0xc9, 0x06, 0xce, 0x38, 0xd4, 0x11,
              0xa2, 0xa3, 0x00, 0x10, 0x4b, 0xd3, 0x50, 0x90},
     .utf8 = SCRIPT_AS_WINDOWS_1252, .other = SCRIPT_AS_WINDOWS_1252, HOST_READER},
    {.extensions = "wsf", .open = "** SIG ** ",
     .begin = "<signature>", .end = "</signature>", .before = "</job>",
     .guid = {0x70, 0x05, 0x61, 0x1a, 0xce, 0x38, 0xd4, 0x11,
              0xa2, 0xa3, 0x00, 0x10, 0x4b, 0xd3, 0x50, 0x90},
     .utf8 = SCRIPT_AS_UTF8, .other = SCRIPT_AS_WINDOWS_1252, HOST_READER},
};
/* clang-format on */

const struct script_kind wscript_kind = {&wscript_facts, "Windows script", styles,
                                         COUNT_OF(styles)};

static bool inspect(struct arena *a, const struct source *in, struct file_facts *ret, struct err *e)
{
    return script_inspect(&wscript_kind, a, in, ret, e);
}

static bool unchanged(struct arena *a, const struct source *before, const struct source *after,
                      struct err *e)
{
    return script_unchanged(&wscript_kind, a, before, after, e);
}

static bool sign(const struct sign_job *job, struct err *e)
{
    return script_sign(&wscript_kind, job, e);
}

static bool verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                   struct err *e)
{
    return script_verify(&wscript_kind, job, ret, ret_count, e);
}

const struct format wscript_format = {
    .facts = &wscript_facts,
    .probe = script_probe,
    .inspect = inspect,
    .sign = sign,
    .verify = verify,
    .unchanged = unchanged,
};
