/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/pe/pe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(64 << 20);
    struct source in = source_memory(reader_over(data, size));
    struct verify_job job = {.arena = a, .in = &in, .file_name = "x.exe"};
    struct signature *list;
    struct file_facts facts;
    struct err e = {0};
    size_t count;
    if (a != NULL && pe_format.inspect(a, &in, &facts, &e)) {
        e = (struct err){0};
        (void)!pe_format.verify(&job, &list, &count, &e);
    }
    arena_free(a);
    return 0;
}
