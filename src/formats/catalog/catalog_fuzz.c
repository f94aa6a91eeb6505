/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/fuzzkit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(64 << 20);
    const struct source in = source_memory(reader_over(data, size));
    struct err e = {0};
    fuzz_format(&catalog_format, "a.cat", reader_over(data, size));
    if (a != NULL)
        (void)!catalog_format.unchanged(a, &in, &in, &e);
    return 0;
}
