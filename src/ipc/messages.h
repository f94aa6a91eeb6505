/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IPC_MESSAGES_H
#define IPC_MESSAGES_H
#include "base/reader.h"
#include "base/writer.h"

/* Every message that crosses a process border: who may send it, who receives it, how many
 * descriptors ride along at most, and its fields in wire order. Little-endian.
 * Field kinds: u8 u32 u64; bytes (u32 length); text (the same, UTF-8 without NUL);
 * list (the same, records of RECORDS back to back). Extra bytes are an error. */
/* clang-format off */

/* --- records: what lists hold and what is hashed or journaled ------------------------------ */
#define PAIR_FIELDS(F)        F(text, name) F(text, value)
/* digest empty = late: not known before earlier slots are filled. */
#define SLOT_FIELDS(F)        F(u32, slot) F(bytes, digest)
#define USE_FIELDS(F)         F(u32, slot) F(u32, algorithm) F(bytes, digest)
/* A signed log head: the text that base/logformat.h makes of it is what K_log signed. */
#define HEAD_FIELDS(F)        F(u64, size) F(bytes, root) F(u64, epoch) F(u64, journal) F(bytes, signature)
/* Merkle proofs (RFC 9162 2.1): nodes of 32 bytes back to back. inclusion: of the leaf at index in
 * the tree (size, root). consistency: from the head that the key process accepted last. */
#define PROOF_FIELDS(F)       F(u64, index) F(bytes, inclusion) F(u64, size) F(bytes, root) F(bytes, consistency)
/* The grant; its encoding is the body of the INTENT leaf (base/logformat.h). id: 16 bytes. expires:
 * wall clock, ms. known: SLOTs by rising number. approvals: SHA-256 of the approval list. */
#define GRANT_FIELDS(F)       F(bytes, id) F(text, node) F(text, request) F(u32, attempt) F(bytes, subject) \
                              F(u8, kind) F(text, key) F(list, algorithms) F(u32, slots) F(list, known) \
                              F(u64, expires) F(bytes, approvals)
#define ALGORITHM_FIELDS(F)   F(u32, algorithm)
/* What pins hold for one key; 0 and empty mean "not pinned". kinds: bit (1 << GRANT kind). expires:
 * wall clock, ms. */
#define PIN_FIELDS(F)         F(u32, kinds) F(list, algorithms) F(u32, max_slots) F(u32, min_approvals) \
                              F(u8, no_self_approval) F(u64, expires) F(u8, frozen)
/* The journal of the key process. ENTRY is a journal record; its body is the record that kind names
 * (keystore/state.h); CHECKPOINT is a list of ENTRYs that rebuild the state. */
#define ENTRY_FIELDS(F)       F(u64, number) F(u64, wall) F(u8, kind) F(bytes, body)
#define EPOCH_FIELDS(F)       F(u64, epoch) F(text, node) F(text, operator) F(bytes, log_key) F(u64, size) F(bytes, root)
#define MARK_FIELDS(F)        F(u64, size) F(bytes, root)
#define OPENED_FIELDS(F)      F(u64, index) F(u64, boot) F(bytes, grant)
#define SPENT_FIELDS(F)       F(bytes, grant) F(u32, slot) F(u32, algorithm) F(bytes, digest)
#define CLOSED_FIELDS(F)      F(bytes, grant)
#define PINNED_FIELDS(F)      F(text, key) F(text, operator) F(bytes, pin)
#define FROZEN_FIELDS(F)      F(text, key)
#define KEYED_FIELDS(F)       F(text, key) F(text, type) F(bytes, spki)
#define DROPPED_FIELDS(F)     F(text, key)
#define ALARM_FIELDS(F)       F(bytes, grant) F(u32, slot) F(u32, algorithm) F(bytes, digest)
#define FLOOR_FIELDS(F)       F(u64, index)
/* A software key at rest. */
#define SEALED_FIELDS(F)      F(text, key) F(bytes, spki) F(bytes, sealed)
/* One planned action on one file. path: "a.zip » lib/b.exe"; slots first..first+count-1. */
#define PLAN_ITEM_FIELDS(F)   F(text, path) F(text, format) F(text, directive) F(list, attributes) F(bytes, sha256) \
                              F(u64, size) F(u32, slot) F(u32, slots) F(u32, line) F(text, output) F(list, facts)
/* What the verify run found in one slot of the output, and whether a time stamp is on it. */
#define FOUND_FIELDS(F)       F(u32, slot) F(u32, algorithm) F(bytes, digest) F(bytes, certificate) F(u64, stamped) \
                              F(text, path) F(bytes, sha256)
#define EFFECT_FIELDS(F)      F(u32, slot) F(u8, kind) F(bytes, request) F(bytes, answer)
#define CERTIFICATE_FIELDS(F) F(bytes, der)

#define RECORDS(R) \
    R(PAIR) R(SLOT) R(USE) R(HEAD) R(PROOF) R(GRANT) R(ALGORITHM) R(PIN) \
    R(ENTRY) R(EPOCH) R(MARK) R(OPENED) R(SPENT) R(CLOSED) R(PINNED) R(FROZEN) R(KEYED) R(DROPPED) R(ALARM) R(FLOOR) R(SEALED) \
    R(PLAN_ITEM) R(FOUND) R(EFFECT) R(CERTIFICATE)

/* --- messages ------------------------------------------------------------------------------ */
#define HELLO_FIELDS(F)         F(text, build)
#define FAILED_FIELDS(F)        F(u64, call) F(text, code) F(text, user) F(text, detail)

/* Supervisor and its children. START: settings are PAIRs; descriptors by program, see procs/. */
#define START_FIELDS(F)         F(u32, level) F(list, settings)
#define PEER_FIELDS(F)          F(u32, role)
#define READY_FIELDS(F)         F(u32, level) F(text, note)
#define STOP_FIELDS(F)          F(u32, drain_seconds)
#define SPAWN_FIELDS(F)         F(u64, job)
#define EXITED_FIELDS(F)        F(u64, job) F(u32, status)

/* front and core: one HTTP request. headers and fields are PAIRs. CALL_OPEN goes before the body is
 * read; core answers CALL_ADMIT (the body may come, at most `limit` bytes) or CALL_REPLY. Small
 * parts come as CALL_FIELD, files and raw bodies as CALL_FILE with the reading end of a pipe; its
 * end of file counts only when CALL_END says complete. CALL_REPLY: body inline, or in the
 * descriptor (`length` bytes from `offset`; UINT64_MAX: until its end, as it comes). */
#define CALL_OPEN_FIELDS(F)     F(u64, call) F(text, method) F(text, target) F(list, headers) F(text, peer) F(u8, tls) F(u64, length)
#define CALL_ADMIT_FIELDS(F)    F(u64, call) F(u64, limit)
#define CALL_FIELD_FIELDS(F)    F(u64, call) F(text, name) F(bytes, value)
#define CALL_FILE_FIELDS(F)     F(u64, call) F(text, name) F(text, filename) F(text, content_type)
#define CALL_END_FIELDS(F)      F(u64, call) F(u8, complete) F(text, code) F(text, detail)
#define CALL_REPLY_FIELDS(F)    F(u64, call) F(u32, status) F(list, headers) F(bytes, body) F(u64, offset) F(u64, length)
#define CALL_GONE_FIELDS(F)     F(u64, call)

/* core and key. Every request is answered by the next row with the same call, or FAILED. First
 * KEY_ASK, then KEY_LOG; nothing else is answered on a channel before its KEY_LOG held.
 * KEY_STATE: size and root are the head accepted last, journal the number of the last record. */
#define KEY_ASK_FIELDS(F)       F(u64, call)
#define KEY_STATE_FIELDS(F)     F(u64, call) F(text, node) F(bytes, public_key) F(u64, epoch) F(u64, journal) \
                                F(u64, size) F(bytes, root)
/* head: the latest HEAD that core has stored, empty when there is none or after the first time.
 * proof: the tree of now (index and inclusion unused). The answer is its signed HEAD. */
#define KEY_LOG_FIELDS(F)       F(u64, call) F(bytes, head) F(bytes, proof)
#define KEY_LOGGED_FIELDS(F)    F(u64, call) F(bytes, head)
/* The same key and type again gets the same answer. */
#define KEY_NEW_FIELDS(F)       F(u64, call) F(text, key) F(text, type)
#define KEY_MADE_FIELDS(F)      F(u64, call) F(bytes, spki)
#define KEY_DROP_FIELDS(F)      F(u64, call) F(text, key)
#define KEY_DROPPED_FIELDS(F)   F(u64, call)
/* pin: what shall hold, or empty to ask. The answer says what holds. Only tightens. */
#define KEY_PIN_FIELDS(F)       F(u64, call) F(text, key) F(bytes, pin) F(list, approvals)
#define KEY_PINNED_FIELDS(F)    F(u64, call) F(bytes, pin) F(u64, journal)
/* key empty: all of them. */
#define KEY_FREEZE_FIELDS(F)    F(u64, call) F(text, key)
#define KEY_FROZEN_FIELDS(F)    F(u64, call) F(u64, journal)
/* leaf: the whole INTENT leaf, as hashed; its body is the grant. */
#define KEY_GRANT_FIELDS(F)     F(u64, call) F(bytes, leaf) F(bytes, proof) F(list, approvals)
#define KEY_GRANTED_FIELDS(F)   F(u64, call) F(bytes, head)
#define KEY_SIGN_FIELDS(F)      F(u64, call) F(bytes, grant) F(u32, slot) F(u32, algorithm) F(bytes, digest)
#define KEY_SIGNED_FIELDS(F)    F(u64, call) F(bytes, signature)
/* uses: USEs from the from-th on, in the order they were made, as many as fit; ask again until all
 * of `total` are there. */
#define KEY_CLOSE_FIELDS(F)     F(u64, call) F(bytes, grant) F(u32, from)
#define KEY_CLOSED_FIELDS(F)    F(u64, call) F(list, uses) F(u32, total) F(bytes, head)
/* Grant, sign and close in one: kinds hash, certify and probe with one slot, its digest known and
 * one algorithm (step H2). */
#define KEY_HASH_FIELDS(F)      F(u64, call) F(bytes, leaf) F(bytes, proof) F(list, approvals)
#define KEY_HASHED_FIELDS(F)    F(u64, call) F(bytes, head) F(bytes, signature)

/* core and worker: JOB, JOB_EFFECT for each effect of earlier runs, JOB_BEGIN; at the end JOB_DONE or
 * JOB_REFUSED. JOB descriptors: input (the unsigned artifact), scratch (w), plan (w for inspect, else
 * r), configuration (r), for sign and verify the output (w, r), and last, where there are any, the
 * CERTIFICATEs that verify directives trust (r; option "roots" is their SHA-256). name: file name of the artifact.
 * parameters, options and limits are PAIRs; their names stand in artifact/runner.h. certificates: the
 * signer's first, then its chain. ASK_SIGN is answered by SIGNATURE or by FAILED with call = slot. */
#define JOB_FIELDS(F)           F(u64, job) F(u8, kind) F(text, name) F(list, parameters) F(list, options) \
                                F(list, limits) F(list, certificates) F(u64, time) F(bytes, seed)
#define JOB_EFFECT_FIELDS(F)    F(bytes, effect)
#define JOB_BEGIN_FIELDS(F)     F(u64, job)
#define ASK_SIGN_FIELDS(F)      F(u32, slot) F(u32, algorithm) F(bytes, digest)
#define SIGNATURE_FIELDS(F)     F(u32, slot) F(bytes, signature)
/* attempt counts from 0; core tries the next server by itself when one is silent, the worker asks again
 * when a token is not good; an empty answer means that no server is left. roots: CERTIFICATEs. */
#define ASK_STAMP_FIELDS(F)     F(u32, slot) F(u32, attempt) F(text, hash) F(bytes, request)
#define STAMP_FIELDS(F)         F(u32, slot) F(u32, attempt) F(text, server) F(list, roots) F(bytes, answer)
#define STAMP_GOOD_FIELDS(F)    F(u32, slot) F(u32, attempt)
#define PROGRESS_FIELDS(F)      F(u32, done) F(u32, total) F(text, path)
#define FOUND_SLOT_FIELDS(F)    F(bytes, found)
/* size: of the plan (inspect) or the output. sha256: of the artifact as read (inspect, sign) or of the
 * output (verify). */
#define JOB_DONE_FIELDS(F)      F(u64, job) F(u64, size) F(bytes, sha256) F(u32, items) F(u32, slots) F(list, notes)
/* A refusal that the uploader can read: configuration line and column (0 = none), path inside. */
#define JOB_REFUSED_FIELDS(F)   F(u64, job) F(text, code) F(text, user) F(text, detail) F(text, path) F(u32, line) F(u32, column)

/* core and fetch. server: index into the setting's list. */
#define FETCH_STAMP_FIELDS(F)   F(u64, call) F(u32, server) F(bytes, request)
#define FETCHED_FIELDS(F)       F(u64, call) F(u32, status) F(bytes, answer)

#define MESSAGES(M) \
    /* name         from        to          descriptors */ \
    M(HELLO,        ANY,        ANY,        0) \
    M(FAILED,       ANY,        ANY,        0) \
    M(START,        SUPERVISOR, ANY,        8) \
    M(PEER,         SUPERVISOR, ANY,        1) \
    M(READY,        ANY,        SUPERVISOR, 0) \
    M(STOP,         SUPERVISOR, ANY,        0) \
    M(SPAWN,        CORE,       SUPERVISOR, 1) \
    M(EXITED,       SUPERVISOR, CORE,       0) \
    M(CALL_OPEN,    FRONT,      CORE,       0) \
    M(CALL_ADMIT,   CORE,       FRONT,      0) \
    M(CALL_FIELD,   FRONT,      CORE,       0) \
    M(CALL_FILE,    FRONT,      CORE,       1) \
    M(CALL_END,     FRONT,      CORE,       0) \
    M(CALL_REPLY,   CORE,       FRONT,      1) \
    M(CALL_GONE,    FRONT,      CORE,       0) \
    M(KEY_ASK,      CORE,       KEY,        0) \
    M(KEY_STATE,    KEY,        CORE,       0) \
    M(KEY_LOG,      CORE,       KEY,        0) \
    M(KEY_LOGGED,   KEY,        CORE,       0) \
    M(KEY_NEW,      CORE,       KEY,        0) \
    M(KEY_MADE,     KEY,        CORE,       0) \
    M(KEY_DROP,     CORE,       KEY,        0) \
    M(KEY_DROPPED,  KEY,        CORE,       0) \
    M(KEY_PIN,      CORE,       KEY,        0) \
    M(KEY_PINNED,   KEY,        CORE,       0) \
    M(KEY_FREEZE,   CORE,       KEY,        0) \
    M(KEY_FROZEN,   KEY,        CORE,       0) \
    M(KEY_GRANT,    CORE,       KEY,        0) \
    M(KEY_GRANTED,  KEY,        CORE,       0) \
    M(KEY_SIGN,     CORE,       KEY,        0) \
    M(KEY_SIGNED,   KEY,        CORE,       0) \
    M(KEY_CLOSE,    CORE,       KEY,        0) \
    M(KEY_CLOSED,   KEY,        CORE,       0) \
    M(KEY_HASH,     CORE,       KEY,        0) \
    M(KEY_HASHED,   KEY,        CORE,       0) \
    M(JOB,          CORE,       WORKER,     6) \
    M(JOB_EFFECT,   CORE,       WORKER,     0) \
    M(JOB_BEGIN,    CORE,       WORKER,     0) \
    M(ASK_SIGN,     WORKER,     CORE,       0) \
    M(SIGNATURE,    CORE,       WORKER,     0) \
    M(ASK_STAMP,    WORKER,     CORE,       0) \
    M(STAMP,        CORE,       WORKER,     0) \
    M(STAMP_GOOD,   WORKER,     CORE,       0) \
    M(PROGRESS,     WORKER,     CORE,       0) \
    M(FOUND_SLOT,   WORKER,     CORE,       0) \
    M(JOB_DONE,     WORKER,     CORE,       0) \
    M(JOB_REFUSED,  WORKER,     CORE,       0) \
    M(FETCH_STAMP,  CORE,       FETCH,      0) \
    M(FETCHED,      FETCH,      CORE,       0)
/* clang-format on */

enum role {
    ROLE_ANY,
    ROLE_SUPERVISOR,
    ROLE_FRONT,
    ROLE_CORE,
    ROLE_WORKER,
    ROLE_KEY,
    ROLE_P11,
    ROLE_FETCH,
    ROLE__COUNT
};
const char *role_name(enum role role);

enum message_type {
#define M(name, from, to, fds) MSG_##name,
    MESSAGES(M)
#undef M
        MSG__COUNT
};

enum grant_kind { GRANT_ARTIFACT = 1, GRANT_HASH = 2, GRANT_CERTIFY = 3, GRANT_PROBE = 4 };
enum job_kind { JOB_INSPECT = 1, JOB_SIGN = 2, JOB_VERIFY = 3 };
enum effect_kind { EFFECT_SIGNATURE = 1, EFFECT_STAMP = 2 };
enum { MESSAGE_MAX = 128 * 1024, MESSAGE_FDS = 8 };

typedef uint8_t field_u8;
typedef uint32_t field_u32;
typedef uint64_t field_u64;
typedef struct reader field_bytes;
typedef struct reader field_text;
typedef struct reader field_list;
#define FIELD(kind, name) field_##kind name;

/* record_X_write appends one record; record_X_next takes the next one off a list (borrowing its
 * memory), false when it is malformed. Loop: while (list.left > 0) TRY(record_X_next(&list, &x)).
 */
#define R(name)                                                                                    \
    struct record_##name {                                                                         \
        name##_FIELDS(FIELD)                                                                       \
    };                                                                                             \
    void record_##name##_write(struct writer *w, const struct record_##name *m);                   \
    MUST_CHECK bool record_##name##_next(struct reader *r, struct record_##name *ret);
RECORDS(R)
#undef R

/* msg_X_write appends the body; msg_X_read wants the whole body and borrows its memory. */
#define M(name, from, to, fds)                                                                     \
    struct msg_##name {                                                                            \
        name##_FIELDS(FIELD)                                                                       \
    };                                                                                             \
    void msg_##name##_write(struct writer *w, const struct msg_##name *m);                         \
    MUST_CHECK bool msg_##name##_read(struct reader body, struct msg_##name *ret);
MESSAGES(M)
#undef M
#undef FIELD

const char *message_name(enum message_type type);
/* Whether the row allows this sender, this receiver and this many descriptors. */
bool message_allowed(enum message_type type, enum role from, enum role to, size_t fds);
/* Decodes and drops: for the fuzz targets, one per channel. */
bool message_decodes(enum message_type type, struct reader body);
#endif
