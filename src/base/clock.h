/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H
#include "base/reader.h"

/* Milliseconds since 1970, UTC: for records and certificates, never for durations. */
int64_t clock_wall_ms(void);
/* Milliseconds since boot, suspended time included: for time-outs, leases, expiry. */
int64_t clock_boot_ms(void);

/* All of it, whatever signals come. */
void clock_sleep(int64_t ms);

/* "2026-11-21T22:46:17.123Z"; `to` holds 25 characters. */
void clock_iso(int64_t wall_ms, char to[25]);
/* The same form back; seconds may lack the fraction, a plain date means its midnight. */
MUST_CHECK bool clock_from_iso(struct reader text, int64_t *ret_ms);

struct clock_date {
    int year, month, day, hour, minute, second; /* month 1..12 */
};
/* Proleptic Gregorian, UTC, any year 1..9999. */
struct clock_date clock_date_of(int64_t seconds);
MUST_CHECK bool clock_seconds_of(struct clock_date date, int64_t *ret); /* false: no such date */
#endif
