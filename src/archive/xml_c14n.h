/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCHIVE_XML_C14N_H
#define ARCHIVE_XML_C14N_H
#include "archive/xml.h"
#include "base/writer.h"

/* Canonical XML, which is what XML signatures are over (by libxml2). */
enum xml_c14n {
    XML_C14N_INCLUSIVE, /* Canonical XML 1.0 */
    XML_C14N_EXCLUSIVE, /* Exclusive XML Canonicalization 1.0, without a list of prefixes */
};

struct xml_document;
/* Checks the document as xml_reader_new does and reads it whole. */
MUST_CHECK bool xml_document_new(struct arena *a, struct reader text,
                                 const struct xml_limits *limits, struct xml_document **ret,
                                 struct err *e);
void xml_document_free(struct xml_document *d); /* NULL is fine */
/* For CLEANUP(xml_document_cleanup). */
void xml_document_cleanup(struct xml_document **d);
/* The canonical form of one element with all that is in it, as part of its document. Elements are
 * counted in document order; the root is 0. ERR_XML: there is no such form, because the document
 * has a namespace with a relative name. */
MUST_CHECK bool xml_canonical(struct xml_document *d, size_t element, enum xml_c14n method,
                              bool comments, struct writer *out, struct err *e);
#endif
