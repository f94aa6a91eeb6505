/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_TESTKIT_H
#define FORMATS_TESTKIT_H
#include "base/test.h"
#include "crypto/testkit.h"
#include "formats/format.h"

enum { FLIPS_MAX = 512 };

/* For tests only: runs a format's sign and verify over bytes in memory. Inputs are copied to
 * allocations of their exact size, so that a read past the end is seen. */

/* What main() of a format's tests returns: all of them with one kit, with time stamps. */
int testkit_tests(struct testkit *kit, const char *key_type, const struct CMUnitTest *tests,
                  size_t count);

/* Signs `in` with kit->signer and attributes given as name, value, ... NULL. False with *e when
 * the format refuses; *ret lives in the kit's arena. */
bool testkit_sign(struct testkit *kit, const struct format *f, const char *directive,
                  const char *file_name, struct reader in, const char *const *attributes,
                  struct reader *ret, struct err *e);
/* The same, and it must succeed. */
struct reader testkit_signed(struct testkit *kit, const struct format *f, const char *directive,
                             const char *file_name, struct reader in,
                             const char *const *attributes);
/* All signatures of `in`; content .at NULL: not detached. False: the format says malformed. */
bool testkit_verify(struct testkit *kit, const struct format *f, const char *directive,
                    const char *file_name, struct reader in, struct reader content,
                    const char *const *attributes, struct signature **ret, size_t *ret_count,
                    struct err *e);
/* At least one signature, all intact. What is malformed counts as not intact. */
bool testkit_intact(struct testkit *kit, const struct format *f, const char *file_name,
                    struct reader in);

/* Every cut below 4096 bytes, and one flipped bit in bytes of [from, to), at most FLIPS_MAX of
 * them and evenly spread: must not crash. Returns how many of these files still verified, so a test
 * can say which may. */
size_t testkit_damage(struct testkit *kit, const struct format *f, const char *file_name,
                      struct reader in, size_t from, size_t to);
/* In builds with fault injection: signs and verifies with the first, second ... allocation or read
 * failing until none does. Each failure must be an error that is ours, and must not change what
 * comes out otherwise. In other builds it does nothing. */
void testkit_faults(struct testkit *kit, const struct format *f, const char *directive,
                    const char *file_name, struct reader in, const char *const *attributes);

/* Whether osslsigncode accepts the file, with no MISMATCH and nothing failed in its output, which
 * its exit status alone does not tell. `name` decides the type. Ask testkit_has_osslsigncode()
 * before. */
MUST_CHECK bool testkit_has_osslsigncode(void); /* 2.6 or newer: Debian's own knows no scripts */
MUST_CHECK bool testkit_osslsigncode(struct testkit *kit, const char *name, struct reader file);
#endif
