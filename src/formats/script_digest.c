/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "formats/script.h"

enum { PIECE = 64 * 1024 };

/* 0x80 to 0x9f of Windows-1252; the five holes stand for themselves, as Windows reads them. */
static const uint16_t windows_1252[32] = {
    0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008d, 0x017d, 0x008f, 0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178,
};

static uint32_t next_character(struct reader *text, enum script_reading reading)
{
    uint32_t c;
    uint8_t byte = 0;
    if (reading == SCRIPT_AS_UTF8 && text_next(text, &c))
        return c;
    if (!reader_u8(text, &byte))
        return 0;
    if (reading == SCRIPT_AS_UTF8) /* a byte that is no UTF-8: as every reader takes it */
        return 0xfffd;
    return byte >= 0x80 && byte < 0xa0 ? windows_1252[byte - 0x80] : byte;
}

static void put_utf16le(struct writer *w, uint32_t c)
{
    if (c < 0x10000) {
        writer_u16le(w, (uint16_t)c);
        return;
    }
    writer_u16le(w, (uint16_t)(0xd800 + ((c - 0x10000) >> 10)));
    writer_u16le(w, (uint16_t)(0xdc00 + ((c - 0x10000) & 0x3ff)));
}

static void next_piece(struct reader *text, enum script_encoding encoding,
                       enum script_reading reading, struct writer *w)
{
    while (text->left > 0 && w->len < PIECE) {
        uint16_t unit;
        if (encoding == SCRIPT_BYTES)
            put_utf16le(w, next_character(text, reading));
        else if (encoding == SCRIPT_UTF16LE && reader_u16le(text, &unit))
            writer_u16le(w, unit);
        else if (encoding == SCRIPT_UTF16BE && reader_u16be(text, &unit))
            writer_u16le(w, unit);
        else
            return;
    }
}

/* Counts the UTF-16 units that it adds. */
static bool add_text(struct digest *d, struct reader text, const struct script *s,
                     enum script_reading reading, uint64_t *units, struct err *e)
{
    CLEANUP(writer_done) struct writer piece = {0};
    writer_init(&piece, PIECE + 16);
    *units = 0;
    while (text.left > 0 && !piece.failed) {
        writer_reset(&piece);
        next_piece(&text, s->encoding, reading, &piece);
        digest_add(d, writer_view(&piece));
        *units += piece.len / 2;
    }
    return writer_ok(&piece, e);
}

bool script_digest(const struct script *s, enum hash hash, enum script_reading reading,
                   struct digest_value *ret, struct err *e)
{
    CLEANUP(digest_done) struct digest d = {0};
    uint64_t before, behind;
    reading = s->mark.left > 0 ? SCRIPT_AS_UTF8 : reading;
    TRY(digest_begin(&d, hash, e));
    if (s->style->hashes_mark && s->mark.left > 0)
        digest_add(&d, reader_over("\xff\xfe", 2));
    TRY(add_text(&d, s->text, s, reading, &before, e) &&
        add_text(&d, s->rest, s, reading, &behind, e));
    if (s->style->hashes_place) {
        const uint8_t at[4] = {(uint8_t)before, (uint8_t)(before >> 8), (uint8_t)(before >> 16),
                               (uint8_t)(before >> 24)};
        digest_add(&d, reader_over(at, sizeof at));
    }
    return digest_end(&d, ret, e);
}

enum script_reading script_reading_of(const struct script *s)
{
    return text_is_utf8(s->text) && text_is_utf8(s->rest) ? s->style->utf8 : s->style->other;
}
