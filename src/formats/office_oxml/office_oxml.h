/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_OFFICE_OXML_H
#define FORMATS_OFFICE_OXML_H
#include "archive/zip.h"
#include "formats/office_oxml/vba.h"

/* A relationship, or an entry of the content types (`type`: Default or Override). */
struct oxml_row {
    const char *type, *id, *target; /* Default: id is the extension; Override: the part */
    const char *mode;               /* of a relationship; NULL: none */
    const char *content;            /* the content type */
};
struct oxml_rows {
    struct oxml_row *list;
    size_t count;
};

/* A package ([ISO 29500-2]) with what macros and their signatures need of it. */
struct oxml {
    const struct zip *zip;
    size_t project;               /* index of the part vbaProject.bin; SIZE_MAX: no macros */
    const char *rels_path;        /* of the part's relationships */
    size_t rels;                  /* index; SIZE_MAX: none */
    struct oxml_rows links;       /* what stands there */
    size_t signatures[VBA_KINDS]; /* indices; SIZE_MAX: none */
    size_t stale[VBA_KINDS];      /* parts with their names that nothing leads to */
    size_t types;                 /* of [Content_Types].xml */
    struct oxml_rows content_types;
    bool sealed; /* the package is signed as a whole */
};
MUST_CHECK bool oxml_open(struct arena *a, const struct source *in, struct oxml *ret,
                          struct err *e);
/* Names of parts compare without case; SIZE_MAX: none. */
size_t oxml_find_part(const struct zip *z, const char *path);
/* The bytes of an entry, in the arena. */
MUST_CHECK bool oxml_load(struct arena *a, const struct zip *z, size_t index, struct reader *ret,
                          struct err *e);
/* The project of the package. False when there is none, with a text that says so. */
MUST_CHECK bool oxml_project(struct arena *a, const struct oxml *o, struct vba *ret, struct err *e);
/* The two parts as they are with these signatures and no others; `parts` are paths of new parts by
 * kind, NULL: none of that kind. */
void oxml_put_links(struct writer *w, const struct oxml *o, const char *const parts[VBA_KINDS]);
void oxml_put_types(struct writer *w, const struct oxml *o, const char *const parts[VBA_KINDS]);
/* Where a signature of this kind goes. */
const char *oxml_part_path(struct arena *a, const struct oxml *o, enum vba_kind kind);
/* Whether the row is the relationship or the Override of a signature of macros, and its kind. */
bool oxml_is_signature(const struct oxml_row *row, enum vba_kind *ret);
MUST_CHECK bool oxml_rows_equal(const struct oxml_rows *a, const struct oxml_rows *b);

MUST_CHECK bool oxml_sign(const struct sign_job *job, struct err *e);
MUST_CHECK bool oxml_unchanged(struct arena *a, const struct source *before,
                               const struct source *after, struct err *e);
#endif
