/* SPDX-License-Identifier: Apache-2.0 */
#include "store/effects.h"
#include "base/clock.h"

bool effect_put(struct db_tx *tx, const struct effect *effect, struct err *e)
{
    TRY(tx_run(tx, QUERY_effect_put,
               DB_ARGS(DB_BYTES(effect->grant), DB_INT(effect->slot), DB_INT(effect->kind),
                       DB_INT(effect->attempt), DB_BYTES(effect->request), DB_BYTES(effect->answer),
                       DB_INT(clock_wall_ms())),
               e));
    if (tx_changed(tx) == 1)
        return true;
    struct effect stored = *effect;
    bool found = false;
    TRY(effect_get(tx, &stored, &found, e));
    return (found && reader_equal(stored.request, effect->request) &&
            reader_equal(stored.answer, effect->answer)) ||
           err_set(e, ERR_EFFECT_CHANGED, "slot %u kind %u attempt %u", effect->slot,
                   (unsigned)effect->kind, effect->attempt);
}

bool effect_get(struct db_tx *tx, struct effect *effect, bool *ret_found, struct err *e)
{
    struct db_rows row;
    TRY(tx_one(tx, QUERY_effect_get,
               DB_ARGS(DB_BYTES(effect->grant), DB_INT(effect->slot), DB_INT(effect->kind),
                       DB_INT(effect->attempt)),
               &row, e));
    *ret_found = row.count == 1;
    if (!*ret_found)
        return true;
    effect->request = row_bytes(&row, "request");
    effect->answer = row_bytes(&row, "answer");
    return true;
}

bool effects_next(struct db_tx *tx, struct effect *after, struct db_rows *ret, struct err *e)
{
    TRY(tx_query(tx, QUERY_effects_next,
                 DB_ARGS(DB_BYTES(after->grant), DB_INT(after->slot), DB_INT(after->kind),
                         DB_INT(after->attempt)),
                 ret, e));
    struct db_rows last = *ret;
    last.next = last.count;
    if (last.count > 0)
        *after = (struct effect){.grant = after->grant,
                                 .slot = (uint32_t)row_int(&last, "slot"),
                                 .kind = (uint32_t)row_int(&last, "kind"),
                                 .attempt = (uint32_t)row_int(&last, "attempt")};
    return true;
}

bool effects_drop(struct db_tx *tx, struct reader grant, struct err *e)
{
    return tx_run(tx, QUERY_effects_drop, DB_ARGS(DB_BYTES(grant)), e);
}
