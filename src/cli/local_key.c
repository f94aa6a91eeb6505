/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/local_key.h"
#include "base/file.h"
#include "base/secret.h"
#include "cli/helper.h"
#include "cli/offline.h"
#include "crypto/tsp.h"
#include "crypto/x509.h"
#include <stdio.h>

enum { KEY_FILE = 64 * 1024 };

/* Key files and passwords never come into an arena. */
static bool read_secret(const char *path, struct secret *ret, struct err *e)
{
    CLEANUP(file_close) int fd = -1;
    CLEANUP(secret_done) struct secret room = {0};
    TRY(offline_open_file(path, &fd, e));
    TRY(secret_new(KEY_FILE, &room, e));
    size_t used = 0, got = 1;
    while (got > 0 && used < room.len) {
        TRY(file_read_some(fd, &room.data[used], room.len - used, &got, e));
        used += got;
    }
    if (used == room.len)
        return err_user(e, ERR_USAGE, "\"%.250s\" is too large for a key or password.", path);
    return secret_copy(reader_over(room.data, used), ret, e);
}

static bool read_password(const char *path, struct secret *ret, struct err *e)
{
    CLEANUP(secret_done) struct secret all = {0};
    TRY(read_secret(path, &all, e));
    struct reader r = secret_view(&all);
    while (r.left > 0 && (r.at[r.left - 1] == '\n' || r.at[r.left - 1] == '\r'))
        r.left--;
    return secret_copy(r, ret, e);
}

static bool read_key(const struct local_key_files *files, struct key **ret, struct err *e)
{
    CLEANUP(secret_done) struct secret pem = {0};
    CLEANUP(secret_done) struct secret password = {0};
    TRY(read_secret(files->key, &pem, e));
    if (files->password != NULL)
        TRY(read_password(files->password, &password, e));
    return key_from_pem(secret_view(&pem), secret_view(&password), ret, e);
}

static bool is_root(struct arena *a, struct reader der, bool *ret, struct err *e)
{
    struct certificate c;
    TRY(certificate_parse(a, der, &c, e));
    *ret = c.self_issued;
    return true;
}

/* The signer's certificate first, then its issuers; a root at the end stays away, because who
 * trusts it has it, and a self-signed signer is its own root. */
static bool read_chain(struct cli *c, const struct local_key_files *files, struct local_key *k,
                       struct err *e)
{
    struct reader file, *own = NULL, *more = NULL;
    size_t own_count = 0, more_count = 0;
    bool complete = false;
    TRY(offline_read(c, files->certificate, &file, e));
    TRY(certificates_read(c->arena, file, &own, &own_count, e));
    if (own_count == 0)
        return err_user(e, ERR_USAGE, "\"%.250s\" holds no certificate.", files->certificate);
    if (files->chain != NULL) {
        TRY(offline_read(c, files->chain, &file, e));
        TRY(certificates_read(c->arena, file, &more, &more_count, e));
    }
    struct reader *others = ARENA_ARRAY(c->arena, own_count + more_count, struct reader);
    if (others == NULL)
        return arena_err(e);
    for (size_t i = 1; i < own_count; i++)
        others[i - 1] = own[i];
    for (size_t i = 0; i < more_count; i++)
        others[own_count - 1 + i] = more[i];
    TRY(chain_order(c->arena, own[0], others, own_count - 1 + more_count, &k->chain,
                    &k->chain_count, &complete, e));
    bool root = false;
    if (k->chain_count > 1)
        TRY(is_root(c->arena, k->chain[k->chain_count - 1], &root, e));
    k->chain_count -= root;
    return true;
}

static bool check_pair(struct cli *c, const struct local_key_files *files, struct local_key *k,
                       struct err *e)
{
    struct certificate leaf;
    TRY(certificate_parse(c->arena, k->chain[0], &leaf, e));
    if (!reader_equal(leaf.spki, key_spki(k->key)))
        return err_user(e, ERR_USAGE,
                        "The key in \"%.140s\" does not belong to the certificate in \"%.140s\".",
                        files->key, files->certificate);
    k->kind = key_type_of(k->key).kind == KEY_RSA ? KEY_X509_RSA : KEY_X509_EC;
    return true;
}

bool local_key_open(struct cli *c, const struct local_key_files *files, struct local_key *ret,
                    struct err *e)
{
    TRY(read_key(files, &ret->key, e));
    TRY(read_chain(c, files, ret, e));
    return check_pair(c, files, ret, e);
}

void local_key_done(struct local_key *k)
{
    key_free(k->key);
    k->key = NULL;
}

/* --- answers ---------------------------------------------------------------------------------- */

static bool sign(void *ctx, uint32_t slot, sign_algorithm algorithm, struct reader digest,
                 struct writer *signature, struct err *e)
{
    const struct local_key *k = ctx;
    (void)slot;
    return key_sign_digest(k->key, algorithm, digest, signature, e);
}

/* A server that does not answer is passed over here; one whose token is not good is passed over
 * by the next attempt. */
static bool stamp(void *ctx, uint32_t slot, uint32_t attempt, enum hash hash, struct reader request,
                  struct stamp_answer *ret, struct err *e)
{
    const struct local_key *k = ctx;
    (void)slot;
    (void)hash;
    struct err last = {0};
    for (size_t i = attempt; i < k->servers->count; i++) {
        struct err why = {0};
        ret->server = k->servers->values[i];
        if (helper_stamp(ret->server, request, &ret->bytes, &why))
            return true;
        last = why;
        writer_reset(&ret->bytes);
    }
    if (last.code == ERR_NONE) /* nobody is left, and the ones before gave bad tokens */
        return true;
    return err_user(e, ERR_STAMP, "No time-stamp server could be reached (%zu tried): %.220s",
                    k->servers->count - attempt, last.user);
}

struct signing_source local_key_source(struct local_key *k)
{
    return (struct signing_source){.ctx = k, .sign = sign, .stamp = stamp};
}
