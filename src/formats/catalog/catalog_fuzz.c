/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/catalog/catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(64 << 20);
    const struct source in = source_memory(reader_over(data, size));
    const struct verify_job job = {.arena = a, .in = &in, .file_name = "a.cat"};
    struct signature *list;
    size_t count;
    struct file_facts facts;
    struct err e = {0}, why = {0}, same = {0};
    (void)!catalog_format.verify(&job, &list, &count, &e);
    (void)!catalog_format.inspect(a, &in, &facts, &why);
    (void)!catalog_format.unchanged(a, &in, &in, &same);
    arena_free(a);
    return 0;
}
