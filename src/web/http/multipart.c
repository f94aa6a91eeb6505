/* SPDX-License-Identifier: Apache-2.0 */
#include "web/http/multipart.h"
#include "base/text.h"
#include "web/http/head.h"
#include "web/http/params.h"
#include <stdio.h>
#include <stdlib.h>

enum state {
    BEFORE,   /* line ends before the first boundary */
    BOUNDARY, /* behind a boundary: "--", or blanks and CR LF */
    HEADERS,  /* of a part, up to the empty line */
    DATA,
    AFTER, /* line ends behind the closing boundary */
};

struct multipart {
    struct multipart_sink sink;
    enum state state;
    char delimiter[76]; /* CR LF -- boundary */
    size_t delimiter_len;
    size_t matched;         /* bytes of the delimiter seen at the end of what was fed */
    size_t owed_from, owed; /* bytes of the delimiter that turned out to be data */
    char tail[2];           /* what stands behind a boundary so far */
    size_t tail_len, padding;
    struct writer headers;
    unsigned parts;
    bool sized;
    uint64_t size, got; /* Content-Length of the part, bytes so far */
};

static bool broken(const struct multipart *m, struct err *e, const char *what)
{
    return err_set(e, ERR_HTTP_MULTIPART, "part %u: %s", m->parts, what);
}

static bool is_boundary_char(uint8_t c)
{
    /* RFC 2046 5.1.1 bcharsnospace, and the token characters that some clients use. */
    static const char extra[] = "'()+_,-./:=?!#$%&*^`|~";
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == ' ')
        return true;
    for (size_t i = 0; extra[i] != '\0'; i++)
        if (c == (uint8_t)extra[i])
            return true;
    return false;
}

bool multipart_boundary(struct reader content_type, bool *ret_form, char to[71], struct err *e)
{
    struct reader r = content_type;
    if (!head_name_is(params_main(&r), "multipart/form-data")) {
        *ret_form = false;
        return true;
    }
    struct param p;
    CLEANUP(writer_done) struct writer value = {0};
    writer_init(&value, 70);
    bool seen = false;
    while (r.left > 0) {
        TRY(params_next(&r, &p, e));
        if (!head_name_is(p.name, "boundary"))
            continue;
        if (seen)
            return err_set(e, ERR_HTTP_MULTIPART, "two boundaries in Content-Type");
        seen = true;
        params_value(&p, &value);
    }
    struct reader boundary = writer_view(&value);
    if (!seen || value.failed || boundary.left == 0 || boundary.at[boundary.left - 1] == ' ')
        return err_set(e, ERR_HTTP_MULTIPART, "Content-Type has no usable boundary");
    for (size_t i = 0; i < boundary.left; i++)
        if (!is_boundary_char(boundary.at[i]))
            return err_set(e, ERR_HTTP_MULTIPART, "the boundary has a character 0x%02x",
                           boundary.at[i]);
    to[boundary.left] = '\0';
    *ret_form = true;
    return reader_copy(&boundary, to, boundary.left);
}

bool multipart_new(const char *boundary, struct multipart_sink sink, struct multipart **ret,
                   struct err *e)
{
    struct multipart *m = calloc(1, sizeof *m);
    if (m == NULL)
        return err_set(e, ERR_NO_MEMORY, "multipart");
    m->sink = sink;
    m->delimiter_len = (size_t)snprintf(m->delimiter, sizeof m->delimiter, "\r\n--%s", boundary);
    m->matched = 2; /* the first boundary needs no line end before it */
    writer_init(&m->headers, MULTIPART_HEADER_MAX);
    *ret = m;
    return true;
}

void multipart_free(struct multipart *m)
{
    if (m == NULL)
        return;
    writer_done(&m->headers);
    free(m);
}

/* --- part headers ----------------------------------------------------------------------- */

struct part_header {
    struct writer name, filename, extended;
    bool named, file, has_extended, disposition, typed;
    struct reader content_type;
};

static bool clean_text(struct reader text)
{
    return text_is_utf8(text) && text_is_printable(text);
}

static bool read_disposition(struct multipart *m, struct reader value, struct part_header *h,
                             struct err *e)
{
    struct param p;
    if (h->disposition || !head_name_is(params_main(&value), "form-data"))
        return broken(m, e, "Content-Disposition is not form-data, once");
    h->disposition = true;
    while (value.left > 0) {
        if (!params_next(&value, &p, &(struct err){0}))
            return broken(m, e, "a parameter of Content-Disposition is not well-formed");
        if (head_name_is(p.name, "name")) {
            if (h->named)
                return broken(m, e, "two names");
            h->named = true;
            params_value(&p, &h->name);
        } else if (head_name_is(p.name, "filename")) {
            if (h->file)
                return broken(m, e, "two file names");
            h->file = true;
            params_value(&p, &h->filename);
        } else if (head_name_is(p.name, "filename*")) {
            if (h->has_extended || !params_extended(&p, &h->extended))
                return broken(m, e, "filename* is not usable");
            h->has_extended = true;
        }
    }
    return true;
}

static bool read_header(struct multipart *m, struct reader name, struct reader value,
                        struct part_header *h, struct err *e)
{
    if (head_name_is(name, "content-disposition"))
        return read_disposition(m, value, h, e);
    if (head_name_is(name, "content-type")) {
        if (h->typed || !clean_text(value) || value.left > 255)
            return broken(m, e, "Content-Type is not usable");
        h->typed = true;
        h->content_type = value;
    } else if (head_name_is(name, "content-length")) {
        if (m->sized || !text_u64(value, &m->size))
            return broken(m, e, "Content-Length is not a number, once");
        m->sized = true;
    } else if (head_name_is(name, "content-transfer-encoding")) {
        /* RFC 7578 4.7: deprecated; the first three change nothing. */
        if (!head_name_is(value, "binary") && !head_name_is(value, "8bit") &&
            !head_name_is(value, "7bit"))
            return broken(m, e, "Content-Transfer-Encoding changes the bytes");
    }
    return true;
}

static bool read_lines(struct multipart *m, struct part_header *h, struct err *e)
{
    struct reader all = writer_view(&m->headers), line, name;
    while (all.left > 0) {
        size_t end = reader_find(all, 0, "\r\n", 2);
        if (end == SIZE_MAX || !reader_take(&all, end, &line) || !reader_skip(&all, 2))
            return broken(m, e, "header without line end");
        if (line.left == 0)
            return true;
        size_t colon = reader_find(line, 0, ":", 1);
        if (colon == SIZE_MAX || !reader_take(&line, colon, &name) || !reader_skip(&line, 1) ||
            !head_is_token(name) || reader_find(line, 0, "\n", 1) != SIZE_MAX ||
            reader_find(line, 0, "\r", 1) != SIZE_MAX)
            return broken(m, e, "a header line is not well-formed");
        TRY(read_header(m, name, head_trim(line), h, e));
    }
    return true;
}

static bool begin_part(struct multipart *m, struct part_header *h, struct err *e)
{
    TRY(read_lines(m, h, e));
    struct reader name = writer_view(&h->name);
    struct reader filename = writer_view(h->has_extended ? &h->extended : &h->filename);
    if (!h->disposition || !h->named || name.left == 0)
        return broken(m, e, "no name");
    if (h->name.failed || h->filename.failed || h->extended.failed)
        return broken(m, e, "name or file name longer than 1024 bytes");
    if (!clean_text(name) || !clean_text(filename))
        return broken(m, e, "name or file name is not clean UTF-8");
    struct multipart_part part = {.name = name,
                                  .file = h->file || h->has_extended,
                                  .filename = filename,
                                  .content_type = h->content_type};
    return m->sink.begin(m->sink.ctx, &part, e);
}

static bool headers_done(struct multipart *m, struct err *e)
{
    struct part_header h = {0};
    writer_init(&h.name, 1024);
    writer_init(&h.filename, 1024);
    writer_init(&h.extended, 1024);
    m->sized = false;
    m->size = m->got = 0;
    bool ok = begin_part(m, &h, e);
    writer_done(&h.name);
    writer_done(&h.filename);
    writer_done(&h.extended);
    writer_reset(&m->headers);
    m->state = DATA;
    m->matched = 0;
    return ok;
}

/* --- the stream ------------------------------------------------------------------------- */

static bool emit(struct multipart *m, struct reader piece, size_t *ret_taken, struct err *e)
{
    size_t taken = 0;
    if (piece.left > 0)
        TRY(m->sink.data(m->sink.ctx, piece, &taken, e));
    m->got += taken;
    if (m->sized && m->got > m->size)
        return broken(m, e, "longer than its Content-Length");
    *ret_taken = taken;
    return true;
}

/* Gives out delimiter bytes that were held back; *ret_wait when the sink has no room. */
static bool pay_owed(struct multipart *m, bool *ret_wait, struct err *e)
{
    struct reader piece;
    size_t taken = 0;
    if (!reader_slice(reader_over(m->delimiter, m->delimiter_len), m->owed_from, m->owed, &piece))
        return err_set(e, ERR_INTERNAL, "multipart");
    TRY(emit(m, piece, &taken, e));
    m->owed_from += taken;
    m->owed -= taken;
    *ret_wait = m->owed > 0;
    return true;
}

/* How many bytes at the end of r may be the start of the delimiter. Only its first byte is a CR,
 * so at most one place has to be tried. */
static size_t held_back(const struct multipart *m, struct reader r)
{
    size_t most = r.left < m->delimiter_len - 1 ? r.left : m->delimiter_len - 1;
    for (size_t n = most; n > 0; n--) {
        size_t k = 0;
        while (k < n && r.at[r.left - n + k] == (uint8_t)m->delimiter[k])
            k++;
        if (k == n)
            return n;
    }
    return 0;
}

static bool end_part(struct multipart *m, struct err *e)
{
    if (m->sized && m->got != m->size)
        return broken(m, e, "shorter than its Content-Length");
    m->state = BOUNDARY;
    m->tail_len = m->padding = m->matched = 0;
    return m->sink.end(m->sink.ctx, e);
}

/* A delimiter was begun in an earlier piece: goes on or turns out to be data. */
static bool go_on_matching(struct multipart *m, struct reader *bytes, struct err *e)
{
    uint8_t want = (uint8_t)m->delimiter[m->matched];
    if (bytes->at[0] != want) {
        m->owed_from = 0;
        m->owed = m->matched;
        m->matched = 0;
        return true;
    }
    m->matched++;
    if (!reader_skip(bytes, 1))
        return err_set(e, ERR_INTERNAL, "multipart");
    return m->matched < m->delimiter_len || end_part(m, e);
}

static bool feed_data(struct multipart *m, struct reader *bytes, bool *ret_wait, struct err *e)
{
    if (m->owed > 0)
        return pay_owed(m, ret_wait, e);
    if (m->matched > 0)
        return go_on_matching(m, bytes, e);
    size_t at = reader_find(*bytes, 0, m->delimiter, m->delimiter_len), taken = 0;
    size_t held = at == SIZE_MAX ? held_back(m, *bytes) : 0;
    size_t n = at == SIZE_MAX ? bytes->left - held : at;
    struct reader piece;
    if (!reader_slice(*bytes, 0, n, &piece))
        return err_set(e, ERR_INTERNAL, "multipart");
    TRY(emit(m, piece, &taken, e));
    *ret_wait = taken < n;
    size_t skip = taken < n ? taken : n + (at == SIZE_MAX ? held : m->delimiter_len);
    if (!reader_skip(bytes, skip))
        return err_set(e, ERR_INTERNAL, "multipart");
    if (*ret_wait)
        return true;
    m->matched = held;
    return at == SIZE_MAX || end_part(m, e);
}

static bool feed_before(struct multipart *m, uint8_t c, struct err *e)
{
    if (m->matched == 2 && m->padding++ == 0 && c == '\r') {
        m->matched = 1; /* one empty line may come first */
        return true;
    }
    if (c == (uint8_t)m->delimiter[m->matched]) {
        m->matched++;
        if (m->matched == m->delimiter_len) {
            m->state = BOUNDARY;
            m->tail_len = m->padding = m->matched = 0;
        }
        return true;
    }
    return broken(m, e, "the body does not begin with its boundary");
}

static bool feed_boundary(struct multipart *m, uint8_t c, struct err *e)
{
    if (m->tail_len == 0 && (c == ' ' || c == '\t') && m->padding < 64) {
        m->padding++;
        return true;
    }
    m->tail[m->tail_len++] = (char)c;
    bool dash = m->tail[0] == '-';
    if (c != (uint8_t)(m->tail_len == 1 ? (dash ? '-' : '\r') : (dash ? '-' : '\n')) ||
        (dash && m->padding > 0))
        return broken(m, e, "a boundary is not followed by a line end");
    if (m->tail_len < 2)
        return true;
    if (!dash && ++m->parts > MULTIPART_PARTS_MAX)
        return broken(m, e, "too many parts");
    m->state = dash ? AFTER : HEADERS;
    m->padding = 0;
    return true;
}

static bool feed_headers(struct multipart *m, uint8_t c, struct err *e)
{
    writer_u8(&m->headers, c);
    if (m->headers.failed)
        return broken(m, e, "header larger than 8 KiB");
    struct reader all = writer_view(&m->headers);
    if (c != '\n')
        return true;
    bool empty = reader_equal_text(all, "\r\n");
    if (!empty && (all.left < 4 || all.at[all.left - 4] != '\r' || all.at[all.left - 3] != '\n' ||
                   all.at[all.left - 2] != '\r'))
        return true;
    return headers_done(m, e);
}

static bool feed_after(struct multipart *m, uint8_t c, struct err *e)
{
    if ((c != '\r' && c != '\n' && c != ' ' && c != '\t') || ++m->padding > 64)
        return broken(m, e, "bytes behind the closing boundary");
    return true;
}

bool multipart_feed(struct multipart *m, struct reader bytes, size_t *ret_used, struct err *e)
{
    size_t all = bytes.left;
    bool wait = false;
    uint8_t c;
    while (bytes.left > 0 && !wait) {
        if (m->state == DATA) {
            TRY(feed_data(m, &bytes, &wait, e));
            continue;
        }
        if (!reader_u8(&bytes, &c))
            break;
        switch (m->state) {
        case BEFORE:
            TRY(feed_before(m, c, e));
            break;
        case BOUNDARY:
            TRY(feed_boundary(m, c, e));
            break;
        case HEADERS:
            TRY(feed_headers(m, c, e));
            break;
        case AFTER:
            TRY(feed_after(m, c, e));
            break;
        case DATA:
            break;
        }
    }
    *ret_used = all - bytes.left;
    return true;
}

bool multipart_finish(const struct multipart *m, struct err *e)
{
    return m->state == AFTER || broken(m, e, "the closing boundary is missing");
}
