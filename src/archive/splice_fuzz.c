/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/deflate.h"
#include "archive/splice.h"
#include "archive/symbols.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 200000 };

/* Input: how to edit (8 bytes), then a deflate stream. zlib says what is in it; the new content is
 * that with edits near the start and something else from some place on. The result must be right.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t plain[MOST], changed[MOST + 256];
    if (size < 9)
        return 0;
    z_stream z = {.next_in = (Bytef *)(uintptr_t)&data[8],
                  .avail_in = (uInt)(size - 8),
                  .next_out = plain,
                  .avail_out = MOST};
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        abort();
    bool good = inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_in == 0;
    size_t n = z.total_out, m = n;
    inflateEnd(&z);
    memcpy(changed, plain, n);
    if (n > 0) {
        changed[(size_t)(data[0] | data[1] << 8) % n] ^= data[2];
        changed[data[3] % n] ^= data[4];
        m = data[5] == 0 ? n : n - (size_t)(data[5] | data[6] << 8) % n;
    }
    for (size_t i = 0; i < data[7]; i++)
        changed[m + i] = (uint8_t)(i * 37);
    m += data[7];
    struct splice s = {.stream = source_memory(reader_over(&data[8], size - 8)),
                       .size = n,
                       .crc = deflate_crc(0, reader_over(plain, n)),
                       .content = source_memory(reader_over(changed, m))};
    struct sink nowhere = sink_discard();
    struct err e = {0};
    enum splice_result result;
    uint32_t crc;
    if (!splice_deflate(&s, &nowhere, &result, &crc, &e) || result == SPLICE_WRONG ||
        (result == SPLICE_DONE && !good))
        abort();
    struct writer out;
    writer_init(&out, 4 * MOST);
    struct sink k = sink_memory(&out);
    if (!splice_blocks(&s, &k, &result, &crc, &e) || result == SPLICE_WRONG ||
        (result == SPLICE_DONE && !good))
        abort();
    writer_done(&out);
    return 0;
}
