/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_API_API_H
#define WEB_API_API_H
#include "web/call.h"

/* The handlers of the REST API (wire-contract 1 and 2); each leaves a reply or sets the error. */
bool api_healthz(struct web_call *c, struct err *e);
bool api_readyz(struct web_call *c, struct err *e);
bool api_schema(struct web_call *c, struct err *e);
bool api_submit(struct web_call *c, struct err *e);
bool api_resubmit(struct web_call *c, struct err *e);
bool api_request(struct web_call *c, struct err *e);
bool api_status(struct web_call *c, struct err *e);
bool api_requests_list(struct web_call *c, struct err *e);
bool api_signed_artifact(struct web_call *c, struct err *e);
bool api_unsigned_artifact(struct web_call *c, struct err *e);
bool api_receipt(struct web_call *c, struct err *e);
bool api_cancel(struct web_call *c, struct err *e);
bool api_certificate(struct web_call *c, struct err *e);
bool api_reinvite(struct web_call *c, struct err *e);
bool api_apply(struct web_call *c, struct err *e);

/* Shared with the pages: the submission fields of a form, with the artifact when there is one. */
struct submission;
MUST_CHECK bool submission_from_form(struct web_call *c, struct submission *ret, struct err *e);
#endif
