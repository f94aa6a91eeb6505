/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/fuzzkit.h"
#include <stdio.h>
#include <stdlib.h>

enum { MEMORY = 64 << 20, OUTPUT = 16 << 20, ENTRIES = 4096 };

static void must(bool ok, const struct format *f, const char *what, const struct err *e)
{
    if (ok)
        return;
    (void)fprintf(stderr, "%s: %s: %s %s\n", f->facts->id, what, e->user, e->detail);
    abort();
}

void fuzz_format(const struct format *f, const char *file_name, struct reader bytes)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(MEMORY);
    const struct source in = source_memory(bytes);
    const struct verify_job job = {.arena = a, .in = &in, .file_name = file_name};
    struct signature *list = NULL;
    size_t count = 0;
    struct file_facts facts = {0};
    struct err verify = {0}, inspect = {0};
    must(a != NULL, f, "memory", &verify);
    bool ok = format_verify(f, &job, &list, &count, &verify);
    must(ok == (verify.code == ERR_NONE), f, "verify: answer and error differ", &verify);
    for (size_t i = 0; ok && i < count; i++) {
        must(list[i].intact || list[i].problem != NULL, f, "no reason", &verify);
        must(!list[i].intact || list[i].signed_digest.left > 0, f, "nothing signed", &verify);
    }
    ok = f->inspect(a, &in, &facts, &inspect);
    must(ok == (inspect.code == ERR_NONE), f, "inspect: answer and error differ", &inspect);
}

void fuzz_names(const struct format *f, const char *const names[4], struct reader bytes)
{
    uint8_t choice;
    if (reader_u8(&bytes, &choice))
        fuzz_format(f, names[choice % 4], bytes);
}

void fuzz_change(const struct format *f, struct reader bytes)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(MEMORY);
    CLEANUP(writer_done) struct writer w = {0};
    struct container *c, *after;
    struct err e = {0};
    const struct source in = source_memory(bytes);
    const struct change change = {.content = source_memory(reader_text("new content"))};
    const bool untouched[ENTRIES] = {false}, changed[ENTRIES] = {true};
    must(a != NULL, f, "memory", &e);
    writer_init(&w, OUTPUT);
    struct sink k = sink_memory(&w);
    if (!f->open(a, &in, NULL, &c, &e) || c->count == 0 || c->count >= ENTRIES ||
        c->entries[0].folder || !f->compare(a, c, c, untouched, &e) ||
        !f->repack(c, &change, 1, &k, &e))
        return;
    const struct source out = sink_view(&k);
    if (!f->open(a, &out, NULL, &after, &e) || !f->compare(a, c, after, changed, &e))
        must(err_is_ours(&e) || arena_failed(a), f, "the result is another file", &e);
}
