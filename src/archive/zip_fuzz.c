/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/zip.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* A file that opens can be repacked; the result opens, and says the same but for the change. */
static void repack(struct arena *a, const struct zip *z, uint8_t pick)
{
    struct err e = {0};
    struct writer out, scratch;
    writer_init(&out, 4 * 1024 * 1024);
    writer_init(&scratch, 1024);
    struct sink k = sink_memory(&out), s = sink_memory(&scratch);
    struct source content = source_memory(reader_text("replaced"));
    struct zip_change change = {.action = ZIP_REPLACE,
                                .index = z->count == 0 ? 0 : pick % z->count};
    size_t count = z->count == 0 || z->entries[change.index].folder ? 0 : 1;
    bool *changed = ARENA_ARRAY(a, z->count, bool);
    if (count == 1) {
        must(zip_pack(&content, z->entries[change.index].method, &s, &change.packed, &e));
        changed[change.index] = true;
    }
    must(zip_repack(z, &change, count, NULL, &k, &e));
    struct source in = sink_view(&k);
    struct zip *after;
    must(zip_open(a, &in, 0, NULL, &after, &e));
    must(zip_compare(z, after, changed, &e));
    writer_done(&out);
    writer_done(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct budget budget = {
        .max_entries = 1000, .max_bytes = 1 << 22, .max_depth = 1, .max_ratio = 1000};
    struct arena *a = arena_new(32 * 1024 * 1024);
    struct source in = source_memory(reader_over(data, size));
    struct err e = {0};
    struct zip *z;
    must(a != NULL);
    if (zip_open(a, &in, 0, &budget, &z, &e)) {
        for (size_t i = 0; i < z->count; i++) {
            struct sink nowhere = sink_discard();
            struct err ignored = {0};
            must(zip_extract(z, i, &nowhere, &ignored) || ignored.code != ERR_NONE);
        }
        repack(a, z, size == 0 ? 0 : data[size / 2]);
    }
    arena_free(a);
    return 0;
}
