/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/fuzzkit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_format(&clickonce_format, "a.application", reader_over(data, size));
    return 0;
}
