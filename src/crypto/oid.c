/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/oid.h"
#include "base/writer.h"

static const struct {
    const char *dotted, *bytes;
    size_t len;
} rows[] = {
#define O(name, dotted, bytes) {dotted, bytes, sizeof(bytes) - 1},
    OID_TABLE(O)
#undef O
};

struct reader oid_bytes(enum oid id)
{
    return reader_over(rows[id].bytes, rows[id].len);
}

const char *oid_dotted(enum oid id)
{
    return rows[id].dotted;
}

enum oid oid_find(struct reader content)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (reader_equal(content, oid_bytes((enum oid)i)))
            return (enum oid)i;
    return OID__COUNT;
}

/* X.690 8.19: base 128, the first number holds two. */
char *oid_text(struct arena *a, struct reader content)
{
    struct writer w;
    writer_init(&w, 1024);
    uint64_t v = 0;
    bool first = true, inside = false;
    for (uint8_t b; reader_u8(&content, &b);) {
        if (v >> 56 != 0 || (!inside && b == 0x80)) {
            w.failed = true;
            break;
        }
        v = v << 7 | (b & 0x7f);
        inside = (b & 0x80) != 0;
        if (inside)
            continue;
        if (first)
            writer_format(&w, "%d.%llu", v < 80 ? (int)(v / 40) : 2,
                          (unsigned long long)(v < 80 ? v % 40 : v - 80));
        else
            writer_format(&w, ".%llu", (unsigned long long)v);
        first = false;
        v = 0;
    }
    char *ret = w.failed || inside || first ? NULL : arena_text(a, writer_view(&w));
    writer_done(&w);
    return ret;
}
