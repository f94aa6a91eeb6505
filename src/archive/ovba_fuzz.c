/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/ovba.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct writer w;
    struct err e = {0};
    writer_init(&w, 4 << 20);
    (void)!ovba_expand(reader_over(data, size), &w, &e);
    writer_done(&w);
    return 0;
}
