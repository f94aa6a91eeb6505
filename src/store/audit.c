/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/source.h"
#include "base/text.h"
#include "store/audit_line.h"
#include "store/backend.h"
#include <fcntl.h>
#include <string.h>

enum { LEAF_LIMIT = 16 << 20 };

static void put(struct writer *w, struct reader bytes)
{
    writer_u32le(w, (uint32_t)bytes.left);
    writer_reader(w, bytes);
}

static bool get(struct reader *r, struct reader *ret)
{
    uint32_t n;
    return reader_u32le(r, &n) && reader_take(r, n, ret);
}

bool audit_decode(struct reader bytes, struct audit_fields *ret)
{
    struct log_leaf leaf;
    TRY(log_leaf_read(bytes, &leaf));
    struct audit_fields f = {.time_ms = leaf.time_ms, .kind = leaf.kind, .body = leaf.body};
    struct reader r = leaf.context;
    TRY(get(&r, &f.actor) && get(&r, &f.object) && get(&r, &f.request) && get(&r, &f.detail) &&
        reader_at_end(&r));
    *ret = f;
    return true;
}

static void encode(struct writer *w, const struct audit_fields *f)
{
    struct writer context;
    writer_init(&context, LEAF_LIMIT);
    put(&context, f->actor);
    put(&context, f->object);
    put(&context, f->request);
    put(&context, f->detail);
    const struct log_leaf leaf = {
        .time_ms = f->time_ms, .kind = f->kind, .context = writer_view(&context), .body = f->body};
    log_leaf_write(w, &leaf);
    w->failed = w->failed || context.failed;
    writer_done(&context);
}

bool audit_size(struct db_tx *tx, uint64_t *ret, struct err *e)
{
    struct db_rows row;
    TRY(tx_one(tx, QUERY_audit_size, DB_NO_ARGS, &row, e));
    *ret = row.count == 0 || row_null(&row, "last") ? 0 : (uint64_t)row_int(&row, "last") + 1;
    return true;
}

bool audit_leaf(struct db_tx *tx, uint64_t index, struct reader *ret, struct err *e)
{
    struct db_rows row;
    TRY(tx_one(tx, QUERY_audit_leaf, DB_ARGS(DB_INT(index)), &row, e));
    if (row.count == 0)
        return err_set(e, ERR_AUDIT, "no entry %llu", (unsigned long long)index);
    *ret = row_bytes(&row, "leaf");
    return true;
}

static bool get_node(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret,
                     struct err *e)
{
    struct db_tx *tx = ctx;
    struct db_rows row;
    TRY(level == 0 ? tx_one(tx, QUERY_audit_hash, DB_ARGS(DB_INT(index)), &row, e)
                   : tx_one(tx, QUERY_audit_node, DB_ARGS(DB_INT(level), DB_INT(index)), &row, e));
    return (row.count == 1 && merkle_hash_from(row_bytes(&row, "hash"), ret)) ||
           err_set(e, ERR_AUDIT, "no hash of level %u at %llu", level, (unsigned long long)index);
}

static bool put_node(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash,
                     struct err *e)
{
    return level == 0 || /* in the row of the event */
           tx_run(ctx, QUERY_audit_node_add,
                  DB_ARGS(DB_INT(level), DB_INT(index), DB_BYTES(merkle_view(hash))), e);
}

static bool in_tree(struct db_tx *tx, uint64_t size, struct err *e)
{
    uint64_t now = 0;
    TRY(audit_size(tx, &now, e));
    return size <= now || err_set(e, ERR_AUDIT, "size %llu, the log has %llu entries",
                                  (unsigned long long)size, (unsigned long long)now);
}

/* The edge is kept with the writing connection between appends; db.c forgets it whenever
 * something was undone or another node may have written. */
static bool load_edge(struct db_tx *tx, struct conn *c, struct err *e)
{
    uint64_t size = 0;
    if (c->edge_known)
        return true;
    TRY(audit_size(tx, &size, e));
    TRY(merkle_edge_load(size, get_node, tx, &c->edge, e));
    c->edge_known = true;
    return true;
}

static struct reader text(const char *s)
{
    return reader_text(s == NULL ? "" : s);
}

static bool append(struct db_tx *tx, const struct audit_fields *f, struct reader leaf,
                   struct err *e)
{
    struct conn *c = tx_conn(tx);
    struct merkle_hash hash;
    TRY(load_edge(tx, c, e));
    TRY(merkle_leaf(leaf, &hash, e));
    TRY(tx_run(tx, QUERY_audit_event_add,
               DB_ARGS(DB_INT(c->edge.size), DB_BYTES(leaf), DB_BYTES(merkle_view(&hash)),
                       DB_INT(f->time_ms), db_utf8(f->kind), db_utf8(f->actor), db_utf8(f->object),
                       db_utf8(f->request)),
               e));
    return merkle_append(&c->edge, &hash, put_node, tx, e);
}

bool audit_append(struct db_tx *tx, const struct audit_event *event, uint64_t *ret_index,
                  struct err *e)
{
    const struct audit_fields f = {.time_ms = (uint64_t)clock_wall_ms(),
                                   .kind = text(event->kind),
                                   .actor = text(event->actor),
                                   .object = text(event->object),
                                   .request = text(event->request),
                                   .detail = event->detail,
                                   .body = event->body};
    struct writer leaf;
    writer_init(&leaf, LEAF_LIMIT);
    encode(&leaf, &f);
    bool ok = writer_ok(&leaf, e) && append(tx, &f, writer_view(&leaf), e);
    writer_done(&leaf);
    if (ok && ret_index != NULL)
        *ret_index = tx_conn(tx)->edge.size - 1;
    return ok;
}

bool audit_root(struct db_tx *tx, uint64_t size, struct merkle_hash *ret, struct err *e)
{
    struct merkle_edge edge;
    TRY(in_tree(tx, size, e));
    TRY(merkle_edge_load(size, get_node, tx, &edge, e));
    return merkle_root(&edge, ret, e);
}

bool audit_inclusion(struct db_tx *tx, uint64_t index, uint64_t size, struct writer *proof,
                     struct err *e)
{
    TRY(in_tree(tx, size, e));
    if (index >= size)
        return err_set(e, ERR_AUDIT, "entry %llu is not among the first %llu",
                       (unsigned long long)index, (unsigned long long)size);
    return merkle_inclusion(index, size, get_node, tx, proof, e);
}

bool audit_consistency(struct db_tx *tx, uint64_t old_size, uint64_t size, struct writer *proof,
                       struct err *e)
{
    TRY(in_tree(tx, size, e));
    if (old_size > size)
        return err_set(e, ERR_AUDIT, "size %llu after %llu", (unsigned long long)size,
                       (unsigned long long)old_size);
    return merkle_consistency(old_size, size, get_node, tx, proof, e);
}

bool audit_head_store(struct db_tx *tx, const struct audit_head *head, struct err *e)
{
    struct merkle_hash root;
    TRY(audit_root(tx, head->head.size, &root, e));
    if (!reader_equal(merkle_view(&root), reader_over(head->head.root, sizeof head->head.root)))
        return err_set(e, ERR_AUDIT, "a signed head over %llu entries has another root",
                       (unsigned long long)head->head.size);
    return tx_run(tx, QUERY_audit_head_add,
                  DB_ARGS(DB_TEXT(head->node), DB_INT(head->head.journal), DB_INT(head->head.size),
                          DB_BLOB(head->head.root, 32), DB_INT(head->head.epoch),
                          DB_BYTES(head->signature), DB_BYTES(head->log_key),
                          DB_INT(clock_wall_ms())),
                  e);
}

bool audit_head_of_row(const struct db_rows *row, struct audit_head *ret)
{
    struct reader root = row_bytes(row, "root");
    struct audit_head h = {.head = {.size = (uint64_t)row_int(row, "size"),
                                    .epoch = (uint64_t)row_int(row, "epoch"),
                                    .journal = (uint64_t)row_int(row, "journal")},
                           .node = row_text(row, "node"),
                           .log_key = row_bytes(row, "log_key"),
                           .signature = row_bytes(row, "signature"),
                           .stored_ms = row_int(row, "stored_at")};
    TRY(root.left == sizeof h.head.root && reader_copy(&root, h.head.root, sizeof h.head.root));
    *ret = h;
    return true;
}

bool audit_head_last(struct db_tx *tx, struct audit_head *ret, bool *ret_found, struct err *e)
{
    struct db_rows row;
    TRY(tx_one(tx, QUERY_audit_head_last, DB_NO_ARGS, &row, e));
    *ret_found = row.count == 1;
    return row.count == 0 || audit_head_of_row(&row, ret) ||
           err_set(e, ERR_AUDIT, "a stored head has a root of wrong length");
}

static bool add_line(int fd, struct writer *w, const struct audit_head *head, struct err *e)
{
    struct source file;
    uint8_t last = '\n';
    TRY(source_file(fd, &file, e));
    if (file.size > 0)
        TRY(source_read(&file, file.size - 1, &last, 1, e));
    if (last != '\n') /* a crash has cut the line before */
        writer_u8(w, '\n');
    audit_head_line(w, head);
    return writer_ok(w, e) && file_write_fd(fd, writer_view(w), e);
}

bool audit_head_keep(int folder, const struct audit_head *head, struct err *e)
{
    int flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    CLEANUP(file_close) int fd = openat(folder, "heads.jsonl", flags, 0600);
    if (fd < 0)
        return err_errno(e, "audit/heads.jsonl");
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, LEAF_LIMIT);
    return add_line(fd, &w, head, e);
}
