/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "keystore/vault.h"
#include "crypto/aead.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEALED_MAX = 64 * 1024, NAME_ROOM = 100 };
static const char magic[] = "chancery sealed 1\n", log_id[] = "log";

static bool name_of(struct reader id, char to[NAME_ROOM], struct err *e)
{
    if (id.left == 0 || id.left > 64)
        return err_set(e, ERR_KEY_FOLDER, "key id of %zu bytes", id.left);
    (void)snprintf(to, NAME_ROOM, "%.*s.sealed", (int)id.left, (const char *)id.at);
    return true;
}

/* What the seal is bound to: form, id and public key, each with its length. */
static void bound_to(struct writer *w, struct reader id, struct reader spki)
{
    writer_text(w, magic);
    record_SEALED_write(w, &(struct record_SEALED){.key = id, .spki = spki});
}

bool vault_seal(const struct vault *v, struct reader id, const struct key *k, struct err *e)
{
    CLEANUP(writer_done) struct writer bound = {0};
    CLEANUP(writer_done) struct writer sealed = {0};
    CLEANUP(writer_done) struct writer file = {0};
    CLEANUP(secret_done) struct secret plain = {0};
    char name[NAME_ROOM];
    writer_init(&bound, SEALED_MAX);
    writer_init(&sealed, SEALED_MAX);
    writer_init(&file, SEALED_MAX);
    TRY(name_of(id, name, e));
    TRY(key_to_pkcs8(k, &plain, e));
    bound_to(&bound, id, key_spki(k));
    TRY(writer_ok(&bound, e));
    TRY(aead_seal(secret_view(&v->kek), writer_view(&bound), secret_view(&plain), &sealed, e));
    writer_text(&file, magic);
    record_SEALED_write(&file, &(struct record_SEALED){id, key_spki(k), writer_view(&sealed)});
    TRY(writer_ok(&file, e));
    return file_replace(v->folder, name, 0400, writer_view(&file), CRASH_S02, e);
}

static bool unseal_file(const struct vault *v, struct reader id, struct reader file,
                        struct reader *ret_spki, struct key **ret, struct err *e)
{
    CLEANUP(writer_done) struct writer bound = {0};
    CLEANUP(secret_done) struct secret plain = {0};
    struct record_SEALED r;
    writer_init(&bound, SEALED_MAX);
    if (!reader_starts_with(file, magic, sizeof magic - 1) ||
        !reader_skip(&file, sizeof magic - 1) || !record_SEALED_next(&file, &r) ||
        !reader_at_end(&file) || !reader_equal(r.key, id))
        return err_set(e, ERR_KEY_FOLDER, "not a sealed key of this id");
    bound_to(&bound, id, r.spki);
    TRY(writer_ok(&bound, e));
    TRY(aead_open(secret_view(&v->kek), writer_view(&bound), r.sealed, &plain, e));
    *ret_spki = r.spki;
    return key_from_pkcs8(secret_view(&plain), ret, e);
}

/* spki .at NULL: any. */
static bool unseal(const struct vault *v, struct reader id, struct reader spki, struct key **ret,
                   struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(4 * SEALED_MAX);
    CLEANUP(key_cleanup) struct key *k = NULL;
    struct reader file, found = {0};
    struct err inner = {0};
    char name[NAME_ROOM];
    if (a == NULL)
        return arena_err(e);
    TRY(name_of(id, name, e));
    if (!file_read(v->folder, name, SEALED_MAX, a, &file, &inner) ||
        !unseal_file(v, id, file, &found, &k, &inner))
        return err_set(e, ERR_KEY_FOLDER,
                       "%s does not open (%s). Restore this file, or the kek that sealed it", name,
                       inner.detail);
    if (!reader_equal(found, key_spki(k)) || (spki.at != NULL && !reader_equal(found, spki)))
        return err_set(e, ERR_KEY_FOLDER, "%s holds another key than the journal says", name);
    *ret = k;
    k = NULL;
    return true;
}

bool vault_unseal(const struct vault *v, struct reader id, struct reader spki, struct key **ret,
                  struct err *e)
{
    if (spki.at == NULL)
        return err_set(e, ERR_INTERNAL, "a key without its public half");
    return unseal(v, id, spki, ret, e);
}

bool vault_remove(const struct vault *v, struct reader id, struct err *e)
{
    char name[NAME_ROOM];
    TRY(name_of(id, name, e));
    if (unlinkat(v->folder, name, 0) != 0 && errno != ENOENT)
        return err_errno(e, name);
    return file_sync_folder(v->folder, CRASH_S02, e);
}

void vault_done(struct vault *v)
{
    secret_done(&v->kek);
    key_free(v->log);
    v->log = NULL;
}

bool vault_create(int folder, struct vault *ret, struct err *e)
{
    CLEANUP(vault_done) struct vault v = {.folder = folder};
    struct key_type ed25519 = {.kind = KEY_ED25519, .bits = 256};
    struct stat st;
    if (fstatat(folder, "kek", &st, AT_SYMLINK_NOFOLLOW) == 0)
        return err_set(e, ERR_KEY_FOLDER, "the key folder is in use: it holds a kek");
    TRY(secret_new(AEAD_KEY, &v.kek, e));
    TRY(file_random(v.kek.data, v.kek.len, e));
    TRY(file_replace(folder, "kek", 0400, secret_view(&v.kek), CRASH_S02, e));
    TRY(key_generate(ed25519, &v.log, e));
    TRY(vault_seal(&v, reader_text(log_id), v.log, e));
    *ret = v;
    v = (struct vault){0};
    return true;
}

static bool read_kek(int folder, int kek_fd, struct secret *ret, struct err *e)
{
    CLEANUP(file_close) int own = -1;
    CLEANUP(secret_done) struct secret kek = {0};
    struct stat st;
    size_t got = 0;
    if (kek_fd < 0) {
        own = openat(folder, "kek", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (own < 0)
            return err_set(e, ERR_KEY_FOLDER,
                           "kek: it is missing or not readable. Restore it, or "
                           "name its credential in the setting key_seal");
        if (fstat(own, &st) != 0 || (st.st_mode & 077) != 0)
            return err_set(e, ERR_KEY_FOLDER, "kek: other users may read it. Make it mode 0400");
    }
    TRY(secret_new(AEAD_KEY + 1, &kek, e));
    TRY(file_read_some(kek_fd < 0 ? own : kek_fd, kek.data, kek.len, &got, e));
    if (got != AEAD_KEY)
        return err_set(e, ERR_KEY_FOLDER, "kek: it must hold exactly %d bytes", (int)AEAD_KEY);
    return secret_copy(reader_over(kek.data, AEAD_KEY), ret, e);
}

bool vault_open(int folder, int kek_fd, struct vault *ret, struct err *e)
{
    CLEANUP(vault_done) struct vault v = {.folder = folder};
    TRY(read_kek(folder, kek_fd, &v.kek, e));
    TRY(unseal(&v, reader_text(log_id), (struct reader){0}, &v.log, e));
    *ret = v;
    v = (struct vault){0};
    return true;
}
