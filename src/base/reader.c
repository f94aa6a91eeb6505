/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/reader.h"
#include <endian.h>
#include <string.h>

struct reader reader_over(const void *data, size_t len)
{
    return (struct reader){.at = data, .left = len};
}

struct reader reader_text(const char *text)
{
    return reader_over(text, text == NULL ? 0 : strlen(text));
}

bool reader_take(struct reader *r, size_t n, struct reader *ret)
{
    if (n > r->left)
        return false;
    *ret = (struct reader){.at = r->at, .left = n};
    if (n > 0)
        r->at += n;
    r->left -= n;
    return true;
}

bool reader_skip(struct reader *r, size_t n)
{
    struct reader skipped;
    return reader_take(r, n, &skipped);
}

bool reader_copy(struct reader *r, void *to, size_t n)
{
    struct reader bytes;
    TRY(reader_take(r, n, &bytes));
    if (n > 0)
        memcpy(to, bytes.at, n);
    return true;
}

bool reader_slice(struct reader r, size_t offset, size_t n, struct reader *ret)
{
    return reader_skip(&r, offset) && reader_take(&r, n, ret);
}

static bool little_endian(struct reader *r, size_t n, uint64_t *ret)
{
    struct reader bytes;
    TRY(reader_take(r, n, &bytes));
    *ret = 0;
    for (size_t i = 0; i < n; i++)
        *ret |= (uint64_t)bytes.at[i] << (8 * i);
    return true;
}

static bool big_endian(struct reader *r, size_t n, uint64_t *ret)
{
    struct reader bytes;
    TRY(reader_take(r, n, &bytes));
    *ret = 0;
    for (size_t i = 0; i < n; i++)
        *ret = *ret << 8 | bytes.at[i];
    return true;
}

#define READ(name, type, n, order)                                                                 \
    bool reader_##name(struct reader *r, type *ret)                                                \
    {                                                                                              \
        uint64_t v;                                                                                \
        TRY(order(r, n, &v));                                                                      \
        *ret = (type)v;                                                                            \
        return true;                                                                               \
    }
READ(u8, uint8_t, 1, little_endian)
READ(u16le, uint16_t, 2, little_endian)
READ(u32le, uint32_t, 4, little_endian)
READ(u64le, uint64_t, 8, little_endian)
READ(u16be, uint16_t, 2, big_endian)

bool reader_u32le_array(struct reader *r, uint32_t *to, size_t n)
{
    TRY(n <= r->left / sizeof *to && reader_copy(r, to, n * sizeof *to));
    for (size_t i = 0; i < n; i++)
        to[i] = le32toh(to[i]);
    return true;
}

bool reader_at_end(const struct reader *r)
{
    return r->left == 0;
}

bool reader_equal(struct reader a, struct reader b)
{
    return a.left == b.left && (a.left == 0 || memcmp(a.at, b.at, a.left) == 0);
}

bool reader_equal_text(struct reader a, const char *text)
{
    return reader_equal(a, reader_text(text));
}

bool reader_equal_secret(struct reader a, struct reader b)
{
    if (a.left != b.left)
        return false;
    volatile uint8_t different = 0;
    for (size_t i = 0; i < a.left; i++)
        different |= a.at[i] ^ b.at[i];
    return different == 0;
}

bool reader_starts_with(struct reader r, const void *prefix, size_t n)
{
    return r.left >= n && (n == 0 || memcmp(r.at, prefix, n) == 0);
}

uint64_t reader_sum32le(struct reader *r)
{
    /* Vectors of 16 bytes, two side by side: the four sums stay in registers on every x86-64 and
     * AArch64. 2^32 rounds would be needed before a lane of 64 bits runs over. */
    typedef uint64_t lanes __attribute__((vector_size(16)));
    const uint8_t *at = r->at;
    lanes low[2] = {0}, high[2] = {0};
    size_t left = r->left;
    for (; left >= 2 * sizeof(lanes) && htole32(1) == 1; left -= 2 * sizeof(lanes)) {
        lanes a, b;
        memcpy(&a, at, sizeof a);
        memcpy(&b, at + sizeof a, sizeof b);
        low[0] += a & UINT32_MAX;
        high[0] += a >> 32;
        low[1] += b & UINT32_MAX;
        high[1] += b >> 32;
        at += sizeof a + sizeof b;
    }
    lanes all = low[0] + low[1] + high[0] + high[1];
    uint64_t sum = all[0] + all[1];
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t v;
        memcpy(&v, at, sizeof v);
        sum += (le64toh(v) & UINT32_MAX) + (le64toh(v) >> 32);
    }
    r->at = at;
    r->left = left;
    return sum;
}

int reader_order(struct reader a, struct reader b)
{
    size_t shorter = a.left < b.left ? a.left : b.left;
    int order = shorter == 0 ? 0 : memcmp(a.at, b.at, shorter);
    return order != 0 ? order : (a.left > b.left) - (a.left < b.left);
}

size_t reader_find(struct reader r, size_t from, const void *needle, size_t n)
{
    if (from > r.left || n == 0 || n > r.left - from)
        return SIZE_MAX;
    const uint8_t *hit = memmem(r.at + from, r.left - from, needle, n);
    return hit == NULL ? SIZE_MAX : (size_t)(hit - r.at);
}
