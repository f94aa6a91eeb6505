/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_verify.h"
#include "store/audit_check.h"

enum { PAGE = 500, PAGE_LIMIT = 256 << 20, HEADS_LIMIT = 256 << 20, LINE_MOST = 64 << 20 };

/* The database. */

struct node_check {
    struct db_tx *tx;
    struct checker *c;
    uint64_t nodes;
};

/* Compares each subtree, as it becomes complete, with the stored one: this narrows down where a
 * leaf was changed together with its own hash. */
static bool same_node(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash,
                      struct err *e)
{
    struct node_check *n = ctx;
    struct db_rows row;
    if (level == 0 || n->c->report.bad)
        return true;
    n->nodes++;
    TRY(tx_one(n->tx, QUERY_audit_node, DB_ARGS(DB_INT(level), DB_INT(index)), &row, e));
    uint64_t first = index << level, last = first + (UINT64_C(1) << level) - 1;
    if (row.count == 0)
        return checker_found(n->c, first, last,
                             "The stored hash over entries %llu to %llu is missing.",
                             (unsigned long long)first, (unsigned long long)last);
    if (!reader_equal(row_bytes(&row, "hash"), merkle_view(hash)))
        return checker_found(
            n->c, first, last,
            "One of the entries %llu to %llu was changed or exchanged, or their stored hash.",
            (unsigned long long)first, (unsigned long long)last);
    return true;
}

static bool text_is(const struct db_rows *row, const char *column, struct reader expected)
{
    return reader_equal_text(expected, row_text(row, column));
}

/* What searches use must be what the leaf says. */
static bool same_columns(struct checker *c, const struct db_rows *row, uint64_t index)
{
    struct audit_fields f;
    if (c->report.bad)
        return true;
    if (!audit_decode(row_bytes(row, "leaf"), &f) ||
        (uint64_t)row_int(row, "happened") != f.time_ms || !text_is(row, "kind", f.kind) ||
        !text_is(row, "actor", f.actor) || !text_is(row, "object", f.object) ||
        !text_is(row, "request", f.request))
        return checker_found(c, index, index, "A column of entry %llu was changed.",
                             (unsigned long long)index);
    return true;
}

static bool check_row(struct checker *c, struct node_check *n, const struct db_rows *row,
                      struct merkle_edge *stored, struct err *e)
{
    uint64_t index = c->edge.size;
    uint64_t position = (uint64_t)row_int(row, "position");
    struct merkle_hash hash;
    if (position != index)
        return checker_found(c, index, position == 0 ? 0 : position - 1, "Entry %llu is missing.",
                             (unsigned long long)index);
    if (!merkle_hash_from(row_bytes(row, "hash"), &hash))
        return checker_found(c, index, index, "The hash of entry %llu has a wrong length.",
                             (unsigned long long)index);
    TRY(checker_leaf(c, row_bytes(row, "leaf"), &hash, e));
    TRY(same_columns(c, row, index));
    return c->report.bad || merkle_append(stored, &hash, same_node, n, e);
}

static bool check_rows(struct db_tx *tx, struct checker *c, struct err *e)
{
    struct node_check n = {.tx = tx, .c = c};
    struct merkle_edge stored = {0};
    struct db_rows rows;
    do {
        CLEANUP(arena_cleanup) struct arena *page = arena_new(PAGE_LIMIT);
        if (page == NULL)
            return arena_err(e);
        tx_into(tx, page);
        bool ok =
            tx_query(tx, QUERY_audit_page, DB_ARGS(DB_INT(c->edge.size), DB_INT(PAGE)), &rows, e);
        while (ok && !c->report.bad && rows_next(&rows))
            ok = check_row(c, &n, &rows, &stored, e);
        tx_into(tx, NULL);
        TRY(ok);
    } while (rows.count == PAGE && !c->report.bad);
    TRY(checker_end(c, e));
    TRY(tx_one(tx, QUERY_audit_node_count, DB_NO_ARGS, &rows, e));
    if ((uint64_t)row_int(&rows, "count") != n.nodes)
        return checker_found(c, c->edge.size, c->edge.size,
                             "Entry %llu is missing: there are hashes over it.",
                             (unsigned long long)c->edge.size);
    return true;
}

static bool verify_in(struct db_tx *tx, void *ctx, struct err *e)
{
    struct checker *c = ctx;
    struct db_rows rows;
    tx_into(tx, c->a);
    TRY(tx_query(tx, QUERY_audit_heads, DB_NO_ARGS, &rows, e));
    while (rows_next(&rows)) {
        struct audit_head head;
        if (!audit_head_of_row(&rows, &head))
            return checker_found(c, 0, 0, "A stored head has a root of wrong length.");
        TRY(checker_head(c, &head, false, e));
    }
    TRY(checker_heads_done(c, e));
    TRY(tx_one(tx, QUERY_audit_lowest, DB_NO_ARGS, &rows, e));
    tx_into(tx, NULL);
    if (!row_null(&rows, "first") && row_int(&rows, "first") < 0)
        return checker_found(c, 0, 0, "There is an entry before the first.");
    return check_rows(tx, c, e);
}

bool audit_verify_db(struct db *db, const struct audit_check *check, struct audit_report *ret,
                     struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(HEADS_LIMIT);
    if (a == NULL)
        return arena_err(e);
    struct checker c = {.a = a, .with = check};
    TRY(db_read(db, verify_in, &c, e));
    *ret = c.report;
    return true;
}

/* Export. */

struct export
{
    struct sink *to;
    struct writer line;
};

static bool flush(struct export *x, struct err *e)
{
    TRY(writer_ok(&x->line, e));
    TRY(sink_reader(x->to, writer_view(&x->line), e));
    writer_reset(&x->line);
    return true;
}

static bool export_heads(struct db_tx *tx, struct export *x, struct err *e)
{
    struct audit_header header = {0};
    struct db_rows rows;
    TRY(audit_size(tx, &header.size, e));
    TRY(audit_root(tx, header.size, &header.root, e));
    TRY(tx_query(tx, QUERY_audit_heads, DB_NO_ARGS, &rows, e));
    header.heads = rows.count;
    audit_header_line(&x->line, &header);
    TRY(flush(x, e));
    while (rows_next(&rows)) {
        struct audit_head head;
        if (!audit_head_of_row(&rows, &head))
            return err_set(e, ERR_AUDIT, "a stored head has a root of wrong length");
        audit_head_line(&x->line, &head);
        TRY(flush(x, e));
    }
    return true;
}

static bool export_leaf(struct export *x, const struct db_rows *row, struct err *e)
{
    struct merkle_hash hash;
    uint64_t index = (uint64_t)row_int(row, "position");
    if (!merkle_hash_from(row_bytes(row, "hash"), &hash) ||
        !audit_leaf_line(&x->line, index, row_bytes(row, "leaf"), &hash))
        return err_set(e, ERR_AUDIT, "entry %llu is not an audit event", (unsigned long long)index);
    return flush(x, e);
}

static bool export_in(struct db_tx *tx, void *ctx, struct err *e)
{
    struct export *x = ctx;
    struct db_rows rows;
    int64_t from = 0;
    TRY(export_heads(tx, x, e));
    do {
        CLEANUP(arena_cleanup) struct arena *page = arena_new(PAGE_LIMIT);
        if (page == NULL)
            return arena_err(e);
        tx_into(tx, page);
        bool ok = tx_query(tx, QUERY_audit_page, DB_ARGS(DB_INT(from), DB_INT(PAGE)), &rows, e);
        while (ok && rows_next(&rows)) {
            from = row_int(&rows, "position") + 1;
            ok = export_leaf(x, &rows, e);
        }
        tx_into(tx, NULL);
        TRY(ok);
    } while (rows.count == PAGE);
    return true;
}

bool audit_export(struct db *db, struct sink *to, struct err *e)
{
    struct export x = {.to = to};
    writer_init(&x.line, LINE_MOST);
    bool ok = db_read(db, export_in, &x, e);
    writer_done(&x.line);
    return ok;
}

/* An exported file. */

struct lines {
    struct source file;
    uint64_t at;
    uint64_t number; /* of the line handed out last, from 1 */
    bool cut;        /* the last line had no end */
};

/* The next line into the arena; *ret_found false at the end. */
static bool next_line(struct lines *l, struct arena *a, struct reader *ret, bool *ret_found,
                      struct err *e)
{
    uint64_t left = l->file.size - l->at;
    *ret_found = left > 0;
    if (left == 0)
        return true;
    for (size_t window = 4096;; window *= 8) {
        size_t n = left < window ? (size_t)left : window;
        struct reader bytes, line;
        TRY(source_load(a, &l->file, l->at, n, &bytes, e));
        size_t end = reader_find(bytes, 0, "\n", 1);
        if (end == SIZE_MAX && n < left && window < LINE_MOST)
            continue;
        l->cut = end == SIZE_MAX;
        if (!reader_slice(bytes, 0, l->cut ? n : end, &line))
            return err_set(e, ERR_INTERNAL, "line");
        l->at += l->cut ? n : end + 1;
        l->number++;
        *ret = line;
        return true;
    }
}

static bool file_header(struct checker *c, struct lines *l, struct audit_header *ret, struct err *e)
{
    struct reader line;
    bool found = false;
    TRY(next_line(l, c->a, &line, &found, e));
    if (!found || !audit_header_read(line, ret))
        return err_user(
            e, ERR_AUDIT,
            "This file is not an export of an audit log: its first line is not the header.");
    for (uint64_t i = 0; i < ret->heads; i++) {
        struct audit_head head;
        TRY(next_line(l, c->a, &line, &found, e));
        if (!found || !audit_head_read(c->a, line, &head))
            return checker_found(c, 0, 0, "Line %llu should be a signed head and is not.",
                                 (unsigned long long)(l->number + !found));
        TRY(checker_head(c, &head, false, e));
    }
    return checker_heads_done(c, e);
}

static bool file_leaf(struct checker *c, struct arena *a, struct reader line, struct err *e)
{
    uint64_t index = c->edge.size;
    struct audit_line leaf;
    bool whole = false;
    if (!audit_leaf_read(a, line, &leaf, &whole))
        return checker_found(c, index, index, "The line of entry %llu is not readable.",
                             (unsigned long long)index);
    if (leaf.index > index)
        return checker_found(c, index, leaf.index - 1, "Entry %llu is missing.",
                             (unsigned long long)index);
    if (leaf.index < index)
        return checker_found(c, index, index, "Entry %llu stands where entry %llu belongs.",
                             (unsigned long long)leaf.index, (unsigned long long)index);
    TRY(checker_leaf(c, leaf.leaf, &leaf.hash, e));
    return whole || checker_found(c, index, index, "The line of entry %llu was changed.",
                                  (unsigned long long)index);
}

static bool file_leaves(struct checker *c, struct lines *l, const struct audit_header *header,
                        struct err *e)
{
    for (bool found = true; found && !c->report.bad;) {
        CLEANUP(arena_cleanup) struct arena *a = arena_new(PAGE_LIMIT);
        struct reader line;
        if (a == NULL)
            return arena_err(e);
        TRY(next_line(l, a, &line, &found, e));
        if (found)
            TRY(file_leaf(c, a, line, e));
    }
    TRY(checker_end(c, e));
    if (c->edge.size < header->size || l->cut)
        return checker_found(c, c->edge.size, header->size - 1,
                             "Entry %llu is missing: the file was cut.",
                             (unsigned long long)c->edge.size);
    if (c->edge.size > header->size)
        return checker_found(c, header->size, header->size, "Entry %llu was added.",
                             (unsigned long long)header->size);
    if (!reader_equal(merkle_view(&c->report.root), merkle_view(&header->root)))
        return checker_found(c, c->report.covered, c->edge.size,
                             "The root of the header is not that of the entries.");
    return true;
}

bool audit_verify_file(const struct source *file, const struct audit_check *check,
                       struct audit_report *ret, struct err *e)
{
    CLEANUP(arena_cleanup) struct arena *a = arena_new(HEADS_LIMIT);
    if (a == NULL)
        return arena_err(e);
    struct checker c = {.a = a, .with = check};
    struct lines lines = {.file = *file};
    struct audit_header header = {0};
    TRY(file_header(&c, &lines, &header, e));
    if (!c.report.bad)
        TRY(file_leaves(&c, &lines, &header, e));
    *ret = c.report;
    return true;
}
