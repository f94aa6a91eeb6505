/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/fake_core.h"
#include "base/logformat.h"
#include "base/test.h"
#include "base/text.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool put(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash,
                struct err *e)
{
    struct fake_log *l = ctx;
    (void)e;
    if (index >= l->room[level]) {
        l->room[level] = l->room[level] == 0 ? 16 : 2 * l->room[level];
        l->nodes[level] = realloc(l->nodes[level], l->room[level] * sizeof(struct merkle_hash));
        assert_non_null(l->nodes[level]);
    }
    l->nodes[level][index] = *hash;
    return true;
}

static bool get(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret, struct err *e)
{
    const struct fake_log *l = ctx;
    (void)e;
    assert_true(index < l->room[level]);
    *ret = l->nodes[level][index];
    return true;
}

void fake_log_done(struct fake_log *l)
{
    for (size_t i = 0; i < MERKLE_LEVELS; i++)
        free(l->nodes[i]);
    *l = (struct fake_log){0};
}

uint64_t fake_log_add(struct fake_log *l, struct reader leaf)
{
    struct merkle_hash h;
    struct err e = {0};
    assert_true(merkle_leaf(leaf, &h, &e) && merkle_append(&l->edge, &h, put, l, &e));
    return l->edge.size - 1;
}

void fake_log_copy(const struct fake_log *from, uint64_t leaves, struct fake_log *to)
{
    struct err e = {0};
    *to = (struct fake_log){0};
    for (uint64_t i = 0; i < leaves; i++)
        assert_true(merkle_append(&to->edge, &from->nodes[0][i], put, to, &e));
}

void fake_proof(const struct fake_log *l, uint64_t index, uint64_t old_size, struct writer *to)
{
    struct writer inclusion, consistency;
    struct merkle_hash root = {0};
    struct err e = {0};
    void *ctx = (void *)(uintptr_t)l;
    writer_init(&inclusion, MERKLE_PROOF_MAX);
    writer_init(&consistency, MERKLE_PROOF_MAX);
    if (l->edge.size > 0)
        assert_true(merkle_root(&l->edge, &root, &e));
    if (index != UINT64_MAX)
        assert_true(merkle_inclusion(index, l->edge.size, get, ctx, &inclusion, &e));
    if (old_size <= l->edge.size)
        assert_true(merkle_consistency(old_size, l->edge.size, get, ctx, &consistency, &e));
    writer_reset(to);
    record_PROOF_write(to, &(struct record_PROOF){index == UINT64_MAX ? 0 : index,
                                                  writer_view(&inclusion), l->edge.size,
                                                  merkle_view(&root), writer_view(&consistency)});
    writer_done(&inclusion);
    writer_done(&consistency);
}

void fake_grant_init(struct fake_grant *f, const char *key, uint32_t number, uint32_t slots,
                     struct instant now)
{
    struct digest_value empty;
    struct err e = {0};
    *f = (struct fake_grant){.leaf_kind = LOG_LEAF_INTENT};
    for (size_t i = 0; i < 4; i++)
        f->id[i] = (uint8_t)(number >> (8 * i));
    assert_true(digest_of(HASH_SHA256, (struct reader){0}, &empty, &e));
    for (size_t i = 0; i < 32; i++)
        f->approvals[i] = empty.bytes[i];
    writer_init(&f->algorithms, 4096);
    writer_init(&f->known, MESSAGE_MAX);
    writer_init(&f->leaf, MESSAGE_MAX);
    writer_init(&f->proof, MESSAGE_MAX);
    f->g = (struct record_GRANT){.node = reader_text("node-1"),
                                 .attempt = 1,
                                 .kind = GRANT_ARTIFACT,
                                 .key = reader_text(key),
                                 .slots = slots,
                                 .expires = (uint64_t)now.wall + 600000};
}

void fake_grant_done(struct fake_grant *f)
{
    writer_done(&f->algorithms);
    writer_done(&f->known);
    writer_done(&f->leaf);
    writer_done(&f->proof);
}

void fake_grant_algorithm(struct fake_grant *f, sign_algorithm a)
{
    record_ALGORITHM_write(&f->algorithms, &(struct record_ALGORITHM){a});
}

void fake_grant_known(struct fake_grant *f, uint32_t slot, struct reader digest)
{
    record_SLOT_write(&f->known, &(struct record_SLOT){slot, digest});
}

void fake_grant_build(struct fake_grant *f, struct fake_log *l, bool append, uint64_t old_size)
{
    struct writer body;
    char request[2 * GRANT_ID + 1];
    writer_init(&body, MESSAGE_MAX);
    text_hex(f->id, GRANT_ID, request);
    if (f->g.id.at == NULL)
        f->g.id = reader_over(f->id, GRANT_ID);
    if (f->g.request.at == NULL)
        f->g.request = reader_text(request);
    f->g.subject = reader_over(f->subject, 32);
    f->g.approvals = reader_over(f->approvals, 32);
    f->g.algorithms = writer_view(&f->algorithms);
    f->g.known = writer_view(&f->known);
    record_GRANT_write(&body, &f->g);
    writer_reset(&f->leaf);
    log_leaf_write(&f->leaf, &(struct log_leaf){1, reader_text(f->leaf_kind), reader_text("{}"),
                                                writer_view(&body)});
    if (append)
        f->index = fake_log_add(l, writer_view(&f->leaf));
    fake_proof(l, f->index, old_size, &f->proof);
    if (f->g.request.at == (const uint8_t *)request)
        f->g.request = (struct reader){0};
    writer_done(&body);
}

struct msg_KEY_GRANT fake_grant_message(const struct fake_grant *f)
{
    return (struct msg_KEY_GRANT){.leaf = writer_view(&f->leaf), .proof = writer_view(&f->proof)};
}

void fake_folder(char path[64], int *ret_fd, struct instant now)
{
    struct err e = {0};
    /* Memory where there is some: the tests sync many thousand times. */
    bool memory = access("/dev/shm", W_OK) == 0;
    (void)snprintf(path, 64, "%s/chancery-key-XXXXXX", memory ? "/dev/shm" : "/tmp");
    char *made = mkdtemp(path);
    assert_non_null(made);
    *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(*ret_fd >= 0);
    if (!keystore_create(*ret_fd, reader_text("node-1"), now, &e))
        fail_msg("%s %s", e.user, e.detail);
}

static void each_file(int folder, void (*each)(int folder, const char *name, int to), int to)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fdopendir(fd);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d)) != NULL;)
        if (entry->d_name[0] != '.')
            each(folder, entry->d_name, to);
    (void)closedir(d);
}

static void remove_file(int folder, const char *name, int to)
{
    (void)to;
    assert_int_equal(unlinkat(folder, name, 0), 0);
}

static void copy_file(int folder, const char *name, int to)
{
    struct arena *a = arena_new(1 << 28);
    struct reader bytes;
    struct err e = {0};
    assert_true(file_read(folder, name, 1 << 27, a, &bytes, &e));
    (void)unlinkat(to, name, 0);
    int fd = openat(to, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file_write_fd(fd, bytes, &e));
    (void)close(fd);
    arena_free(a);
}

void fake_folder_copy(int from, int to)
{
    each_file(to, remove_file, -1);
    each_file(from, copy_file, to);
}

void fake_folder_remove(const char *path, int fd)
{
    each_file(fd, remove_file, -1);
    (void)close(fd);
    (void)rmdir(path);
}
