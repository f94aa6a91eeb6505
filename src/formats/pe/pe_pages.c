/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/digest.h"
#include "formats/pe/pe.h"

/* Page hashes ("signtool sign /ph"): one digest for each page as it lies in the file, so that the
 * loader can check a page when it is read. A list of file offset and digest; the header is the
 * first page, the end of the last section ends the list with a digest of zeros. */
enum { PAGE = 4096, HASHES_MAX = 8 * 1024 * 1024 };

struct listing {
    const struct pe *pe;
    const struct source *in;
    enum hash hash;
    struct writer *out;
    struct digest digest; /* of the page at hand */
};

static bool add_piece(void *ctx, struct reader piece, struct err *e)
{
    (void)e;
    digest_add(ctx, piece);
    return true;
}

static bool add_range(struct listing *l, uint64_t from, uint64_t to, struct err *e)
{
    struct source part;
    return source_slice(l->in, from, to - from, &part, e) &&
           source_each(&part, add_piece, &l->digest, e);
}

/* What is missing of a whole page counts as zeros. */
static bool end_page(struct listing *l, uint64_t at, uint64_t used, struct err *e)
{
    static const uint8_t zeros[PAGE];
    struct digest_value v;
    digest_add(&l->digest, reader_over(zeros, (size_t)(PAGE - used)));
    TRY(digest_end(&l->digest, &v, e));
    writer_u32le(l->out, (uint32_t)at);
    writer_reader(l->out, digest_view(&v));
    return writer_ok(l->out, e);
}

static bool header_page(struct listing *l, struct err *e)
{
    const struct pe *pe = l->pe;
    TRY(digest_begin(&l->digest, l->hash, e));
    TRY(add_range(l, 0, pe->checksum_at, e) &&
        add_range(l, pe->checksum_at + 4, pe->directory_at, e) &&
        add_range(l, pe->directory_at + 8, pe->headers_size, e));
    return end_page(l, 0, pe->headers_size, e);
}

static bool section_pages(struct listing *l, const struct pe_section *s, struct err *e)
{
    for (uint64_t at = 0; at < s->raw_size; at += PAGE) {
        uint64_t n = s->raw_size - at < PAGE ? s->raw_size - at : PAGE;
        TRY(digest_begin(&l->digest, l->hash, e));
        TRY(add_range(l, s->raw_at + at, s->raw_at + at + n, e));
        TRY(end_page(l, s->raw_at + at, n, e));
    }
    return true;
}

static bool fits(const struct pe *pe, enum hash hash, struct err *e)
{
    uint64_t pages = 2;
    if (pe->alignment != PAGE || pe->headers_size > PAGE || pe->headers_size < pe->headers_end)
        return err_user(e, ERR_PE,
                        "Page hashes are for programs whose sections are aligned to %d bytes in "
                        "memory, with headers of one page; this one has %u and %u. Sign it without "
                        "page-hashes.",
                        PAGE, pe->alignment, pe->headers_size);
    for (size_t i = 0; i < pe->section_count; i++) {
        const struct pe_section *s = &pe->sections[i];
        if (s->raw_size > 0 &&
            (s->raw_at < pe->headers_size || (uint64_t)s->raw_at + s->raw_size > pe->content_end))
            return err_user(e, ERR_PE, "A section lies where no page hash can cover it.");
        pages += ((uint64_t)s->raw_size + PAGE - 1) / PAGE;
    }
    return pages * (4 + hash_size(hash)) <= HASHES_MAX ||
           err_user(e, ERR_PE, "The program is too large for page hashes.");
}

bool pe_page_hashes(const struct pe *pe, const struct source *in, enum hash hash,
                    struct writer *ret, struct err *e)
{
    struct listing l = {.pe = pe, .in = in, .hash = hash, .out = ret};
    uint64_t end = 0;
    TRY(fits(pe, hash, e));
    bool ok = header_page(&l, e);
    for (size_t i = 0; ok && i < pe->section_count; i++) {
        const struct pe_section *s = &pe->sections[i];
        if (s->raw_size > 0)
            end = (uint64_t)s->raw_at + s->raw_size;
        ok = section_pages(&l, s, e);
    }
    digest_done(&l.digest);
    writer_u32le(ret, (uint32_t)end);
    writer_zeros(ret, hash_size(hash));
    return ok && writer_ok(ret, e);
}
