/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_POWERSHELL_H
#define FORMATS_POWERSHELL_H
#include "crypto/digest.h"
#include "formats/format.h"

/* How a line of the signature block is wrapped, by extension. */
struct powershell_style {
    const char *open, *close;
};

enum powershell_encoding { POWERSHELL_UTF8, POWERSHELL_UTF16LE, POWERSHELL_UTF16BE };

/* A script cut into its text and its signature block. Readers borrow the file. */
struct powershell {
    enum powershell_encoding encoding;
    bool marked; /* begins with a byte order mark, which belongs to the text */
    const struct powershell_style *style;
    struct reader text;  /* what is signed: all before the line end in front of the block */
    struct reader lines; /* of the block, between its first and its last line; .at NULL: none */
    bool unfinished;     /* the last line of the block has no line end: Windows ignores the block */
};

/* By the extension of the name, in any case. False with a text that lists what is possible. */
MUST_CHECK bool powershell_style_of(const char *file_name, const struct powershell_style **ret,
                                    struct err *e);
/* Refuses NUL characters, half a UTF-16 character, a block without end, text behind the block. */
MUST_CHECK bool powershell_parse(struct reader file, const struct powershell_style *style,
                                 struct powershell *ret, struct err *e);
/* The PKCS#7 bytes in the block. False: damaged. */
MUST_CHECK bool powershell_block(struct arena *a, const struct powershell *p, struct reader *ret);
/* The block that holds these bytes, with the line end in front of it, in the file's encoding. */
void powershell_put_block(struct writer *w, const struct powershell *p, struct reader pkcs7);

/* Text without byte order mark is read as UTF-8, or as Windows-1252 when `legacy`. */
MUST_CHECK bool powershell_digest(const struct powershell *p, enum hash hash, bool legacy,
                                  struct digest_value *ret, struct err *e);
#endif
