/* SPDX-License-Identifier: Apache-2.0 */
#include "base/budget.h"

bool budget_entries(struct budget *b, uint64_t n, struct err *e)
{
    if (atomic_fetch_add(&b->entries, n) + n <= b->max_entries)
        return true;
    return err_user(e, ERR_FILE_LIMIT,
                    "The artifact holds more than %llu entries (setting max_entries).",
                    (unsigned long long)b->max_entries);
}

bool budget_bytes(struct budget *b, uint64_t n, uint64_t expanded, uint64_t compressed,
                  struct err *e)
{
    enum { FREE = 1024 * 1024 };
    uint64_t total = expanded + n;
    if (total > FREE && total / b->max_ratio > compressed)
        return err_user(e, ERR_FILE_LIMIT,
                        "An entry expands to more than %u times its size (setting max_ratio).",
                        b->max_ratio);
    if (atomic_fetch_add(&b->bytes, n) + n <= b->max_bytes)
        return true;
    return err_user(e, ERR_FILE_LIMIT,
                    "The artifact expands to more than %llu bytes (setting max_expanded_bytes).",
                    (unsigned long long)b->max_bytes);
}

bool budget_depth(const struct budget *b, uint32_t depth, struct err *e)
{
    if (depth <= b->max_depth)
        return true;
    return err_user(e, ERR_FILE_LIMIT,
                    "The artifact nests containers deeper than %u (setting max_nesting).",
                    b->max_depth);
}
