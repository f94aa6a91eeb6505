/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/fuzzkit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[4] = {"a.ps1", "a.ps1xml", "a.mof", "a.txt"};
    fuzz_names(&powershell_format, names, reader_over(data, size));
    return 0;
}
