/* SPDX-License-Identifier: Apache-2.0 */
#include "service/receipts.h"
#include "base/text.h"
#include "store/audit.h"
#include <string.h>

struct proving {
    const char *request;
    struct writer *out;
    bool pending;
};

static void put_base64(struct json *j, const char *key, struct reader bytes)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 1 << 20);
    text_base64(&w, bytes, 0, "");
    json_bytes(j, key, writer_view(&w));
}

static bool put_proof(struct db_tx *tx, struct proving *p, uint64_t index,
                      const struct audit_head *head, struct err *e)
{
    struct reader leaf;
    CLEANUP(writer_done) struct writer inclusion = {0};
    writer_init(&inclusion, MERKLE_PROOF_MAX);
    TRY(audit_leaf(tx, index, &leaf, e));
    TRY(audit_inclusion(tx, index, head->head.size, &inclusion, e));
    struct json j = json_into(p->out);
    json_open_object(&j, NULL);
    put_base64(&j, "leaf", leaf);
    json_u64(&j, "index", index);
    put_base64(&j, "inclusion", writer_view(&inclusion));
    json_open_object(&j, "head");
    json_text(&j, "node", head->node);
    json_u64(&j, "size", head->head.size);
    put_base64(&j, "root", reader_over(head->head.root, sizeof head->head.root));
    json_u64(&j, "epoch", head->head.epoch);
    json_u64(&j, "journal", head->head.journal);
    put_base64(&j, "signature", head->signature);
    put_base64(&j, "logKey", head->log_key);
    json_end_object(&j);
    json_end_object(&j);
    return writer_ok(p->out, e);
}

/* Where the OUTCOME leaf stands; *ret_head: the newest signed head, when there is one. */
static bool find_outcome(struct db_tx *tx, const char *request, struct receipt_place *ret,
                         struct audit_head *ret_head, struct err *e)
{
    struct db_rows row;
    bool found;
    TRY(tx_one(tx, QUERY_outcome_leaf, DB_ARGS(DB_TEXT(request)), &row, e));
    TRY(audit_head_last(tx, ret_head, &found, e));
    ret->recorded = row.count > 0;
    ret->leaf = row.count == 0 ? 0 : (uint64_t)row_int(&row, "position");
    ret->head = found ? ret_head->head.size : 0;
    ret->sealed = ret->recorded && ret->head > ret->leaf;
    return true;
}

static bool prove(struct db_tx *tx, void *ctx, struct err *e)
{
    struct proving *p = ctx;
    struct audit_head head;
    struct receipt_place place;
    TRY(find_outcome(tx, p->request, &place, &head, e));
    p->pending = !place.sealed;
    return p->pending || put_proof(tx, p, place.leaf, &head, e);
}

bool receipt_read(struct service *s, const struct actor *actor, const char *id, struct arena *a,
                  struct writer *ret, struct err *e)
{
    struct request_view *view;
    CLEANUP(writer_done) struct writer proof = {0};
    writer_init(&proof, 4 << 20);
    TRY(request_read(s, actor, id, a, &view, e));
    if (!view->may_read_artifacts)
        return err_user(e, ERR_FORBIDDEN, "You may not see the signed files of this request.");
    struct reader receipt = view->receipt;
    while (receipt.left > 0 && receipt.at[receipt.left - 1] == '\n')
        receipt.left--;
    if (receipt.left < 2 || receipt.at[receipt.left - 1] != '}')
        return err_user(e, ERR_WRONG_STATE, "There is no receipt: the request is %s.",
                        view->status);
    struct proving p = {.request = view->id, .out = &proof};
    TRY(db_read(s->db, prove, &p, e));
    receipt.left--;
    writer_reader(ret, receipt);
    writer_text(ret, ",\"logProof\":");
    if (p.pending)
        writer_text(ret, "\"pending\"");
    else
        writer_reader(ret, writer_view(&proof));
    writer_text(ret, "}\n");
    return writer_ok(ret, e);
}

struct placing {
    const char *request;
    struct receipt_place place;
};

static bool find_place(struct db_tx *tx, void *ctx, struct err *e)
{
    struct placing *p = ctx;
    struct audit_head head;
    return find_outcome(tx, p->request, &p->place, &head, e);
}

bool receipt_place(struct service *s, const char *request, struct receipt_place *ret, struct err *e)
{
    struct placing p = {.request = request};
    TRY(db_read(s->db, find_place, &p, e));
    *ret = p.place;
    return true;
}
