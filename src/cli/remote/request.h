/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_REMOTE_REQUEST_H
#define CLI_REMOTE_REQUEST_H
#include "cli/remote/http.h"

/* Signing requests as the client commands handle them. */

/* Where the result goes. */
struct delivery {
    const char *output, *receipt; /* NULL: a name made from the artifact's; no receipt */
    bool force, original;         /* original: the file as it was submitted */
};
/* Rows for the table of a command's options. */
#define DELIVERY_OPTIONS(d)                                                                        \
    {"-o", OPTION_VALUE, (void *)&(d)->output, "where the file goes (NAME.signed.EXT)"},           \
        {"--receipt", OPTION_VALUE, (void *)&(d)->receipt, "where the receipt goes"},              \
    {                                                                                              \
        "--force", OPTION_FLAG, &(d)->force, "replace what is there"                               \
    }

MUST_CHECK bool request_check_id(const char *id, struct err *e);
/* "/SigningRequests/ID/WHAT"; `what` may be empty. */
MUST_CHECK bool request_path(struct client *c, const char *id, const char *what, const char **ret,
                             struct err *e);
/* The whole document of a request; the caller frees it. */
MUST_CHECK bool request_document(struct client *c, const char *id, json_t **ret, struct err *e);
/* The exit status that its status means: CLI_OK, CLI_NO, or CLI_TIMEOUT while it goes on. */
int request_exit(const json_t *document);
/* Says on stderr how it stands and, when it failed, why and where. */
void request_say(const struct client *c, const json_t *document);

/* Sets d->output when it is NULL, from the artifact's name; ERR_USAGE now and not after the work
 * when a file is there already or cannot be made. */
MUST_CHECK bool delivery_prepare(struct client *c, struct delivery *d, const char *artifact,
                                 struct err *e);
/* Waits for the end, at most this long, and delivers. *ret_status: as request_exit. */
MUST_CHECK bool request_finish(struct client *c, const char *id, uint64_t seconds,
                               struct delivery *d, int *ret_status, struct err *e);
/* Downloads beside its place, compares SHA-256 with the document and the receipt, renames. */
MUST_CHECK bool request_deliver(struct client *c, const json_t *document, struct delivery *d,
                                struct err *e);

/* What submit and resubmit have in common: a form in, a request id out. */
struct posting {
    const char *idempotency_key, *timeout;
    bool no_wait;
    struct delivery delivery;
    const char *id; /* of the new request, and its page */
    const char *link;
};
/* Posts the form (key and retries are added) and reads the id from the answer. */
MUST_CHECK bool posting_send(struct client *c, struct posting *p, struct http_call *q,
                             struct err *e);
/* Waits and delivers unless it shall not. */
MUST_CHECK bool posting_finish(struct client *c, struct posting *p, int *ret_status, struct err *e);
/* "NAME=VALUE" of each --parameter as form fields behind those that are there. */
MUST_CHECK bool posting_parameters(struct client *c, const struct option_list *list,
                                   struct http_field *fields, size_t *count, struct err *e);
#endif
