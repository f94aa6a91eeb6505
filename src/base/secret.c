/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/secret.h"
#include "base/fault.h"
#include <stdlib.h>
#include <string.h>

bool secret_new(size_t len, struct secret *ret, struct err *e)
{
    uint8_t *data = fault_now() ? NULL : calloc(1, len == 0 ? 1 : len);
    if (data == NULL)
        return err_set(e, ERR_NO_MEMORY, "secret");
    *ret = (struct secret){.data = data, .len = len};
    return true;
}

bool secret_copy(struct reader bytes, struct secret *ret, struct err *e)
{
    struct secret s;
    TRY(secret_new(bytes.left, &s, e));
    if (bytes.left > 0)
        memcpy(s.data, bytes.at, bytes.left);
    *ret = s;
    return true;
}

void secret_done(struct secret *s)
{
    if (s->data != NULL)
        explicit_bzero(s->data, s->len);
    free(s->data);
    *s = (struct secret){0};
}

struct reader secret_view(const struct secret *s)
{
    return reader_over(s->data, s->len);
}

void secret_wipe(void *data, size_t n)
{
    explicit_bzero(data, n);
}
