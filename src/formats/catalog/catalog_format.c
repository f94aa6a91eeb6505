/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/der.h"
#include "formats/catalog/catalog.h"

/* ContentInfo of SignedData whose content is a list: the head is enough to see that. */
static bool probe(struct reader head, const struct source *in)
{
    static const uint8_t list[] = {0x06, 0x09, 0x2b, 0x06, 0x01, 0x04,
                                   0x01, 0x82, 0x37, 0x0a, 0x01};
    static const uint8_t data[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                   0xf7, 0x0d, 0x01, 0x07, 0x02};
    struct reader start;
    (void)in;
    return reader_starts_with(head, "\x30", 1) &&
           reader_slice(head, 0, head.left < 256 ? head.left : 256, &start) &&
           reader_find(start, 0, data, sizeof data) != SIZE_MAX &&
           reader_find(start, 0, list, sizeof list) != SIZE_MAX;
}

static bool inspect(struct arena *a, const struct source *in, struct file_facts *ret, struct err *e)
{
    struct cms c;
    TRY(catalog_open(a, in, &c, e));
    *ret = (struct file_facts){.signatures = (uint32_t)c.signer_count};
    return true;
}

/* The list is the same. An appended signature leaves the old one, of which authenticode_verify
 * says whether it holds. */
static bool unchanged(struct arena *a, const struct source *before, const struct source *after,
                      struct err *e)
{
    struct cms old, new;
    TRY(catalog_open(a, before, &old, e) && catalog_open(a, after, &new, e));
    return reader_equal(old.content_element, new.content_element) ||
           err_user(e, ERR_VERIFY_CHANGED, "The list of the security catalog changed.");
}

const struct format catalog_format = {
    .facts = &catalog_facts,
    .probe = probe,
    .inspect = inspect,
    .sign = catalog_sign,
    .verify = catalog_verify,
    .unchanged = unchanged,
};
