/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "formats/powershell/powershell.h"
#include <string.h>

enum { LINE = 64, PIECE = 64 * 1024 };

static const struct powershell_style hash_style = {"# ", ""};
static const struct powershell_style xml_style = {"<!-- ", " -->"};
static const struct powershell_style c_style = {"/* ", " */"};

static const struct {
    const char *extension;
    const struct powershell_style *style;
} styles[] = {
    {"ps1", &hash_style},   {"psm1", &hash_style}, {"psd1", &hash_style}, {"psdc1", &hash_style},
    {"ps1xml", &xml_style}, {"psc1", &xml_style},  {"cdxml", &xml_style}, {"mof", &c_style},
};

static const char begin[] = "SIG # Begin signature block";
static const char end[] = "SIG # End signature block";

bool powershell_style_of(const char *file_name, const struct powershell_style **ret, struct err *e)
{
    const char *dot = file_name == NULL ? NULL : strrchr(file_name, '.');
    for (size_t i = 0; dot != NULL && i < COUNT_OF(styles); i++) {
        if (text_equal_ascii_fold(&dot[1], styles[i].extension)) {
            *ret = styles[i].style;
            return true;
        }
    }
    return err_user(e, ERR_FILE_TYPE,
                    "The extension of a PowerShell file decides how it is signed. Possible are "
                    "ps1, psm1, psd1, psdc1, ps1xml, psc1, cdxml and mof.");
}

/* --- text in three encodings ------------------------------------------------------------------ */

static size_t width(enum powershell_encoding encoding)
{
    return encoding == POWERSHELL_UTF8 ? 1 : 2;
}

/* ASCII in the encoding of the file. */
static void put_ascii(struct writer *w, enum powershell_encoding encoding, const char *text,
                      size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (encoding == POWERSHELL_UTF16BE)
            writer_u8(w, 0);
        writer_u8(w, (uint8_t)text[i]);
        if (encoding == POWERSHELL_UTF16LE)
            writer_u8(w, 0);
    }
}

static void put_text(struct writer *w, enum powershell_encoding encoding, const char *text)
{
    put_ascii(w, encoding, text, strlen(text));
}

/* The unit (byte, or two) that starts at `at` has this value; outside is false. */
static bool unit_is(struct reader all, enum powershell_encoding encoding, size_t at, char want)
{
    struct reader unit;
    size_t n = width(encoding);
    if (!reader_slice(all, at, n, &unit))
        return false;
    uint8_t low = unit.at[encoding == POWERSHELL_UTF16BE ? 1 : 0];
    uint8_t high = n == 1 ? 0 : unit.at[encoding == POWERSHELL_UTF16BE ? 0 : 1];
    return high == 0 && low == (uint8_t)want;
}

static bool has_nul(struct reader all, enum powershell_encoding encoding)
{
    for (size_t at = 0; at < all.left; at += width(encoding))
        if (unit_is(all, encoding, at, '\0'))
            return true;
    return false;
}

static bool find_encoding(struct reader file, struct powershell *p, struct err *e)
{
    p->marked = true;
    if (reader_starts_with(file, "\xff\xfe", 2))
        p->encoding = POWERSHELL_UTF16LE;
    else if (reader_starts_with(file, "\xfe\xff", 2))
        p->encoding = POWERSHELL_UTF16BE;
    else
        p->marked = reader_starts_with(file, "\xef\xbb\xbf", 3);
    if (p->encoding != POWERSHELL_UTF8 && file.left % 2 != 0)
        return err_user(e, ERR_FILE_TRUNCATED,
                        "The UTF-16 text of the file ends in the middle of "
                        "a character.");
    if (has_nul(file, p->encoding))
        return err_user(e, ERR_FILE_TYPE,
                        "The file holds NUL characters, so it is no text in UTF-8 or UTF-16 with "
                        "byte order mark. Save it in one of these encodings.");
    return true;
}

/* --- the block -------------------------------------------------------------------------------- */

/* After position `at`: CR LF, LF or the end; *ret is behind it. */
static bool line_end(struct reader all, enum powershell_encoding encoding, size_t at, size_t *ret)
{
    size_t n = width(encoding);
    if (at == all.left) {
        *ret = at;
        return true;
    }
    if (unit_is(all, encoding, at, '\r'))
        at += n;
    *ret = at + n;
    return unit_is(all, encoding, at, '\n');
}

/* The next whole line "open what close" from `from` on. */
static bool find_line(struct reader all, const struct powershell *p, size_t from, const char *what,
                      size_t *ret_start, size_t *ret_next)
{
    struct writer line;
    size_t n = width(p->encoding), at = from;
    bool found = false;
    writer_init(&line, 256);
    put_text(&line, p->encoding, p->style->open);
    put_text(&line, p->encoding, what);
    put_text(&line, p->encoding, p->style->close);
    while (!found && (at = reader_find(all, at, line.data, line.len)) != SIZE_MAX) {
        bool starts = at >= n && at % n == 0 && unit_is(all, p->encoding, at - n, '\n');
        found = starts && line_end(all, p->encoding, at + line.len, ret_next);
        *ret_start = at;
        at++;
    }
    writer_done(&line);
    return found;
}

bool powershell_parse(struct reader file, const struct powershell_style *style,
                      struct powershell *ret, struct err *e)
{
    struct powershell p = {.style = style, .text = file};
    size_t start, inside, last, behind;
    TRY(find_encoding(file, &p, e));
    size_t n = width(p.encoding);
    if (!find_line(file, &p, 0, begin, &start, &inside)) {
        *ret = p;
        return true;
    }
    if (!find_line(file, &p, inside, end, &last, &behind))
        return err_user(e, ERR_FILE_TYPE,
                        "The signature block of the file has no end. Remove the "
                        "block, or restore the file.");
    if (behind != file.left) /* PowerShell would run it; no reader of signatures would see it */
        return err_user(e, ERR_FILE_TYPE,
                        "The file has text after its signature block. The block "
                        "must be the end of the file: remove it, or the text.");
    p.unfinished = !unit_is(file, p.encoding, behind - n, '\n');
    size_t text = start - n;
    if (text >= n && unit_is(file, p.encoding, text - n, '\r'))
        text -= n;
    if (!reader_slice(file, 0, text, &p.text) ||
        !reader_slice(file, inside, last - inside, &p.lines))
        return err_set(e, ERR_INTERNAL, "block outside of the file");
    *ret = p;
    return true;
}

static bool narrow(struct arena *a, const struct powershell *p, struct reader *ret)
{
    size_t n = width(p->encoding), count = p->lines.left / n;
    uint8_t *to = arena_alloc(a, count);
    TRY(to != NULL);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *unit = &p->lines.at[i * n];
        TRY(n == 1 || unit[p->encoding == POWERSHELL_UTF16BE ? 0 : 1] == 0);
        to[i] = unit[p->encoding == POWERSHELL_UTF16BE ? 1 : 0];
    }
    *ret = reader_over(to, count);
    return true;
}

static bool unwrap(const struct powershell_style *style, struct reader line, struct reader *ret)
{
    size_t open = strlen(style->open), close = strlen(style->close);
    if (line.left > 0 && line.at[line.left - 1] == '\r')
        line.left--;
    return line.left > open + close && reader_starts_with(line, style->open, open) &&
           reader_slice(line, line.left - close, close, ret) &&
           reader_equal_text(*ret, style->close) &&
           reader_slice(line, open, line.left - open - close, ret);
}

bool powershell_block(struct arena *a, const struct powershell *p, struct reader *ret)
{
    struct reader text, line, base64;
    struct writer all;
    TRY(narrow(a, p, &text));
    writer_init(&all, text.left);
    bool ok = text.left > 0;
    while (ok && text.left > 0) {
        size_t n = reader_find(text, 0, "\n", 1);
        ok = n != SIZE_MAX && reader_take(&text, n, &line) && reader_skip(&text, 1) &&
             unwrap(p->style, line, &base64) && reader_find(base64, 0, "\r", 1) == SIZE_MAX;
        if (ok)
            writer_reader(&all, base64);
    }
    ok = ok && !all.failed && text_unbase64(a, writer_view(&all), ret);
    writer_done(&all);
    return ok;
}

static void put_line(struct writer *w, const struct powershell *p, const char *text, size_t n)
{
    put_text(w, p->encoding, p->style->open);
    put_ascii(w, p->encoding, text, n);
    put_text(w, p->encoding, p->style->close);
    put_text(w, p->encoding, "\r\n");
}

void powershell_put_block(struct writer *w, const struct powershell *p, struct reader pkcs7)
{
    struct writer base64;
    writer_init(&base64, w->limit);
    text_base64(&base64, pkcs7, 0, NULL);
    put_text(w, p->encoding, "\r\n");
    put_line(w, p, begin, strlen(begin));
    struct reader rest = writer_view(&base64), line;
    while (rest.left > 0 && reader_take(&rest, rest.left < LINE ? rest.left : LINE, &line))
        put_line(w, p, (const char *)line.at, line.left);
    put_line(w, p, end, strlen(end));
    w->failed = w->failed || base64.failed;
    writer_done(&base64);
}

/* --- what is hashed --------------------------------------------------------------------------- */

/* 0x80 to 0x9f of Windows-1252; the five holes stand for themselves, as Windows reads them. */
static const uint16_t windows_1252[32] = {
    0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008d, 0x017d, 0x008f, 0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178,
};

static uint32_t next_character(struct reader *text, bool legacy)
{
    uint32_t c;
    uint8_t byte = 0;
    if (!legacy && text_next(text, &c))
        return c;
    if (!reader_u8(text, &byte))
        return 0;
    if (!legacy) /* a byte that is no UTF-8: as every reader of such files takes it */
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

static void next_piece(struct reader *text, const struct powershell *p, bool legacy,
                       struct writer *w)
{
    while (text->left > 0 && w->len < PIECE) {
        uint16_t unit;
        if (p->encoding == POWERSHELL_UTF8)
            put_utf16le(w, next_character(text, legacy));
        else if (reader_u16be(text, &unit))
            writer_u16le(w, unit);
    }
}

bool powershell_digest(const struct powershell *p, enum hash hash, bool legacy,
                       struct digest_value *ret, struct err *e)
{
    struct digest d;
    struct writer piece;
    struct reader text = p->text;
    TRY(digest_begin(&d, hash, e));
    if (p->encoding == POWERSHELL_UTF16LE) {
        digest_add(&d, text);
        return digest_end(&d, ret, e);
    }
    writer_init(&piece, PIECE + 16);
    while (text.left > 0 && !piece.failed) {
        writer_reset(&piece);
        next_piece(&text, p, legacy, &piece);
        digest_add(&d, writer_view(&piece));
    }
    bool ok = writer_ok(&piece, e);
    writer_done(&piece);
    if (!ok) {
        digest_done(&d);
        return false;
    }
    return digest_end(&d, ret, e);
}
