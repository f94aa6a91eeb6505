/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/appx/appx.h"

/* The same packages under their newer name. */
static bool open(struct arena *a, const struct source *in, struct budget *budget,
                 struct container **ret, struct err *e)
{
    return appx_container(a, in, &msix_format, budget, ret, e);
}

const struct format msix_format = {
    .facts = &msix_facts,
    .probe = appx_probe,
    .inspect = appx_inspect,
    .sign = appx_sign,
    .verify = appx_verify,
    .open = open,
    .extract = appx_extract,
    .prepare = appx_prepare,
    .repack = appx_repack,
    .compare = appx_compare,
    .own_entry = appx_own_entry,
};
