/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_REMOTE_CLIENT_H
#define CLI_REMOTE_CLIENT_H
#include "base/secret.h"
#include "cli/cli.h"
#include <jansson.h>

/* The server that the client commands speak to, and who we are there. */
struct client {
    struct cli *cli;
    const char *url, *organization, *token_file, *patience; /* options as given */
    const char *base;                                       /* "https://host/API/v1/ORGANIZATION" */
    const char *host; /* for messages: the address without a path */
    bool loopback;
    struct secret header; /* "Authorization: Bearer ..." with its NUL */
    int64_t patience_ms;  /* how long failures that may pass are tried again */
    void *connection;     /* of http.c, kept open between calls */
    int failure;          /* exit status that belongs to the error; 0: by its code */
};

/* Rows for the table of a command's options. */
#define CLIENT_OPTIONS(c)                                                                          \
    {"--url", OPTION_VALUE, (void *)&(c)->url, "address of the service"},                          \
        {"--organization", OPTION_VALUE, (void *)&(c)->organization, "id of the organization"},    \
        {"--token-file", OPTION_VALUE, (void *)&(c)->token_file, "file with the API token"},       \
    {                                                                                              \
        "--retry", OPTION_VALUE, (void *)&(c)->patience,                                           \
            "seconds to go on trying when the server is away (30)"                                 \
    }

/* Finds address, organisation and token: option, then CHANCERY_*, then SIGNPATH_*, then
 * ~/.config/chancery/client.conf. ERR_USAGE says what is missing and where it may stand. */
MUST_CHECK bool client_open(struct client *c, struct err *e);
void client_close(struct client *c); /* wipes the token */
/* Says what went wrong and gives the exit status. */
int client_fail(const struct client *c, const char *place, const struct err *e);

/* A whole number of seconds; `fallback` when the option was not given. */
MUST_CHECK bool client_seconds(const char *name, const char *text, uint64_t fallback, uint64_t *ret,
                               struct err *e);
/* Text member of an object; "" when it is not there. */
const char *client_text(const json_t *object, const char *name);
/* The document on stdout, with a line end. */
MUST_CHECK bool client_print_json(const json_t *value, struct err *e);
#endif
