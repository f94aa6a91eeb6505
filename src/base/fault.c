/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"

#ifdef CHANCERY_FAULTS
static unsigned long countdown;
static bool fired;

bool fault_now(void)
{
    if (countdown == 0 || --countdown != 0)
        return false;
    fired = true;
    return true;
}

void fault_arm(unsigned long nth)
{
    countdown = nth;
    fired = false;
}

bool fault_fired(void)
{
    return fired;
}
#endif
