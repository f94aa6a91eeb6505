/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_SCRIPT_H
#define FORMATS_SCRIPT_H
#include "crypto/digest.h"
#include "formats/format.h"

/* Scripts that carry their Authenticode signature as a block of Base64 lines: what the formats
 * powershell and wscript share. Windows has a reader of its own (SIP) for each kind of script. */

enum script_encoding { SCRIPT_BYTES, SCRIPT_UTF16LE, SCRIPT_UTF16BE };
/* How bytes without byte order mark become characters. */
enum script_reading { SCRIPT_AS_UTF8, SCRIPT_AS_WINDOWS_1252 };

/* One kind of script, chosen by the extension of the file's name. */
struct script_style {
    const char *extensions;         /* "ps1 psm1" */
    const char *open, *close;       /* around the Base64 of a line */
    const char *begin, *end;        /* first and last line of the block */
    uint8_t width;                  /* Base64 characters a line */
    const char *before;             /* the block stands in front of the last of these; NULL: last */
    uint32_t version;               /* SpcSipInfo */
    uint8_t guid[16];               /* of Windows' reader, in file order */
    enum script_reading utf8;       /* how bytes without mark are read that are UTF-8 */
    enum script_reading other;      /* and those that are not */
    bool hashes_mark, hashes_place; /* byte order mark; number of characters before the block */
};
struct script_kind {
    const struct format_facts *facts;
    const char *title; /* "PowerShell file", within sentences */
    const struct script_style *styles;
    size_t count;
};

/* A script cut into its text and its signature block. Readers borrow the file. */
struct script {
    const struct script_kind *kind;
    const struct script_style *style;
    enum script_encoding encoding;
    struct reader mark;  /* byte order mark, or empty */
    struct reader text;  /* what is signed: all before the line end in front of the block */
    struct reader rest;  /* signed as well: behind the block, or behind where it will stand */
    struct reader lines; /* of the block, between its first and its last line; .at NULL: none */
    bool unfinished;     /* the last line of the block has no line end: Windows ignores the block */
};

/* By the extension of the name, in any case. False with a text that lists what is possible. */
MUST_CHECK bool script_style_of(const struct script_kind *kind, const char *file_name,
                                const struct script_style **ret, struct err *e);
/* Refuses NUL characters, half a UTF-16 character, a block without end or twice, text behind the
 * block where it must be the last. */
MUST_CHECK bool script_parse(struct reader file, const struct script_kind *kind,
                             const struct script_style *style, struct script *ret, struct err *e);
/* The PKCS#7 bytes in the block. False: damaged. */
MUST_CHECK bool script_block(struct arena *a, const struct script *s, struct reader *ret);
/* The block that holds these bytes, with the line end in front of it, in the file's encoding. */
void script_put_block(struct writer *w, const struct script *s, struct reader pkcs7);

/* The characters as UTF-16LE, and what else the style hashes. `reading` counts for files without
 * byte order mark only. */
MUST_CHECK bool script_digest(const struct script *s, enum hash hash, enum script_reading reading,
                              struct digest_value *ret, struct err *e);
/* The reading that the style wants for these bytes. */
enum script_reading script_reading_of(const struct script *s);

/* The functions of struct format, for a table of styles. */
MUST_CHECK bool script_probe(struct reader head, const struct source *in);
MUST_CHECK bool script_inspect(const struct script_kind *kind, struct arena *a,
                               const struct source *in, struct file_facts *ret, struct err *e);
MUST_CHECK bool script_unchanged(const struct script_kind *kind, struct arena *a,
                                 const struct source *before, const struct source *after,
                                 struct err *e);
MUST_CHECK bool script_sign(const struct script_kind *kind, const struct sign_job *job,
                            struct err *e);
MUST_CHECK bool script_verify(const struct script_kind *kind, const struct verify_job *job,
                              struct signature **ret, size_t *ret_count, struct err *e);
#endif
