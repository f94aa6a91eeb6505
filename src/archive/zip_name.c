/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "archive/zip_internal.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const uint16_t cp437[128] = { /* the upper half of code page 437, APPNOTE appendix D.1 */
    0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef, 0x00ee, 0x00ec, 0x00c4, 0x00c5,
    0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9, 0x00ff, 0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192,
    0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1, 0x00aa, 0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb,
    0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510,
    0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f, 0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256c, 0x2567,
    0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580,
    0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4, 0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6, 0x03b5, 0x2229,
    0x2261, 0x00b1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00f7, 0x2248, 0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x00a0,
};
/* clang-format on */

const char *zip_shown(struct reader name, char to[ZIP_SHOWN])
{
    bool whole = text_is_utf8(name) && text_is_printable(name) && name.left <= ZIP_SHOWN - 4;
    size_t n = 0;
    for (uint8_t byte; n < ZIP_SHOWN - 4 && reader_u8(&name, &byte);)
        to[n++] = whole || (byte >= ' ' && byte < 0x7f) ? (char)byte : '?';
    (void)snprintf(to + n, 4, "%s", reader_at_end(&name) ? "" : "...");
    return to;
}

static bool is_ascii(struct reader r)
{
    for (uint8_t byte; reader_u8(&r, &byte);)
        if (byte >= 0x80)
            return false;
    return true;
}

/* Info-ZIP writes what the local character set lacks as #Uxxxx or #Lxxxxxx. */
static bool is_escape_of(struct reader raw, struct reader unicode)
{
    struct writer w;
    writer_init(&w, 8 * 65536);
    for (uint32_t c; text_next(&unicode, &c);)
        if (c < 0x80)
            writer_u8(&w, (uint8_t)c);
        else
            writer_format(&w, c <= 0xffff ? "#U%04x" : "#L%06x", c);
    bool same = !w.failed && reader_equal(writer_view(&w), raw);
    writer_done(&w);
    return same;
}

/* The Unicode path field (APPNOTE 4.6.9). *ret is untouched when there is none. */
static bool unicode_path(const struct zip_entry *x, struct reader *ret, struct err *e)
{
    char shown[ZIP_SHOWN];
    struct reader raw = zip_raw_name(x), field;
    if (!zip_extra_find(zip_extra(x), EXTRA_UNICODE_PATH, &field))
        return true;
    uint8_t version;
    uint32_t crc;
    if (!reader_u8(&field, &version) || !reader_u32le(&field, &crc) || version != 1 ||
        crc != deflate_crc(0, raw) || !text_is_utf8(field))
        return err_user(e, ERR_ZIP_ENCODING,
                        "The entry \"%s\" has a Unicode name that does not belong to its name. "
                        "Build the ZIP file again.",
                        zip_shown(raw, shown));
    bool plain = is_ascii(raw) || (x->flags & ZIP_FLAG_UTF8) != 0;
    if (plain && !reader_equal(field, raw) && !is_escape_of(raw, field))
        return err_user(e, ERR_ZIP_ENCODING,
                        "The entry \"%s\" has a second name that differs. Programs would not agree "
                        "which one counts; build the ZIP file again.",
                        zip_shown(raw, shown));
    *ret = field;
    return true;
}

static bool decode(struct arena *a, const struct zip_entry *x, char **ret, struct err *e)
{
    enum { HOST_UNIX = 3, HOST_DARWIN = 19 };
    char shown[ZIP_SHOWN];
    struct reader raw = zip_raw_name(x), name = raw;
    TRY(unicode_path(x, &name, e));
    unsigned host = x->made_by >> 8;
    bool utf8 = name.at != raw.at || (x->flags & ZIP_FLAG_UTF8) != 0 || is_ascii(raw);
    /* Unix programs write the names of the file system, without flag 11: today that is UTF-8. */
    if (!utf8 && (host == HOST_UNIX || host == HOST_DARWIN))
        utf8 = text_is_utf8(raw);
    if (utf8 && !text_is_utf8(name))
        return err_user(e, ERR_ZIP_ENCODING,
                        "The name of the entry \"%s\" is marked as UTF-8, but is not.",
                        zip_shown(raw, shown));
    if (reader_find(raw, 0, "", 1) != SIZE_MAX || reader_find(name, 0, "", 1) != SIZE_MAX)
        return err_user(e, ERR_ZIP_NAME,
                        "The entry name \"%s\" is not accepted: it has a NUL byte.",
                        zip_shown(raw, shown));
    struct writer w;
    writer_init(&w, 4 * 65536);
    for (uint8_t byte; !utf8 && reader_u8(&name, &byte);)
        text_put(&w, byte < 0x80 ? byte : cp437[byte - 0x80]);
    *ret = arena_text(a, utf8 ? name : writer_view(&w));
    writer_done(&w);
    return *ret != NULL || arena_err(e);
}

static bool bad(struct err *e, enum err_code code, const char *path, const char *why)
{
    char shown[ZIP_SHOWN];
    return err_user(e, code, "The entry name \"%s\" is not accepted: %s.",
                    zip_shown(reader_text(path), shown), why);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool check_segment(const char *path, struct reader segment, struct err *e)
{
    if (reader_equal_text(segment, ".."))
        return bad(e, ERR_ZIP_TRAVERSAL, path, "the segment \"..\" leads out of the ZIP file");
    if (segment.left == 0 || reader_equal_text(segment, "."))
        return bad(e, ERR_ZIP_NAME, path, "it has an empty segment");
    return true;
}

bool zip_name_check(char **path, bool *ret_folder, struct err *e)
{
    char *p = *path;
    for (size_t i = 0; p[i] != '\0'; i++)
        if (p[i] == '\\') /* Windows programs of old; every extractor takes it for a separator */
            p[i] = '/';
    while (p[0] == '.' && p[1] == '/' && p[2] != '\0')
        p = &p[2];
    if (p[0] == '\0')
        return bad(e, ERR_ZIP_NAME, *path, "it is empty");
    if (p[0] == '/' || (is_letter(p[0]) && p[1] == ':'))
        return bad(e, ERR_ZIP_ABSOLUTE, *path, "names must be relative");
    if (!text_is_printable(reader_text(p)))
        return bad(e, ERR_ZIP_NAME, *path, "it has control characters");
    size_t n = strlen(p);
    *ret_folder = p[n - 1] == '/';
    if (*ret_folder)
        p[--n] = '\0';
    struct reader all = reader_text(p), segment;
    bool root =
        *ret_folder && reader_equal_text(all, "."); /* bsdtar's entry of the folder itself */
    for (size_t i = 0; !root && i <= n; i++) {
        if (i < n && p[i] != '/')
            continue;
        size_t len = i - (n - all.left);
        if (!reader_take(&all, len, &segment) || !check_segment(p, segment, e) ||
            (i < n && !reader_skip(&all, 1)))
            return err_set(e, ERR_INTERNAL, "segments");
    }
    *path = p;
    return true;
}

bool zip_name_read(struct arena *a, struct zip_entry *x, struct err *e)
{
    char *path;
    TRY(decode(a, x, &path, e));
    TRY(zip_name_check(&path, &x->folder, e));
    x->path = path;
    return true;
}

/* --- uniqueness ------------------------------------------------------------------------------- */
/* Separators sort first, so that what lies in a folder stands right behind its name. */
static uint32_t next_key(struct reader *r, bool fold)
{
    uint32_t c;
    if (!(fold ? text_next(r, &c) : false)) {
        uint8_t byte;
        if (!reader_u8(r, &byte))
            return 0;
        c = byte;
    }
    c = fold ? text_fold(c) : c;
    return c == '/' ? 1 : c;
}

/* <0, 0, >0; *ret_below: b lies in the folder a. */
static int order_paths(const char *a, const char *b, bool fold, bool *ret_below)
{
    struct reader ra = reader_text(a), rb = reader_text(b);
    for (;;) {
        uint32_t ka = next_key(&ra, fold), kb = next_key(&rb, fold);
        if (ka != kb || ka == 0) {
            *ret_below = ka == 0 && kb == 1;
            return ka < kb ? -1 : ka > kb;
        }
    }
}

static int order_entries(const void *a, const void *b, void *fold)
{
    const struct zip_entry *const *x = a, *const *y = b;
    bool below;
    return order_paths((*x)->path, (*y)->path, *(bool *)fold, &below);
}

bool zip_names_unique(const struct zip_entry **list, size_t count, unsigned profile, struct err *e)
{
    char shown[ZIP_SHOWN], other[ZIP_SHOWN];
    bool fold = (profile & ZIP_UNIQUE_FOLDED) != 0, below;
    if (count > 1)
        qsort_r(list, count, sizeof(const struct zip_entry *), order_entries, &fold);
    for (size_t i = 1; i < count; i++) {
        const struct zip_entry *x = list[i - 1], *y = list[i];
        bool equal = order_paths(x->path, y->path, fold, &below) == 0;
        (void)zip_shown(reader_text(y->path), shown);
        if (equal && strcmp(x->path, y->path) != 0)
            return err_user(e, ERR_ZIP_CASE,
                            "The ZIP file contains \"%s\" and \"%s\", which differ only by case.",
                            zip_shown(reader_text(x->path), other), shown);
        if (equal)
            return err_user(e, ERR_ZIP_DUPLICATE,
                            "The ZIP file contains multiple files with the same name: \"%s\".",
                            shown);
        if (below && !x->folder)
            return err_user(e, ERR_ZIP_CONFLICT,
                            "The ZIP file contains \"%s\" as a file and also \"%s\" inside of it.",
                            zip_shown(reader_text(x->path), other), shown);
    }
    return true;
}
