/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_FACTS_H
#define FORMATS_FACTS_H
#include <stddef.h>
#include <stdint.h>

/* Every format that is built. A new format is its folder and one word here and in meson.build. A
 * file without a configuration is taken for the first that knows it: the narrower one comes first,
 * and of two that exclude each other the one that tells sooner. */
/* clang-format off */
#define FORMATS(F) \
    F(office_oxml) \
    F(msi) \
    F(office_binary) \
    F(nupkg) \
    F(appx) \
    F(msix) \
    F(opc) \
    F(zip) \
    F(pe) \
    F(powershell) \
    F(wscript) \
    F(cab) \
    F(clickonce) \
    F(catalog) \
    F(file)
/* clang-format on */

/* TEXT: no magic number, so the extension decides and `probe` is not asked. ANY: takes every file.
 * FOLDS_NAMES: entries that differ only by case are refused. */
enum {
    FORMAT_COMPOSITE = 1,
    FORMAT_TIMESTAMP = 2,
    FORMAT_TEXT = 4,
    FORMAT_ANY = 8,
    FORMAT_FOLDS_NAMES = 16,
};

/* A directive that the code of this format carries out. */
struct directive_facts {
    const char *name; /* "authenticode-sign" */
    unsigned can;     /* DIRECTIVE_* */
};
enum {
    DIRECTIVE_SIGN = 1,     /* asks for signatures */
    DIRECTIVE_VERIFY = 2,   /* looks only */
    DIRECTIVE_NEW_FILE = 4, /* the output is a file of its own, beside the source */
    DIRECTIVE_STAMP = 8,    /* time-stamped where the policy says so */
    DIRECTIVE_NEEDS_X509 = 16,
    DIRECTIVE_NEEDS_GPG = 32,
    DIRECTIVE_RSA_ONLY = 64,
};

/* What pages, policies, the schema and the API need to know of a format. Data only, in
 * formats/x/x_facts.c; every program may link it. */
struct format_facts {
    const char *id;         /* "pe": in API, plans and database; never changes */
    const char *element;    /* "pe-file" of the artifact configuration language */
    const char *title;      /* "Windows executable" */
    const char *extensions; /* "exe dll sys" */
    unsigned can;           /* FORMAT_* */
    uint64_t max_size;
    const struct directive_facts *directives; /* ended by a row without name */
    const char *const *restrictions;          /* attribute names; ended by NULL */
};
#define F(name) extern const struct format_facts name##_facts;
FORMATS(F)
#undef F

/* All of them, in the order of FORMATS; ended by NULL. (formats/facts.c) */
extern const struct format_facts *const all_format_facts[];
const struct format_facts *format_facts_of(const char *element); /* NULL: not built */
const struct directive_facts *directive_facts_of(const struct format_facts *f, const char *name);
#endif
