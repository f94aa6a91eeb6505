/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/pe/pe.h"
#include <string.h>

enum {
    LFANEW_AT = 0x3c,
    DOS_HEADER = 64,
    COFF_HEADER = 20,
    SECTION_HEADER = 40,
    CERTIFICATE_HEADER = 8,
    SECTION_ALIGNMENT_AT = 32,
    HEADERS_SIZE_AT = 60,
    MAGIC_32 = 0x10b,
    MAGIC_64 = 0x20b,
    DIRECTORY_RESOURCES = 2,
    DIRECTORY_SECURITY = 4,
    CERTIFICATES_MOST = 64,
    WIN_CERT_REVISION_2 = 0x0200,
    WIN_CERT_TYPE_PKCS7 = 2,
};

bool pe_probe(struct reader head, const struct source *in)
{
    struct reader at = head, mark;
    uint32_t header;
    uint8_t found[4];
    struct err ignored = {0};
    if (!reader_starts_with(head, "MZ", 2) || !reader_skip(&at, LFANEW_AT) ||
        !reader_u32le(&at, &header))
        return false;
    if (reader_slice(head, header, 4, &mark))
        return reader_starts_with(mark, "PE\0\0", 4);
    return source_read(in, header, found, sizeof found, &ignored) &&
           memcmp(found, "PE\0\0", 4) == 0;
}

static bool bad(struct err *e, const char *what)
{
    return err_user(e, ERR_PE, "This program file is damaged: %s.", what);
}

struct headers {
    struct pe *pe;
    uint32_t optional_at;
    uint16_t sections, optional_size;
    uint32_t security_at, security_size;
};

static bool parse_coff(struct reader r, struct headers *h, struct err *e)
{
    struct reader mark;
    uint16_t machine, characteristics;
    uint32_t stamp, symbols, symbol_count;
    if (!reader_take(&r, 4, &mark) || !reader_starts_with(mark, "PE\0\0", 4))
        return bad(e, "there is no PE header where the DOS header says");
    if (!reader_u16le(&r, &machine) || !reader_u16le(&r, &h->sections) ||
        !reader_u32le(&r, &stamp) || !reader_u32le(&r, &symbols) ||
        !reader_u32le(&r, &symbol_count) || !reader_u16le(&r, &h->optional_size) ||
        !reader_u16le(&r, &characteristics))
        return bad(e, "the file header is cut");
    return true;
}

static bool directory(struct reader optional, uint32_t at, unsigned index, uint32_t *ret_address,
                      uint32_t *ret_size)
{
    return reader_skip(&optional, at + 8 * (size_t)index) && reader_u32le(&optional, ret_address) &&
           reader_u32le(&optional, ret_size);
}

static bool parse_optional(struct reader optional, struct headers *h, struct err *e)
{
    struct pe *pe = h->pe;
    struct reader r = optional;
    uint16_t magic;
    uint32_t count;
    if (!reader_u16le(&r, &magic) || (magic != MAGIC_32 && magic != MAGIC_64))
        return bad(e, "the optional header is of an unknown kind");
    pe->plus = magic == MAGIC_64;
    r = optional;
    if (!reader_skip(&r, SECTION_ALIGNMENT_AT) || !reader_u32le(&r, &pe->alignment) ||
        !reader_skip(&r, HEADERS_SIZE_AT - SECTION_ALIGNMENT_AT - 4) ||
        !reader_u32le(&r, &pe->headers_size))
        return bad(e, "the optional header is cut");
    uint32_t directories = pe->plus ? 112 : 96;
    r = optional;
    if (!reader_skip(&r, directories - 4) || !reader_u32le(&r, &count))
        return bad(e, "the optional header is cut");
    if (count <= DIRECTORY_SECURITY)
        return err_user(e, ERR_PE,
                        "This program file has no room for a signature: its header has %u data "
                        "directories, the fifth is needed.",
                        count);
    if (!directory(optional, directories, DIRECTORY_RESOURCES, &pe->resources_address,
                   &pe->resources_size) ||
        !directory(optional, directories, DIRECTORY_SECURITY, &h->security_at, &h->security_size))
        return bad(e, "the optional header is cut");
    pe->checksum_at = h->optional_at + 64;
    pe->directory_at = h->optional_at + directories + 8 * DIRECTORY_SECURITY;
    return true;
}

static bool parse_section(struct reader *r, uint64_t file_size, struct pe_section *ret,
                          struct err *e)
{
    struct reader name, rest;
    uint32_t virtual_size;
    if (!reader_take(r, 8, &name) || !reader_u32le(r, &virtual_size) ||
        !reader_u32le(r, &ret->address) || !reader_u32le(r, &ret->raw_size) ||
        !reader_u32le(r, &ret->raw_at) || !reader_take(r, 16, &rest))
        return bad(e, "the section table is cut");
    if (ret->raw_size > 0 && ret->raw_at > 0 && (uint64_t)ret->raw_at + ret->raw_size > file_size)
        return bad(e, "a section lies outside of the file");
    return true;
}

static bool parse_sections(struct arena *a, const struct source *in, struct headers *h,
                           struct err *e)
{
    struct pe *pe = h->pe;
    struct reader table;
    uint64_t at = (uint64_t)h->optional_at + h->optional_size;
    TRY(source_load(a, in, at, (size_t)h->sections * SECTION_HEADER, &table, e));
    pe->headers_end = (uint32_t)(at + table.left);
    pe->sections = ARENA_ARRAY(a, h->sections, struct pe_section);
    if (pe->sections == NULL)
        return arena_err(e);
    for (; pe->section_count < h->sections; pe->section_count++)
        TRY(parse_section(&table, in->size, &pe->sections[pe->section_count], e));
    return true;
}

/* Length of the DER element at the start; what is behind it may only be padding (CVE-2013-3900:
 * data behind the signature is covered by nothing). */
static bool trim_der(struct reader *der, struct err *e)
{
    struct reader r = *der, padding;
    uint8_t tag, first, more;
    uint64_t n = 0;
    if (!reader_u8(&r, &tag) || tag != 0x30 || !reader_u8(&r, &first))
        return bad(e, "its signature is not PKCS#7");
    if (first < 0x80) {
        n = first;
    } else if (first == 0x80 || first > 0x84) {
        return bad(e, "its signature is not in DER");
    } else {
        for (unsigned i = 0; i < (first & 0x7fu); i++) {
            if (!reader_u8(&r, &more))
                return bad(e, "its signature is cut");
            n = n << 8 | more;
        }
    }
    size_t header = der->left - r.left;
    if (n > r.left || !reader_slice(*der, header + (size_t)n, r.left - (size_t)n, &padding))
        return bad(e, "its signature is cut");
    if (padding.left >= 8)
        return bad(e, "there is data behind its signature that nothing covers");
    for (size_t i = 0; i < padding.left; i++)
        if (padding.at[i] != 0)
            return bad(e, "there is data behind its signature that nothing covers");
    return reader_take(&r, (size_t)n, &padding) && reader_slice(*der, 0, header + (size_t)n, der);
}

static bool parse_certificate(struct reader *table, struct pe *pe, struct err *e)
{
    uint32_t length;
    uint16_t revision, type;
    struct reader der, padding;
    if (!reader_u32le(table, &length) || !reader_u16le(table, &revision) ||
        !reader_u16le(table, &type) || length < CERTIFICATE_HEADER ||
        !reader_take(table, length - CERTIFICATE_HEADER, &der))
        return bad(e, "the certificate table is malformed");
    size_t pad = (8 - length % 8) % 8;
    if (pad > table->left)
        pad = table->left;
    if (!reader_take(table, pad, &padding))
        return bad(e, "the certificate table is malformed");
    if (revision != WIN_CERT_REVISION_2 || type != WIN_CERT_TYPE_PKCS7)
        return bad(e, "the certificate table holds an entry of an unknown kind");
    if (pe->certificate_count == CERTIFICATES_MOST)
        return bad(e, "the certificate table holds too many entries");
    TRY(trim_der(&der, e));
    pe->certificates[pe->certificate_count++] = der;
    return true;
}

static bool parse_table(struct arena *a, const struct source *in, struct headers *h, struct err *e)
{
    enum { TABLE_MOST = 64 << 20 };
    struct pe *pe = h->pe;
    struct reader table;
    pe->content_end = in->size;
    if (h->security_at == 0 && h->security_size == 0)
        return true;
    uint64_t end = (uint64_t)h->security_at + h->security_size;
    if (h->security_at < pe->headers_end || h->security_at % 8 != 0 ||
        h->security_size > TABLE_MOST)
        return bad(e, "its certificate table lies in an impossible place");
    if (end > in->size)
        return bad(e, "its certificate table is cut");
    if (end < in->size)
        return bad(e, "there is data behind its certificate table that nothing covers");
    for (size_t i = 0; i < pe->section_count; i++)
        if (pe->sections[i].raw_at != 0 && pe->sections[i].raw_size > 0 &&
            (uint64_t)pe->sections[i].raw_at + pe->sections[i].raw_size > h->security_at)
            return bad(e, "its certificate table lies inside of a section");
    TRY(source_load(a, in, h->security_at, h->security_size, &table, e));
    pe->certificates = ARENA_ARRAY(a, CERTIFICATES_MOST, struct reader);
    if (pe->certificates == NULL)
        return arena_err(e);
    pe->content_end = h->security_at;
    while (table.left > 0)
        TRY(parse_certificate(&table, pe, e));
    return true;
}

bool pe_parse(struct arena *a, const struct source *in, struct pe **ret, struct err *e)
{
    struct headers h = {.pe = ARENA_NEW(a, struct pe)};
    struct reader dos, coff, optional;
    uint32_t at;
    if (h.pe == NULL)
        return arena_err(e);
    if (in->size > pe_facts.max_size)
        return err_user(e, ERR_PE, "A program file of 4 GiB or more cannot be signed.");
    if (in->size < DOS_HEADER + 4 + COFF_HEADER)
        return bad(e, "it is too short");
    TRY(source_load(a, in, 0, DOS_HEADER, &dos, e));
    if (!reader_starts_with(dos, "MZ", 2) || !reader_skip(&dos, LFANEW_AT) ||
        !reader_u32le(&dos, &at))
        return err_set(e, ERR_FILE_TYPE, "no MZ");
    if (at % 2 != 0)
        return bad(e, "its PE header is not aligned");
    TRY(source_load(a, in, at, 4 + COFF_HEADER, &coff, e));
    TRY(parse_coff(coff, &h, e));
    h.optional_at = at + 4 + COFF_HEADER;
    TRY(source_load(a, in, h.optional_at, h.optional_size, &optional, e));
    TRY(parse_optional(optional, &h, e));
    TRY(parse_sections(a, in, &h, e) && parse_table(a, in, &h, e));
    *ret = h.pe;
    return true;
}

bool pe_offset(const struct pe *pe, uint32_t address, uint32_t size, uint64_t *ret)
{
    for (size_t i = 0; i < pe->section_count; i++) {
        const struct pe_section *s = &pe->sections[i];
        if (address < s->address || s->raw_at == 0)
            continue;
        uint32_t inside = address - s->address;
        if (inside <= s->raw_size && size <= s->raw_size - inside) {
            *ret = (uint64_t)s->raw_at + inside;
            return true;
        }
    }
    return false;
}
