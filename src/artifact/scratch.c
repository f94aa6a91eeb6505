/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/scratch.h"

bool scratch_take(struct scratch *s, uint64_t room, struct sink *ret, struct err *e)
{
    uint64_t base = atomic_load(&s->used);
    do {
        if (room > s->limit || base > s->limit - room)
            return err_user(e, ERR_FILE_LIMIT,
                            "The artifact needs more than %llu bytes of working space "
                            "(setting max_expanded_bytes).",
                            (unsigned long long)s->limit);
    } while (!atomic_compare_exchange_weak(&s->used, &base, base + room));
    *ret = sink_file(s->fd, base, room);
    return true;
}

struct source scratch_close(struct scratch *s, const struct sink *k)
{
    uint64_t end = k->base + k->limit;
    (void)atomic_compare_exchange_strong(&s->used, &end, k->base + k->used);
    return sink_view(k);
}
