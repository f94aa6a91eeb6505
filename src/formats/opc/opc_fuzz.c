/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/opc/opc.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Another content of the first entry; the result must be as `compare` wants it. */
static void change_one(struct arena *a, const struct source *in)
{
    struct container *c, *after;
    struct writer w;
    struct err e = {0};
    const struct change change = {.content = source_memory(reader_text("new content"))};
    bool changed[4096] = {true};
    writer_init(&w, 16 << 20);
    struct sink k = sink_memory(&w);
    if (opc_format.open(a, in, NULL, &c, &e) && c->count > 0 && c->count < 4096 &&
        !c->entries[0].folder && opc_format.repack(c, &change, 1, &k, &e)) {
        struct source out = sink_view(&k);
        if (!opc_format.open(a, &out, NULL, &after, &e) ||
            !opc_format.compare(a, c, after, changed, &e))
            assert(err_is_ours(&e) || arena_failed(a));
    }
    writer_done(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(64 << 20);
    const struct source in = source_memory(reader_over(data, size));
    const struct verify_job job = {.arena = a, .in = &in, .file_name = "a.vsix"};
    struct signature *list;
    size_t count;
    struct file_facts facts;
    struct err e = {0}, why = {0};
    (void)!opc_format.verify(&job, &list, &count, &e);
    (void)!opc_format.inspect(a, &in, &facts, &why);
    change_one(a, &in);
    arena_free(a);
    return 0;
}
