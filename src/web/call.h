/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEB_CALL_H
#define WEB_CALL_H
#include "base/json.h"
#include "service/requests.h"

/* One HTTP request as core sees it, and the answer to it. Everything lives in the call's arena. */
struct incoming_call; /* the way back to front: web/incoming.h */

struct web_file {
    const char *name, *file_name, *content_type;
    struct blob blob; /* stored, or in `text` when the route asked for small bodies */
    struct reader text;
};

struct web_reply {
    unsigned status;
    struct writer headers; /* PAIR records */
    struct writer body;
    int fd; /* -1: the body is in `body` */
    uint64_t offset, length;
};

struct web_call {
    struct service *service;
    struct arena *arena;
    struct incoming_call *incoming;
    const char *method, *path, *query; /* path percent-decoded, without the query */
    struct reader query_fields;        /* PAIR records */
    struct reader headers;             /* PAIR records, names in lower case */
    const char *peer;
    bool tls;
    uint64_t length; /* UINT64_MAX: chunked; 0: no body */
    struct actor actor;
    bool authenticated, by_session;
    const char *captures[4]; /* of the route's pattern */
    struct reader fields;    /* PAIR records: multipart or urlencoded form, in order */
    struct web_file *files;
    size_t file_count;
    struct web_reply reply;
    const char *trace; /* web_trace; NULL until somebody asks */
};

/* First header, form field or field of the query of this name, "" when there is none; NULL never.
 * Names are compared without regard to case (wire-contract 0.3). */
const char *web_header(struct web_call *c, const char *name);
const char *web_field(struct web_call *c, const char *name);
const char *web_query(struct web_call *c, const char *name);
size_t web_field_count(struct web_call *c, const char *name);
/* Of the query: false when it is not there. Whatever is neither true nor false is refused. */
MUST_CHECK bool web_query_flag(struct web_call *c, const char *name, bool *ret, struct err *e);
const char *web_cookie(struct web_call *c, const char *name);
const struct web_file *web_file(struct web_call *c, const char *name);
/* An urlencoded text as PAIR records; the error quotes what is not well-formed. */
MUST_CHECK bool web_decode_form(struct reader text, struct writer *pairs, struct err *e);
/* Where in a list the caller is: `pageSize` (1 to 200, 50 without it) and `after`, the cursor of
 * the page before (0: from the start). The same for API and pages. */
struct list_place {
    size_t most;
    int64_t below;
};
MUST_CHECK bool web_list_place(struct web_call *c, struct list_place *ret, struct err *e);
/* The only file of a body without field names (JSON, raw uploads); NULL when there is none. */
struct reader web_body(struct web_call *c);

void web_add_header(struct web_call *c, const char *name, const char *value);
/* application/json; the writer is taken as it is. */
void web_reply_json(struct web_call *c, unsigned status, struct reader json);
/* What the caller and our log call this request when it went wrong (W3C trace context); the trace
 * of the caller's own traceparent header goes on. */
const char *web_trace(struct web_call *c);
/* Logs what is our own fault; the caller gets an answer that names the trace. */
void web_report(struct web_call *c, const struct err *e);
/* RFC 9457 members under application/json (interfaces.md 7); the log gets the detail. */
void web_reply_err(struct web_call *c, const struct err *e);
void web_reply_html(struct web_call *c, unsigned status, struct reader html);
void web_reply_text(struct web_call *c, unsigned status, const char *type, struct reader text);
/* Browsers take Secure cookies from https and from localhost only. There, a session cookie under
 * the plain name is not ours: another host of the domain could have set it. */
bool web_cookies_are_secure(struct web_call *c);
/* The session cookie, "" without one. */
const char *web_session_cookie(struct web_call *c);
void web_redirect(struct web_call *c, const char *location); /* 303 */
/* An artifact of the request with this id, when the actor may see it, under its file name. */
MUST_CHECK bool web_reply_artifact(struct web_call *c, const char *request, enum request_file which,
                                   struct err *e);
#endif
