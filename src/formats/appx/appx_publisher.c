/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "crypto/der.h"
#include "formats/appx/appx.h"
#include <string.h>

/* Names are brought to one form: TYPE=value, one after the other, ended by a byte that no name
 * holds. */
enum { NAME_MAX_BYTES = 64 * 1024, END_OF_PART = 0x1f };

static void put_type(struct writer *w, struct reader type)
{
    static const char *const aliases[][2] = {
        {"S", "ST"}, {"E", "EMAILADDRESS"}, {"G", "GN"}, {"OID.2.5.4.5", "SERIALNUMBER"}};
    char upper[64] = "";
    size_t n = 0;
    for (uint8_t c; n + 1 < sizeof upper && reader_u8(&type, &c);)
        if (c != ' ')
            upper[n++] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
    for (size_t i = 0; i < COUNT_OF(aliases); i++)
        if (strcmp(upper, aliases[i][0]) == 0) {
            writer_text(w, aliases[i][1]);
            return;
        }
    writer_text(w, strncmp(upper, "OID.", 4) == 0 ? &upper[4] : upper);
}

/* Quoted as Windows does it: a quote inside stands twice. */
static bool take_quoted(struct reader *r, struct writer *value)
{
    for (uint8_t c; reader_u8(r, &c);) {
        if (c != '"')
            writer_u8(value, c);
        else if (reader_starts_with(*r, "\"", 1) && reader_skip(r, 1))
            writer_u8(value, '"');
        else
            return true;
    }
    return false;
}

/* RFC 4514 2.4: a backslash before two digits or before the character itself. */
static bool take_escaped(struct reader *r, struct writer *value)
{
    struct reader two = {0};
    uint8_t byte;
    if (reader_slice(*r, 0, 2, &two) && text_unhex(two, &byte, 1))
        TRY(reader_skip(r, 2));
    else
        TRY(reader_u8(r, &byte));
    writer_u8(value, byte);
    return true;
}

static void trim_end(struct writer *value)
{
    while (value->len > 0 && value->data[value->len - 1] == ' ')
        value->len--;
}

/* Up to the separator. */
static bool take_value(struct reader *r, bool windows, struct writer *value)
{
    uint8_t c;
    while (reader_starts_with(*r, " ", 1))
        TRY(reader_skip(r, 1));
    if (windows && reader_starts_with(*r, "\"", 1)) {
        TRY(reader_skip(r, 1) && take_quoted(r, value));
        while (reader_starts_with(*r, " ", 1))
            TRY(reader_skip(r, 1));
        return r->left == 0 || (reader_u8(r, &c) && (c == ',' || c == '+' || c == ';'));
    }
    size_t kept = 0; /* escaped blanks at the end stay */
    while (reader_u8(r, &c)) {
        if (c == ',' || c == '+' || (windows && c == ';'))
            break;
        if (c == '\\' && !windows) {
            TRY(take_escaped(r, value));
            kept = value->len;
        } else {
            writer_u8(value, c);
        }
    }
    if (value->len > kept)
        trim_end(value);
    return true;
}

/* RFC 4514 shows values of types without a name as # and the element in hexadecimal. */
static bool put_value(struct arena *a, struct writer *w, struct reader value)
{
    struct reader digits, whole;
    struct der element;
    char *text;
    if (value.left < 3 || !reader_slice(value, 1, value.left - 1, &digits) || value.at[0] != '#') {
        writer_reader(w, value);
        return true;
    }
    uint8_t *bytes = arena_alloc(a, digits.left / 2 + 1);
    TRY(bytes != NULL && digits.left % 2 == 0 && text_unhex(digits, bytes, digits.left / 2));
    whole = reader_over(bytes, digits.left / 2);
    TRY(der_any(&whole, &element) && der_string(a, &element, &text));
    writer_text(w, text);
    return true;
}

static bool normal(struct arena *a, const char *name, bool windows, struct writer *w)
{
    struct reader r = reader_text(name), type;
    CLEANUP(writer_done) struct writer value = {0};
    writer_init(&value, NAME_MAX_BYTES);
    while (r.left > 0) {
        size_t n = reader_find(r, 0, "=", 1);
        writer_reset(&value);
        TRY(n != SIZE_MAX && reader_take(&r, n, &type) && reader_skip(&r, 1));
        put_type(w, type);
        writer_u8(w, '=');
        TRY(take_value(&r, windows, &value) && !value.failed);
        TRY(put_value(a, w, writer_view(&value)));
        writer_u8(w, END_OF_PART);
    }
    return w->len > 0 && !w->failed;
}

bool appx_same_name(struct arena *a, const char *publisher, const char *subject)
{
    CLEANUP(writer_done) struct writer left = {0};
    CLEANUP(writer_done) struct writer right = {0};
    writer_init(&left, NAME_MAX_BYTES);
    writer_init(&right, NAME_MAX_BYTES);
    return normal(a, publisher, true, &left) && normal(a, subject, false, &right) &&
           reader_equal(writer_view(&left), writer_view(&right));
}
