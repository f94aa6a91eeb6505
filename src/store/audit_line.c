/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_line.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"

enum { LINE_LIMIT = 64 << 20 };

static bool literal(struct reader *r, const char *expected)
{
    struct reader want = reader_text(expected), got;
    struct reader at = *r;
    TRY(reader_take(&at, want.left, &got) && reader_equal(got, want));
    *r = at;
    return true;
}

static bool until(struct reader *r, char end, struct reader *ret)
{
    size_t n = reader_find(*r, 0, &end, 1);
    return n != SIZE_MAX && reader_take(r, n, ret);
}

/* Digits up to `end`, which stays. */
static bool number(struct reader *r, char end, uint64_t *ret)
{
    struct reader digits;
    return until(r, end, &digits) && text_u64(digits, ret);
}

static bool hex32(struct reader *r, uint8_t to[32])
{
    struct reader digits;
    return until(r, '"', &digits) && text_unhex(digits, to, 32);
}

static bool base64(struct arena *a, struct reader *r, struct reader *ret)
{
    struct reader digits;
    return until(r, '"', &digits) && text_unbase64(a, digits, ret);
}

static void put_base64(struct json *j, const char *key, struct reader bytes)
{
    struct writer w;
    writer_init(&w, LINE_LIMIT);
    text_base64(&w, bytes, 0, "");
    json_bytes(j, key, writer_view(&w));
    j->w->failed = j->w->failed || w.failed;
    writer_done(&w);
}

bool audit_next_line(struct reader *text, struct reader *ret)
{
    if (reader_at_end(text))
        return false;
    size_t n = reader_find(*text, 0, "\n", 1);
    if (n == SIZE_MAX)
        return reader_take(text, text->left, ret);
    return reader_take(text, n, ret) && reader_skip(text, 1);
}

/* Whether what `w` holds is `line` and its end. Takes w. */
static bool is_line(struct writer *w, struct reader line)
{
    struct reader whole = writer_view(w), text;
    bool same = !w->failed && reader_take(&whole, line.left, &text) && reader_equal(text, line) &&
                reader_equal_text(whole, "\n");
    writer_done(w);
    return same;
}

void audit_header_line(struct writer *w, const struct audit_header *h)
{
    struct json j = json_into(w);
    json_open_object(&j, NULL);
    json_text(&j, "chancery", "audit export 1");
    json_u64(&j, "size", h->size);
    json_hex(&j, "root", h->root.bytes, sizeof h->root.bytes);
    json_u64(&j, "heads", h->heads);
    json_end_object(&j);
    writer_u8(w, '\n');
}

bool audit_header_read(struct reader line, struct audit_header *ret)
{
    struct audit_header h;
    struct reader r = line;
    TRY(literal(&r, "{\"chancery\":\"audit export 1\",\"size\":") && number(&r, ',', &h.size) &&
        literal(&r, ",\"root\":\"") && hex32(&r, h.root.bytes) && literal(&r, "\",\"heads\":") &&
        number(&r, '}', &h.heads));
    struct writer w;
    writer_init(&w, LINE_LIMIT);
    audit_header_line(&w, &h);
    TRY(is_line(&w, line));
    *ret = h;
    return true;
}

void audit_head_line(struct writer *w, const struct audit_head *head)
{
    struct json j = json_into(w);
    json_open_object(&j, NULL);
    json_open_object(&j, "head");
    json_u64(&j, "size", head->head.size);
    json_hex(&j, "root", head->head.root, sizeof head->head.root);
    json_u64(&j, "epoch", head->head.epoch);
    json_u64(&j, "journal", head->head.journal);
    json_text(&j, "node", head->node);
    json_end_object(&j);
    put_base64(&j, "key", head->log_key);
    put_base64(&j, "signature", head->signature);
    json_end_object(&j);
    writer_u8(w, '\n');
}

bool audit_head_read(struct arena *a, struct reader line, struct audit_head *ret)
{
    struct audit_head h = {0};
    struct reader r = line, node;
    TRY(literal(&r, "{\"head\":{\"size\":") && number(&r, ',', &h.head.size) &&
        literal(&r, ",\"root\":\"") && hex32(&r, h.head.root) && literal(&r, "\",\"epoch\":") &&
        number(&r, ',', &h.head.epoch) && literal(&r, ",\"journal\":") &&
        number(&r, ',', &h.head.journal) && literal(&r, ",\"node\":\"") && until(&r, '"', &node) &&
        literal(&r, "\"},\"key\":\"") && base64(a, &r, &h.log_key) &&
        literal(&r, "\",\"signature\":\"") && base64(a, &r, &h.signature));
    TRY((h.node = arena_text(a, node)) != NULL);
    struct writer w;
    writer_init(&w, LINE_LIMIT);
    audit_head_line(&w, &h);
    TRY(is_line(&w, line));
    *ret = h;
    return true;
}

bool audit_leaf_line(struct writer *w, uint64_t index, struct reader leaf,
                     const struct merkle_hash *hash)
{
    struct audit_fields f;
    TRY(audit_decode(leaf, &f));
    TRY(f.time_ms < UINT64_C(253402300800000)); /* year 10000 */
    char when[25];
    clock_iso((int64_t)f.time_ms, when);
    struct json j = json_into(w);
    json_open_object(&j, NULL);
    put_base64(&j, "leaf", leaf);
    json_u64(&j, "index", index);
    json_hex(&j, "hash", hash->bytes, sizeof hash->bytes);
    json_text(&j, "time", when);
    json_bytes(&j, "kind", f.kind);
    json_bytes(&j, "actor", f.actor);
    json_bytes(&j, "object", f.object);
    json_bytes(&j, "request", f.request);
    /* As text: that it is JSON is not for this line to promise. */
    json_bytes(&j, "detail", f.detail);
    json_end_object(&j);
    writer_u8(w, '\n');
    return true;
}

bool audit_leaf_read(struct arena *a, struct reader line, struct audit_line *ret, bool *ret_whole)
{
    struct audit_line l;
    struct reader r = line;
    TRY(literal(&r, "{\"leaf\":\"") && base64(a, &r, &l.leaf) && literal(&r, "\",\"index\":") &&
        number(&r, ',', &l.index) && literal(&r, ",\"hash\":\"") && hex32(&r, l.hash.bytes));
    struct writer w;
    writer_init(&w, LINE_LIMIT);
    bool ok = audit_leaf_line(&w, l.index, l.leaf, &l.hash);
    *ret_whole = is_line(&w, line) && ok;
    *ret = l;
    return true;
}
