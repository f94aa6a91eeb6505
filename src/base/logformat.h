/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOGFORMAT_H
#define BASE_LOGFORMAT_H
#include "base/writer.h"

/* The two byte forms that the audit log and the key process must agree on, bit by bit: a leaf
 * (hashed as RFC 9162 2.1.1 says: SHA-256(0x00 || leaf)) and the signed text of a head. Pure. */

/* Little-endian: u8 1, u64 time, then kind, context and body, each a u32 length and bytes. */
struct log_leaf {
    uint64_t time_ms;      /* wall clock of the sequencer */
    struct reader kind;    /* "INTENT", "OUTCOME", "submitted", ... */
    struct reader context; /* who, what, why: for readers of the log; the key process skips it */
    struct reader body;    /* INTENT: exactly the bytes of one GRANT record */
};

#define LOG_LEAF_INTENT "INTENT"

void log_leaf_write(struct writer *w, const struct log_leaf *leaf);
/* False when the bytes are not one leaf and nothing else. Borrows them. */
MUST_CHECK bool log_leaf_read(struct reader bytes, struct log_leaf *ret);

/* The text that K_log signs (Ed25519): a C2SP tlog-checkpoint body with two extension lines.
 *   chancery/<node>\n<size>\n<base64 root>\nepoch <epoch>\njournal <journal>\n */
struct log_head {
    uint64_t size;
    uint8_t root[32];
    uint64_t epoch;   /* raised by every restore */
    uint64_t journal; /* number of the last journal record when it was signed */
};

void log_head_text(struct writer *w, struct reader node, const struct log_head *head);
#endif
