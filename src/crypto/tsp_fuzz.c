/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/tsp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(16 << 20);
    struct reader all = reader_over(data, size);
    uint8_t nothing[32] = {0}, nonce[TSP_NONCE] = {0};
    const struct tsp_want want = {
        .hash = HASH_SHA256, .imprint = reader_over(nothing, 32), .nonce = nonce, .tolerance = 60};
    struct tsp_token t;
    struct err e = {0}, why = {0};
    enum hash hash;
    (void)!tsp_check_response(a, all, &want, &t, &e);
    (void)!tsp_check_token(a, all, &want, &t, &why);
    (void)!tsp_token_hash(a, all, &hash);
    arena_free(a);
    return 0;
}
