/* SPDX-License-Identifier: Apache-2.0 */
#include "procs/fetch_filter.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct filter_target t;
    struct err e = {0};
    if (filter_url(reader_over(data, size), &t, &e) &&
        (t.port == 0 || t.host[0] == '\0' || strpbrk(t.host, "@/\\ %") != NULL))
        abort();
    return 0;
}
