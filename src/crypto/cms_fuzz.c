/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/authenticode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool agree(void *ctx, struct arena *a, const struct spc_content *said, struct reader *ret,
                  struct err *e)
{
    (void)ctx, (void)a, (void)e;
    *ret = said->digest; /* so that what comes after the comparison is reached */
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(16 << 20);
    struct reader all = reader_over(data, size);
    struct cms c;
    struct signature *list;
    size_t count;
    struct err e = {0}, why = {0};
    if (cms_parse(a, all, &c, &e)) {
        for (size_t i = 0; i < c.signer_count; i++) {
            struct digest_value digest, unused;
            struct err each = {0};
            if (c.signers[i].hash != HASH_NONE &&
                digest_of(c.signers[i].hash, c.content, &digest, &each))
                (void)!cms_verify(a, &c, &c.signers[i], digest_view(&digest), NULL, &unused, &each);
        }
    }
    (void)!authenticode_verify(a, all, agree, NULL, &list, &count, &why);
    arena_free(a);
    return 0;
}
