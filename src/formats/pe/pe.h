/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_PE_PE_H
#define FORMATS_PE_PE_H
#include "crypto/authenticode.h"
#include "formats/format.h"

/* A Portable Executable as far as signing sees it (Microsoft PE format, "Authenticode PE").
 * Offsets are bytes from the start of the file. */
struct pe_section {
    uint32_t address, raw_at, raw_size;
};
struct pe {
    bool plus;             /* PE32+ */
    uint32_t checksum_at;  /* CheckSum of the optional header, 4 bytes: not hashed */
    uint32_t directory_at; /* data directory 4 (security), 8 bytes: not hashed */
    uint32_t headers_end;  /* behind the section table */
    uint32_t alignment;    /* of sections in memory */
    uint32_t headers_size; /* SizeOfHeaders */
    uint64_t content_end;  /* where the certificate table begins, or the end of the file */
    struct pe_section *sections;
    size_t section_count;
    uint32_t resources_address, resources_size; /* data directory 2; 0: none */
    struct reader *certificates;                /* PKCS#7 DER of each WIN_CERTIFICATE, in order */
    size_t certificate_count;
};
MUST_CHECK bool pe_parse(struct arena *a, const struct source *in, struct pe **ret, struct err *e);
bool pe_probe(struct reader head, const struct source *in);

/* File offset of an address of the loaded image; false when no section holds `size` bytes of it. */
MUST_CHECK bool pe_offset(const struct pe *pe, uint32_t address, uint32_t size, uint64_t *ret);

/* Values of all string tables of all version resources: the restriction names of pe_facts and
 * "file-description". A file without such a resource has none. */
MUST_CHECK bool pe_version_facts(struct arena *a, const struct pe *pe, const struct source *in,
                                 struct attributes *ret, struct err *e);

/* Authenticode digest of the content, padded to 8 bytes as a signed file is. */
MUST_CHECK bool pe_digest(const struct pe *pe, const struct source *in, enum hash hash,
                          struct digest_value *ret, struct err *e);
/* The list of page hashes; false with ERR_PE: this program cannot have one. (pe_pages.c) */
MUST_CHECK bool pe_page_hashes(const struct pe *pe, const struct source *in, enum hash hash,
                               struct writer *ret, struct err *e);
MUST_CHECK bool pe_sign(const struct sign_job *job, struct err *e);
MUST_CHECK bool pe_verify(const struct verify_job *job, struct signature **ret, size_t *ret_count,
                          struct err *e);
MUST_CHECK bool pe_unchanged(struct arena *a, const struct source *before,
                             const struct source *after, struct err *e);
#endif
