/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/der.h"
#include "base/clock.h"
#include "base/text.h"
#include <stdlib.h>

bool der_err(struct err *e, const char *what)
{
    return err_set(e, ERR_DER, "%s", what);
}

/* X.690 10.1: the shortest form. Four length bytes are more than any input here has. */
static bool get_length(struct reader *r, size_t *ret)
{
    uint8_t first, b;
    TRY(reader_u8(r, &first));
    if (first < 0x80) {
        *ret = first;
        return true;
    }
    size_t n = first & 0x7f, len = 0;
    if (n == 0 || n > 4) /* 0x80 is BER's indefinite form */
        return false;
    for (size_t i = 0; i < n; i++) {
        TRY(reader_u8(r, &b));
        if (i == 0 && b == 0)
            return false;
        len = len << 8 | b;
    }
    *ret = len;
    return len >= 0x80;
}

bool der_any(struct reader *r, struct der *ret)
{
    struct reader at = *r;
    struct der d;
    size_t len;
    TRY(reader_u8(&at, &d.tag));
    if ((d.tag & 0x1f) == 0x1f || d.tag == 0) /* many-byte tags do not occur; 0 is BER's end mark */
        return false;
    TRY(get_length(&at, &len));
    TRY(reader_take(&at, len, &d.content));
    TRY(reader_take(r, r->left - at.left, &d.whole));
    *ret = d;
    return true;
}

bool der_next_is(struct reader r, unsigned tag)
{
    return r.left > 0 && r.at[0] == tag;
}

bool der_get(struct reader *r, unsigned tag, struct reader *ret_content)
{
    struct der d;
    TRY(der_next_is(*r, tag) && der_any(r, &d));
    *ret_content = d.content;
    return true;
}

bool der_whole(struct reader *r, unsigned tag, struct reader *ret_whole)
{
    struct der d;
    TRY(der_next_is(*r, tag) && der_any(r, &d));
    *ret_whole = d.whole;
    return true;
}

bool der_optional(struct reader *r, unsigned tag, struct reader *ret_content)
{
    if (der_next_is(*r, tag))
        return der_get(r, tag, ret_content);
    *ret_content = (struct reader){0};
    return true;
}

bool der_only(struct reader r, unsigned tag, struct reader *ret_content)
{
    struct reader content;
    TRY(der_get(&r, tag, &content) && reader_at_end(&r));
    *ret_content = content;
    return true;
}

static bool minimal_integer(struct reader v)
{
    if (v.left == 0)
        return false;
    bool sign = v.left > 1 && (v.at[1] & 0x80) != 0;
    return v.left == 1 || !((v.at[0] == 0x00 && !sign) || (v.at[0] == 0xff && sign));
}

bool der_integer(struct reader *r, struct reader *ret)
{
    struct reader at = *r, v;
    TRY(der_get(&at, DER_INTEGER, &v) && minimal_integer(v));
    *r = at;
    *ret = v;
    return true;
}

bool der_uint(struct reader *r, uint64_t *ret)
{
    struct reader at = *r, v;
    uint64_t sum = 0;
    TRY(der_integer(&at, &v));
    if ((v.at[0] & 0x80) != 0 || v.left > 9 || (v.left == 9 && v.at[0] != 0))
        return false;
    for (uint8_t b; reader_u8(&v, &b);)
        sum = sum << 8 | b;
    *r = at;
    *ret = sum;
    return true;
}

bool der_boolean(struct reader *r, bool *ret)
{
    struct reader at = *r, v;
    TRY(der_get(&at, DER_BOOLEAN, &v) && v.left == 1 && (v.at[0] == 0 || v.at[0] == 0xff));
    *ret = v.at[0] != 0;
    *r = at;
    return true;
}

static bool well_formed_oid(struct reader v)
{
    bool start = true;
    if (v.left == 0 || v.left > 64)
        return false;
    for (uint8_t b; reader_u8(&v, &b);) {
        if (start && b == 0x80)
            return false;
        start = (b & 0x80) == 0;
    }
    return start;
}

bool der_oid(struct reader *r, struct reader *ret)
{
    struct reader at = *r, v;
    TRY(der_get(&at, DER_OID, &v) && well_formed_oid(v));
    *r = at;
    *ret = v;
    return true;
}

bool der_octets(struct reader *r, struct reader *ret)
{
    return der_get(r, DER_OCTET_STRING, ret);
}

bool der_bytes_of_bits(struct reader *r, struct reader *ret)
{
    struct reader at = *r, v;
    uint8_t unused;
    TRY(der_get(&at, DER_BIT_STRING, &v) && reader_u8(&v, &unused) && unused == 0);
    *r = at;
    *ret = v;
    return true;
}

static bool digits(struct reader *r, size_t n, int *ret)
{
    int v = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c;
        TRY(reader_u8(r, &c) && c >= '0' && c <= '9');
        v = v * 10 + (c - '0');
    }
    *ret = v;
    return true;
}

/* X.690 11.7.3: a fraction has digits and no trailing zero. */
static bool fraction(struct reader *r, uint32_t *nanos)
{
    uint32_t v = 0, scale = 100000000;
    uint8_t c = 0, last = '0';
    size_t n = 0;
    while (r->left > 0 && r->at[0] >= '0' && r->at[0] <= '9') {
        TRY(reader_u8(r, &c));
        v += (uint32_t)(c - '0') * scale;
        scale /= 10;
        last = c;
        n++;
    }
    *nanos = v;
    return n > 0 && n <= 9 && last != '0';
}

bool der_time(struct reader *r, int64_t *ret, uint32_t *ret_nanos)
{
    struct reader at = *r;
    struct der d;
    struct clock_date date = {0};
    uint32_t nanos = 0;
    uint8_t c;
    TRY(der_any(&at, &d));
    bool utc = d.tag == DER_UTC_TIME;
    if (!utc && d.tag != DER_GENERALIZED_TIME)
        return false;
    TRY(digits(&d.content, utc ? 2 : 4, &date.year) && digits(&d.content, 2, &date.month) &&
        digits(&d.content, 2, &date.day) && digits(&d.content, 2, &date.hour) &&
        digits(&d.content, 2, &date.minute) && digits(&d.content, 2, &date.second));
    if (utc)
        date.year += date.year < 50 ? 2000 : 1900; /* RFC 5280 4.1.2.5.1 */
    TRY(reader_u8(&d.content, &c));
    if (!utc && c == '.')
        TRY(fraction(&d.content, &nanos) && reader_u8(&d.content, &c));
    int64_t seconds;
    TRY(c == 'Z' && reader_at_end(&d.content) && clock_seconds_of(date, &seconds));
    if (ret_nanos != NULL)
        *ret_nanos = nanos;
    *ret = seconds;
    *r = at;
    return true;
}

static bool from_bmp(struct writer *w, struct reader bytes)
{
    for (uint16_t unit, low; bytes.left > 0;) {
        uint32_t c;
        TRY(reader_u16be(&bytes, &unit));
        c = unit;
        if (unit >= 0xd800 && unit < 0xdc00) { /* UTF-16 in fact, as Windows writes it */
            TRY(reader_u16be(&bytes, &low) && low >= 0xdc00 && low < 0xe000);
            c = 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
        } else if (unit >= 0xdc00 && unit < 0xe000) {
            return false;
        }
        text_put(w, c);
    }
    return true;
}

static bool from_latin(struct writer *w, struct reader bytes, uint8_t most)
{
    for (uint8_t c; reader_u8(&bytes, &c);) {
        TRY(c <= most);
        text_put(w, c);
    }
    return true;
}

/* False for tags that are no text. */
static bool to_utf8(struct writer *w, const struct der *d)
{
    switch (d->tag) {
    case DER_UTF8:
        writer_reader(w, d->content);
        return text_is_utf8(d->content);
    case DER_BMP:
        return from_bmp(w, d->content);
    case DER_T61:
        return from_latin(w, d->content, 0xff);
    case DER_PRINTABLE:
    case DER_IA5:
    case 0x12: /* NumericString */
    case 0x1a: /* VisibleString */
        return from_latin(w, d->content, 0x7f);
    default:
        return false;
    }
}

bool der_string(struct arena *a, const struct der *element, char **ret)
{
    struct writer w;
    writer_init(&w, 64 * 1024);
    bool ok = to_utf8(&w, element) && !w.failed &&
              reader_find(writer_view(&w), 0, "", 1) == SIZE_MAX; /* no NUL inside */
    char *text = ok ? arena_text(a, writer_view(&w)) : NULL;
    writer_done(&w);
    if (text == NULL)
        return false;
    *ret = text;
    return true;
}

bool der_algorithm(struct reader *r, struct reader *ret_oid, struct reader *ret_params)
{
    struct reader at = *r, seq, oid;
    struct der params = {0};
    TRY(der_get(&at, DER_SEQUENCE, &seq) && der_oid(&seq, &oid));
    if (seq.left > 0)
        TRY(der_any(&seq, &params) && reader_at_end(&seq));
    *r = at;
    *ret_oid = oid;
    *ret_params = params.whole;
    return true;
}

static bool valid_within(struct reader all, unsigned depth)
{
    struct der d;
    while (all.left > 0) {
        TRY(der_any(&all, &d));
        if ((d.tag & 0x20) != 0)
            TRY(depth > 0 && valid_within(d.content, depth - 1));
        if (d.tag == DER_SEQUENCE - 0x20 || d.tag == DER_SET - 0x20) /* these are constructed */
            return false;
        if (d.tag == DER_BOOLEAN)
            TRY(d.content.left == 1 && (d.content.at[0] == 0 || d.content.at[0] == 0xff));
        if (d.tag == DER_INTEGER || d.tag == DER_ENUMERATED)
            TRY(minimal_integer(d.content));
        if (d.tag == DER_OID)
            TRY(well_formed_oid(d.content));
        if (d.tag == DER_NULL)
            TRY(d.content.left == 0);
    }
    return true;
}

bool der_valid(struct reader one)
{
    struct reader at = one;
    struct der d;
    return der_any(&at, &d) && reader_at_end(&at) && valid_within(one, DER_DEPTH);
}

size_t der_open(struct writer *w, unsigned tag)
{
    writer_u8(w, (uint8_t)tag);
    return w->len;
}

static size_t length_bytes(size_t len, uint8_t to[9])
{
    if (len < 0x80) {
        to[0] = (uint8_t)len;
        return 1;
    }
    size_t n = 0;
    for (size_t rest = len; rest > 0; rest >>= 8)
        n++;
    to[0] = (uint8_t)(0x80 | n);
    for (size_t i = 0; i < n; i++)
        to[1 + i] = (uint8_t)(len >> (8 * (n - 1 - i)));
    return n + 1;
}

void der_close(struct writer *w, size_t at)
{
    uint8_t len[9];
    if (w->failed)
        return;
    size_t n = length_bytes(w->len - at, len);
    writer_insert(w, at, len, n);
}

void der_put(struct writer *w, unsigned tag, struct reader content)
{
    uint8_t len[9];
    size_t n = length_bytes(content.left, len);
    writer_u8(w, (uint8_t)tag);
    writer_bytes(w, len, n);
    writer_reader(w, content);
}

void der_put_uint(struct writer *w, uint64_t v)
{
    uint8_t b[8];
    for (size_t i = 0; i < 8; i++)
        b[i] = (uint8_t)(v >> (56 - 8 * i));
    der_put_unsigned(w, reader_over(b, 8));
}

void der_put_unsigned(struct writer *w, struct reader big_endian)
{
    uint8_t b = 0;
    while (big_endian.left > 0 && big_endian.at[0] == 0)
        if (!reader_u8(&big_endian, &b))
            break;
    size_t at = der_open(w, DER_INTEGER);
    if (big_endian.left == 0 || (big_endian.at[0] & 0x80) != 0)
        writer_u8(w, 0);
    writer_reader(w, big_endian);
    der_close(w, at);
}

void der_put_oid(struct writer *w, enum oid id)
{
    der_put(w, DER_OID, oid_bytes(id));
}

void der_put_oid_bytes(struct writer *w, struct reader content)
{
    der_put(w, DER_OID, content);
}

void der_put_null(struct writer *w)
{
    der_put(w, DER_NULL, reader_text(""));
}

void der_put_true(struct writer *w)
{
    der_put(w, DER_BOOLEAN, reader_over("\xff", 1));
}

void der_put_octets(struct writer *w, struct reader bytes)
{
    der_put(w, DER_OCTET_STRING, bytes);
}

void der_put_bits(struct writer *w, struct reader bytes)
{
    size_t at = der_open(w, DER_BIT_STRING);
    writer_u8(w, 0);
    writer_reader(w, bytes);
    der_close(w, at);
}

void der_put_time(struct writer *w, int64_t seconds)
{
    struct clock_date d = clock_date_of(seconds);
    bool utc = d.year >= 1950 && d.year < 2050;
    size_t at = der_open(w, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME);
    writer_format(w, utc ? "%02d" : "%04d", utc ? d.year % 100 : d.year);
    writer_format(w, "%02d%02d%02d%02d%02dZ", d.month, d.day, d.hour, d.minute, d.second);
    der_close(w, at);
}

static int order(const void *a, const void *b)
{
    return reader_order(*(const struct reader *)a, *(const struct reader *)b);
}

void der_sort(struct reader *elements, size_t count)
{
    if (count > 1)
        qsort(elements, count, sizeof *elements, order);
}
