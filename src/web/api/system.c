/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "configuration/xsd.h"
#include "service/apply.h"
#include "service/authority.h"
#include "web/api/api.h"
#include <string.h>

bool api_healthz(struct web_call *c, struct err *e)
{
    (void)e;
    web_reply_json(c, 200, reader_text("{\"status\":\"Healthy\"}"));
    return true;
}

static bool look(struct db_tx *tx, void *ctx, struct err *e)
{
    struct db_rows row;
    (void)ctx;
    return tx_one(tx, QUERY_organization_any, DB_NO_ARGS, &row, e);
}

/* Database, disk and key process: what a request needs to get through. */
bool api_readyz(struct web_call *c, struct err *e)
{
    CLEANUP(file_close) int scratch = -1;
    TRY(db_read(c->service->db, look, NULL, e));
    TRY(blobs_scratch(c->service->blobs, &scratch, e));
    if (!authority_is_open(c->service))
        return err_set(e, ERR_IPC_CLOSED, "the key process is away");
    return api_healthz(c, e);
}

bool api_schema(struct web_call *c, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    writer_init(&w, 4 << 20);
    xsd_write(&w);
    TRY(writer_ok(&w, e));
    web_reply_text(c, 200, "application/xml; charset=utf-8", writer_view(&w));
    return true;
}

bool api_apply(struct web_call *c, struct err *e)
{
    CLEANUP(writer_done) struct writer w = {0};
    bool dry;
    writer_init(&w, 16 << 20);
    TRY(web_query_flag(c, "dryRun", &dry, e));
    TRY(apply_document(c->service, &c->actor, web_body(c), dry, &w, e));
    web_reply_json(c, 200, writer_view(&w));
    return true;
}

struct certificate_query {
    struct web_call *call;
    struct reader der;
};

static bool find_certificate(struct db_tx *tx, void *ctx, struct err *e)
{
    struct certificate_query *q = ctx;
    struct db_rows row;
    struct web_call *c = q->call;
    tx_into(tx, c->arena);
    TRY(tx_one(
        tx, QUERY_certificate_by_slug,
        DB_ARGS(DB_TEXT(c->actor.organization), DB_TEXT(service_fold(c->arena, c->captures[1]))),
        &row, e));
    if (row.count == 0 || row_null(&row, "der"))
        return err_user(e, ERR_NOT_FOUND,
                        "There is no certificate with this slug in the organization.");
    q->der = row_bytes(&row, "der");
    return true;
}

bool api_certificate(struct web_call *c, struct err *e)
{
    struct certificate_query q = {.call = c};
    TRY(db_read(c->service->db, find_certificate, &q, e));
    web_reply_text(c, 200, "application/pkix-cert", q.der);
    return true;
}
