/* SPDX-License-Identifier: Apache-2.0 */
#include "base/writer.h"
#include "crypto/digest.h"
#include "formats/msi/msi_package.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool digest(struct arena *a, const struct cfb *c, struct digest_value *ret, struct err *e)
{
    struct digest_value metadata;
    return msi_metadata_digest(a, c, HASH_SHA256, &metadata, e) &&
           msi_digest(a, c, HASH_SHA256, digest_view(&metadata), ret, e);
}

/* What opens can be written again, opens again and says the same. */
static void again(struct arena *a, const struct cfb *c)
{
    struct writer w;
    struct err e = {0};
    struct digest_value x, y;
    struct cfb *second;
    bool same;
    writer_init(&w, 32 << 20);
    struct sink k = sink_memory(&w);
    if (!digest(a, c, &x, &e) || !cfb_write(c, NULL, 0, &k, &e)) {
        if (e.code != ERR_NO_MEMORY && e.code != ERR_FILE_LIMIT && e.code != ERR_CFB)
            abort();
        writer_done(&w);
        return;
    }
    struct source out = sink_view(&k);
    if (!cfb_is_written(c, NULL, 0, &out, &same, &e) || !same)
        abort();
    if (cfb_open(a, &out, &second, &e)) {
        if (!digest(a, second, &y, &e) || !reader_equal(digest_view(&x), digest_view(&y)))
            abort();
    } else if (e.code != ERR_NO_MEMORY) {
        abort();
    }
    writer_done(&w);
}

/* Every file is taken out; what could be is put back, and the result differs by nothing. */
static void inside(struct arena *a, const struct source *in)
{
    struct budget budget = {
        .max_entries = 1000, .max_bytes = 1 << 20, .max_depth = 8, .max_ratio = 1000};
    struct container *c, *after;
    struct err e = {0};
    struct writer w;
    if (!msi_container(a, in, &budget, &c, &e) || c->count == 0)
        return;
    bool *changed = ARENA_ARRAY(a, c->count, bool);
    if (changed == NULL)
        return;
    writer_init(&w, 32 << 20);
    struct sink k = sink_memory(&w);
    changed[0] = true;
    struct change change = {.index = 0, .content = source_memory(reader_text("other bytes"))};
    if (msi_repack(c, &change, 1, &k, &e)) {
        struct source out = sink_view(&k);
        bool ok =
            msi_container(a, &out, &budget, &after, &e) && msi_compare(a, c, after, changed, &e);
        if (!ok && e.code != ERR_NO_MEMORY && e.code != ERR_CAB && e.code != ERR_FILE_LIMIT)
            abort();
    }
    writer_done(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(64 << 20);
    struct source in = source_memory(reader_over(data, size));
    struct verify_job job = {.arena = a, .in = &in, .file_name = "x.msi"};
    struct signature *list;
    struct file_facts facts;
    struct err e = {0};
    struct msi m;
    size_t count;
    if (a == NULL)
        abort();
    (void)msi_probe(reader_over(data, size), &in);
    if (msi_open(a, &in, &m, &e)) {
        (void)!msi_format.inspect(a, &in, &facts, &e);
        e = (struct err){0};
        (void)!msi_verify(&job, &list, &count, &e);
        again(a, m.file);
        inside(a, &in);
    }
    arena_free(a);
    return 0;
}
