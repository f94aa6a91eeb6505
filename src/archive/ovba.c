/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/ovba.h"

enum { CHUNK = 4096, SIGNATURE = 3, COPY_LEAST = 3 };

/* One copy token ([MS-OVBA] 2.4.1.3.19): how it splits depends on how much of the chunk is there.
 */
static bool copy(struct writer *to, size_t start, uint16_t token)
{
    unsigned bits = 4;
    size_t done = to->len - start;
    while (((size_t)1 << bits) < done)
        bits++;
    size_t length = (token & (0xffffu >> bits)) + COPY_LEAST;
    size_t back = (size_t)(token >> (16 - bits)) + 1;
    if (back > done || done + length > CHUNK)
        return false;
    for (; length > 0 && !to->failed; length--) /* may overlap itself, so byte by byte */
        writer_u8(to, to->data[to->len - back]);
    return !to->failed;
}

static bool literal(struct writer *to, size_t start, struct reader *in)
{
    uint8_t byte;
    if (!reader_u8(in, &byte) || to->len - start == CHUNK)
        return false;
    writer_u8(to, byte);
    return !to->failed;
}

static bool expand_chunk(struct reader in, struct writer *to)
{
    size_t start = to->len;
    uint8_t flags;
    uint16_t token;
    while (in.left > 0) {
        if (!reader_u8(&in, &flags))
            return false;
        for (unsigned bit = 0; bit < 8 && in.left > 0; bit++) {
            if ((flags >> bit & 1) == 0 ? !literal(to, start, &in)
                                        : !reader_u16le(&in, &token) || !copy(to, start, token))
                return false;
        }
    }
    return true;
}

static bool plain_chunk(struct reader in, struct writer *to)
{
    writer_reader(to, in);
    return in.left == CHUNK && !to->failed;
}

bool ovba_expand(struct reader container, struct writer *to, struct err *e)
{
    uint8_t signature;
    uint16_t header;
    struct reader data;
    bool ok = reader_u8(&container, &signature) && signature == 1;
    while (ok && container.left > 0) {
        ok = reader_u16le(&container, &header) && (header >> 12 & 7) == SIGNATURE &&
             reader_take(&container, (size_t)(header & 0xfff) + 1, &data) &&
             ((header & 0x8000) != 0 ? expand_chunk(data, to) : plain_chunk(data, to));
    }
    if (to->no_memory)
        return writer_ok(to, e);
    if (to->failed)
        return err_user(e, ERR_VBA,
                        "The VBA project of the file is larger than this server reads.");
    return ok || err_user(e, ERR_VBA, "Compressed data of the VBA project is damaged.");
}
