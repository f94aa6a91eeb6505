/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "formats/script.h"
#include <string.h>

/* Whether one of the blank-separated words is this one. */
static bool has_word(const char *words, const char *word)
{
    struct reader rest = reader_text(words), one;
    char text[16];
    while (rest.left > 0) {
        size_t n = reader_find(rest, 0, " ", 1);
        if (!reader_take(&rest, n == SIZE_MAX ? rest.left : n, &one) ||
            (rest.left > 0 && !reader_skip(&rest, 1)) || one.left >= sizeof text)
            return false;
        text[one.left] = '\0';
        if (reader_copy(&one, text, one.left) && text_equal_ascii_fold(text, word))
            return true;
    }
    return false;
}

bool script_style_of(const struct script_kind *kind, const char *file_name,
                     const struct script_style **ret, struct err *e)
{
    const char *dot = file_name == NULL ? NULL : strrchr(file_name, '.');
    for (size_t i = 0; dot != NULL && i < kind->count; i++) {
        if (has_word(kind->styles[i].extensions, &dot[1])) {
            *ret = &kind->styles[i];
            return true;
        }
    }
    return err_user(e, ERR_FILE_TYPE,
                    "The extension of a %s decides how it is signed. Possible are: %s.",
                    kind->title, kind->facts->extensions);
}

/* --- text in three encodings ------------------------------------------------------------------ */

static size_t width(enum script_encoding encoding)
{
    return encoding == SCRIPT_BYTES ? 1 : 2;
}

/* ASCII in the encoding of the file. */
static void put_ascii(struct writer *w, enum script_encoding encoding, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (encoding == SCRIPT_UTF16BE)
            writer_u8(w, 0);
        writer_u8(w, (uint8_t)text[i]);
        if (encoding == SCRIPT_UTF16LE)
            writer_u8(w, 0);
    }
}

static void put_text(struct writer *w, enum script_encoding encoding, const char *text)
{
    put_ascii(w, encoding, text, strlen(text));
}

/* The unit (byte, or two) that starts at `at` has this value; outside is false. */
static bool unit_is(struct reader all, enum script_encoding encoding, size_t at, char want)
{
    struct reader unit;
    size_t n = width(encoding);
    if (!reader_slice(all, at, n, &unit))
        return false;
    uint8_t low = unit.at[encoding == SCRIPT_UTF16BE ? 1 : 0];
    uint8_t high = n == 1 ? 0 : unit.at[encoding == SCRIPT_UTF16BE ? 0 : 1];
    return high == 0 && low == (uint8_t)want;
}

static bool has_nul(struct reader all, enum script_encoding encoding)
{
    for (size_t at = 0; at < all.left; at += width(encoding))
        if (unit_is(all, encoding, at, '\0'))
            return true;
    return false;
}

/* Also takes the byte order mark off the file. */
static bool find_encoding(struct reader *file, struct script *s, struct err *e)
{
    size_t mark = 0;
    if (reader_starts_with(*file, "\xff\xfe", 2))
        s->encoding = SCRIPT_UTF16LE;
    else if (reader_starts_with(*file, "\xfe\xff", 2))
        s->encoding = SCRIPT_UTF16BE;
    else
        mark = reader_starts_with(*file, "\xef\xbb\xbf", 3) ? 3 : 0;
    mark = s->encoding == SCRIPT_BYTES ? mark : 2;
    if (!reader_take(file, mark, &s->mark))
        return err_set(e, ERR_INTERNAL, "mark outside of the file");
    if (s->encoding != SCRIPT_BYTES && file->left % 2 != 0)
        return err_user(e, ERR_FILE_TRUNCATED,
                        "The UTF-16 text of the file ends in the middle of a character.");
    if (has_nul(*file, s->encoding))
        return err_user(e, ERR_FILE_TYPE,
                        "The file holds NUL characters, so it is no text in UTF-8 or UTF-16 with "
                        "byte order mark. Save it in one of these encodings.");
    return true;
}

/* --- the block -------------------------------------------------------------------------------- */

/* After position `at`: CR LF, LF or the end; *ret is behind it. */
static bool line_end(struct reader all, enum script_encoding encoding, size_t at, size_t *ret)
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

/* The next whole line from `from` on; never the first one of the file. */
static bool find_line(struct reader all, const struct script *s, size_t from, const char *what,
                      size_t *ret_start, size_t *ret_next)
{
    struct writer line;
    size_t n = width(s->encoding), at = from;
    bool found = false;
    writer_init(&line, 256);
    put_text(&line, s->encoding, what);
    while (!found && (at = reader_find(all, at, line.data, line.len)) != SIZE_MAX) {
        bool starts = at >= n && at % n == 0 && unit_is(all, s->encoding, at - n, '\n');
        found = starts && line_end(all, s->encoding, at + line.len, ret_next);
        *ret_start = at;
        at++;
    }
    writer_done(&line);
    return found;
}

/* Where the block of an unsigned script goes: at the end, or in front of the last closing tag. */
static bool place(struct reader file, const struct script *s, size_t *ret, struct err *e)
{
    struct writer tag;
    size_t n = width(s->encoding), found = SIZE_MAX, at = 0;
    *ret = file.left;
    if (s->style->before == NULL)
        return true;
    writer_init(&tag, 64);
    put_text(&tag, s->encoding, s->style->before);
    for (; (at = reader_find(file, at, tag.data, tag.len)) != SIZE_MAX; at++)
        found = at % n == 0 ? at : found;
    writer_done(&tag);
    if (found == SIZE_MAX)
        return err_user(e, ERR_FILE_TYPE, "The %s has no %s, before which its signature stands.",
                        s->kind->title, s->style->before);
    *ret = found;
    return true;
}

/* A second block would be read by some programs in place of the first. */
static bool check_behind(struct reader file, const struct script *s, size_t behind, struct err *e)
{
    size_t start, next;
    if (s->style->before == NULL && behind != file.left)
        /* it would be run; no reader of signatures would see it */
        return err_user(e, ERR_FILE_TYPE,
                        "The file has text after its signature block. The block must be the end "
                        "of the file: remove it, or the text.");
    if (find_line(file, s, behind, s->style->begin, &start, &next))
        return err_user(e, ERR_FILE_TYPE, "The file has two signature blocks. Remove one of them.");
    return true;
}

static bool cut(struct reader file, struct script *s, size_t start, size_t inside, struct err *e)
{
    size_t n = width(s->encoding), last, behind;
    if (!find_line(file, s, inside, s->style->end, &last, &behind))
        return err_user(e, ERR_FILE_TYPE,
                        "The signature block of the file has no end. Remove the block, or restore "
                        "the file.");
    TRY(check_behind(file, s, behind, e));
    s->unfinished = !unit_is(file, s->encoding, behind - n, '\n');
    size_t text = start - n;
    if (text >= n && unit_is(file, s->encoding, text - n, '\r'))
        text -= n;
    if (!reader_slice(file, 0, text, &s->text) ||
        !reader_slice(file, behind, file.left - behind, &s->rest) ||
        !reader_slice(file, inside, last - inside, &s->lines))
        return err_set(e, ERR_INTERNAL, "block outside of the file");
    return true;
}

bool script_parse(struct reader file, const struct script_kind *kind,
                  const struct script_style *style, struct script *ret, struct err *e)
{
    struct script s = {.kind = kind, .style = style};
    size_t start, inside;
    TRY(find_encoding(&file, &s, e));
    if (find_line(file, &s, 0, style->begin, &start, &inside)) {
        TRY(cut(file, &s, start, inside, e));
    } else {
        TRY(place(file, &s, &start, e));
        if (!reader_slice(file, 0, start, &s.text) ||
            !reader_slice(file, start, file.left - start, &s.rest))
            return err_set(e, ERR_INTERNAL, "place outside of the file");
    }
    *ret = s;
    return true;
}

static bool narrow(struct arena *a, const struct script *s, struct reader *ret)
{
    size_t n = width(s->encoding), count = s->lines.left / n;
    uint8_t *to = arena_alloc(a, count);
    TRY(to != NULL);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *unit = &s->lines.at[i * n];
        TRY(n == 1 || unit[s->encoding == SCRIPT_UTF16BE ? 0 : 1] == 0);
        to[i] = unit[s->encoding == SCRIPT_UTF16BE ? 1 : 0];
    }
    *ret = reader_over(to, count);
    return true;
}

static bool unwrap(const struct script_style *style, struct reader line, struct reader *ret)
{
    size_t open = strlen(style->open), close = strlen(style->close);
    if (line.left > 0 && line.at[line.left - 1] == '\r')
        line.left--;
    return line.left > open + close && reader_starts_with(line, style->open, open) &&
           reader_slice(line, line.left - close, close, ret) &&
           reader_equal_text(*ret, style->close) &&
           reader_slice(line, open, line.left - open - close, ret);
}

bool script_block(struct arena *a, const struct script *s, struct reader *ret)
{
    struct reader text, line, base64;
    struct writer all;
    TRY(narrow(a, s, &text));
    writer_init(&all, text.left);
    bool ok = text.left > 0;
    while (ok && text.left > 0) {
        size_t n = reader_find(text, 0, "\n", 1);
        ok = n != SIZE_MAX && reader_take(&text, n, &line) && reader_skip(&text, 1) &&
             unwrap(s->style, line, &base64) && reader_find(base64, 0, "\r", 1) == SIZE_MAX;
        if (ok)
            writer_reader(&all, base64);
    }
    ok = ok && !all.failed && text_unbase64(a, writer_view(&all), ret);
    writer_done(&all);
    return ok;
}

static void put_line(struct writer *w, const struct script *s, struct reader base64)
{
    put_text(w, s->encoding, s->style->open);
    put_ascii(w, s->encoding, (const char *)base64.at, base64.left);
    put_text(w, s->encoding, s->style->close);
    put_text(w, s->encoding, "\r\n");
}

void script_put_block(struct writer *w, const struct script *s, struct reader pkcs7)
{
    struct writer base64;
    size_t most = s->style->width;
    writer_init(&base64, w->limit);
    text_base64(&base64, pkcs7, 0, NULL);
    put_text(w, s->encoding, "\r\n");
    put_text(w, s->encoding, s->style->begin);
    put_text(w, s->encoding, "\r\n");
    struct reader rest = writer_view(&base64), line;
    while (rest.left > 0 && reader_take(&rest, rest.left < most ? rest.left : most, &line))
        put_line(w, s, line);
    put_text(w, s->encoding, s->style->end);
    put_text(w, s->encoding, "\r\n");
    w->failed = w->failed || base64.failed;
    writer_done(&base64);
}
