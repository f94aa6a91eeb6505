/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_OPC_H
#define FORMATS_OPC_H
#include "archive/xml_edit.h"
#include "archive/zip.h"
#include "crypto/digest.h"
#include "formats/format.h"

/* Packages of the Open Packaging Conventions (ECMA-376 part 2): ZIP files with content types and
 * relationships, and their digital signatures (clause 13). */
#define OPC_TYPES     "[Content_Types].xml"
#define OPC_RELATIONS "http://schemas.openxmlformats.org/package/2006/relationships"
#define OPC_SIGNING   "http://schemas.openxmlformats.org/package/2006/digital-signature"
#define OPC_RELATIONS_TRANSFORM                                                                    \
    "http://schemas.openxmlformats.org/package/2006/RelationshipTransform"
#define OPC_ORIGIN      OPC_RELATIONS "/digital-signature/origin"
#define OPC_SIGNATURE   OPC_RELATIONS "/digital-signature/signature"
#define OPC_CERTIFICATE OPC_RELATIONS "/digital-signature/certificate"
#define OPC_TYPE        "application/vnd.openxmlformats-package."
#define OPC_TYPE_RELS   OPC_TYPE "relationships+xml"
#define OPC_TYPE_ORIGIN OPC_TYPE "digital-signature-origin"
#define OPC_TYPE_SIGN   OPC_TYPE "digital-signature-xmlsignature+xml"
#define OPC_TYPE_CERT   OPC_TYPE "digital-signature-certificate"
enum { OPC_TEXT_MAX = 64 * 1024 * 1024 };

/* Names to be found: lower-case, sorted. */
struct opc_named {
    const char *name;
    size_t at;
};
struct opc_names {
    struct opc_named *list;
    size_t count;
};

struct opc {
    struct zip *zip;
    struct xml_spans rows;                  /* of the content types */
    struct opc_names parts;                 /* by path; `at` is the entry */
    struct opc_names by_part, by_extension; /* `at` is the row */
    const char **type;                      /* content types by entry; NULL: no part */
    bool *own;                              /* by entry: belongs to signatures, is in no manifest */
    size_t types, root; /* entries; root: the package's relationships, SIZE_MAX none */
    size_t *signatures; /* entries */
    size_t signature_count;
};
/* False with ERR_OPC: a ZIP file, but no such package. */
MUST_CHECK bool opc_open(struct arena *a, const struct source *in, struct opc *ret, struct err *e);
MUST_CHECK bool opc_of(struct arena *a, struct zip *z, struct opc *ret, struct err *e);
/* Entry of a part by its name, which begins with '/'. SIZE_MAX: none. */
size_t opc_part(struct arena *a, const struct opc *p, const char *name);
/* "/a/_rels/b.rels" of "/a/b"; "/" is the package. NULL without memory. */
char *opc_rels_name(struct arena *a, const char *part);
bool opc_is_rels(const char *path);
MUST_CHECK bool opc_entry(struct arena *a, const struct zip *z, size_t index, struct reader *ret,
                          struct err *e);
/* Content type by the rows; NULL: none. */
const char *opc_type_of(struct arena *a, const struct opc *p, const char *path);
/* The elements of a relationships part; the first one is the root. */
MUST_CHECK bool opc_relations(struct arena *a, const struct opc *p, size_t index,
                              struct xml_spans *ret, struct err *e);
bool opc_is_relation(const struct xml_span *s);
bool opc_has_type(const struct xml_span *s, const char *type);
/* What may be signed: every part that is there has a content type. */
MUST_CHECK bool opc_check_parts(const struct opc *p, struct err *e);

/* Which relationships a transform keeps. */
struct opc_selection {
    bool all;
    const char *const *ids;
    size_t id_count;
    const char *const *types;
    size_t type_count;
};
/* The relationships transform and the canonical form behind it (13.2.4.24). */
MUST_CHECK bool opc_transform(struct arena *a, struct reader text, const struct opc_selection *s,
                              struct writer *out, struct err *e);

/* Changes that take all signatures out; `room` more rows may be put behind. */
struct opc_strip {
    struct zip_change *list;
    size_t count;
    struct reader types; /* content types that remain */
    struct reader root;  /* relationships that remain; empty: there are none */
};
MUST_CHECK bool opc_strip(struct arena *a, const struct opc *p, size_t room, struct opc_strip *ret,
                          struct err *e);
/* Puts the text of an entry in as a change. */
MUST_CHECK bool opc_put_text(struct arena *a, const struct opc *p, size_t index,
                             const char *new_path, struct reader text, struct zip_change *ret,
                             struct err *e);

struct opc_method {
    const char *uri;
    sign_algorithm algorithm;
};
const struct opc_method *opc_sign_method(sign_algorithm algorithm);
const struct opc_method *opc_sign_method_of(const char *uri);
MUST_CHECK bool opc_hash_of(const char *uri, enum hash *ret);

MUST_CHECK bool opc_sign(const struct sign_job *job, struct err *e);
MUST_CHECK bool opc_verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                           struct err *e);
#endif
