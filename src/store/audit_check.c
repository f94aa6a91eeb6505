/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit_check.h"
#include "crypto/key.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_TEXT = 64 * 1024 };

bool checker_found(struct checker *c, uint64_t first, uint64_t last, const char *fmt, ...)
{
    if (c->report.bad)
        return true;
    c->report.bad = true;
    c->report.bad_first = first;
    c->report.bad_last = last < first ? first : last;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(c->report.what, sizeof c->report.what, fmt, ap);
    va_end(ap);
    return true;
}

bool checker_head(struct checker *c, const struct audit_head *head, bool witness, struct err *e)
{
    if (c->count == c->room) {
        size_t room = c->room == 0 ? 64 : c->room * 2;
        struct known_head *heads = arena_grow(c->a, c->heads, c->count, room, sizeof *heads);
        if (heads == NULL)
            return arena_err(e);
        c->heads = heads;
        c->room = room;
    }
    c->heads[c->count++] = (struct known_head){.head = *head, .witness = witness};
    if (witness)
        c->report.witnesses++;
    else
        c->report.heads++;
    if (!witness && head->head.epoch > c->epoch)
        c->epoch = head->head.epoch;
    return true;
}

static bool read_witnesses(struct checker *c, struct err *e)
{
    struct reader rest = c->with->witnesses, line;
    while (audit_next_line(&rest, &line)) {
        struct audit_head head;
        if (audit_head_read(c->a, line, &head))
            TRY(checker_head(c, &head, true, e));
        else
            c->report.unreadable++;
    }
    return true;
}

static int order(const void *a, const void *b)
{
    const struct log_head *x = &((const struct known_head *)a)->head.head;
    const struct log_head *y = &((const struct known_head *)b)->head.head;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    if (x->epoch != y->epoch)
        return x->epoch < y->epoch ? -1 : 1;
    return x->journal < y->journal ? -1 : x->journal > y->journal;
}

static bool signature_holds(const struct audit_head *h)
{
    struct writer text;
    struct err ignored = {0};
    writer_init(&text, HEAD_TEXT);
    log_head_text(&text, reader_text(h->node), &h->head);
    bool ok =
        !text.failed && key_verify_message(h->log_key, writer_view(&text), h->signature, &ignored);
    writer_done(&text);
    return ok;
}

bool checker_heads_done(struct checker *c, struct err *e)
{
    TRY(read_witnesses(c, e));
    if (c->count == 0)
        return true;
    qsort(c->heads, c->count, sizeof *c->heads, order);
    struct reader key = c->with->log_key;
    uint64_t covered = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct audit_head *h = &c->heads[i].head;
        uint64_t last = h->head.size == 0 ? 0 : h->head.size - 1;
        if (key.left == 0)
            key = h->log_key;
        if (!reader_equal(h->log_key, key))
            return checker_found(c, covered, last,
                                 "The head over %llu entries is signed by another log key.",
                                 (unsigned long long)h->head.size);
        if (!signature_holds(h))
            return checker_found(c, covered, last,
                                 "The signature of the head over %llu entries does not hold.",
                                 (unsigned long long)h->head.size);
        const struct audit_head *old = i == 0 ? h : &c->heads[i - 1].head;
        const struct log_head *before = &old->head;
        if (strcmp(old->node, h->node) == 0 && before->epoch == h->head.epoch &&
            before->journal > h->head.journal)
            return checker_found(c, before->size, last,
                                 "The head over %llu entries has an older journal number than one "
                                 "over %llu: a rollback.",
                                 (unsigned long long)h->head.size,
                                 (unsigned long long)before->size);
        covered = h->head.size;
    }
    return true;
}

/* Heads from before a restore, over entries that it took back, are no finding: only the operator
 * and the key process together can raise the epoch, and the log says so. */
static bool superseded(struct checker *c, const struct known_head *k)
{
    if (!k->witness || k->head.head.epoch >= c->epoch)
        return false;
    for (size_t i = 0; i < c->count; i++)
        if (!c->heads[i].witness && c->heads[i].head.head.epoch <= k->head.head.epoch &&
            c->heads[i].head.head.size >= k->head.head.size)
            return false;
    c->report.superseded++;
    return true;
}

static bool compare_heads(struct checker *c, struct err *e)
{
    while (c->next < c->count && c->heads[c->next].head.head.size == c->edge.size) {
        const struct known_head *k = &c->heads[c->next++];
        struct merkle_hash root;
        TRY(merkle_root(&c->edge, &root, e));
        if (!reader_equal(merkle_view(&root), reader_over(k->head.head.root, 32))) {
            if (superseded(c, k))
                continue;
            return checker_found(c, c->report.covered, c->edge.size == 0 ? 0 : c->edge.size - 1,
                                 "The first %llu entries are not the ones that %s head covers; "
                                 "up to entry %llu all fits.",
                                 (unsigned long long)c->edge.size,
                                 k->witness ? "a witnessed" : "the signed",
                                 (unsigned long long)c->report.covered);
        }
        c->report.covered = c->edge.size;
    }
    return true;
}

bool checker_leaf(struct checker *c, struct reader leaf, const struct merkle_hash *stored,
                  struct err *e)
{
    uint64_t index = c->edge.size;
    struct merkle_hash hash;
    struct audit_fields fields;
    TRY(compare_heads(c, e));
    if (c->report.bad)
        return true;
    TRY(merkle_leaf(leaf, &hash, e));
    if (!reader_equal(merkle_view(&hash), merkle_view(stored)))
        return checker_found(c, index, index, "Entry %llu was changed: its hash is another one.",
                             (unsigned long long)index);
    if (!audit_decode(leaf, &fields))
        return checker_found(c, index, index, "Entry %llu is not an audit event.",
                             (unsigned long long)index);
    return merkle_append(&c->edge, &hash, NULL, NULL, e);
}

bool checker_end(struct checker *c, struct err *e)
{
    TRY(compare_heads(c, e));
    c->report.size = c->edge.size;
    TRY(merkle_root(&c->edge, &c->report.root, e));
    for (; c->next < c->count && !c->report.bad; c->next++) {
        const struct known_head *k = &c->heads[c->next];
        if (!superseded(c, k))
            return checker_found(c, c->edge.size, k->head.head.size - 1,
                                 "Entry %llu is missing: %s head covers %llu entries.",
                                 (unsigned long long)c->edge.size,
                                 k->witness ? "a witnessed" : "a signed",
                                 (unsigned long long)k->head.head.size);
    }
    return true;
}
