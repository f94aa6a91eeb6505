/* SPDX-License-Identifier: Apache-2.0 */
#include "web/http/address.h"
#include "base/text.h"
#include "web/http/head.h"
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static struct address from_v4(const uint8_t four[4])
{
    struct address a;
    for (size_t i = 0; i < 16; i++)
        a.bytes[i] = i < 12 ? v4_prefix[i] : four[i - 12];
    return a;
}

static bool is_v4(const struct address *a)
{
    return memcmp(a->bytes, v4_prefix, sizeof v4_prefix) == 0;
}

bool address_of_socket(const struct sockaddr_storage *from, struct address *ret)
{
    union {
        const struct sockaddr_storage *any;
        const struct sockaddr_in *v4;
        const struct sockaddr_in6 *v6;
    } at = {.any = from};
    if (from->ss_family == AF_INET) {
        uint32_t host = ntohl(at.v4->sin_addr.s_addr);
        *ret = from_v4((const uint8_t[4]){(uint8_t)(host >> 24), (uint8_t)(host >> 16),
                                          (uint8_t)(host >> 8), (uint8_t)host});
        return true;
    }
    if (from->ss_family != AF_INET6)
        return false;
    for (size_t i = 0; i < 16; i++)
        ret->bytes[i] = at.v6->sin6_addr.s6_addr[i];
    return true;
}

/* Without brackets and port. */
static struct reader bare(struct reader text)
{
    struct reader inside;
    if (text.left > 0 && text.at[0] == '[') {
        size_t end = reader_find(text, 0, "]", 1);
        return end != SIZE_MAX && reader_slice(text, 1, end - 1, &inside) ? inside : text;
    }
    size_t colon = reader_find(text, 0, ":", 1);
    if (colon != SIZE_MAX && reader_find(text, colon + 1, ":", 1) == SIZE_MAX &&
        reader_slice(text, 0, colon, &inside))
        return inside;
    return text;
}

bool address_read(struct reader text, struct address *ret)
{
    struct reader r = bare(head_trim(text));
    char copy[ADDRESS_TEXT];
    size_t n = r.left;
    uint8_t four[4];
    struct address a;
    if (n == 0 || n >= sizeof copy || !reader_copy(&r, copy, n))
        return false;
    copy[n] = '\0';
    if (strlen(copy) != n)
        return false;
    if (inet_pton(AF_INET, copy, four) == 1)
        a = from_v4(four);
    else if (inet_pton(AF_INET6, copy, a.bytes) != 1)
        return false;
    *ret = a;
    return true;
}

void address_write(const struct address *a, char to[ADDRESS_TEXT])
{
    const char *done = is_v4(a) ? inet_ntop(AF_INET, &a->bytes[12], to, ADDRESS_TEXT)
                                : inet_ntop(AF_INET6, a->bytes, to, ADDRESS_TEXT);
    if (done == NULL)
        to[0] = '\0';
}

bool address_equal(const struct address *a, const struct address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool address_is_loopback(const struct address *a)
{
    static const uint8_t v6[16] = {[15] = 1};
    return is_v4(a) ? a->bytes[12] == 127 : memcmp(a->bytes, v6, sizeof v6) == 0;
}

struct address address_site(const struct address *a)
{
    struct address site = *a;
    for (size_t i = 8; i < sizeof site.bytes && !is_v4(a); i++)
        site.bytes[i] = 0;
    return site;
}

static uint8_t mask_of(unsigned bits, size_t i)
{
    unsigned before = (unsigned)i * 8;
    if (bits >= before + 8)
        return 0xff;
    if (bits <= before)
        return 0;
    return (uint8_t)((0xff00u >> (bits - before)) & 0xff);
}

bool address_range_read(struct reader text, struct address_range *ret)
{
    struct reader address = head_trim(text), bits;
    struct address_range range;
    uint64_t n = 128;
    size_t slash = reader_find(address, 0, "/", 1);
    bool prefixed = slash != SIZE_MAX;
    if (prefixed) {
        TRY(reader_slice(address, slash + 1, address.left - slash - 1, &bits));
        TRY(text_u64(bits, &n));
        TRY(reader_slice(address, 0, slash, &address));
    }
    TRY(address_read(address, &range.first));
    if (prefixed && is_v4(&range.first) && reader_find(address, 0, ":", 1) == SIZE_MAX)
        n += 96;
    if (n > 128)
        return false;
    range.bits = (unsigned)n;
    for (size_t i = 0; i < 16; i++)
        if ((range.first.bytes[i] & (uint8_t)~mask_of(range.bits, i)) != 0)
            return false;
    *ret = range;
    return true;
}

bool address_in(const struct address *a, const struct address_range *ranges, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        bool inside = true;
        for (size_t i = 0; i < 16; i++)
            inside =
                inside && (a->bytes[i] & mask_of(ranges[k].bits, i)) == ranges[k].first.bytes[i];
        if (inside)
            return true;
    }
    return false;
}

void address_of_client(struct address *peer, struct reader forwarded,
                       const struct address_range *trusted, size_t count)
{
    while (forwarded.left > 0 && address_in(peer, trusted, count)) {
        size_t comma = forwarded.left;
        while (comma > 0 && forwarded.at[comma - 1] != ',')
            comma--;
        struct reader last;
        struct address a;
        if (!reader_slice(forwarded, comma, forwarded.left - comma, &last) ||
            !address_read(last, &a) ||
            !reader_slice(forwarded, 0, comma > 0 ? comma - 1 : 0, &forwarded))
            return;
        *peer = a;
    }
}
