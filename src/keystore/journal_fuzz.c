/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/journal.h"
#include "keystore/state.h"

/* The input is a journal file; with a first byte of 1 it is the entries of a checkpoint, which gets
 * past the chain of hashes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state s;
    struct journal j = {0};
    struct err e = {0};
    struct reader r = reader_over(data, size);
    uint8_t how;
    if (!reader_u8(&r, &how))
        return 0;
    state_init(&s, (struct instant){1800000000000, 1000});
    bool ok;
    if (how == 1) {
        struct record_ENTRY entry = {.number = 1, .kind = ENTRY_CHECKPOINT, .body = r};
        ok = state_apply(&s, &entry, &e);
    } else {
        ok = journal_read(r, state_apply, &s, &j, &e);
    }
    if (ok) {
        struct writer w;
        writer_init(&w, 1 << 20);
        ok = state_checkpoint(&s, &w, &e);
        writer_done(&w);
    }
    state_done(&s);
    (void)ok;
    return 0;
}
