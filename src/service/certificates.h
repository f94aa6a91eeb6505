/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_CERTIFICATES_H
#define SERVICE_CERTIFICATES_H
#include "configuration/configuration.h"
#include "service/service.h"

/* A certificate whose key the key process has made and which it has signed itself, but which is
 * in no row yet. Arena memory. */
struct certificate_made {
    const char *slug, *key_id, *key_type, *subject;
    struct reader der;
    int64_t not_before, not_after; /* milliseconds */
};
struct certificate_wish {
    const char *slug;
    const char *key_type;  /* rsa-3072 ... */
    const char *purpose;   /* Test | Release */
    struct reader subject; /* PAIRs: CN, O, OU, L, ST, C, emailAddress, in the order wished */
    int64_t valid_days;
};
/* Key types, purposes and sizes that go together (interfaces.md 10: Release wants RSA >= 3072). */
MUST_CHECK bool certificate_check_wish(const struct certificate_wish *wish, struct err *e);
/* Key, intent leaf, grant of kind certify, signature: the same path as every signature. */
MUST_CHECK bool certificate_make(struct service *s, const struct actor *by,
                                 const struct certificate_wish *wish, struct arena *a,
                                 struct certificate_made *ret, struct err *e);
/* The key of a certificate that got no row after all. */
void certificate_discard(struct service *s, const struct certificate_made *made);

/* Active, issued, inside its validity at `now`. The row is one of certificate_by_*. */
MUST_CHECK bool certificate_check_usable(const struct db_rows *row, int64_t now, struct err *e);
enum configuration_key certificate_key_kind(const struct db_rows *row);
/* "required" without a server makes a policy unusable (interfaces.md 10). */
MUST_CHECK bool policy_check_servers(const struct service *s, const char *timestamp_mode,
                                     const char *scan_mode, struct err *e);
#endif
