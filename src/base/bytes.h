/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H
#include <endian.h>
#include <stdint.h>
#include <string.h>

/* For the few loops that decode bit by bit and must be fast; inlined, and without checks of their
 * own: the caller has checked. All else goes through reader and writer. */
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NEVER_INLINE  __attribute__((noinline))

static ALWAYS_INLINE uint64_t bytes_load64le(const uint8_t *from)
{
    uint64_t v;
    memcpy(&v, from, sizeof v);
    return le64toh(v);
}

static ALWAYS_INLINE void bytes_store64le(uint8_t *to, uint64_t v)
{
    v = htole64(v);
    memcpy(to, &v, sizeof v);
}

/* LZ77: n bytes at `to` repeat those `distance` before, one after the other. Needs
 * 1 <= distance <= to, and room for to + n bytes. */
static ALWAYS_INLINE void bytes_repeat(uint8_t *bytes, uint64_t to, uint64_t distance, uint64_t n)
{
    uint8_t *out = bytes + to;
    const uint8_t *in = out - distance;
    for (; distance >= 8 && n >= 8; n -= 8, in += 8, out += 8)
        bytes_store64le(out, bytes_load64le(in));
    for (; n > 0; n--)
        *out++ = *in++;
}
#endif
