/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "base/casefold.h"
#include <stdlib.h>
#include <string.h>

void text_hex(const void *data, size_t n, char *to)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;
    for (size_t i = 0; i < n; i++) {
        to[2 * i] = digits[bytes[i] >> 4];
        to[2 * i + 1] = digits[bytes[i] & 15];
    }
    to[2 * n] = '\0';
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool text_unhex(struct reader text, void *to, size_t n)
{
    uint8_t *bytes = to;
    if (text.left / 2 != n || text.left % 2 != 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(text.at[2 * i]), low = hex_digit(text.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static const char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* One group of up to three bytes; returns how many characters carry bits. */
static size_t base64_group(struct reader *bytes, const char *alphabet, char to[4])
{
    uint8_t in[3] = {0};
    size_t n = bytes->left < 3 ? bytes->left : 3;
    if (!reader_copy(bytes, in, n))
        return 0;
    uint32_t v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
    for (size_t i = 0; i < 4; i++)
        to[i] = alphabet[v >> (18 - 6 * i) & 63];
    return n + 1;
}

void text_base64(struct writer *w, struct reader bytes, size_t line, const char *line_end)
{
    size_t column = 0;
    while (bytes.left > 0) {
        char group[4];
        size_t n = base64_group(&bytes, base64_alphabet, group);
        for (size_t i = 0; i < 4; i++) {
            writer_u8(w, i < n ? (uint8_t)group[i] : '=');
            if (line > 0 && ++column == line) {
                writer_text(w, line_end);
                column = 0;
            }
        }
    }
    if (column > 0 && line > 0)
        writer_text(w, line_end);
}

void text_base64url(struct writer *w, struct reader bytes)
{
    while (bytes.left > 0) {
        char group[4];
        size_t n = base64_group(&bytes, base64url_alphabet, group);
        writer_bytes(w, group, n);
    }
}

static int base64_value(uint8_t c)
{
    const char *hit = c == 0 ? NULL : strchr(base64_alphabet, c);
    return hit == NULL ? -1 : (int)(hit - base64_alphabet);
}

bool text_unbase64(struct arena *a, struct reader text, struct reader *ret)
{
    uint8_t *out = arena_alloc(a, text.left / 4 * 3 + 3);
    if (out == NULL)
        return false;
    size_t n = 0, chars = 0, pads = 0;
    uint32_t bits = 0;
    for (uint8_t c; reader_u8(&text, &c);) {
        if (c == '\r' || c == '\n')
            continue;
        int v = base64_value(c);
        if (c == '=')
            pads++;
        else if (v < 0 || pads > 0)
            return false;
        else
            bits = bits << 6 | (uint32_t)v;
        if (++chars % 4 != 0)
            continue;
        if (pads > 2)
            return false;
        if (pads == 1 ? (bits & 3) != 0 : pads == 2 && (bits & 15) != 0)
            return false;
        bits <<= 6 * pads;
        for (size_t i = 0; i < 3 - pads; i++)
            out[n++] = (uint8_t)(bits >> (16 - 8 * i));
        bits = 0;
    }
    if (chars % 4 != 0 || pads > 2)
        return false;
    *ret = reader_over(out, n);
    return true;
}

bool text_next(struct reader *text, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (text->left == 0)
        return false;
    uint8_t c = text->at[0];
    size_t n = c < 0x80 ? 1 : c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > text->left)
        return false;
    uint32_t v = n == 1 ? c : c & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (text->at[i] >> 6 != 2)
            return false;
        v = v << 6 | (text->at[i] & 63);
    }
    if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
        return false;
    *ret = v;
    return reader_skip(text, n);
}

bool text_is_utf8(struct reader text)
{
    uint32_t c;
    while (text.left > 0)
        if (!text_next(&text, &c))
            return false;
    return true;
}

bool text_is_printable(struct reader text)
{
    uint32_t c;
    while (text.left > 0)
        if (!text_next(&text, &c) || c < 0x20 || (c >= 0x7f && c < 0xa0))
            return false;
    return true;
}

void text_put(struct writer *w, uint32_t c)
{
    if (c < 0x80) {
        writer_u8(w, (uint8_t)c);
        return;
    }
    if (c < 0x800) {
        writer_u8(w, (uint8_t)(0xc0 | c >> 6));
    } else {
        if (c < 0x10000) {
            writer_u8(w, (uint8_t)(0xe0 | c >> 12));
        } else {
            writer_u8(w, (uint8_t)(0xf0 | c >> 18));
            writer_u8(w, (uint8_t)(0x80 | (c >> 12 & 63)));
        }
        writer_u8(w, (uint8_t)(0x80 | (c >> 6 & 63)));
    }
    writer_u8(w, (uint8_t)(0x80 | (c & 63)));
}

static bool put_utf16le(struct writer *w, struct reader bytes)
{
    while (bytes.left > 0) {
        uint16_t unit, low;
        TRY(reader_u16le(&bytes, &unit));
        uint32_t c = unit;
        if (unit >= 0xd800 && unit < 0xe000) {
            if (unit >= 0xdc00 || !reader_u16le(&bytes, &low) || low < 0xdc00 || low >= 0xe000)
                return false;
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00u);
        }
        text_put(w, c);
    }
    return true;
}

bool text_is_hidden(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x180e ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
           (c >= 0xe0000 && c <= 0xe0fff);
}

void text_put_visible(struct writer *w, struct reader text, const char *plain)
{
    while (text.left > 0) {
        uint32_t c = 0xfffd;
        if (!text_next(&text, &c) && !reader_skip(&text, 1))
            return;
        if (text_is_hidden(c) && (c == 0 || c >= 0x80 || strchr(plain, (int)c) == NULL))
            writer_format(w, "[U+%04X]", c);
        else
            text_put(w, c);
    }
}

bool text_from_utf16le(struct arena *a, struct reader bytes, char **ret)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, bytes.left / 2 * 3 + 1);
    if (!put_utf16le(&w, bytes) || w.failed)
        return false;
    char *text = arena_text(a, writer_view(&w));
    if (text == NULL)
        return false;
    *ret = text;
    return true;
}

static void put_unit(struct writer *w, uint16_t unit, bool big_endian)
{
    if (big_endian)
        writer_u16be(w, unit);
    else
        writer_u16le(w, unit);
}

bool text_to_utf16(struct writer *w, struct reader utf8, bool big_endian)
{
    while (utf8.left > 0) {
        uint32_t c;
        TRY(text_next(&utf8, &c));
        if (c >= 0x10000) {
            put_unit(w, (uint16_t)(0xd7c0 + (c >> 10)), big_endian);
            c = 0xdc00 | (c & 0x3ff);
        }
        put_unit(w, (uint16_t)c, big_endian);
    }
    return true;
}

static int fold_row_order(const void *key, const void *row)
{
    uint32_t c = *(const uint32_t *)key;
    const struct casefold_row *r = row;
    return c < r->first ? -1 : c > r->last;
}

uint32_t text_fold(uint32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    const struct casefold_row *r =
        bsearch(&c, casefold_rows, COUNT_OF(casefold_rows), sizeof *r, fold_row_order);
    if (r == NULL || (c - r->first) % r->step != 0)
        return c;
    return (uint32_t)((int32_t)c + r->delta);
}

static bool fold_row_range(const struct casefold_row *r, uint32_t from, uint32_t to,
                           text_range_fn each, void *ctx)
{
    /* Between neighbours that fold to the next code point lies nothing that is its own fold. */
    uint32_t width = r->step == 1 || r->delta == 1 ? to - from : 0;
    for (uint32_t c = from; c <= to; c += width == 0 ? r->step : width + 1) {
        uint32_t folded = (uint32_t)((int32_t)c + r->delta);
        if (!each(ctx, folded, folded + width))
            return false;
    }
    return true;
}

bool text_fold_range(uint32_t first, uint32_t last, text_range_fn each, void *ctx)
{
    static const struct casefold_row ascii = {'A', 'Z', 1, 32};
    for (size_t i = 0; i <= COUNT_OF(casefold_rows); i++) {
        const struct casefold_row *r = i == 0 ? &ascii : &casefold_rows[i - 1];
        uint32_t from = first > r->first ? first : r->first, to = last < r->last ? last : r->last;
        if (from > to)
            continue;
        from += (r->step - (from - r->first) % r->step) % r->step;
        if (from <= to)
            to -= (to - from) % r->step;
        if (from <= to && !fold_row_range(r, from, to, each, ctx))
            return false;
    }
    return true;
}

bool text_equal_fold(const char *a, const char *b)
{
    struct reader left = reader_text(a), right = reader_text(b);
    while (left.left > 0 && right.left > 0) {
        uint32_t c, d;
        if (!text_next(&left, &c) || !text_next(&right, &d) || text_fold(c) != text_fold(d))
            return false;
    }
    return left.left == 0 && right.left == 0;
}

bool text_equal_ascii_fold(const char *a, const char *b)
{
    for (;; a++, b++) {
        unsigned char c = (unsigned char)*a, d = (unsigned char)*b;
        c = c >= 'A' && c <= 'Z' ? c + 32 : c;
        d = d >= 'A' && d <= 'Z' ? d + 32 : d;
        if (c != d)
            return false;
        if (c == '\0')
            return true;
    }
}

bool text_u64(struct reader text, uint64_t *ret)
{
    uint64_t v = 0;
    if (text.left == 0 || (text.left > 1 && text.at[0] == '0'))
        return false;
    for (size_t i = 0; i < text.left; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(text.at[i] - '0'), &v))
            return false;
    }
    *ret = v;
    return true;
}

size_t text_distance(const char *a, const char *b)
{
    enum { MOST = 63 };
    size_t n = strlen(a), m = strlen(b), row[MOST + 1];
    if (n > MOST || m > MOST)
        return MOST;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t gap = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = change < gap ? change : gap;
        }
    }
    return row[m];
}

bool text_unpercent(struct writer *w, struct reader text, bool form)
{
    uint8_t c;
    struct reader digits;
    while (reader_u8(&text, &c)) {
        if (c == '+' && form)
            c = ' ';
        else if (c == '%' && !(reader_take(&text, 2, &digits) && text_unhex(digits, &c, 1)))
            return false;
        writer_u8(w, c);
    }
    return true;
}

void text_uuid(const uint8_t random[16], char to[37])
{
    uint8_t b[16];
    memcpy(b, random, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    char hex[33];
    text_hex(b, sizeof b, hex);
    static const size_t cuts[] = {0, 8, 12, 16, 20, 32};
    for (size_t i = 0, at = 0; i + 1 < COUNT_OF(cuts); i++) {
        memcpy(to + at, hex + cuts[i], cuts[i + 1] - cuts[i]);
        at += cuts[i + 1] - cuts[i];
        to[at++] = i + 2 < COUNT_OF(cuts) ? '-' : '\0';
    }
}

bool text_is_uuid(struct reader text)
{
    if (text.left != 36)
        return false;
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.at[i] != '-' : hex_digit(text.at[i]) < 0)
            return false;
    }
    return true;
}
