/* SPDX-License-Identifier: Apache-2.0 */
#include "web/templates/escape.h"
#include "base/text.h"

static void put(struct writer *to, uint32_t c)
{
    switch (c) {
    case '&':
        writer_text(to, "&amp;");
        break;
    case '<':
        writer_text(to, "&lt;");
        break;
    case '>':
        writer_text(to, "&gt;");
        break;
    case '"':
        writer_text(to, "&quot;");
        break;
    case '\'':
        writer_text(to, "&#39;");
        break;
    case '`':
        writer_text(to, "&#96;");
        break;
    default:
        if (text_is_hidden(c) && c != '\t' && c != '\n' && c != '\r')
            writer_format(to, "[U+%04X]", c);
        else
            text_put(to, c);
    }
}

/* The next code point; a byte that begins none becomes U+FFFD. */
static uint32_t next(struct reader *r)
{
    uint32_t c;
    if (text_next(r, &c))
        return c;
    uint8_t bad;
    return reader_u8(r, &bad) ? 0xfffd : 0;
}

void escape_html(struct writer *to, struct reader text)
{
    while (text.left > 0)
        put(to, next(&text));
}

static bool begins(struct reader text, const char *lower)
{
    for (size_t i = 0; lower[i] != '\0'; i++) {
        uint8_t c = i < text.left ? text.at[i] : 0;
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c + 'a' - 'A');
        if (c != (uint8_t)lower[i])
            return false;
    }
    return true;
}

/* Browsers drop tabs and line ends inside addresses and read \ as /, so none may stand there. */
static bool is_safe_url(struct reader url)
{
    struct reader r = url;
    uint8_t c;
    while (reader_u8(&r, &c))
        if (c <= 0x20 || c == '\\' || c == 0x7f)
            return false;
    if (begins(url, "https://") || begins(url, "http://") || begins(url, "mailto:") ||
        begins(url, "#") || begins(url, "?"))
        return true;
    return begins(url, "/") && !begins(url, "//");
}

void escape_url(struct writer *to, struct reader text)
{
    if (is_safe_url(text))
        escape_html(to, text);
    else
        writer_u8(to, '#');
}

void escape_url_part(struct writer *to, struct reader text)
{
    uint8_t c;
    while (reader_u8(&text, &c)) {
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        if (plain)
            writer_u8(to, c);
        else
            writer_format(to, "%%%02X", c);
    }
}
