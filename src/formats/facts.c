/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/facts.h"
#include <string.h>

#define F(name) &name##_facts,
const struct format_facts *const all_format_facts[] = {FORMATS(F) NULL};
#undef F

const struct format_facts *format_facts_of(const char *element)
{
    for (const struct format_facts *const *f = all_format_facts; *f != NULL; f++)
        if (strcmp((*f)->element, element) == 0)
            return *f;
    return NULL;
}

const struct directive_facts *directive_facts_of(const struct format_facts *f, const char *name)
{
    for (const struct directive_facts *d = f->directives; d->name != NULL; d++)
        if (strcmp(d->name, name) == 0)
            return d;
    return NULL;
}
