/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H
#include <stdbool.h>

/* Fault injection for tests: the n-th allocation or system call that asks fails.
 * Exists only in builds with -Dfaults=true; elsewhere the question is a constant. */
#ifdef CHANCERY_FAULTS
bool fault_now(void);              /* true when this call is the one that must fail */
void fault_arm(unsigned long nth); /* 1 = the next one; 0 = none */
bool fault_fired(void);            /* since the last fault_arm */
#else
static inline bool fault_now(void)
{
    return false;
}
#endif
#endif
