/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/format.h"
#include <string.h>

#define F(name) &name##_format,
const struct format *const all_formats[] = {FORMATS(F) NULL};
#undef F

const struct format *format_of(const char *id)
{
    for (const struct format *const *f = all_formats; *f != NULL; f++)
        if (strcmp((*f)->facts->id, id) == 0 || strcmp((*f)->facts->element, id) == 0)
            return *f;
    return NULL;
}
