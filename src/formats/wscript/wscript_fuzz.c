/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/wscript/wscript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses the extension. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"a.vbs", "a.js", "a.wsf", "a.txt"};
    struct reader all = reader_over(data, size);
    uint8_t choice;
    if (!reader_u8(&all, &choice))
        return 0;
    struct arena *a = arena_new(64 << 20);
    const struct source in = source_memory(all);
    const struct verify_job job = {.arena = a, .in = &in, .file_name = names[choice % 4]};
    struct signature *list;
    size_t count;
    struct file_facts facts;
    struct err e = {0}, why = {0};
    (void)!wscript_format.verify(&job, &list, &count, &e);
    (void)!wscript_format.inspect(a, &in, &facts, &why);
    arena_free(a);
    return 0;
}
