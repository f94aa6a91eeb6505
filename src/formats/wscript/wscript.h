/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_WSCRIPT_H
#define FORMATS_WSCRIPT_H
#include "formats/script.h"

extern const struct script_kind wscript_kind;
#endif
