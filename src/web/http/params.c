/* SPDX-License-Identifier: Apache-2.0 */
#include "web/http/params.h"
#include "base/text.h"
#include "web/http/head.h"

struct reader params_main(struct reader *r)
{
    size_t end = reader_find(*r, 0, ";", 1);
    struct reader first = *r;
    if (end == SIZE_MAX || !reader_take(r, end, &first))
        *r = (struct reader){0};
    return head_trim(first);
}

static bool take_quoted(struct reader *r, struct reader *ret)
{
    struct reader inside = *r;
    for (size_t n = 0; n < inside.left; n++) {
        if (inside.at[n] == '\\' && n + 1 < inside.left &&
            (inside.at[n + 1] == '"' || inside.at[n + 1] == '\\'))
            n++;
        else if (inside.at[n] == '"')
            return reader_take(r, n, ret) && reader_skip(r, 1);
    }
    return false;
}

static void skip_blanks(struct reader *r)
{
    while (r->left > 0 && (r->at[0] == ' ' || r->at[0] == '\t') && reader_skip(r, 1))
        ;
}

/* Up to the next character that ends a token value. */
static bool take_bare(struct reader *r, struct reader *ret)
{
    size_t n = 0;
    while (n < r->left && r->at[n] != ';' && r->at[n] != '"')
        n++;
    if (n < r->left && r->at[n] == '"')
        return false;
    TRY(reader_take(r, n, ret));
    *ret = head_trim(*ret);
    return ret->left > 0;
}

bool params_next(struct reader *r, struct param *ret, struct err *e)
{
    struct reader rest = *r, name;
    struct param p = {0};
    if (rest.left > 0 && rest.at[0] == ';' && !reader_skip(&rest, 1))
        return err_set(e, ERR_HTTP_REQUEST, "parameter");
    skip_blanks(&rest);
    if (rest.left > 0 && rest.at[0] != ';') {
        size_t end = reader_find(rest, 0, "=", 1);
        if (end == SIZE_MAX || !reader_take(&rest, end, &name) || !reader_skip(&rest, 1) ||
            !head_is_token(name))
            return err_set(e, ERR_HTTP_REQUEST, "parameter without name and value");
        p.name = name;
        p.quoted = rest.left > 0 && rest.at[0] == '"';
        if (p.quoted ? !reader_skip(&rest, 1) || !take_quoted(&rest, &p.value)
                     : !take_bare(&rest, &p.value))
            return err_set(e, ERR_HTTP_REQUEST, "parameter with a broken value");
        skip_blanks(&rest);
        if (rest.left > 0 && rest.at[0] != ';')
            return err_set(e, ERR_HTTP_REQUEST, "bytes behind a quoted value");
    }
    *r = rest;
    *ret = p;
    return true;
}

void params_value(const struct param *p, struct writer *to)
{
    struct reader r = p->value;
    uint8_t c;
    while (reader_u8(&r, &c)) {
        bool escape = p->quoted && c == '\\' && r.left > 0 && (r.at[0] == '"' || r.at[0] == '\\');
        if (escape && !reader_u8(&r, &c))
            return;
        writer_u8(to, c);
    }
}

bool params_extended(const struct param *p, struct writer *to)
{
    struct reader r = p->value, charset, language;
    size_t end = reader_find(r, 0, "'", 1);
    if (end == SIZE_MAX || !reader_take(&r, end, &charset) || !reader_skip(&r, 1))
        return false;
    end = reader_find(r, 0, "'", 1);
    if (end == SIZE_MAX || !reader_take(&r, end, &language) || !reader_skip(&r, 1))
        return false;
    if (head_name_is(charset, "utf-8"))
        return text_unpercent(to, r, false);
    if (!head_name_is(charset, "iso-8859-1"))
        return false;
    CLEANUP(writer_done) struct writer latin = {0};
    writer_init(&latin, r.left);
    TRY(text_unpercent(&latin, r, false));
    r = writer_view(&latin);
    uint8_t c;
    while (reader_u8(&r, &c))
        text_put(to, c);
    return !latin.failed;
}
