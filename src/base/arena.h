/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H
#include "base/reader.h"

/* Memory of one request or job, freed whole. Everything returned is zeroed or a copy and lives
 * until arena_free. A hard limit holds over all of it: NULL past it, and when memory is out.
 * Never for secrets. Not safe for use by two threads at once. */
struct arena;

struct arena *arena_new(size_t limit); /* NULL when memory is out */
void arena_free(struct arena *a);      /* NULL is fine */
size_t arena_used(const struct arena *a);
/* Whether any request was ever refused: tells "no memory" from "malformed" after readers that say
 * false for both. */
bool arena_failed(const struct arena *a);

void *arena_alloc(struct arena *a, size_t n);                  /* zeroed, aligned for any type */
void *arena_array(struct arena *a, size_t count, size_t size); /* zeroed, overflow checked */
/* A larger copy of an array; the old one is left to the arena. For tables that double. */
void *arena_grow(struct arena *a, const void *old, size_t count, size_t new_count, size_t size);
char *arena_text(struct arena *a, struct reader bytes);          /* copy with a NUL behind */
struct reader arena_bytes(struct arena *a, struct reader bytes); /* copy; {NULL, 0} on failure */
char *arena_format(struct arena *a, const char *fmt, ...) PRINTF(2, 3);

#define ARENA_NEW(a, type)          ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, count, type) ((type *)arena_array((a), (count), sizeof(type)))
/* Sets the error that belongs to a NULL from above. */
bool arena_err(struct err *e);
/* For CLEANUP(arena_cleanup). */
void arena_cleanup(struct arena **a);
#endif
