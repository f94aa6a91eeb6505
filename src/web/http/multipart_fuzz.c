/* SPDX-License-Identifier: Apache-2.0 */
/* First line: Content-Type. Then a byte that says how large the pieces are; then the body. The
 * parts that come out must not depend on how the body was cut. */
#include "web/http/multipart.h"
#include <stdlib.h>

struct seen {
    uint64_t hash;
    bool shy; /* takes at most three bytes at a time */
};

static void mix(struct seen *s, struct reader bytes)
{
    uint8_t c;
    while (reader_u8(&bytes, &c))
        s->hash = (s->hash ^ c) * 1099511628211ull;
}

static bool begin(void *ctx, const struct multipart_part *part, struct err *e)
{
    (void)e;
    mix(ctx, part->name);
    mix(ctx, reader_text("/"));
    mix(ctx, part->filename);
    mix(ctx, reader_text(part->file ? "/f" : "/n"));
    mix(ctx, part->content_type);
    return true;
}

static bool data(void *ctx, struct reader piece, size_t *ret_taken, struct err *e)
{
    (void)e;
    struct seen *s = ctx;
    struct reader taken = piece;
    if (s->shy && piece.left > 3 && !reader_slice(piece, 0, 3, &taken))
        abort();
    mix(s, taken);
    *ret_taken = taken.left;
    return true;
}

static bool end(void *ctx, struct err *e)
{
    (void)e;
    mix(ctx, reader_text("\n"));
    return true;
}

static bool parse(const char *boundary, struct reader body, size_t piece, struct seen *s)
{
    struct multipart *m = NULL;
    struct err e = {0};
    bool ok = multipart_new(boundary, (struct multipart_sink){s, begin, data, end}, &m, &e);
    while (ok && body.left > 0) {
        struct reader now;
        size_t n = body.left < piece ? body.left : piece, used = 0;
        ok = reader_slice(body, 0, n, &now) && multipart_feed(m, now, &used, &e);
        if (ok && !reader_skip(&body, used))
            abort();
    }
    ok = ok && multipart_finish(m, &e);
    if (ok != (e.code == ERR_NONE))
        abort();
    multipart_free(m);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    struct reader r = reader_over(input, size), type;
    char boundary[71];
    bool form = false;
    uint8_t piece = 0;
    size_t line = reader_find(r, 0, "\n", 1);
    if (line == SIZE_MAX || !reader_take(&r, line, &type) || !reader_skip(&r, 1) ||
        !reader_u8(&r, &piece) || !multipart_boundary(type, &form, boundary, &(struct err){0}) ||
        !form)
        return 0;
    struct seen whole = {0}, cut = {.shy = true};
    bool a = parse(boundary, r, SIZE_MAX, &whole);
    bool b = parse(boundary, r, (size_t)(piece % 64) + 1, &cut);
    if (a != b || (a && whole.hash != cut.hash))
        abort();
    return 0;
}
