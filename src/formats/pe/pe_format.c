/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/pe/pe.h"

static bool inspect(struct arena *a, const struct source *in, struct file_facts *ret, struct err *e)
{
    struct pe *pe;
    struct file_facts facts = {0};
    TRY(pe_parse(a, in, &pe, e));
    TRY(pe_version_facts(a, pe, in, &facts.facts, e));
    facts.signatures = (uint32_t)pe->certificate_count;
    *ret = facts;
    return true;
}

const struct format pe_format = {
    .facts = &pe_facts,
    .probe = pe_probe,
    .inspect = inspect,
    .sign = pe_sign,
    .verify = pe_verify,
    .unchanged = pe_unchanged,
};
