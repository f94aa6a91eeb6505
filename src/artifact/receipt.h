/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARTIFACT_RECEIPT_H
#define ARTIFACT_RECEIPT_H
#include "base/json.h"

/* The receipt of a signed artifact: JSON that says which files were signed with what, so that a
 * third party can hold the output against it. Core and the command line write the same form. */
struct receipt {
    const char *name; /* of the artifact */
    struct reader input_sha256, output_sha256;
    uint64_t input_size, output_size;
    int64_t time_ms;
    const struct reader *chain; /* DER, the signer's first */
    size_t chain_count;
    struct reader plan;  /* PLAN_ITEM records */
    struct reader found; /* FOUND records of the verify run, by slot; empty: not verified */
    struct reader more;  /* core adds: an object, JSON (request, policy, log proof); empty: none */
};
/* False: the records are malformed or do not belong together. */
MUST_CHECK bool receipt_write(struct writer *w, const struct receipt *r, struct err *e);
/* Members "files" and counts of a plan, for the dry run as well; found may be empty. */
MUST_CHECK bool receipt_files(struct json *j, struct reader plan, struct reader found,
                              struct err *e);
#endif
