/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H
#include "cli/offline.h"
#include "crypto/x509.h"

/* What `chancery verify` found: every signature of a file and of the files inside. */
struct report_trust {
    const struct reader *roots; /* DER; none: the chain is not judged */
    size_t root_count;
    const struct reader *stamp_roots;
    size_t stamp_root_count;
    int64_t time; /* when a signature without time stamp is judged */
};

struct report_signature {
    const char *path;
    const struct signature *signature;
    const char *signer, *issuer, *stamper; /* names, or NULL */
    const char *problem;                   /* NULL: good as far as it was judged */
    bool chain_judged, stamp_judged;
};
struct report_note { /* a file inside that could not be looked into */
    const char *path, *text;
};

struct report {
    struct arena *arena;
    struct report_signature *signatures;
    size_t count, room;
    struct report_note *notes;
    size_t note_count, note_room;
    size_t files; /* looked at */
};

/* Adds the signatures found in one file. */
MUST_CHECK bool report_add(struct report *r, const char *path, const struct signature *list,
                           size_t count, const struct report_trust *trust, struct err *e);
MUST_CHECK bool report_note(struct report *r, const char *path, const char *text, struct err *e);
/* No problem, and at least one signature. */
bool report_good(const struct report *r);
MUST_CHECK bool report_json(const struct report *r, const char *artifact, struct writer *w,
                            struct err *e);
MUST_CHECK bool report_text(const struct report *r, const char *artifact, struct writer *w,
                            struct err *e);
#endif
