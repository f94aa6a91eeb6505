/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_OFFICE_BINARY_H
#define FORMATS_OFFICE_BINARY_H
#include "formats/office_oxml/vba.h"

enum office_binary_program { OFFICE_BINARY_EXCEL, OFFICE_BINARY_WORD, OFFICE_BINARY_POWERPOINT };

/* A compound file of Excel, Word or PowerPoint. */
struct office_binary {
    struct cfb *file;
    enum office_binary_program program;
    const struct cfb *macros; /* the compound file that holds the project; NULL: no macros */
    uint32_t project;         /* its storage there */
    bool sealed;              /* the document is signed as a whole */
};
/* DigSigInfoSerialized by kind; .at NULL: none. */
struct office_binary_signatures {
    struct reader info[VBA_KINDS];
};
/* A compound file of Office, though it may be one that cannot be opened here. */
bool office_binary_is_one(const struct cfb *file);
MUST_CHECK bool office_binary_open(struct arena *a, const struct source *in,
                                   struct office_binary *ret, struct err *e);
/* A stream of the root by its name, in the arena; .at NULL: there is none. */
MUST_CHECK bool office_binary_stream(struct arena *a, const struct office_binary *b,
                                     const char *name, struct reader *ret, uint32_t *ret_index,
                                     struct err *e);
MUST_CHECK bool office_binary_project(struct arena *a, const struct office_binary *b,
                                      struct vba *ret, struct err *e);
MUST_CHECK bool office_binary_read(struct arena *a, const struct office_binary *b,
                                   struct office_binary_signatures *ret, struct err *e);

/* What cfb_write is told, so that the file has these signatures and no others. */
enum { OFFICE_BINARY_CHANGES = 2 };
MUST_CHECK bool office_binary_changes(struct arena *a, const struct office_binary *b,
                                      const struct office_binary_signatures *s,
                                      struct cfb_change ret[OFFICE_BINARY_CHANGES],
                                      size_t *ret_count, struct err *e);

/* --- property sets ([MS-OLEPS] 2.21) ---------------------------------------------------------- */
/* The signature in a DocumentSummaryInformation stream; .at NULL: none. */
MUST_CHECK bool office_binary_property(struct arena *a, struct reader stream, struct reader *ret,
                                       struct err *e);
/* The stream with this signature in place of what was there, all else byte for byte; an empty
 * stream becomes one. */
MUST_CHECK bool office_binary_put_property(struct arena *a, struct reader stream,
                                           struct reader info, struct writer *w, struct err *e);

/* --- macros of PowerPoint ([MS-PPT] 2.10.40) ---------------------------------------------------
 */
/* The compound file inside of the stream "PowerPoint Document"; NULL: no macros. */
MUST_CHECK bool office_binary_powerpoint_macros(struct arena *a, const struct office_binary *b,
                                                const struct cfb **ret, struct err *e);

/* --- variables of Word ([MS-DOC] 2.9.298) ----------------------------------------------------- */
MUST_CHECK bool office_binary_word_read(struct arena *a, const struct office_binary *b,
                                        struct office_binary_signatures *ret, struct err *e);
MUST_CHECK bool office_binary_word_changes(struct arena *a, const struct office_binary *b,
                                           const struct office_binary_signatures *s,
                                           struct cfb_change ret[OFFICE_BINARY_CHANGES],
                                           size_t *ret_count, struct err *e);
#endif
