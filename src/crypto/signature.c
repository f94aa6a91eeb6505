/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/signature.h"
#include <string.h>

const char *attribute_value(const struct attributes *a, const char *name)
{
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->list[i].name, name) == 0)
            return a->list[i].value;
    return NULL;
}
