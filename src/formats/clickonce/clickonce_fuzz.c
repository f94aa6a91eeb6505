/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/clickonce/clickonce.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(64 << 20);
    const struct source in = source_memory(reader_over(data, size));
    const struct verify_job job = {.arena = a, .in = &in, .file_name = "a.application"};
    struct signature *list;
    size_t count;
    struct file_facts facts;
    struct err e = {0}, why = {0};
    (void)!clickonce_format.verify(&job, &list, &count, &e);
    (void)!clickonce_format.inspect(a, &in, &facts, &why);
    arena_free(a);
    return 0;
}
