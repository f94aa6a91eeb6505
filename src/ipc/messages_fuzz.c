/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_over(data, size);
    uint8_t type;
    if (reader_u8(&r, &type))
        (void)message_decodes((enum message_type)(type % MSG__COUNT), r);
    return 0;
}
