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

static bool enough_memory(const struct arena *a, bool ok, struct err *e)
{
    if (!arena_failed(a))
        return ok;
    *e = (struct err){0};
    return arena_err(e);
}

bool format_sign(const struct format *f, const struct sign_job *job, struct err *e)
{
    return enough_memory(job->arena, f->sign(job, e), e);
}

bool format_verify(const struct format *f, const struct verify_job *job, struct signature **ret,
                   size_t *ret_count, struct err *e)
{
    return enough_memory(job->arena, f->verify(job, ret, ret_count, e), e);
}
