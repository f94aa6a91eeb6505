/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/fuzzkit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_format(&appx_format, "a.appx", reader_over(data, size));
    fuzz_change(&appx_format, reader_over(data, size));
    return 0;
}
