/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CRASHPOINTS_H
#define BASE_CRASHPOINTS_H
#include <stdbool.h>

/* Every durable step of a request (ARCHITECTURE.md, "One request, every durable step"): name,
 * process, what becomes durable. A commit, fsync or journal append happens only through a
 * function that takes one of these, and tools/check-durable fails the build on any other. */
/* clang-format off */
#define CRASHPOINTS(C) \
    C(D01, "core", "upload bytes fsynced in an unnamed file") \
    C(D02, "core", "upload linked as a blob, folder fsynced") \
    C(D03, "core", "request, idempotency key, leaf submitted, job inspect") \
    C(D04, "core", "job claimed by this node and boot") \
    C(D05, "core", "plan blob") \
    C(D06, "core", "plan digest, next state, leaf planned, next job") \
    C(D07, "core", "scan verdict and leaf") \
    C(D08, "core", "vote and leaf; the last vote queues the sign job") \
    C(D09, "core", "sign job claimed, policy checked again") \
    C(D10, "core", "grant row and INTENT leaf") \
    C(D11, "key",  "journal HEAD and GRANT") \
    C(D12, "key",  "journal USE, before the signature is made") \
    C(D13, "core", "effect signature") \
    C(D14, "core", "effect time-stamp token") \
    C(D15, "core", "output blob") \
    C(D16, "key",  "journal CLOSE") \
    C(D17, "core", "final state, output digest, receipt, OUTCOME leaf, outbox") \
    C(D18, "key",  "journal HEAD over the outcome") \
    C(D19, "core", "signed head stored, proof appended to the receipt") \
    C(D20, "core", "outbox row delivered") \
    C(H1,  "core", "hash signing: requests and INTENT leaves") \
    C(H2,  "key",  "hash signing: GRANT, USE and CLOSE as one record") \
    C(H3,  "core", "hash signing: signature, OUTCOME leaf, Completed") \
    C(S01, "core", "any other transaction: configuration, sessions, tokens, migrations") \
    C(S02, "key",  "sealed key, pin or key folder record") \
    C(S03, "init", "a file of the data folder made by init or at start")
/* clang-format on */

#define C(name, process, what) CRASH_##name,
enum crashpoint { CRASHPOINTS(C) CRASH__COUNT };
#undef C

#ifdef CHANCERY_FAULTS
/* "D12:before", "D12:after" or "D12:before:3" (the third time): this process kills itself there
 * with SIGKILL. "D12:fail:3:2": the third and the fourth time the step fails, as on a full disk.
 * False when the text names no row. */
bool crashpoint_arm(const char *text);
void crash_before(enum crashpoint at);
void crash_after(enum crashpoint at);
bool crash_fails(enum crashpoint at); /* with errno set; ask once each time */
/* What follows the name: ":before", ":after" or ":fail", and which time. */
enum { CRASH_NEVER, CRASH_BEFORE, CRASH_AFTER, CRASH_FAILS };
struct crash_when {
    unsigned what; /* CRASH_NEVER ... */
    long nth, times;
};
bool crash_when_read(const char *text, struct crash_when *ret);
#else
static inline void crash_before(enum crashpoint at)
{
    (void)at;
}
static inline void crash_after(enum crashpoint at)
{
    (void)at;
}
static inline bool crash_fails(enum crashpoint at)
{
    (void)at;
    return false;
}
#endif
const char *crashpoint_name(enum crashpoint at);
#endif
