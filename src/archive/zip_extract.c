/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/zip_internal.h"
#include <string.h>

static bool too_dense(const struct zip_entry *x, const struct budget *b)
{
    enum { FREE = 1024 * 1024 };
    return b != NULL && x->size > FREE && x->size / b->max_ratio > x->compressed;
}

/* Says which entry is damaged; other errors pass as they are. */
static bool expand(const struct zip *z, const struct zip_entry *x, struct sink *out,
                   uint32_t *ret_crc, struct err *e)
{
    char shown[ZIP_SHOWN];
    struct source stored = zip_stored_bytes(z, x);
    struct err inner = {0};
    if (deflate_expand(&stored, x->size, z->budget, out, ret_crc, &inner))
        return true;
    if (inner.code == ERR_DEFLATE)
        return err_user(e, ERR_ZIP_DATA,
                        "The compressed data of the entry \"%s\" is damaged, or it does not expand "
                        "to the %llu bytes stated. Build the ZIP file again.",
                        zip_shown(zip_raw_name(x), shown), (unsigned long long)x->size);
    *e = inner;
    return false;
}

bool zip_extract(const struct zip *z, size_t index, struct sink *out, struct err *e)
{
    char shown[ZIP_SHOWN];
    const struct zip_entry *x = &z->entries[index];
    uint32_t crc;
    if (too_dense(x, z->budget))
        return err_user(e, ERR_ZIP_RATIO,
                        "The entry \"%s\" claims to expand from %llu to %llu bytes, more than %u "
                        "times its size (setting max_ratio).",
                        zip_shown(zip_raw_name(x), shown), (unsigned long long)x->compressed,
                        (unsigned long long)x->size, z->budget->max_ratio);
    if (x->method == ZIP_DEFLATED) {
        TRY(expand(z, x, out, &crc, e));
    } else {
        struct source stored = zip_stored_bytes(z, x);
        if (z->budget != NULL)
            TRY(budget_bytes(z->budget, x->size, 0, x->size, e));
        TRY(deflate_copy(&stored, out, &crc, e));
    }
    if (crc != x->crc)
        return err_user(
            e, ERR_ZIP_CRC,
            "The content of the entry \"%s\" does not match its check sum. The ZIP file "
            "was damaged; upload it again.",
            zip_shown(zip_raw_name(x), shown));
    return true;
}
