/* SPDX-License-Identifier: Apache-2.0 */
#include "base/logformat.h"
#include "base/text.h"

enum { LEAF_VERSION = 1 };

static void put(struct writer *w, struct reader bytes)
{
    if (bytes.left > UINT32_MAX)
        w->failed = true;
    writer_u32le(w, (uint32_t)bytes.left);
    writer_reader(w, bytes);
}

static bool get(struct reader *r, struct reader *ret)
{
    uint32_t n;
    return reader_u32le(r, &n) && reader_take(r, n, ret);
}

void log_leaf_write(struct writer *w, const struct log_leaf *leaf)
{
    writer_u8(w, LEAF_VERSION);
    writer_u64le(w, leaf->time_ms);
    put(w, leaf->kind);
    put(w, leaf->context);
    put(w, leaf->body);
}

bool log_leaf_read(struct reader r, struct log_leaf *ret)
{
    uint8_t version;
    struct log_leaf leaf;
    TRY(reader_u8(&r, &version) && version == LEAF_VERSION && reader_u64le(&r, &leaf.time_ms) &&
        get(&r, &leaf.kind) && get(&r, &leaf.context) && get(&r, &leaf.body) && reader_at_end(&r));
    *ret = leaf;
    return true;
}

void log_head_text(struct writer *w, struct reader node, const struct log_head *head)
{
    writer_text(w, "chancery/");
    writer_reader(w, node);
    writer_format(w, "\n%llu\n", (unsigned long long)head->size);
    text_base64(w, reader_over(head->root, sizeof head->root), 0, "");
    writer_format(w, "\nepoch %llu\njournal %llu\n", (unsigned long long)head->epoch,
                  (unsigned long long)head->journal);
}
