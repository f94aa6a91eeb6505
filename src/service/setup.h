/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_SETUP_H
#define SERVICE_SETUP_H
#include "service/service.h"

/* What the operator does by hand while the service is stopped: one JSON object in, one out.
 *   {"task":"init","organizationName":TEXT,"adminEmail":TEXT|null}
 *     -> {"organizationId","organizationName","adminToken","setupCode"|null}
 *   {"task":"apply","document":OBJECT,"dryRun":BOOL}
 *     -> the answer of apply_document */
MUST_CHECK bool setup_task(struct service *s, struct reader in, struct writer *out, struct err *e);
#endif
