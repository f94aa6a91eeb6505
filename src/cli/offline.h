/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_OFFLINE_H
#define CLI_OFFLINE_H
#include "artifact/engine.h"
#include "cli/cli.h"

/* What the commands without a server have in common: an input file, an artifact configuration,
 * a workspace. */
struct offline {
    struct cli *cli;
    int input, scratch;
    struct artifact artifact;
    struct pool *pool;
    struct workspace workspace;
    struct root_store *store;
    const char *path; /* of the input */
};

/* Opens the input and, unless `config` is NULL, reads and resolves the configuration;
 * otherwise one is made that embeds one signature by the format of the input, with `hash`
 * (NULL: the default). Warnings are said. folder: where scratch files may lie. */
MUST_CHECK bool offline_open(struct offline *o, const char *input, const char *config,
                             const struct option_list *parameters, const char *hash,
                             const char *folder, struct refusal *r);
/* Whom authenticode-verify trusts: the certificates of these files. After offline_open. */
MUST_CHECK bool offline_trust(struct offline *o, const struct option_list *files, struct err *e);
/* All certificates of several files. */
MUST_CHECK bool offline_roots(struct cli *c, const struct option_list *files,
                              const struct reader **ret, size_t *ret_count, struct err *e);
void offline_done(struct offline *o);
/* An unnamed file in the folder, or in memory: without a folder, or where it has none. */
MUST_CHECK bool offline_scratch(const char *folder, int *ret, struct err *e);
/* Folder of a path: "." when there is none. */
const char *offline_folder(struct arena *a, const char *path); /* NULL without memory */
const char *offline_name(const char *path);
/* The whole of a small file; the user text names it. */
MUST_CHECK bool offline_read(struct cli *c, const char *path, struct reader *ret, struct err *e);
MUST_CHECK bool offline_open_file(const char *path, int *ret, struct err *e);
/* Prints the refusal with its place. */
int offline_fail(const struct cli *c, const char *config, const struct refusal *r);
#endif
