/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_APPLY_H
#define SERVICE_APPLY_H
#include "base/json.h"
#include "service/service.h"

/* One JSON document (the YAML of `chancery apply`, interfaces.md 2) becomes the state of what it
 * names; all in one transaction, keys made before it. The answer is written to `out`:
 * {"changes":[...],"tokens":[...],"warnings":[...]}; tokens are there only and wiped with the
 * writer. A dry run does everything but the commit and the keys. */
MUST_CHECK bool apply_document(struct service *s, const struct actor *by, struct reader document,
                               bool dry_run, struct writer *out, struct err *e);
#endif
