/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/fuzzkit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_format(&opc_format, "a.vsix", reader_over(data, size));
    fuzz_change(&opc_format, reader_over(data, size));
    return 0;
}
