/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/receipt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Plan and findings come from workers, which core does not trust: u16 length of the plan, the
 * plan, the findings. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_over(data, size), plan;
    uint16_t length;
    if (!reader_u16le(&r, &length) || !reader_take(&r, length, &plan))
        return 0;
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, (size_t)1 << 24);
    struct receipt receipt = {.name = "fuzz", .plan = plan, .found = r};
    struct err e = {0};
    (void)!receipt_write(&w, &receipt, &e);
    return 0;
}
