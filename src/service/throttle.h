/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_THROTTLE_H
#define SERVICE_THROTTLE_H
#include "base/err.h"

/* Sign-in failures in memory: ten of an account or twenty from an address (several people may share
 * one; of IPv6 its /64) in a quarter of an hour, then ERR_LIMIT until it has passed. Safe for
 * threads. */
MUST_CHECK bool throttle_check(const char *account, const char *address, struct err *e);
void throttle_failure(const char *account, const char *address);
void throttle_success(const char *account, const char *address);
#endif
