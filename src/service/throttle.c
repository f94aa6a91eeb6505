/* SPDX-License-Identifier: Apache-2.0 */
#include "service/throttle.h"
#include "base/clock.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>

enum { SLOTS = 4096, WINDOW_MS = 15 * 60 * 1000 };

static const unsigned most[2] = {10, 20}; /* of an account; from an address */

/* A fixed table by hash: a collision makes two accounts share a count, never lose one. */
static struct {
    unsigned failures;
    int64_t since;
} table[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* FNV-1a over lower-case ASCII: spelling variants share the slot. */
static size_t slot_of(const char *text, uint32_t start)
{
    uint32_t h = start;
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        h = (h ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 16777619u;
    }
    return h % SLOTS;
}

/* Who has one IPv6 address has the 2^64 of its network. */
static const char *site_of(const char *address, char to[INET6_ADDRSTRLEN])
{
    struct in6_addr a;
    if (inet_pton(AF_INET6, address, &a) != 1 || IN6_IS_ADDR_V4MAPPED(&a))
        return address;
    for (size_t i = 8; i < sizeof a.s6_addr; i++)
        a.s6_addr[i] = 0;
    const char *site = inet_ntop(AF_INET6, &a, to, INET6_ADDRSTRLEN);
    return site == NULL ? address : site;
}

static void slots_of(const char *account, const char *address, size_t ret[2])
{
    char site[INET6_ADDRSTRLEN];
    ret[0] = slot_of(account, 2166136261u);
    ret[1] = slot_of(site_of(address, site), 2166136261u ^ 0x5bd1e995u);
}

bool throttle_check(const char *account, const char *address, struct err *e)
{
    size_t at[2];
    bool blocked = false;
    slots_of(account, address, at);
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < 2; i++)
        blocked = blocked || (table[at[i]].failures >= most[i] &&
                              clock_boot_ms() - table[at[i]].since < WINDOW_MS);
    (void)pthread_mutex_unlock(&lock);
    return !blocked || err_set(e, ERR_LIMIT, "sign-in");
}

void throttle_failure(const char *account, const char *address)
{
    size_t at[2];
    slots_of(account, address, at);
    int64_t now = clock_boot_ms();
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < 2; i++) {
        if (now - table[at[i]].since >= WINDOW_MS) {
            table[at[i]].failures = 0;
            table[at[i]].since = now;
        }
        table[at[i]].failures++;
    }
    (void)pthread_mutex_unlock(&lock);
}

void throttle_success(const char *account, const char *address)
{
    size_t at[2];
    slots_of(account, address, at);
    (void)pthread_mutex_lock(&lock);
    table[at[0]].failures = 0;
    (void)pthread_mutex_unlock(&lock);
}
