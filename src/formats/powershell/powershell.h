/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_POWERSHELL_H
#define FORMATS_POWERSHELL_H
#include "formats/script.h"

extern const struct script_kind powershell_kind;
#endif
