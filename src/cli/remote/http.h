/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_REMOTE_HTTP_H
#define CLI_REMOTE_HTTP_H
#include "base/source.h"
#include "cli/remote/client.h"
#include "crypto/digest.h"

/* One call of the API by libcurl. Files are streamed in both directions. */
struct http_field {
    const char *name, *value;
};
struct http_call {
    const char *path; /* below the organisation: "/SigningRequests" */
    bool post;
    const char *key;                 /* Idempotency-Key; NULL: none */
    const struct http_field *fields; /* of a multipart form */
    size_t field_count;
    const struct source *artifact; /* its file part; NULL: none */
    const char *artifact_name;
    struct digest_value *sent; /* SHA-256 of what was sent */
    struct reader json;        /* the body instead of a form */
    int to;                    /* descriptor for the body of a 200 answer; -1: `answer` */
    struct digest_value *got;  /* SHA-256 of what was written to it */
    bool once;                 /* not again when it may have been carried out */
};

/* Calls until the answer is final: 429, 502, 503, 504 and network failures are tried again, with
 * growing pauses, for the client's patience. True: status 2xx, and the body is in `answer` (or in
 * its file). False: *e says what the server said, and c->failure is the exit status. */
MUST_CHECK bool http_call(struct client *c, const struct http_call *q, struct writer *answer,
                          struct err *e);
/* The same, with the answer as a JSON object. */
MUST_CHECK bool http_json(struct client *c, const struct http_call *q, json_t **ret, struct err *e);
/* A part of a path or query, percent-encoded. */
void http_percent(struct writer *w, const char *text);
/* Ends the connection that calls share. */
void http_close(struct client *c);
#endif
