/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "base/clock.h"
#include <stdio.h>
#include <time.h>

static int64_t now_ms(clockid_t which)
{
    struct timespec t;
    (void)clock_gettime(which, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    return now_ms(CLOCK_REALTIME);
}

int64_t clock_boot_ms(void)
{
    return now_ms(CLOCK_BOOTTIME);
}

void clock_sleep(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0)
        continue;
}

/* Days from civil and back: Howard Hinnant, "chrono-compatible low-level date algorithms". */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct clock_date clock_date_of(int64_t seconds)
{
    int64_t days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t shifted = (5 * of_year + 2) / 153;
    int month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    return (struct clock_date){.year = (int)(year + era * 400 + (month <= 2)),
                               .month = month,
                               .day = (int)(of_year - (153 * shifted + 2) / 5 + 1),
                               .hour = (int)(rest / 3600),
                               .minute = (int)(rest / 60 % 60),
                               .second = (int)(rest % 60)};
}

bool clock_seconds_of(struct clock_date d, int64_t *ret)
{
    if (d.year < 1 || d.year > 9999 || d.month < 1 || d.month > 12 || d.day < 1 || d.hour < 0 ||
        d.hour > 23 || d.minute < 0 || d.minute > 59 || d.second < 0 || d.second > 59)
        return false;
    int64_t seconds =
        days_of(d.year, d.month, d.day) * 86400 + d.hour * 3600 + d.minute * 60 + d.second;
    struct clock_date back = clock_date_of(seconds);
    if (back.month != d.month || back.day != d.day)
        return false;
    *ret = seconds;
    return true;
}

void clock_iso(int64_t wall_ms, char to[25])
{
    int64_t seconds = wall_ms / 1000, ms = wall_ms % 1000;
    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    struct clock_date d = clock_date_of(seconds);
    char text[80];
    (void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", d.year, d.month, d.day,
                   d.hour, d.minute, d.second, (int)ms);
    (void)snprintf(to, 25, "%.24s", text);
}

static bool digits(struct reader *r, size_t n, int *ret)
{
    struct reader part;
    TRY(reader_take(r, n, &part));
    *ret = 0;
    for (size_t i = 0; i < n; i++) {
        if (part.at[i] < '0' || part.at[i] > '9')
            return false;
        *ret = *ret * 10 + (part.at[i] - '0');
    }
    return true;
}

static bool expect(struct reader *r, char c)
{
    uint8_t got;
    return reader_u8(r, &got) && got == (uint8_t)c;
}

bool clock_from_iso(struct reader r, int64_t *ret_ms)
{
    struct clock_date d = {0};
    int ms = 0;
    TRY(digits(&r, 4, &d.year) && expect(&r, '-') && digits(&r, 2, &d.month) && expect(&r, '-') &&
        digits(&r, 2, &d.day));
    if (!reader_at_end(&r)) {
        TRY(expect(&r, 'T') && digits(&r, 2, &d.hour) && expect(&r, ':') &&
            digits(&r, 2, &d.minute) && expect(&r, ':') && digits(&r, 2, &d.second));
        if (r.left > 1)
            TRY(expect(&r, '.') && digits(&r, 3, &ms));
        TRY(expect(&r, 'Z') && reader_at_end(&r));
    }
    int64_t seconds;
    TRY(clock_seconds_of(d, &seconds));
    *ret_ms = seconds * 1000 + ms;
    return true;
}
