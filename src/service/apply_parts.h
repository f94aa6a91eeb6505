/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_APPLY_PARTS_H
#define SERVICE_APPLY_PARTS_H
/* What the files apply*.c share; nobody else includes it. */
#include "base/json.h"
#include "service/certificates.h"
#include "service/events.h"
#include <jansson.h>

struct apply {
    struct service *service;
    const struct actor *by;
    struct arena *arena;
    const json_t *document;
    bool dry_run;
    struct db_tx *tx;                /* while the closure runs */
    struct certificate_wish *wishes; /* of certificates that are not there yet */
    struct certificate_made *made;   /* the same ones, made; only slugs in a dry run */
    size_t made_count;
    struct json changes, tokens, warnings;
    struct writer changes_text, tokens_text, warnings_text;
};

/* A field: its place in the document, for messages. */
struct place {
    const char *text; /* "projects[0].signingPolicies[1]" */
};
struct place place_item(struct apply *a, struct place in, const char *list, size_t index);

/* Only the keys of the NULL-ended list may be there; the error names the nearest. */
MUST_CHECK bool apply_keys(const json_t *object, struct place at, const char *const *allowed,
                           struct err *e);
/* Text, number, flag or list of a field; `fallback` when it is not there. */
MUST_CHECK bool apply_text(const json_t *object, struct place at, const char *name,
                           const char *fallback, const char **ret, struct err *e);
MUST_CHECK bool apply_number(const json_t *object, struct place at, const char *name,
                             int64_t fallback, int64_t least, int64_t most, int64_t *ret,
                             struct err *e);
MUST_CHECK bool apply_flag(const json_t *object, struct place at, const char *name, bool fallback,
                           bool *ret, struct err *e);
/* NULL when not there. */
MUST_CHECK bool apply_list(const json_t *object, struct place at, const char *name,
                           const json_t **ret, struct err *e);
/* One of the words of a NULL-ended list. */
MUST_CHECK bool apply_choice(const json_t *object, struct place at, const char *name,
                             const char *fallback, const char *const *words, const char **ret,
                             struct err *e);
MUST_CHECK bool apply_required(const char *value, struct place at, const char *name, struct err *e);
bool apply_err(struct err *e, struct place at, const char *name, const char *sentence);

/* One change for the answer and, when it is a change, the audit log. */
struct change_field {
    const char *name, *before, *after;
};
struct change_record {
    const char *kind, *slug, *id;
    bool created;
    struct change_field fields[12];
    size_t count;
};
/* Adds the field when the texts differ (or the object is new). */
void change_field(struct change_record *c, const char *name, const char *before, const char *after);
MUST_CHECK bool change_done(struct apply *a, const struct change_record *c, struct err *e);

MUST_CHECK bool apply_certificates_find(struct apply *a, struct err *e); /* fills wishes */
MUST_CHECK bool apply_certificates(struct apply *a, struct err *e);
MUST_CHECK bool apply_users(struct apply *a, struct err *e);
MUST_CHECK bool apply_projects(struct apply *a, struct err *e);
/* "ci:NAME", "user:MAIL" to a user id. */
MUST_CHECK bool apply_principals(struct apply *a, const json_t *list, struct place at,
                                 const char *object, const char *which, const char **ret_text,
                                 struct err *e);
#endif
