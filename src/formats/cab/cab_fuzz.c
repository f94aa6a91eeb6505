/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/cab/cab.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What opens and expands can be repacked, and the result says the same. */
static void go_on(struct arena *a, struct cab *c, uint8_t pick)
{
    struct writer w;
    struct err e = {0};
    struct cab *after;
    writer_init(&w, 4 << 20);
    struct sink k = sink_memory(&w);
    bool all = true;
    for (size_t i = 0; i < c->file_count; i++) {
        struct sink nowhere = sink_discard();
        struct err ignored = {0};
        all = cab_extract(c, i, &nowhere, &ignored) && all;
    }
    bool *changed = ARENA_ARRAY(a, c->file_count + 1, bool);
    struct cab_change change = {.content = source_memory(reader_text("replaced"))};
    size_t count = c->file_count > 0 && c->data_reserve == 0 ? 1 : 0;
    if (!all || changed == NULL)
        count = 0;
    if (count > 0) {
        change.index = pick % c->file_count;
        changed[change.index] = true;
    }
    c->budget = NULL;
    if (all && changed != NULL) {
        if (!cab_repack(c, &change, count, &k, &e))
            abort();
        struct source in = sink_view(&k);
        if (!cab_open(a, &in, NULL, &after, &e) || !cab_compare(c, after, changed, &e))
            abort();
    }
    writer_done(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(64 << 20);
    struct budget budget = {
        .max_entries = 1000, .max_bytes = 1 << 22, .max_depth = 1, .max_ratio = 1000};
    struct source in = source_memory(reader_over(data, size));
    struct verify_job job = {.arena = a, .in = &in, .file_name = "x.cab"};
    struct signature *list;
    struct err e = {0};
    size_t count;
    struct cab *c;
    if (a == NULL)
        abort();
    if (cab_open(a, &in, &budget, &c, &e)) {
        (void)!cab_verify(&job, &list, &count, &e);
        go_on(a, c, size == 0 ? 0 : data[size / 2]);
    }
    arena_free(a);
    return 0;
}
