/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(16 << 20);
    struct reader *list, *chain;
    struct err e = {0}, why = {0}, order = {0};
    size_t count, length;
    bool complete;
    if (certificates_read(a, reader_over(data, size), &list, &count, &e)) {
        const struct trust trust = {list, count, 1790000000, OID_CODE_SIGNING};
        (void)!chain_verify(a, list[0], list, count, &trust, &chain, &length, &why);
        (void)!chain_order(a, list[0], list, count, &chain, &length, &complete, &order);
    }
    arena_free(a);
    return 0;
}
