/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H
#include "base/err.h"
#include "base/reader.h"

/* Bytes that must not outlive their use: exported keys, passwords, sealing keys. Wiped when
 * released; never in an arena, a log or an error. A process that holds secrets locks all of its
 * memory and forbids dumps at its start, because the cryptographic library has copies too. */
struct secret {
    uint8_t *data;
    size_t len;
};

MUST_CHECK bool secret_new(size_t len, struct secret *ret, struct err *e); /* zeroed */
MUST_CHECK bool secret_copy(struct reader bytes, struct secret *ret, struct err *e);
void secret_done(struct secret *s); /* wipes; for CLEANUP; an empty one is fine */
struct reader secret_view(const struct secret *s);
/* Overwrites n bytes that the compiler may not leave alone. */
void secret_wipe(void *data, size_t n);
#endif
