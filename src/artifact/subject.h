/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_SUBJECT_H
#define ARTIFACT_SUBJECT_H
#include "base/reader.h"

/* What people approve and grants name: one digest over everything that was decided.
 * S = SHA-256("chancery subject 1" || fields); every field is a u32 length (little-endian) and
 * its bytes, in the order below; numbers are u64 little-endian. Anyone who has the parts can
 * compute it: `chancery approve` does. Vectors: tests/vectors/subject.txt. */
struct subject {
    struct reader organisation, request, submitter; /* ids, UTF-8 */
    struct reader artifact_sha256;
    uint64_t artifact_size;
    struct reader plan_sha256; /* of the plan's bytes */
    struct reader configuration;
    uint64_t configuration_version;
    struct reader configuration_sha256;
    struct reader policy;
    uint64_t policy_version;
    struct reader policy_sha256;
    struct reader key;
    struct reader certificate_sha256;
    struct reader parameters; /* PAIR records, sorted by name */
    struct reader origin;     /* JSON as stored; empty: none */
    struct reader scan;       /* verdict as stored; empty: no scan */
    uint64_t approvals;       /* how many are wanted */
};

enum { SUBJECT_SIZE = 32 };
MUST_CHECK bool subject_digest(const struct subject *s, uint8_t ret[SUBJECT_SIZE], struct err *e);
#endif
